"""A survey finds the faults that are there, fixes are applied and undone, and the page shows them."""

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

import snapfind
from snapfind.cli.app import app
from snapfind.core.errors import BadInput, CatalogBroken
from snapfind.curation import journal
from snapfind.curation.findings import Findings
from snapfind.curation.survey import survey_catalog
from snapfind.index.payload import point_id


@pytest.fixture(scope="module")
def surveyed(stocked, tmp_path_factory):
    """A copy with a survey."""
    path = tmp_path_factory.mktemp("surveyed") / "shop.snap"
    shutil.copytree(stocked, path)
    with snapfind.open(path) as shop:
        survey_catalog(shop)
    return path


@pytest.fixture
def shop(surveyed, tmp_path):
    shutil.copytree(surveyed, tmp_path / "shop.snap")
    with snapfind.open(tmp_path / "shop.snap") as opened:
        yield opened


def found(shop):
    last = Findings.load(shop.folder.path)
    assert last is not None
    return last


def state(shop):
    return {
        point.id: (dict(point.payload), {space: np.asarray(row).tolist() for space, row in point.vectors.items()})
        for point in shop.points(vectors=True)
    }


def test_duplicates_have_a_grade_and_what_is_safe_is_within_a_product(shop):
    (same,) = found(shop).of("same file")
    assert {one.name for one in same.samples} == {"red-5.png", "red-5-again.png"} and same.safe
    assert same.change.pictures == (point_id("red-5", "red-5-again.png"),)  # the main picture stays
    (copy,) = found(shop).of("same picture")
    assert {one.product for one in copy.samples} == {"blue-7", "blue-copy"} and not copy.safe
    assert all(
        {one.product for one in each.samples} != {"blue-7", "blue-copy"} for each in found(shop).of("same product")
    )


def test_a_product_in_the_wrong_category_is_named_with_the_right_one(shop):
    wrong = found(shop).of("wrong category")
    assert [(one.change.product, one.change.before, one.change.after) for one in wrong] == [("blue-3", "red", "blue")]


def test_every_fix_is_applied_and_undone_to_the_last_bit(shop):
    before = state(shop)
    fixable = [one.id for one in found(shop).items if one.change]
    assert all(one.done for one in journal.apply(shop, fixable))
    assert shop.get("blue-3").category == "blue"
    assert "red-5-again.png" not in [one.name for one in shop.get("red-5").pictures]
    assert not any(one.done for one in journal.apply(shop, fixable))  # twice is refused
    assert list(journal.read_applied(shop.folder.path)) == fixable
    assert all(one.done for one in journal.undo(shop))
    assert state(shop) == before and not journal.read_applied(shop.folder.path)
    assert not journal.undo(shop, fixable)[0].done


def test_without_ids_only_what_is_safe_is_applied_and_a_new_survey_finds_it_no_more(shop):
    (done,) = journal.apply(shop)
    assert done.done and shop.get("blue-3").category == "red"
    again = survey_catalog(shop)
    assert not again.of("same file")
    assert {one.id for one in again.of("wrong category")} == {one.id for one in found(shop).of("wrong category")}
    assert journal.undo(shop, [done.id])[0].done  # the journal knows it, the last survey does not


def test_a_dismissed_finding_stays_away_until_it_is_restored(shop):
    before = state(shop)
    (wrong,) = found(shop).of("wrong category")
    (done,) = journal.dismiss(shop, [wrong.id])
    assert done.done and list(journal.read_dismissed(shop.folder.path)) == [wrong.id]
    assert not journal.dismiss(shop, [wrong.id, "nothing"])[0].done
    assert not survey_catalog(shop).of("wrong category") and state(shop) == before
    assert journal.dismiss(shop, [wrong.id], restore=True)[0].done
    assert [one.id for one in survey_catalog(shop).of("wrong category")] == [wrong.id]
    assert not journal.dismiss(shop, [wrong.id], restore=True)[0].done


def test_what_is_safe_but_dismissed_is_not_applied_unseen(shop):
    (same,) = found(shop).of("same file")
    journal.dismiss(shop, [same.id])
    assert journal.apply(shop) == []


