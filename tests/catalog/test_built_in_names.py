"""An own column or attribute with the name of a built-in field never takes its place."""

import json

import pytest

import snapfind
from snapfind.core.errors import BadRow
from snapfind.core.types import Product
from tests.catalog.test_cells import PICTURE

TAKEN = {"id": "x-1", "title": "internal", "price": "call us", "brand": "b", "category": "c", "description": "d"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("spelled", [str.lower, str.title, str.upper])
@pytest.mark.parametrize("meaning", [*TAKEN, "picture"])
def test_the_chosen_column_wins_and_the_other_is_renamed(tmp_path, meaning, spelled, suffix):
    own = {"id": "a", "title": "Red mug", "price": 12.5, "brand": "Kiln", "category": "mugs", "description": "round"}
    own["picture"] = "a.png"
    row = {f"Chosen {name}" if name == meaning else name: value for name, value in own.items()}
    row[spelled(meaning)] = TAKEN.get(meaning, "other.png")
    row["other_" + meaning] = "there already"
    (tmp_path / "a.png").write_bytes(PICTURE)
    text = f"{','.join(row)}\n{','.join(map(str, row.values()))}\n" if suffix == "csv" else json.dumps(row) + "\n"
    (tmp_path / f"t.{suffix}").write_text(text)
    with snapfind.open(tmp_path / "shop.snap") as shop:
        report = shop.add(tmp_path / f"t.{suffix}", columns={meaning: f"Chosen {meaning}"})
        assert (report.added, report.failures) == (1, [])
        (note,) = report.notes
        assert f"other_{meaning}_2" in note.lower()
        (product,) = shop.products()
        assert [getattr(product, name) for name in TAKEN] == [own[name] for name in TAKEN]
        assert {name.lower(): value for name, value in product.attributes.items()} == {
            f"other_{meaning}": "there already",
            f"other_{meaning}_2": TAKEN.get(meaning, "other.png"),
        }
        (exported,) = shop.export()
        assert (exported["id"], exported["picture"]) == ("a", "a.png")
        assert shop.search("red mug")[0].product.id == "a"


@pytest.mark.parametrize("name", ["id", "price", "title", "picture", "_hash", "_product", "_is_x", "_words", ""])
def test_put_and_update_refuse_names_that_are_taken(tmp_path, name):
    with snapfind.open(tmp_path / "shop.snap") as shop:
        report = shop.put(
            [
                (Product("a", price=5, title="Mug"), {"a.png": PICTURE}),
                (Product("b", price=5, attributes={name: "x"}), {"b.png": PICTURE}),
            ]
        )
        assert [failure.id for failure in report.failures] == ["b"]
        if name not in {"price", "title"}:
            with pytest.raises(BadRow, match="reserved"):
                shop.update("a", {name: "x"})
        assert (shop.get("a").price, shop.get("a").title) == (5, "Mug")
