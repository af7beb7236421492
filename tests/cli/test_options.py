"""Each option of the commands has the effect that its help states."""

import csv
import json

import pytest

from tests.catalog.conftest import Shop


@pytest.fixture
def added(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    shop = Shop(tmp_path)
    assert run("add", "shop.snap", "products.csv")[0] == 0
    return shop


@pytest.fixture
def search(added, run):
    def ids(*words):
        code, out, err = run("search", "shop.snap", *words, "--json")
        assert code == 0, err
        return [hit["id"] for hit in json.loads(out)["hits"]]

    return ids


def test_limit_and_offset_are_a_slice_of_one_ranking(search):
    whole = search("a.png")
    assert len(whole) == 3
    assert search("a.png", "-n", "1") == whole[:1]
    assert search("a.png", "--offset", "1") == whole[1:]
    assert search("a.png", "-n", "1", "--offset", "2") == whole[2:]


def test_a_filter_and_a_category(search):
    assert search("a.png", "-f", "price > 10") == ["mug-1"]
    assert search("a.png", "--filter", "brand = 'Acme' and stock = 0") == ["tea-2"]
    assert search("a.png", "--category", "mugs")[0] == "mug-1"


def test_a_weight_before_a_term(search):
    assert search("2:green tea", "0.1:blue mug")[0] == "tea-2"
    assert search("0.1:green tea", "2:blue mug")[0] == "mug-1"


def test_less_and_wrong_move_away_from_a_product(search):
    assert search("a.png")[0] == "tea-1"
    assert search("a.png", "c.png", "--less", "a.png")[0] == "mug-1"
    assert "tea-1" not in search("a.png", "--wrong", "tea-1")


def test_a_product_is_not_its_own_neighbor(search):
    assert "tea-1" not in search("--product", "tea-1")
    assert len(search("--product", "tea-1", "--product", "tea-2")) == 1


def test_a_box_searches_that_part(search, added):
    from PIL import Image

    left, right = (Image.open(added.folder / name).convert("RGB").resize((96, 96)) for name in ("a.png", "c.png"))
    both = Image.new("RGB", (192, 96))
    both.paste(left, (0, 0))
    both.paste(right, (96, 0))
    both.save(added.folder / "both.png")
    assert search("both.png", "--box", "0,0,0.5,1")[0] == "tea-1"
    assert search("both.png", "--box", "0.5,0,1,1")[0] == "mug-1"


def test_facets_count_most_frequent_first_and_take_a_filter(added, run):
    rows = json.loads(run("facets", "shop.snap", "category", "--json")[1])
    assert rows == [{"value": "tea", "count": 2}, {"value": "mugs", "count": 1}]
    rows = json.loads(run("facets", "shop.snap", "category", "-f", "price > 10", "--json")[1])
    assert rows == [{"value": "mugs", "count": 1}]
    assert len(json.loads(run("facets", "shop.snap", "category", "-n", "1", "--json")[1])) == 1


def test_export_with_a_filter_vectors_and_pictures(added, run):
    assert run("export", "shop.snap", "tea.csv", "-f", "category = 'tea'", "--pictures", "copies")[0] == 0
    with open("tea.csv", encoding="utf-8-sig") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    assert {row["id"] for row in rows} == {"tea-1", "tea-2"}
    assert all((added.folder / row["picture"]).is_file() for row in rows)
    assert run("export", "shop.snap", "all.jsonl", "--vectors")[0] == 0
    first = json.loads((added.folder / "all.jsonl").read_text().splitlines()[0])
    assert any(len(vector) == 1280 for vector in first["_vectors"].values())


def test_delete_by_id_and_by_filter(added, run):
    assert run("delete", "shop.snap", "tea-2")[1].strip() == "2 pictures deleted"
    assert run("delete", "shop.snap", "--filter", "price > 10", "--yes")[1].strip() == "1 picture deleted"
    assert json.loads(run("info", "shop.snap", "--json")[1])["products"] == 1
    code, out, _ = run("delete", "shop.snap", "tea-2")
    assert code == 2 and out.strip() == "0 pictures deleted"


def test_sync_deletes_what_the_table_no_longer_has(added, run):
    del added.rows[-1]
    added.write()
    run("add", "shop.snap", "products.csv")
    assert json.loads(run("info", "shop.snap", "--json")[1])["products"] == 3
    run("add", "shop.snap", "products.csv", "--sync")
    assert json.loads(run("info", "shop.snap", "--json")[1])["products"] == 2


def test_models_are_tried_switched_and_deleted(added, run):
    assert run("model", "fit", "shop.snap")[0] == 0
    models = json.loads(run("model", "list", "shop.snap", "--json")[1])
    fitted, raw = models["model"], models["previous"]
    assert fitted != raw and set(models["models"]) == {fitted, raw}
    code, out, _ = run("model", "try", "shop.snap", raw, "--share", "0.5")
    assert code == 0 and "flywheel conclude" in out
    code, _, err = run("model", "delete", "shop.snap", raw)
    assert code == 2 and raw in err
    assert run("model", "try", "shop.snap", "none")[0] == 0
    assert run("model", "try", "shop.snap", raw, "--share", "1.5")[0] == 2
    assert run("model", "switch", "shop.snap", raw)[0] == 0
    assert run("model", "delete", "shop.snap", fitted)[0] == 0
    assert set(json.loads(run("model", "list", "shop.snap", "--json")[1])["models"]) == {raw}
    assert run("model", "rollback", "shop.snap")[0] != 0, "the previous model was deleted"


def test_text_to_image_needs_an_artifact(added, run):
    code, _, err = run("model", "text-to-image", "shop.snap", "nowhere")
    assert code == 2 and "nowhere" in err
    code, out, _ = run("model", "text-to-image", "shop.snap", "conse")
    assert code == 0 and "conse" in out


def test_doctor_ends_with_the_worst_state(added, run):
    code, out, _ = run("doctor", "shop.snap", "--json")
    assert code in (0, 1) and {check["state"] for check in json.loads(out)} <= {"ok", "warning"}
    for picture in (added.path / "pictures").rglob("*.jpg"):
        picture.unlink()
    code, out, _ = run("doctor", "shop.snap", "--json")
    assert code >= 1 and max(check["state"] for check in json.loads(out)) != "ok"


def test_eval_writes_a_report_and_compares_with_it(added, run):
    (added.folder / "queries.csv").write_text("picture,product\na.png,tea-1\nb.png,tea-2\nc.png,tea-1\n")
    assert run("eval", "shop.snap", "queries.csv", "--json", "r.json", "--csv", "r.csv", "--worst", "w.html")[0] == 0
    report = json.loads((added.folder / "r.json").read_text())
    assert report["queries"] == 3 and report["product"]["precision@1"]["mean"] == pytest.approx(2 / 3)
    assert len((added.folder / "r.csv").read_text().splitlines()) == 4
    assert "<html" in (added.folder / "w.html").read_text()[:200].lower()
    code, out, _ = run("eval", "shop.snap", "queries.csv", "--against", "r.json")
    assert code == 0 and "+0.000" in out
    (added.folder / "bad.json").write_text("{}")
    assert run("eval", "shop.snap", "queries.csv", "--against", "bad.json")[0] == 2


def test_eval_of_categories_samples_and_regions(added, run):
    (added.folder / "queries.csv").write_text("picture,product,category\na.png,tea-1,tea\nb.png,tea-2,\nc.png,,mugs\n")
    assert run("eval", "shop.snap", "queries.csv", "--category", "--json", "r.json")[0] == 0
    report = json.loads((added.folder / "r.json").read_text())
    assert report["queries"] == 2 and report["product"] == {} and report["category"]["precision@1"]["n"] == 2
    assert set(report["slices"]["category"]) == {"tea", "mugs"}
    samples = set()
    for regions in ("whole", "subject"):
        code, out, _ = run("eval", "shop.snap", "queries.csv", "--limit", "2", "--regions", regions, "--json", "s.json")
        assert code == 0 and "2 queries" in out
        results = json.loads((added.folder / "s.json").read_text())["results"]
        samples.add(tuple(one["query"] for one in results))
    assert len(samples) == 1, "each run has the same sample"
    (added.folder / "products.csv").write_text("picture,product\na.png,tea-1\n")
    code, _, err = run("eval", "shop.snap", "products.csv", "--category")
    assert code == 2 and "names a category" in err


def test_keys_have_scopes_and_are_revoked(added, run):
    code, out, err = run("key", "create", "shop.snap", "--scope", "write", "--name", "import")
    assert code == 0 and out.startswith("sf_") and "first key" in err
    (listed,) = json.loads(run("key", "list", "shop.snap", "--json")[1])
    assert (listed["name"], listed["scopes"]) == ("import", ["write"])
    assert out.strip() not in run("key", "list", "shop.snap")[1]
    assert run("key", "create", "shop.snap", "--scope", "everything")[0] == 2
    assert run("key", "revoke", "shop.snap", listed["id"])[0] == 0
    assert run("key", "revoke", "shop.snap", listed["id"])[0] == 2