def test_a_fix_says_which_products_it_takes_out_of_the_search(shop):
    (copy,) = found(shop).of("same picture")
    (gone,) = copy.change.removes
    assert gone in copy.change.description and "from search" in copy.change.description
    (same,) = found(shop).of("same file")
    assert not same.change.removes  # the product keeps its main picture
    (done,) = journal.apply(shop, [copy.id])
    assert f"{gone} has no picture left" in done.message


def test_what_the_shop_changed_meanwhile_is_left_alone(shop):
    (wrong,) = found(shop).of("wrong category")
    shop.update("blue-3", {"category": "green"})
    (outcome,) = journal.apply(shop, [wrong.id])
    assert not outcome.done and "green" in outcome.message
    shop.update("blue-3", {"category": "red"})
    journal.apply(shop, [wrong.id])
    shop.update("blue-3", {"category": "green"})
    assert not journal.undo(shop, [wrong.id])[0].done and shop.get("blue-3").category == "green"


def test_a_line_cut_off_by_a_crash_is_passed_over(shop):
    path = shop.folder.path / "curate" / "journal.jsonl"
    journal.apply(shop)
    with path.open("a") as file:
        file.write('{"action": "apply", "at": "2026')
    (wrong,) = found(shop).of("wrong category")
    assert journal.apply(shop, [wrong.id])[0].done
    assert len(journal.read_applied(shop.folder.path)) == 2


def test_no_such_finding_and_none_with_a_fix(shop):
    assert "no finding" in journal.apply(shop, ["nothing"])[0].message
    for one in found(shop).of("same product")[:1]:
        assert not journal.apply(shop, [one.id])[0].done


def test_findings_are_the_same_when_they_are_read_again_and_a_damaged_file_is_named(shop):
    last = found(shop)
    last.save(shop.folder.path)
    assert Findings.load(shop.folder.path) == last
    (shop.folder.path / "curate" / "findings.json").write_text("{")
    with pytest.raises(CatalogBroken, match=r"findings\.json"):
        Findings.load(shop.folder.path)


def test_an_empty_catalog_has_nothing_to_survey(tmp_path):
    with snapfind.open(tmp_path / "empty.snap") as empty:
        with pytest.raises(BadInput, match="no picture"):
            survey_catalog(empty)
        assert Findings.load(empty.folder.path) is None


def test_the_verbs_of_the_command_line(surveyed, tmp_path):
    shop = tmp_path / "shop.snap"
    shutil.copytree(surveyed, shop)
    run = CliRunner().invoke
    said = run(app, ["curate", str(shop), "--csv", str(tmp_path / "fixes.csv")])
    assert said.exit_code == 0, said.output
    assert "Wrong category: 1" in said.output and "blue thing 3" in said.output
    page = (tmp_path / "curate.html").read_text()
    assert "blue thing 3" in page and "data:image/jpeg;base64," in page and "http" not in page.replace("http-equiv", "")
    lines = (tmp_path / "fixes.csv").read_text().splitlines()
    assert any(",blue-3,blue-3.png,relabel,red,blue," in line for line in lines)
    assert run(app, ["curate", "apply", str(shop)]).exit_code == 0
    assert run(app, ["curate", "apply", str(shop), "nothing"]).exit_code == 2
    assert run(app, ["curate", "undo", str(shop)]).exit_code != 0
    assert run(app, ["curate", "undo", str(shop), "--all"]).exit_code == 0
    assert run(app, ["curate", str(shop), "--page", str(tmp_path / "x.txt")]).exit_code != 0
    assert run(app, ["curate", "dismiss", str(shop), "--kind", "wrong category"]).exit_code == 0
    assert "Wrong category" not in run(app, ["curate", str(shop)]).output
    assert run(app, ["curate", "dismiss", str(shop), "--kind", "wrong category", "--restore"]).exit_code == 0
    assert "Wrong category: 1" in run(app, ["curate", str(shop)]).output
    assert run(app, ["curate", "dismiss", str(shop)]).exit_code != 0
    assert run(app, ["curate", "dismiss", str(shop), "--kind", "bad"]).exit_code != 0
