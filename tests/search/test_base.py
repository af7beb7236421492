"""The reranker: what comes out is what went in, in an order that the rule names; off, it is as if it were not there."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from snapfind.catalog.models.registry import raw_encoder
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, ModelBroken, NotFound
from snapfind.core.query import Query, QueryTerm
from snapfind.search.rerank.base import CHUNK, Compared, RerankConfig, merge, rerank
from snapfind.search.rerank.geometric import agreement, compared, parts_of
from snapfind.search.rerank.registry import load, manifest
from tests.pictures import picture


@st.composite
def judged(draw: st.DrawFn, scores: st.SearchStrategy[float]):
    """Scores by place, and the same places in chunks, each in an order of its own."""
    count = draw(st.integers(0, 20))
    chunks = [draw(st.permutations(range(at, min(at + CHUNK, count)))) for at in range(0, count, CHUNK)]
    return {place: draw(scores) for place in range(count)}, chunks


PARTS = st.floats(0, 1)
FEW = st.sampled_from([0.1, 0.5, 0.9])


@given(judged(PARTS), PARTS)
def test_a_merge_is_a_permutation(case, epsilon):
    scores, chunks = case
    assert sorted(merge(scores, chunks, epsilon)) == sorted(scores)


@given(judged(FEW), st.sampled_from([0.0, 0.05]))
def test_scores_order_and_a_chunk_keeps_its_order_where_they_tie(case, epsilon):
    scores, chunks = case
    merged = merge(scores, chunks, epsilon)
    assert [scores[place] for place in merged] == sorted(scores.values(), reverse=True)
    for chunk in chunks:
        for level in set(scores.values()):
            tied = [place for place in chunk if scores[place] == level]
            assert [place for place in merged if place in tied] == tied


@given(judged(PARTS), PARTS)
def test_none_passes_another_that_is_better_by_more_than_epsilon(case, epsilon):
    scores, chunks = case
    merged = merge(scores, chunks, epsilon)
    for at, place in enumerate(merged):
        assert all(scores[behind] - scores[place] <= epsilon for behind in merged[at + 1 :])


def test_near_scores_follow_the_chunk_and_far_ones_do_not():
    assert merge({0: 0.5, 1: 0.49, 2: 0.2}, [[2, 1, 0]], 0.02) == [1, 0, 2]
    assert merge({0: 0.5, 1: 0.49, 2: 0.2}, [[2, 1, 0]], 0.0) == [0, 1, 2]


class Darkest:
    """Prefers dark pictures, a small reranker of another kind."""

    def __init__(self, config: RerankConfig) -> None:
        self.config, self.chunks = config, []

    def compare(self, photo, pictures):
        self.chunks.append(len(pictures))
        scores = [1 - float(np.asarray(one.convert("L")).mean()) / 255 for one in pictures]
        return Compared(sorted(range(len(scores)), key=lambda at: -scores[at]), scores)


@given(st.lists(st.none() | st.integers(0, 255), max_size=20), st.integers(0, 5), st.integers(2, 20), PARTS)
def test_what_is_not_looked_at_keeps_its_place(levels, more, candidates, weight):
    pictures = [None if level is None else Image.new("L", (2, 2), level) for level in levels]
    probabilities = [1 / (1 + place) for place in range(len(levels) + more)]
    reranker = Darkest(RerankConfig(candidates, weight))
    again = rerank(reranker, Image.new("L", (2, 2)), pictures, probabilities)
    assert sorted(again.order) == list(range(len(probabilities)))
    assert all(size <= CHUNK for size in reranker.chunks)
    seen = [place for place, one in enumerate(pictures[:candidates]) if one is not None]
    assert sorted(again.checks) == seen
    assert all(place == at for at, place in enumerate(again.order) if at not in seen)


def test_two_chunks_are_merged_by_score():
    pictures = [Image.new("L", (2, 2), 250 - 10 * place) for place in range(20)]
    reranker = Darkest(RerankConfig(20, weight=1.0, epsilon=0.0))
    assert rerank(reranker, pictures[0], pictures, [0.0] * 20).order == list(range(19, -1, -1))
    assert reranker.chunks == [8, 8, 4]


# ── geometry ─────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def encoder():
    return raw_encoder("lite0", Settings())


def board(number: int) -> Image.Image:
    """Nine tiles, the same in every board, in an arrangement of its own."""
    image = Image.new("RGB", (240, 240), "white")
    for at, tile in enumerate(np.random.default_rng(number).permutation(9)):
        image.paste(picture(int(tile) + 100, 72), (12 + 72 * (at % 3), 12 + 72 * (at // 3)))
    return image


def photo(number: int) -> Image.Image:
    """A part of a board, elsewhere in the frame."""
    image = Image.new("RGB", (260, 260), (215, 210, 200))
    image.paste(board(number).crop((0, 0, 190, 200)), (60, 40))
    return image


def test_a_picture_agrees_with_itself_more_than_with_another_arrangement(encoder):
    parts = parts_of(board(0), encoder)
    own, other = agreement(parts, parts), agreement(parts, parts_of(board(1), encoder))
    assert own == pytest.approx(np.ones(len(parts.vectors)), abs=1e-5)
    assert other.mean() < 0.6 and 0 <= other.min() <= other.max() <= 1


def test_a_plain_picture_has_no_parts_that_agree(encoder):
    plain = parts_of(Image.new("RGB", (64, 64), "white"), encoder)
    assert 0 <= agreement(plain, parts_of(board(0), encoder)).sum() <= len(plain.vectors)
    nothing = compared(np.zeros((3, 0)))
    assert list(nothing.order) == [0, 1, 2] and list(nothing.scores) == [0, 0, 0]


def test_a_chunk_is_ordered_by_cells_won_against_the_others():
    votes = np.array([[0.9, 0.0, 0.0], [0.0, 0.4, 0.4], [0.0, 0.0, 0.0]])
    assert list(compared(votes).order) == [1, 0, 2]
    assert list(compared(votes).scores) == pytest.approx([0.3, 0.8 / 3, 0.0])


# ── the artifact ─────────────────────────────────────────────────────────────────


def test_an_artifact_comes_back_as_it_was_written(tmp_path, encoder):
    config = RerankConfig(candidates=6, weight=0.25, epsilon=0.0)
    (tmp_path / "manifest.json").write_bytes(manifest("geometry", encoder.space.id, config))
    assert load(tmp_path, encoder).config == config


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "encoder"},
        {"method": "guess"},
        {"method": ["geometry"]},
        {"space": "lite0-of-another"},
        {"candidates": 1},
        {"candidates": 21},
        {"candidates": True},
        {"candidates": "10"},
        {"weight": float("nan")},
        {"weight": 1.5},
        {"weight": 10**400},
        {"weight": None},
        {"epsilon": -0.1},
        {"epsilon": False},
    ],
)
def test_an_artifact_with_another_value_is_refused(tmp_path, encoder, change):
    told = json.loads(manifest("geometry", encoder.space.id))
    (tmp_path / "manifest.json").write_text(json.dumps(told | change))
    with pytest.raises(ModelBroken, match="remove its folder"):
        load(tmp_path, encoder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 200_000, b"9" * 10_000])
def test_a_manifest_of_anything_else_is_refused(tmp_path, encoder, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ModelBroken):
        load(tmp_path, encoder)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(NotFound, match="no manifest"):
        load(tmp_path, encoder)


# ── in a search ──────────────────────────────────────────────────────────────────


@pytest.fixture
def boards(shop):
    folder = shop.folder / "boards"
    folder.mkdir()
    for number in range(10):
        board(number).save(folder / f"b{number}.png")
    with shop.open() as catalog:
        catalog.add(folder)
        yield catalog


def first(catalog, number: int) -> str:
    return catalog.search(photo(number), regions="whole")[0].product.id


def test_on_it_finds_moved_pictures_first_that_are_not_first_without(boards):
    without = sum(first(boards, number) == f"b{number}" for number in range(10))
    boards.models.use_reranker("geometry")
    assert sum(first(boards, number) == f"b{number}" for number in range(10)) >= without + 2


def test_on_it_says_so_and_each_product_keeps_its_score(boards):
    before = boards.search(photo(0), limit=50)
    boards.models.use_reranker("geometry")
    after = boards.search(photo(0), limit=50)
    assert "rerank" in after.timings and "rerank" not in before.timings
    assert {hit.product.id: hit.score for hit in after} == {hit.product.id: hit.score for hit in before}
    assert all(0 <= hit.parts["rerank"] <= 1 for hit in after)
    pages = [hit.product.id for at in range(0, 10, 3) for hit in boards.search(photo(0), limit=3, offset=at)]
    assert pages == [hit.product.id for hit in after]


def test_off_it_is_as_it_was_and_the_switch_outlives_the_process(shop, boards):
    def plain(catalog):
        answer = catalog.search(photo(3))
        return [(hit.product.id, hit.score, hit.parts) for hit in answer], list(answer.timings)

    before = plain(boards)
    boards.models.use_reranker("geometry")
    boards.close()
    with shop.open() as again:
        assert plain(again) != before
        again.models.use_reranker(None)
        again.models.use_reranker(None)
        assert plain(again) == before
    with shop.open() as again:
        assert plain(again) == before


def test_only_a_photo_alone_is_looked_at_again(boards):
    boards.models.use_reranker("geometry")
    for wanted in (
        "board",
        Query((QueryTerm(photo=photo(1)), QueryTerm(photo=photo(2)))),
        Query((QueryTerm(product="b1"),)),
    ):
        assert "rerank" not in boards.search(wanted).timings
    assert "rerank" not in boards.search(photo(1), wrong=["b2"]).timings
    assert "rerank" in boards.search(photo(1), regions="all").timings


def test_a_product_whose_copy_is_gone_keeps_its_place(boards):
    place, gone = 2, boards.search(photo(4))[2].product.id
    boards.models.use_reranker("geometry")
    point = next(point.id for point in boards.points() if point.payload["_product"] == gone)
    boards.folder.copy_of(point).unlink()
    after = boards.search(photo(4))
    assert after[place].product.id == gone and "rerank" not in after[place].parts


def test_another_method_is_refused_and_nothing_is_written(boards):
    with pytest.raises(BadInput, match="geometry"):
        boards.models.use_reranker("guess")
    assert "rerank" not in boards.search(photo(0)).timings
    assert not list(boards.folder.path.rglob("reranker"))


def test_a_wanted_category_stays_in_front(catalog):
    catalog.models.use_reranker("geometry")
    hits = catalog.search(picture(0), category="mugs")
    assert hits[0].product.id == "mug-1" and "rerank" in hits[0].parts
