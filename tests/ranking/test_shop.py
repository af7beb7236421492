"""A shop's events become a ranker that orders its answers, inside a verdict, for those who ask for it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

import snapfind
from snapfind.cli.app import app
from snapfind.core.errors import BadInput, ModelBroken, NotFound
from snapfind.core.types import Product
from snapfind.events.event import Event
from snapfind.events.parquet import export_events
from snapfind.index.payload import to_payload
from snapfind.ranking.log import first_positions, read_log
from snapfind.ranking.shop import evaluate_shop, fit_shop
from snapfind.search.calibration import verdict
from snapfind.search.rerank.clicks import by_clicks
from tests.pictures import picture

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PRODUCTS = 12


def events(count, seed=0):
    """Searches that show six products in a drawn order; products of even number are opened far more often."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        common = {"search": f"s{number}", "session": f"u{number % 40}", "at": NOW + timedelta(minutes=number)}
        shown = rng.permutation(PRODUCTS)[:6]
        beside = {"product": "p0"} if number % 3 == 2 else {"photos": 1}
        yield Event("search", results=tuple(f"p{one}" for one in shown), verdict="match", **beside, **common)
        for place, one in enumerate(shown, 1):
            told = {"product": f"p{one}", "position": place, **common}
            yield Event("impression", propensity=1 / 6, score=0.6 - place / 100, **told)
            if rng.random() < (0.5 if one % 2 == 0 else 0.05) * 0.9 ** (place - 1):
                yield Event("click", **told)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    for number in range(PRODUCTS):
        picture(number % 3).save(folder / f"{number}.png")  # pictures that are the same: likeness decides nothing
    rows = [f"p{number},thing {number},{number + 1},kind {number % 3},{number}.png" for number in range(PRODUCTS)]
    (folder / "products.csv").write_text("\n".join(["id,title,price,category,picture", *rows]) + "\n")
    with snapfind.open(folder / "shop.snap") as opened:
        opened.add(folder / "products.csv")
        opened.events.write(list(events(600)))
        yield opened


@pytest.fixture(scope="module")
def fitted(shop):
    place = shop.folder.path / "train" / "ranker"
    return place, fit_shop(shop, place)


def test_it_learns_what_is_opened_and_says_how_well(shop, fitted):
    place, judged = fitted
    assert judged.ranker.auc > 0.7 and judged.search.auc < 0.65
    assert judged.first is not None and judged.first.value > judged.earned + 0.1
    again = evaluate_shop(shop, place)
    assert again == judged


def test_it_orders_inside_a_verdict_only_where_it_is_used_and_asked_for(shop, fitted):
    photo = picture(0)
    before = [hit.product.id for hit in shop.search(photo, limit=12)]
    shop.models.use_ranker(fitted[0])
    answer = shop.search(photo, limit=12)
    plain = shop.search(photo, limit=12, order="similarity")
    assert [hit.product.id for hit in plain] == before and "click" not in plain[0].parts
    assert sorted(hit.product.id for hit in answer) == sorted(before)
    assert [hit.verdict for hit in answer] == [hit.verdict for hit in plain]
    for one in ("match", "similar"):
        said = [hit.parts["click"] for hit in answer if hit.verdict == one]
        assert said == sorted(said, reverse=True)
    none = [[hit.product.id for hit in found if hit.verdict == "none"] for found in (answer, plain)]
    assert none[0] == none[1]
    assert [hit.product.id for hit in answer] == [
        hit.product.id for at in range(0, 12, 3) for hit in shop.search(photo, limit=3, offset=at)
    ]
    shop.models.use_ranker(None)
    assert [hit.product.id for hit in shop.search(photo, limit=12)] == before
    with pytest.raises(NotFound):
        evaluate_shop(shop)


class Backwards:
    """Likes what the search likes least."""

    candidates = 6

    def predict_clicks(self, columns, count):
        return 1 - np.array(columns["hit.score"])


def test_no_product_crosses_a_verdict():
    scores = [0.9, 0.7, 0.6, 0.3, 0.2, 0.05, 0.6, 0.01]
    payloads = [to_payload(Product(f"p{at}"), snapfind.Picture("a"), primary=True) for at in range(8)]
    again = by_clicks(Backwards(), payloads, scores, ())
    assert again.order == [2, 1, 0, 4, 3, 5, 6, 7] and sorted(again.checks) == list(range(6))
    assert [verdict(scores[place]) for place in again.order] == [verdict(score) for score in scores]
    assert by_clicks(Backwards(), [], [], ()).order == []


def test_the_log_parts_the_domains_and_remembers_what_was_opened(shop, tmp_path):
    export_events(shop.events, tmp_path / "events.parquet")
    search, similar = (
        read_log(tmp_path / "events.parquet", {}, domain, source=False) for domain in ("search", "similar")
    )
    assert (len(search), len(similar)) == (400 * 6, 200 * 6)
    assert (np.diff(search.at.astype("int64")) >= 0).all()
    assert not search.rows.encoded.lists[: 6 * 20].any(axis=2).all() and search.rows.encoded.lists[-600:].any()
    cut = search.time_at(0.7)
    assert len(search.shown_between(None, cut)) + len(search.shown_between(cut, None)) == len(search)
    log, policy = first_positions(search, np.ones(len(search)))
    assert len(log) == 400 and (policy[:, 0] == 1).all()  # equal chances leave the first place as it is


def test_too_few_clicks_and_broken_artifacts_are_named(tmp_path, shop, fitted):
    with snapfind.open(tmp_path / "small.snap") as small:
        small.events.write(list(events(20)))
        with pytest.raises(BadInput, match="clicks in the domain"):
            fit_shop(small, tmp_path / "ranker")
        with pytest.raises(NotFound):
            small.models.use_ranker(tmp_path)
        if small.folder.manifest.active != shop.folder.manifest.active:
            with pytest.raises(ModelBroken):
                small.models.use_ranker(fitted[0])


def test_the_verbs(shop, fitted, tmp_path):
    path = shop.folder.path
    shop.close()
    run = CliRunner()
    judged = run.invoke(app, ["rank", "evaluate", str(path), "--artifact", str(fitted[0])])
    assert judged.exit_code == 0 and "auc" in judged.output and "first place" in judged.output
    assert run.invoke(app, ["rank", "use", str(path)]).exit_code == 0
    picture(0).save(tmp_path / "photo.png")
    asked = ["search", str(path), str(tmp_path / "photo.png"), "--json", "-n", "12"]
    ordered, plain = (run.invoke(app, [*asked, *more]).output for more in ([], ["--order", "similarity"]))
    assert '"click"' in ordered and '"click"' not in plain
    assert run.invoke(app, ["rank", "use", str(path), "none"]).exit_code == 0
