"""Findings of single detectors, from snapshots of a few pictures."""

import numpy as np
import pytest

import snapfind
from snapfind.curation.detect.duplicate_findings import duplicate_findings
from snapfind.curation.detect.duplicates import thumb
from snapfind.curation.detect.image_findings import small_category_findings
from snapfind.curation.detect.label_findings import category_findings, product_findings
from snapfind.curation.findings import Change, FindingSample, make_finding
from snapfind.curation.snapshot import CatalogSnapshot
from snapfind.curation.survey import survey_catalog
from snapfind.index.base import Point
from tests.curation.test_label_errors import clouds
from tests.pictures import picture, save


def snapshot(products, vectors, images=None, categories=None, hashes=None):
    """One row for each picture, in the order of products."""
    images = images or [picture(row) for row in range(len(products))]
    seen = set()
    points = []
    for row, product in enumerate(products):
        payload = {
            "_product": product,
            "_picture": f"{row}.png",
            "_primary": product not in seen,
            "_hash": (hashes or [str(n) for n in range(len(products))])[row],
            "_width": 200,
            "_height": 200,
            "title": f"title {product}",
            "category": categories[row] if categories else "",
        }
        points.append(Point(f"point-{row:03}", payload=payload))
        seen.add(product)
    names, numbers = np.unique(list(products), return_inverse=True)
    thumbs = np.stack([thumb(image) for image in images])
    return CatalogSnapshot(points, np.asarray(vectors, np.float32), thumbs, numbers, names.tolist())


def near(groups, dim=16):
    """A vector for each row; rows of one group are near to each other."""
    rng = np.random.default_rng(0)
    return np.eye(dim)[list(groups)] + rng.normal(size=(len(groups), dim)) / 50


def pairs(findings, kind):
    return [tuple(sorted(one.product for one in finding.samples)) for finding in findings if finding.kind == kind]


def test_two_products_that_look_alike_are_reported_once_and_photos_of_one_product_never():
    products = ["a", "a", "b", "c", "d", "e"]
    findings, same = duplicate_findings(snapshot(products, near([0, 0, 0, 1, 2, 3])))
    assert pairs(findings, "same product") == [("a", "b")] and (same == -1).all()


def test_two_products_with_one_picture_are_reported_as_that_and_no_second_time():
    products = ["a", "b", "c", "d", "e"]
    images = [picture(0), picture(0), *map(picture, (2, 3, 4))]
    findings, same = duplicate_findings(
        snapshot(products, near([0, 0, 1, 2, 3]), images, hashes=["x", "x", "c", "d", "e"])
    )
    assert pairs(findings, "same file") == [("a", "b")] and pairs(findings, "same product") == []
    assert same.tolist() == [0, 0, -1, -1, -1]
    (found,) = findings
    assert not found.safe and found.change.pictures == ("point-001",)  # the first by id stays


def test_a_group_is_as_weak_as_its_weakest_pair():
    products = ["a", "a", "a", "b", "c"]
    images = [picture(0), picture(0), picture(0).resize((90, 90)), picture(3), picture(4)]
    findings, _ = duplicate_findings(
        snapshot(products, near([0, 0, 0, 1, 2]), images, hashes=["x", "x", "y", "b", "c"])
    )
    (found,) = [one for one in findings if one.kind != "same product"]
    assert found.kind == "same picture" and found.safe and len(found.change.pictures) == 2
    assert "point-000" not in found.change.pictures  # the primary picture stays


@pytest.mark.parametrize(
    ("sizes", "small"),
    [((20, 20, 1), ["c"]), ((20, 20, 2), []), ((20, 1), []), ((20, 20, 1, 1), ["c", "d"])],  # medians 20, 20, -, 10.5
)
def test_a_small_category_has_less_than_a_tenth_of_the_median(sizes, small):
    categories = [name for name, size in zip("abcd", sizes) for _ in range(size)]
    products = [f"p{number:03}" for number in range(len(categories))]
    shop = snapshot(products, np.eye(len(products)), [picture(0)] * len(products), categories)
    found = small_category_findings(shop)
    assert sorted(one.message.split(" ")[0] for one in found) == small and all(one.change is None for one in found)


def test_pictures_without_a_category_are_neither_small_nor_wrong():
    vectors, labels = clouds(3.0, classes=3, each=10)
    categories = [("red", "blue", "")[label] for label in labels]
    categories[0] = "blue"  # looks red
    vectors[25] = vectors[3]  # looks red and has no category
    products = [f"p{number:03}" for number in range(len(labels))]
    shop = snapshot(products, vectors, [picture(0)] * len(labels), categories)
    wrong = category_findings(shop, np.full(len(labels), -1))
    assert [(one.change.product, one.change.before, one.change.after) for one in wrong] == [("p000", "blue", "red")]
    assert [one.product for one in wrong[0].samples][:1] == ["p000"] and len(wrong[0].samples) == 4
    assert small_category_findings(shop) == []


def test_a_category_of_four_products_is_not_checked():
    vectors, _ = clouds(3.0, classes=2, each=10)
    rows = np.r_[0:10, 10:14]
    categories = ["red"] * 10 + ["blue"] * 4
    categories[0] = "blue"
    products = [f"p{number:03}" for number in range(len(rows))]
    five = snapshot(products, vectors[rows], [picture(0)] * len(rows), categories)
    assert len(category_findings(five, np.full(len(rows), -1))) == 1  # five are blue
    four = snapshot(products[:-1], vectors[rows][:-1], [picture(0)] * (len(rows) - 1), categories[:-1])
    assert category_findings(four, np.full(len(rows) - 1, -1)) == []


def test_a_picture_of_another_product_is_hidden_and_not_relabeled():
    vectors, labels = clouds(3.0, classes=3, each=8)
    products = [f"p{label}" for label in labels]
    swapped = vectors.copy()
    swapped[3] = vectors[12]  # a picture of the first product that shows the second
    found = product_findings(snapshot(products, swapped, [picture(0)] * len(labels)), np.full(len(labels), -1))
    assert [(one.samples[0].picture, one.change.action, one.change.pictures) for one in found] == [
        ("point-003", "hide", ("point-003",))
    ]
    assert "title p0" in found[0].message and "title p1" in found[0].message


def test_a_picture_below_a_hundred_pixels_is_tiny(tmp_path):
    for number, side in enumerate((99, 100, 130)):
        save(number, tmp_path / "studio" / f"p{number}.png")
        picture(number).resize((side, side // 2)).save(tmp_path / "studio" / f"p{number}.png")
    with snapfind.open(tmp_path / "shop.snap") as shop:
        shop.add(tmp_path / "studio")
        (tiny,) = survey_catalog(shop).of("tiny")
    assert tiny.samples[0].product == "p0" and "99 pixels" in tiny.message and tiny.change.action == "hide"


def test_the_id_of_a_finding_follows_from_its_pictures_and_its_fix():
    first, second = FindingSample("1", "a", "a.png"), FindingSample("2", "b", "b.png")

    def id_of(kind="wrong category", samples=(first, second), after="red", message="text", score=0.5):
        return make_finding(kind, message, samples, Change("relabel", product="a", after=after), score=score).id

    assert id_of() == id_of(
        samples=(second, first), message="another text", score=0.7
    )  # the next survey finds it again
    assert len({id_of(), id_of(kind="wrong product"), id_of(samples=(first,)), id_of(after="blue")}) == 4
    assert make_finding("few", "tea has 1 product").id != make_finding("few", "mugs has 1 product").id
