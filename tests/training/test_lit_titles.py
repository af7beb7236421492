"""A shop's titles teach the way from texts to pictures: colors and shapes that are put together anew are found."""

import json

import pytest
from PIL import Image, ImageDraw

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from typer.testing import CliRunner  # noqa: E402

import snapfind  # noqa: E402
from snapfind.cli.app import app  # noqa: E402
from snapfind.core.errors import BadInput  # noqa: E402
from snapfind.core.query import QueryTerm  # noqa: E402
from snapfind.encoders.crossmodal.lit import LitMaps  # noqa: E402
from snapfind.training.methods.lit_titles import SHARES, collect_titles, train_on_titles  # noqa: E402

COLORS = ("red", "green", "blue", "yellow", "black")
SHAPES = ("square", "circle", "stripes", "triangle")
NAMELESS = ("green circle", "blue stripes")


def draw(color, shape, path):
    image = Image.new("RGB", (96, 96), "white")
    pen = ImageDraw.Draw(image)
    if shape == "square":
        pen.rectangle((20, 20, 76, 76), fill=color)
    elif shape == "circle":
        pen.ellipse((16, 16, 80, 80), fill=color)
    elif shape == "triangle":
        pen.polygon([(48, 10), (86, 84), (10, 84)], fill=color)
    else:
        for top in range(10, 86, 20):
            pen.rectangle((10, top, 86, top + 9), fill=color)
    image.save(path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Twenty products of five colors and four shapes, two of them without a title."""
    folder = tmp_path_factory.mktemp("bridge")
    rows = ["id,title,picture"]
    for color in COLORS:
        for shape in SHAPES:
            name = f"{color} {shape}"
            draw(color, shape, folder / f"{color}-{shape}.png")
            rows.append(f"{color}-{shape},{'' if name in NAMELESS else name},{color}-{shape}.png")
    (folder / "shop.csv").write_text("\n".join(rows))
    with snapfind.open(folder / "shop.snap") as catalog:
        catalog.add(folder / "shop.csv")
    return folder / "shop.snap"


TYPED = [(f"{color} {shape}", f"{color}-{shape}") for color in COLORS for shape in SHAPES]


def test_queries_find_pictures_whose_titles_were_left_out_better_than_by_conse(filled, tmp_path):
    with snapfind.open(filled) as catalog:
        titled = collect_titles(catalog)
        assert len(titled.pairs.titles) == len(titled.known) == len(titled.numbers) == 18
        found = train_on_titles(catalog, TYPED, tmp_path / "locked")
    assert (found.queries, found.titles) == (18, 18) and found.share in SHARES[1:]
    assert found.learned.mrr > found.conse.mrr + 0.1 and found.learned.at_5 >= found.learned.at_1
    told = json.loads((tmp_path / "locked" / "manifest.json").read_text())
    assert told["metrics"]["learned"]["mrr"] == found.learned.mrr
    assert LitMaps.load(tmp_path / "locked").share == found.share


def test_the_verb_learns_builds_and_goes_back(filled, tmp_path):
    table = tmp_path / "typed.csv"
    table.write_text("text,product\n" + "\n".join(",".join(row) for row in TYPED))

    def run(*words):
        done = CliRunner().invoke(app, [*words[:2], str(filled), *map(str, words[2:])])
        return done.exit_code, " ".join(done.output.split())

    code, said = run("train", "lit", "--queries", table, "--yes")
    assert code == 0 and "18 queries for products" in said, said
    with snapfind.open(filled) as catalog:
        assert catalog.info()["text_to_image"].startswith("locked-")
        for name in NAMELESS:
            answer = catalog.search([QueryTerm(text=name)], limit=20)
            near = {hit.product.id: hit.parts["text_to_image"] for hit in answer if "text_to_image" in hit.parts}
            assert max(near, key=near.__getitem__) == name.replace(" ", "-")
    code, said = run("model", "text-to-image", "conse")
    assert code == 0 and "conse-" in said
    code, said = run("train", "lit", "--queries", table)
    assert code == 0 and "Nothing was changed" in said, "nobody is there to be asked"
    with snapfind.open(filled) as catalog:
        assert catalog.info()["text_to_image"].startswith("conse-")


def test_what_is_missing_is_one_sentence(filled, tmp_path):
    with snapfind.open(filled) as catalog:
        with pytest.raises(BadInput, match="9 of the queries"):
            train_on_titles(catalog, TYPED[:5] + TYPED[-4:] + [("x", "nothing")], tmp_path / "locked")
        for point in [one for one in catalog.points() if one.payload["_product"].startswith(COLORS[:3])]:
            catalog.update(point.payload["_product"], {"title": None})
        with pytest.raises(BadInput, match="8 distinct title"):
            train_on_titles(catalog, TYPED, tmp_path / "locked")
    assert not (tmp_path / "locked").exists()
    done = CliRunner().invoke(app, ["train", "lit", str(filled)])
    assert done.exit_code == 2 and "--queries" in done.output
