"""Smaller sets that say as much, larger ones made up, and sets cleaned before anything is learned."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from snapfind.core.errors import BadInput
from snapfind.curation.datasets.clean import clean_rows
from snapfind.curation.datasets.compose import compose_photo
from snapfind.curation.datasets.coreset import herding, k_center, select_coreset
from snapfind.curation.datasets.title_variants import title_variants
from snapfind.curation.detect.duplicates import find_duplicates, group_pairs, thumb
from snapfind.curation.detect.folds import contiguous
from snapfind.curation.detect.image_faults import faults
from snapfind.curation.detect.label_errors import wrong_labels
from snapfind.curation.detect.outliers import find_outliers, isolation
from snapfind.encoders.arrays import unit
from tests.curation.conftest import jpeg, swatch
from tests.curation.test_label_errors import clouds, mislabeled
from tests.pictures import picture


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 3))
def test_a_coreset_is_rows_of_its_own_each_once(rows, count, seed):
    vectors = np.random.default_rng(seed).normal(size=(rows, 5)).astype(np.float32)
    for choose in (k_center, herding):
        chosen = choose(vectors, count)
        assert len(set(chosen.tolist())) == len(chosen) == min(rows, count)


def test_k_center_covers_and_herding_keeps_the_mean():
    rng = np.random.default_rng(0)
    burst = rng.normal(size=(90, 4)) / 50
    far = np.eye(4) * 5
    vectors = np.concatenate([burst, far]).astype(np.float32)
    assert set(k_center(vectors, 5)) >= {90, 91, 92, 93}  # the burst gives one row
    cloud = rng.normal(size=(300, 6)).astype(np.float32)
    drawn = [np.linalg.norm(cloud[rng.permutation(300)[:20]].mean(0) - cloud.mean(0)) for _ in range(50)]
    assert np.linalg.norm(cloud[herding(cloud, 20)].mean(0) - cloud.mean(0)) < min(drawn)


def test_a_coreset_keeps_a_part_of_each_class_and_says_what_is_wrong():
    vectors, labels = clouds(2.0)
    for method in ("k-center", "herding"):
        kept = select_coreset(vectors, labels, 0.25, method)
        assert np.bincount(labels[kept]).tolist() == [10] * 6 and (np.diff(kept) > 0).all()
    with pytest.raises(BadInput, match="fraction"):
        select_coreset(vectors, labels, 0.0, "herding")
    with pytest.raises(BadInput, match="k-center, herding"):
        select_coreset(vectors, labels, 0.5, "best")
    with pytest.raises(BadInput, match="one label for each"):
        select_coreset(vectors, labels[:3], 0.5, "herding")


def test_a_row_that_is_no_number_is_named_and_never_chosen_or_learned_from():
    vectors, labels = clouds(2.0)
    vectors[7, 1] = np.nan
    rules = [lambda m=m: select_coreset(vectors, labels, 0.5, m) for m in ("k-center", "herding")]
    rules.append(lambda: wrong_labels(vectors, labels, contiguous(labels, 5)))
    for rule in rules:
        with pytest.raises(BadInput, match=r"^1 of \d+ vectors have NaN or infinite values, the first at row 7"):
            rule()
    with pytest.raises(BadInput, match="one fold"):
        wrong_labels(vectors[8:], labels[8:], np.zeros(len(labels) - 8, np.int64))
    pytest.importorskip("torch", reason="distillation needs PyTorch: pip install '.[learn]'")
    from snapfind.curation.datasets.distillation import distill

    with pytest.raises(BadInput, match="the first at row 7"):
        distill(vectors, labels, np.arange(0, len(labels), 8))
    with pytest.raises(BadInput, match="start is empty"):
        distill(vectors[8:], labels[8:], np.arange(0))


def test_made_up_rows_come_nearer_to_the_mean_of_their_class():
    pytest.importorskip("torch", reason="distillation needs PyTorch: pip install '.[learn]'")
    from snapfind.curation.datasets.distillation import distill

    vectors, labels = clouds(1.0)
    vectors = unit(vectors)
    start = np.arange(0, len(labels), 20)
    made = distill(vectors, labels, start, steps=150)
    assert made.losses[1] < made.losses[0] / 2 and made.labels.tolist() == labels[start].tolist()
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-5)
    again = distill(vectors, labels, start, steps=150)
    assert np.array_equal(made.vectors, again.vectors)


def copies():
    """Fourteen pictures; 14 is a JPEG of 2, 15 a small one of 5, 16 a cut of 7, 17 the bytes of 0."""
    images = [swatch((230, 40, 30) if n % 2 else (30, 60, 230), n) for n in range(14)]
    cut = jpeg(images[7].crop((8, 5, 120, 122)), 80)
    made = (jpeg(images[2], 40), jpeg(images[5].resize((60, 60)), 80), cut)
    return [*images, *(Image.open(io.BytesIO(one)).convert("RGB") for one in made), images[0]]


def described(images):
    """Hashes of the pixels, thumbs, and colors of 8 by 8 cells as vectors."""
    hashes = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    vectors = np.stack([np.asarray(image.resize((8, 8)), np.float32).ravel() / 255 for image in images])
    return hashes, np.stack([thumb(image) for image in images]), vectors


def test_copies_are_told_by_grade_and_others_are_not():
    hashes, thumbs, vectors = described(copies())
    found = {
        (one.a, one.b): one.grade for one in find_duplicates(hashes, thumbs, vectors) if one.grade != "same product"
    }
    assert found == {(0, 17): "same file", (2, 14): "same picture", (5, 15): "same picture", (7, 16): "same picture"}
    assert group_pairs(find_duplicates(hashes, thumbs, vectors), "same file") == [(0, 17)]
    assert find_duplicates([], thumbs[:0], vectors[:0]) == []


def test_a_set_is_cleaned_of_copies_and_wrong_labels_and_keeps_the_rest():
    vectors, labels = clouds(3.0, classes=4, each=20)
    noisy, wrong = mislabeled(labels, 0.05)
    thumbs = np.stack([thumb(picture(number)) for number in range(len(labels))])
    hashes = [str(number) for number in range(len(labels))]
    twin = int(np.flatnonzero(~wrong & (labels == 1))[0])
    rows = np.append(np.arange(len(labels)), twin)
    cleaned = clean_rows(vectors[rows], noisy[rows], [*hashes, hashes[twin]], thumbs[rows])
    assert {one.row for one in cleaned.removed if one.reason == "copy"} == {len(labels)}
    told = {one.row: one.suggested for one in cleaned.removed if one.reason == "wrong label"}
    assert set(told) == set(np.flatnonzero(wrong)) and all(labels[row] == label for row, label in told.items())
    assert set(cleaned.rows) | {one.row for one in cleaned.removed} == set(range(len(rows)))


def test_few_rows_of_a_label_are_not_checked_and_copies_with_two_labels_both_stay():
    vectors, labels = clouds(3.0, classes=3, each=12)
    rows = np.r_[0:24, 24:28]  # four rows of the last label: too few to judge
    vectors, labels = vectors[rows].copy(), labels[rows].copy()
    vectors[27] = vectors[2]  # looks like the first label
    hashes = [str(number) for number in range(len(rows))]
    hashes[15] = hashes[3]  # one file under two labels
    thumbs = np.stack([thumb(picture(number)) for number in range(len(rows))])
    cleaned = clean_rows(vectors, labels, hashes, thumbs)
    assert cleaned.removed == () and cleaned.rows.tolist() == list(range(len(rows)))


def test_a_coreset_has_a_row_of_each_class_however_small_its_part():
    vectors, labels = clouds(2.0)
    for method in ("k-center", "herding"):
        assert labels[select_coreset(vectors, labels, 0.001, method)].tolist() == [0, 1, 2, 3, 4, 5]


def test_what_moved_the_way_a_fault_moves_is_found():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 16)).astype(np.float32)
    way = np.zeros(16, np.float32)
    way[3] = 9
    before = rng.normal(size=(60, 16)).astype(np.float32)
    bad = [4, 9, 200]
    vectors[bad] += way
    found = faults(vectors, {"blurred": (before, before + way), "tiny": (before, before - way)})
    assert {(one.row, one.kind) for one in found} == {(row, "blurred") for row in bad}
    assert faults(vectors[:1], {}) == []


def test_faults_of_a_fifth_of_the_pictures_are_found_by_the_second_round():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 16)).astype(np.float32)
    way = np.zeros(16, np.float32)
    way[3] = 9
    before = rng.normal(size=(60, 16)).astype(np.float32)
    vectors[:60] += way  # they widen the covariance in their own direction
    found = {one.row for one in faults(vectors, {"blurred": (before, before + way)})}
    assert len(found) > 40 and found <= set(range(60))


def test_a_picture_with_two_faults_is_reported_once_with_the_worse():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 16)).astype(np.float32)
    blur, tiny = np.zeros(16, np.float32), np.zeros(16, np.float32)
    blur[3], tiny[5] = 9, 9
    before = rng.normal(size=(60, 16)).astype(np.float32)
    vectors[7] += 3 * blur + 2 * tiny
    vectors[8] += 2 * blur + 3 * tiny
    for kinds in (("blurred", "tiny"), ("tiny", "blurred")):  # whichever detector comes first
        ways = {"blurred": blur, "tiny": tiny}
        found = faults(vectors, {kind: (before, before + ways[kind]) for kind in kinds})
        assert {one.row: one.kind for one in found} == {7: "blurred", 8: "tiny"}
        assert [one.deviations for one in found] == sorted((one.deviations for one in found), reverse=True)


def test_what_lies_alone_is_an_outlier_and_pictures_of_one_product_do_not_vouch_for_each_other():
    rng = np.random.default_rng(0)
    places = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 40))  # a shop fills few of its directions
    vectors = places.astype(np.float32)
    vectors[40:46] = 9 * rng.normal(size=40) + rng.normal(size=(6, 40)) / 100
    each = np.arange(100)
    assert 40 not in {row for row, _ in find_outliers(vectors, each)}
    assert {row for row, _ in find_outliers(vectors, np.where((each >= 40) & (each < 46), 40, each))} >= set(
        range(40, 46)
    )
    assert find_outliers(vectors[:10], each[:10]) == []


def test_an_outlier_deviates_by_two_and_a_half():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(200, 3)) @ rng.normal(size=(3, 40))).astype(np.float32)
    vectors[:40] += np.linspace(0, 3, 40)[:, None] * rng.normal(size=(40, 40))  # further and further off the others
    scores = isolation(vectors, np.arange(200))
    found = find_outliers(vectors, np.arange(200))
    assert ((scores > 1) & (scores < 2.5)).any() and ((scores >= 2.5) & (scores < 6)).any()
    assert [row for row, _ in found] == sorted(np.flatnonzero(scores >= 2.5), key=lambda row: -scores[row])
    assert find_outliers(vectors[:19], np.arange(19)) == []  # too few for a median


def test_a_composed_photo_follows_from_its_seed_and_shows_product_and_background():
    studio, shelf = picture(3), Image.new("RGB", (300, 200), (20, 120, 60))
    first, again = (compose_photo(studio, shelf, np.random.default_rng(5)) for _ in range(2))
    assert first.size == (256, 256) and first.mode == "RGB" and first.tobytes() == again.tobytes()
    assert compose_photo(studio, shelf, np.random.default_rng(6)).tobytes() != first.tobytes()
    levels = np.asarray(first, np.float64).reshape(-1, 3)
    green = (levels[:, 1] > levels[:, 0] + 20).mean()
    assert 0.2 < green < 0.95


def disc(level):
    """A round product on a transparent ground."""
    image = Image.new("RGBA", (120, 120), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((5, 5, 115, 115), fill=(level, level, level, 255))
    return image


def composed_on(product, color):
    background = Image.new("RGB", (300, 300), color)
    photos = (compose_photo(product, background, np.random.default_rng(seed)) for seed in range(8))
    return np.stack([np.asarray(photo, np.float64) for photo in photos])


def test_a_composed_product_throws_a_shadow_and_takes_on_the_color_of_the_background():
    light = composed_on(disc(250), (128, 128, 128))
    dark = light.mean(axis=-1) < 80  # darker than product and background
    assert (dark.mean(axis=(1, 2)) > 0.0005).all()  # in every photo: some cameras take a dark photo anyway
    on_blue, on_red = (composed_on(disc(120), color)[:, 118:138, 118:138] for color in ((20, 60, 200), (200, 60, 20)))
    assert on_blue[..., 2].mean() > on_red[..., 2].mean() + 15
    assert on_red[..., 0].mean() > on_blue[..., 0].mean() + 15


def test_titles_are_varied_by_rules():
    assert title_variants("Acme apple juice 1 l", "Acme")[:3] == (
        "apple juice 1 l",
        "Acme apple juice 1000 ml",
        "Acme apple juice 1 litre",
    )
    assert "Crème brûlée" not in title_variants("Crème brûlée") and "Creme brulee" in title_variants("Crème brûlée")
    assert "Mug" in title_variants("Mug (blue)") and title_variants("") == ()
    assert all(len(title_variants(title)) <= 12 for title in ("a, b", "x 500 g (new) é"))


def shirt(number):
    """A red shirt on white with a white print of its own."""
    image = Image.new("RGB", (300, 300), "white")
    draw = ImageDraw.Draw(image)
    draw.polygon([(60, 40), (240, 40), (280, 110), (230, 270), (70, 270), (20, 110)], fill=(190, 25, 35))
    marks = ([(110, 110, 190, 130)], [(130, 100, 150, 200)], [(110, 150, 140, 180), (160, 110, 190, 140)])[number]
    for mark in marks:
        draw.ellipse(mark, fill="white")
    return image


def test_shirts_with_different_prints_are_not_the_same_picture():
    again = io.BytesIO()
    shirt(0).resize((200, 200)).save(again, "JPEG", quality=60)
    images = [shirt(0), shirt(1), shirt(2), Image.open(again)]
    vectors = np.full((4, 8), 8**-0.5, np.float32) + np.eye(4, 8, dtype=np.float32) * 1e-3
    found = find_duplicates(["a", "b", "c", "d"], np.stack([thumb(image) for image in images]), vectors)
    assert [(pair.a, pair.b) for pair in found if pair.grade == "same picture"] == [(0, 3)]


@pytest.mark.parametrize("box", [None, (10, 8, 118, 120)])
def test_a_picture_that_is_overlaid_with_another_is_the_same_up_to_a_tenth(box):
    first, second = (picture(number).convert("RGB").resize((128, 128)) for number in (1, 2))
    images = [first, *(Image.blend(first, second, part).crop(box) for part in (0.05, 0.2)), *map(picture, (3, 4, 5))]
    vectors = np.eye(6, 8, dtype=np.float32)
    vectors[:3] = vectors[0] + vectors[:3] / 100  # the first three are candidates
    found = find_duplicates(list("abcdef"), np.stack([thumb(image) for image in images]), vectors)
    same = {(pair.a, pair.b): pair.strength for pair in found if pair.grade == "same picture" and pair.a == 0}
    assert list(same) == [(0, 1)] and 0.9 < same[0, 1] < 1


def test_blank_pictures_are_no_copies_of_each_other():
    thumbs = np.stack([thumb(Image.new("RGB", (90, 90), color)) for color in ("white", "white", "gray")])
    found = find_duplicates(["a", "b", "c"], thumbs, np.eye(3, 8, dtype=np.float32))
    assert not [pair for pair in found if pair.grade == "same picture"]
