"""The text in pictures is stored once, found by words, and kept through changes of a product."""

import pytest

import snapfind
from snapfind.encoders.ocr.reader import TextReader, can_read
from tests.pictures import carton

pytestmark = pytest.mark.skipif(not can_read(), reason="rapidocr is not installed: pip install '.[ocr]'")


@pytest.fixture
def table(tmp_path):
    (tmp_path / "cartons").mkdir()
    carton("LINGONBERRY").save(tmp_path / "cartons" / "a.png")
    carton("CHAMOMILE").save(tmp_path / "cartons" / "b.png")
    path = tmp_path / "shop.csv"
    path.write_text("id,title,picture\na,One,cartons/a.png\nb,Two,cartons/b.png\n")
    return path


def read_of(shop):
    return {str(point.payload["_product"]): point.payload.get("_read") for point in shop.points()}


def test_added_pictures_are_read_and_words_find_their_text(table, tmp_path):
    with snapfind.open(tmp_path / "shop.snap", ocr="on") as shop:
        shop.add(table)
        assert read_of(shop) == {"a": "LINGONBERRY", "b": "CHAMOMILE"}
        hit = shop.search("chamomile")[0]
        assert hit.product.id == "b" and hit.parts["bm25"] > 0 and hit.picture.read == "CHAMOMILE"
        assert "CHAMOMILE" not in str(hit.product.attributes)


def test_an_unchanged_picture_is_not_read_again(table, tmp_path, monkeypatch):
    with snapfind.open(tmp_path / "shop.snap", ocr="on") as shop:
        shop.add(table)
        read = []
        monkeypatch.setattr(TextReader, "read", lambda self, image: read.append(image.size) or [])
        table.write_text(table.read_text().replace("Two", "Three"))
        report = shop.add(table)
        assert (report.updated, report.unchanged, read) == (1, 1, [])
        assert read_of(shop) == {"a": "LINGONBERRY", "b": "CHAMOMILE"}
        assert shop.search("chamomile")[0].product.title == "Three"
        carton("").save(table.parent / "cartons" / "b.png")
        assert shop.add(table).changed == 1 and len(read) == 1 and read_of(shop)["b"] == ""


def test_embeddings_do_not_depend_on_reading(table, tmp_path):
    vectors = []
    for mode in ("on", "off"):
        with snapfind.open(tmp_path / f"{mode}.snap", ocr=mode) as shop:
            shop.add(table)
            vectors.append(
                {point.id: {k: v.tolist() for k, v in point.vectors.items()} for point in shop.points(vectors=True)}
            )
    assert vectors[0] == vectors[1]


def test_missing_text_is_read_later_and_reading_resumes(table, tmp_path, monkeypatch):
    with snapfind.open(tmp_path / "shop.snap", ocr="off") as shop:
        shop.add(table)
        assert read_of(shop) == {"a": None, "b": None}
        whole, count = TextReader.read, 0

        def interrupted(self, image):
            nonlocal count
            count += 1
            if count == 2:
                raise KeyboardInterrupt
            return whole(self, image)

        monkeypatch.setattr(TextReader, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shop.models.read_texts()
        assert sum(text is not None for text in read_of(shop).values()) == 1
        monkeypatch.setattr(TextReader, "read", whole)
        seen = []
        assert shop.models.read_texts(progress=lambda done, total: seen.append((done, total))) == 1
        assert seen == [(1, 2), (2, 2)] and read_of(shop) == {"a": "LINGONBERRY", "b": "CHAMOMILE"}
        assert shop.models.read_texts() == 0
        assert shop.search("lingonberry")[0].product.id == "a"


def test_hidden_and_shown_again_a_picture_keeps_its_text(table, tmp_path):
    with snapfind.open(tmp_path / "shop.snap", ocr="on") as shop:
        shop.add(table)
        point = next(point.id for point in shop.points() if point.payload["_product"] == "b")
        shop.hide([point])
        assert shop.search("chamomile")[0].product.id != "b" if len(shop.search("chamomile")) else True
        shop.show([point])
        assert read_of(shop)["b"] == "CHAMOMILE" and shop.search("chamomile")[0].product.id == "b"


def test_the_command_reads_what_is_missing(table, tmp_path, run):
    with snapfind.open(tmp_path / "shop.snap", ocr="off") as shop:
        shop.add(table)
    assert run("model", "read", tmp_path / "shop.snap")[:2] == (0, "Text of 2 picture(s) was read.\n")
    assert run("model", "read", tmp_path / "shop.snap")[:2] == (0, "Text of 0 picture(s) was read.\n")
