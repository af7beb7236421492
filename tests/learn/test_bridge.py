"""A shop's titles teach the way from texts to pictures: colours and shapes that are put together anew are found."""

import json

import pytest
from PIL import Image, ImageDraw

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[learn]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[learn]")

from typer.testing import CliRunner  # noqa: E402

import snapfind  # noqa: E402
from snapfind.cli.app import app  # noqa: E402
from snapfind.encoders.locked import Maps  # noqa: E402
from snapfind.errors import BadInput  # noqa: E402
from snapfind.learn.bridge import SHARES, bridge_titles, titled_pairs  # noqa: E402
from snapfind.types import Like  # noqa: E402

COLOURS = ("red", "green", "blue", "yellow", "black")
SHAPES = ("square", "circle", "stripes", "triangle")
NAMELESS = ("green circle", "blue stripes")


def draw(colour, shape, path):
    image = Image.new("RGB", (96, 96), "white")
    pen = ImageDraw.Draw(image)
    if shape == "square":
        pen.rectangle((20, 20, 76, 76), fill=colour)
    elif shape == "circle":
        pen.ellipse((16, 16, 80, 80), fill=colour)
    elif shape == "triangle":
        pen.polygon([(48, 10), (86, 84), (10, 84)], fill=colour)
    else:
        for top in range(10, 86, 20):
            pen.rectangle((10, top, 86, top + 9), fill=colour)
    image.save(path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Twenty products of five colours and four shapes, two of them without a title."""
    folder = tmp_path_factory.mktemp("bridge")
    rows = ["id,title,picture"]
    for colour in COLOURS:
        for shape in SHAPES:
            name = f"{colour} {shape}"
            draw(colour, shape, folder / f"{colour}-{shape}.png")
            rows.append(f"{colour}-{shape},{'' if name in NAMELESS else name},{colour}-{shape}.png")
    (folder / "shop.csv").write_text("\n".join(rows))
    with snapfind.open(folder / "shop.snap") as catalogue:
        catalogue.add(folder / "shop.csv")
    return folder / "shop.snap"


def test_titles_left_out_find_their_pictures_better_than_by_conse(filled, tmp_path):
    with snapfind.open(filled) as catalogue:
        pairs, known = titled_pairs(catalogue)
        assert len(pairs.titles) == len(pairs.pictures) == len(known) == 18
        found = bridge_titles(catalogue, tmp_path / "locked")
    assert found.titles == 18 and found.share in SHARES
    assert found.learnt.mrr > found.conse.mrr + 0.1 and found.learnt.at_5 >= found.learnt.at_1
    told = json.loads((tmp_path / "locked" / "manifest.json").read_text())
    assert told["metrics"]["learnt"]["mrr"] == found.learnt.mrr and Maps.load(found.folder).share == found.share


def test_the_verb_learns_builds_and_goes_back(filled):
    done = CliRunner().invoke(app, ["learn", "locked", str(filled), "--yes"])
    assert done.exit_code == 0 and "18 titles that were left out" in done.output, done.output
    with snapfind.open(filled) as catalogue:
        assert catalogue.info()["bridge"].startswith("locked-")
        for name in NAMELESS:
            answer = catalogue.search([Like(text=name)], limit=20)
            near = {hit.product.id: hit.parts["bridge"] for hit in answer if "bridge" in hit.parts}
            assert max(near, key=near.__getitem__) == name.replace(" ", "-")
    done = CliRunner().invoke(app, ["learn", "locked", str(filled), "--off"])
    assert done.exit_code == 0 and "conse-" in done.output
    done = CliRunner().invoke(app, ["learn", "locked", str(filled)])
    assert done.exit_code == 0 and "nothing was changed" in done.output, "nobody is there to be asked"


def test_too_few_titles_are_one_sentence(tmp_path):
    for number, colour in enumerate(COLOURS):
        draw(colour, "square", tmp_path / f"{number}.png")
    (tmp_path / "shop.csv").write_text("id,title,picture\n" + "\n".join(f"p{n},thing {n},{n}.png" for n in range(5)))
    with snapfind.open(tmp_path / "shop.snap") as catalogue:
        catalogue.add(tmp_path / "shop.csv")
        with pytest.raises(BadInput, match="5 distinct title"):
            bridge_titles(catalogue, tmp_path / "locked")
    assert not (tmp_path / "locked").exists()
