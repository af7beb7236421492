"""What every index does, held against both engines: the one on disk and the full scan in memory."""

import itertools
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapfind.core.errors import BadInput, SnapfindError
from snapfind.index import qdrant_edge
from snapfind.index.base import IndexQuery, Point
from snapfind.index.filters import parse, where
from snapfind.index.qdrant.collection import CollectionLayout
from snapfind.index.qdrant.servers import Servers, connect
from snapfind.index.reference import ReferenceIndex

# warnings of the client's own local mode; SERVERS may be on this machine
pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]
DIM = 8
SERVERS = os.environ.get("SNAPFIND_QDRANT_URL", "")  # such as qdrant://127.0.0.1:6333
REPLICAS = int(os.environ.get("SNAPFIND_QDRANT_REPLICAS", "1"))
ODD = 'Screen (") \\ `a` [0] .x'  # every character that the engine's paths or the filter language give a meaning
SCHEMA = {
    "stock": "number",
    "organic": "bool",
    "added": "date",
    "tags": "list",
    "odd name": "text",
    "färg": "text",
    ODD: "text",
    f"{ODD}?": "bool",
}
FIELDS = {"title": "text", "price": "number", "brand": "text", "_product": "text", "_primary": "bool", **SCHEMA}


def cluster_of(server):
    """A fresh collection: in the client's own local mode, or on the servers of SNAPFIND_QDRANT_URL."""
    client = pytest.importorskip("qdrant_client", reason="needs the extra snapfind[cluster]")
    from snapfind.index.qdrant import cluster

    if server is None:
        return cluster.open(Servers([client.QdrantClient(":memory:")]), "test")
    return cluster.open(*connect(f"{server}/test-{uuid.uuid4().hex}"), CollectionLayout(replicas=REPLICAS))


@pytest.fixture(params=["edge", "exact", "cluster", "servers"])
def index(request, tmp_path):
    if request.param == "servers" and not SERVERS:
        pytest.skip("SNAPFIND_QDRANT_URL is not set; deploy/cluster.yaml starts three servers")
    make = {
        "edge": lambda: qdrant_edge.open(tmp_path / "index"),
        "exact": ReferenceIndex,
        "cluster": lambda: cluster_of(None),
        "servers": lambda: cluster_of(SERVERS),
    }
    opened = make[request.param]()
    opened.declare(FIELDS)
    opened.add_space("a", DIM)
    yield opened
    opened.close()


def unit(rng):
    vector = rng.normal(size=DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def point(number, product=None, vector=None, words="", **fields):
    rng = np.random.default_rng(number)
    payload = {"_product": product or f"p{number}", "_primary": True, **fields}
    return Point(str(uuid.UUID(int=number)), {"a": unit(rng) if vector is None else vector}, words, payload)


def products(found):
    return [one.payload["_product"] for one in found]


def nearest(vector, **options):
    return IndexQuery("a", vector, **options)


def test_what_was_written_is_read_at_once(index):
    for number in range(50):
        written = point(number, price=number, words=f"thing {number}")
        index.upsert([written])
        found = index.search(nearest(written.vectors["a"], limit=1))[0]
        assert (found.id, found.payload) == (written.id, written.payload)
        assert found.score == pytest.approx(1, abs=1e-5)
        read = index.get([written.id], vectors=True)[0]
        assert read.payload == written.payload and read.words == written.words
        assert np.allclose(read.vectors["a"], written.vectors["a"])


def test_an_upsert_replaces_the_whole_point(index):
    index.upsert([point(1, title="old", brand="x")])
    index.upsert([point(1, title="new")])
    assert index.count() == 1
    assert index.get([point(1).id])[0].payload == {"_product": "p1", "_primary": True, "title": "new"}


def test_vectors_and_payload_are_set_apart(index):
    index.upsert([point(1, words="red tea"), point(2)])
    index.put_payload([point(1).id], {"_product": "p1", "title": "t"}, "green coffee")
    assert np.allclose(index.get([point(1).id], vectors=True)[0].vectors["a"], point(1).vectors["a"])
    assert products(index.search(IndexQuery(words="coffee"))) == ["p1"]
    assert index.search(IndexQuery(words="red")) == []
    index.put_payload([point(1).id], {"_product": "p1"})
    assert products(index.search(IndexQuery(words="coffee"))) == ["p1"]
    index.put_vectors("a", {point(1).id: point(9).vectors["a"], point(77).id: point(9).vectors["a"]})
    assert index.search(nearest(point(9).vectors["a"]))[0].score == pytest.approx(1, abs=1e-5)
    assert index.count() == 2
    assert products(index.search(IndexQuery(words="coffee"))) == ["p1"]


def test_a_second_space_stands_beside_the_first(index):
    index.upsert([point(1), point(2)])
    index.add_space("b", 3)
    index.add_space("b", 3)
    assert dict(index.spaces()) == {"a": DIM, "b": 3}
    assert index.search(IndexQuery("b", np.array([1, 0, 0], np.float32))) == []
    index.put_vectors("b", {point(2).id: np.array([0, 1, 0], np.float32)})
    assert products(index.search(IndexQuery("b", np.array([0, 1, 0], np.float32)))) == ["p2"]
    assert len(index.search(nearest(point(1).vectors["a"]))) == 2
    index.drop_space("b")
    index.drop_space("b")
    assert dict(index.spaces()) == {"a": DIM}
    assert set(index.get([point(2).id], vectors=True)[0].vectors) == {"a"}


def test_a_space_that_replaces_another_takes_the_points_along(index):
    index.add_space("text", 2)
    vector = np.array([1, 0], np.float32)
    index.upsert(
        [Point(one.id, {**one.vectors, "text": vector}, one.words, one.payload) for one in map(point, range(9))]
    )
    index.add_space("b", DIM, instead_of=["a"])
    index.put_vectors("b", {point(number).id: point(number + 1).vectors["a"] for number in range(9)})
    assert all(set(one.vectors) == {"a", "b", "text"} for one in index.scroll(vectors=True).points)
    for space, found in (("b", "p4"), ("a", "p5"), ("b", "p4")):
        index.publish(space)
        assert products(index.search(IndexQuery(space, point(5).vectors["a"], limit=1))) == [found]
        assert index.count() == 9 and len(index.search(IndexQuery("text", vector))) == 9
    index.drop_space("a")
    assert dict(index.spaces()) == {"b": DIM, "text": 2}
    assert all(set(one.vectors) == {"b", "text"} for one in index.get([point(3).id], vectors=True))
    assert index.delete(None) == 9 and index.search(IndexQuery("b", point(5).vectors["a"])) == []


def test_vectors_of_the_wrong_space_or_size_are_refused(index):
    with pytest.raises(BadInput, match="no space 'c'"):
        index.search(IndexQuery("c", np.ones(DIM, np.float32)))
    with pytest.raises(BadInput, match="takes"):
        index.search(IndexQuery("a", np.ones(DIM + 1, np.float32)))
    with pytest.raises(BadInput, match="takes"):
        index.upsert([point(1, vector=np.ones(2, np.float32))])
    with pytest.raises(BadInput, match="dimensions"):
        index.add_space("a", DIM + 1)


def test_limit_groups_come_back_whenever_they_exist(index):
    best = unit(np.random.default_rng(0))
    crowd = [point(number, "crowd", vector=best) for number in range(500)]
    others = [point(1000 + number, f"other{number}") for number in range(30)]
    index.upsert(crowd + others)
    found = index.search(nearest(best, limit=10, exact=True))
    assert len(found) == 10 and found[0].payload["_product"] == "crowd"
    assert len(set(products(found))) == 10
    assert len(index.search(nearest(best, limit=100, exact=True))) == 31
    assert len(index.search(nearest(best, limit=600, group=None, exact=True))) == 530


def test_the_union_of_pages_is_one_large_page(index):
    same = unit(np.random.default_rng(3))
    index.upsert([point(n, f"p{n // 3}", vector=same if n % 4 == 0 else None) for n in range(120)])
    query = unit(np.random.default_rng(5))
    for ask in (nearest(query, exact=True), nearest(same, exact=True)):
        whole = index.search(IndexQuery(ask.space, ask.vector, limit=40, exact=True))
        pages = [
            index.search(IndexQuery(ask.space, ask.vector, limit=7, offset=at, exact=True)) for at in range(0, 42, 7)
        ]
        assert [one.id for page in pages for one in page] == [one.id for one in whole]
        assert len(whole) == 40
        assert [(-one.score, one.id) for one in whole] == sorted((-one.score, one.id) for one in whole)


def test_scrolling_gives_every_point_once_in_order(index):
    index.upsert([point(number) for number in range(57)])
    seen, after = [], None
    while True:
        page = index.scroll(after=after, limit=10)
        seen += [found.id for found in page.points]
        after = page.after
        if after is None:
            break
        index.delete([after])  # a point that goes meanwhile does not break the scroll
    assert seen == [str(uuid.UUID(int=number)) for number in range(57)]


def test_delete_by_id_by_filter_and_all(index):
    index.upsert([point(number, brand="x" if number % 2 else "y") for number in range(10)])
    assert index.delete([point(0).id, point(99).id, point(0).id]) == 1
    assert index.delete(parse("brand = 'x'", SCHEMA)) == 5
    assert products(index.search(nearest(point(2).vectors["a"]))).count("p2") == 1
    assert index.delete(None) == 4
    assert index.count() == 0


def test_words_find_by_rare_word_code_accent_and_script(index):
    texts = ["red tea", "green tea", "crème brûlée", "苹果汁 果汁", "havremjölk ekologisk", "mug-1", "mug-2"]
    texts += ["jam 4006381333931", "jam 4006381333932"]
    index.upsert([point(number, words=text) for number, text in enumerate(texts)])

    def first(words):
        return products(index.search(IndexQuery(words=words)))[:1]

    asked = ["GREEN tea", "creme", "苹果", "havremjolk", "mug-2", "4006381333932"]
    assert [first(words) for words in asked] == [["p1"], ["p2"], ["p3"], ["p4"], ["p6"], ["p8"]]
    assert first("nothing like it") == [] and first("!?") == []
    assert products(index.search(IndexQuery(words="tea", filter=parse("id = 'p0'", SCHEMA)))) == ["p0"]


def test_facets_are_exact(index):
    index.upsert(
        [point(n, brand="ab"[n % 2], price=n % 3, organic=n < 5, tags=["x", "y"][: n % 3], _x=1) for n in range(12)]
    )
    assert index.facets("brand") == [("a", 6), ("b", 6)]
    assert index.facets("organic") == [(False, 7), (True, 5)]
    assert index.facets("tags") == [("x", 8), ("y", 4)]
    assert index.facets("price", parse("organic", SCHEMA)) == [(0, 2), (1, 2), (2, 1)]
    assert index.facets("brand", limit=1) == [("a", 6)]


values = st.fixed_dictionaries(
    {},
    optional={
        "price": st.integers(-3, 3) | st.sampled_from([0.5, -1.25]),
        "brand": st.sampled_from(["red", "blue", 'a"b']),
        "odd name": st.sampled_from(["x", "y"]),
        "färg": st.sampled_from(["röd", "红"]),
        ODD: st.sampled_from(["x", "y"]),
        f"{ODD}?": st.booleans(),
        "organic": st.booleans(),
        "added": st.sampled_from(["2026-01-01", "2026-01-02T10:00:00", "2026-01-02T10:00:00+02:00", "2026-03-01"]),
        "tags": st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=3, unique=True),
    },
)
numbers = st.sampled_from(["-2", "0", "0.5", "2", "1e1"])
dates = st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-02T08:00:00Z", "2026-02-01"])
signs = st.sampled_from(["<", "<=", ">", ">=", "=", "!="])
WRITTEN = "`" + ODD.replace("`", "``")
ODDLY = (f"{WRITTEN}` = 'x'", f"{WRITTEN}?`", f"exists({WRITTEN}`)")
atoms = st.one_of(
    st.builds("price {} {}".format, signs, numbers),
    st.builds("added {} {}".format, signs, dates),
    st.builds("price between {} and {}".format, numbers, numbers),
    st.builds('brand {} "{}"'.format, st.sampled_from(["=", "!="]), st.sampled_from(["red", "blue", "none"])),
    st.builds("brand {} ('red', 'a\"b')".format, st.sampled_from(["in", "not in"])),
    st.builds("price {} (0, 2, 0.5)".format, st.sampled_from(["in", "not in"])),
    st.builds("tags {} ('x', 'y')".format, st.sampled_from(["in", "not in"])),
    st.sampled_from(
        ["organic", "organic = false", "`odd name` = 'x'", "färg = '红'", "tags = 'z'", "id != 'p3'", *ODDLY]
    ),
    st.builds("exists({})".format, st.sampled_from(["price", "brand", "tags", "organic", "added"])),
)
filters = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(values, min_size=1, max_size=12), st.lists(filters, min_size=1, max_size=6))
def test_a_filter_gives_exactly_what_its_meaning_gives(index, payloads, texts):
    index.delete(None)
    written = [point(number, **payload) for number, payload in enumerate(payloads)]
    index.upsert(written)
    for text in texts:
        meaning = parse(text, SCHEMA)
        expected = [one.id for one in written if meaning.matches(one.payload)]
        assert [one.id for one in index.scroll(meaning).points] == expected, text
        assert index.count(meaning) == len(expected)
        found = index.search(nearest(point(7).vectors["a"], filter=meaning, limit=20))
        assert sorted(one.id for one in found) == expected
        # the same said in other words finds the same in the same order
        twice = parse(f"not (not ({text}))", SCHEMA)
        again = index.search(nearest(point(7).vectors["a"], filter=twice, limit=20))
        assert [one.id for one in again] == [one.id for one in found]


def test_write_optimize_write_read(index):
    rng = np.random.default_rng(1)
    index.upsert([point(number, brand="old") for number in range(300)])
    index.optimize()
    for number in range(0, 300, 3):
        index.upsert([point(number, vector=unit(rng), brand="new")])
    index.optimize()
    index.delete([point(1).id])
    assert index.count(parse("brand = 'new'", SCHEMA)) == 100
    assert index.count() == 299
    assert all(found.payload["brand"] == "new" for found in index.scroll(parse("brand = 'new'", SCHEMA)).points)


def test_a_long_run_of_random_operations_agrees_with_a_dictionary(index):
    rng = np.random.default_rng(11)
    model = {}
    for step in range(400):
        number = int(rng.integers(60))
        chosen = rng.integers(5)
        if chosen <= 1:
            written = point(number, vector=unit(rng), brand="ab"[step % 2])
            index.upsert([written])
            model[written.id] = written
        elif chosen == 2:
            gone = index.delete([point(number).id])
            assert gone == (model.pop(point(number).id, None) is not None)
        elif chosen == 3 and point(number).id in model:
            payload = {"_product": f"p{number}", "brand": "c"}
            index.put_payload([point(number).id], payload)
            old = model[point(number).id]
            model[old.id] = Point(old.id, old.vectors, old.words, payload)
        elif step % 50 == 4:
            index.optimize()
        query = unit(rng)
        meaning = parse("brand = 'a'", SCHEMA)
        expected = sorted(
            (one for one in model.values() if meaning.matches(one.payload)),
            key=lambda one: (-float(np.dot(one.vectors["a"], query)), one.id),
        )[:5]
        found = index.search(nearest(query, filter=meaning, limit=5, exact=True))
        assert [one.id for one in found] == [one.id for one in expected]
        assert index.count() == len(model)


def test_threads_read_while_one_writes(index, request):
    if request.node.callspec.params["index"] == "cluster":
        pytest.skip("the client's local mode is for one thread; its servers are not")
    index.upsert([point(number) for number in range(200)])
    stop = threading.Event()

    def reading():
        for number in itertools.cycle(range(200)):
            assert index.search(nearest(point(number).vectors["a"], limit=1))[0].payload["_product"] == f"p{number}"
            if stop.is_set():
                break
        return number

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(reading) for _ in range(2)]
        for number in range(200, 600):
            index.upsert([point(number)])
        index.optimize()
        stop.set()
        assert all(reader.result() >= 0 for reader in readers)
    assert index.count() == 600


def test_a_closed_index_says_so(index):
    index.close()
    for call in (
        index.count,
        index.optimize,
        lambda: index.upsert([point(1)]),
        lambda: index.search(IndexQuery(words="x")),
    ):
        with pytest.raises(SnapfindError, match="closed"):
            call()
    index.close()


def test_a_plain_condition_of_the_catalog(index):
    index.upsert([point(1, "a"), point(2, "b")])
    assert index.count(where("_product", ["a", "x"])) == 1
    assert index.count(where("_primary", [True]) & where("_product", ["b"])) == 1
    assert index.count(where("_product", [])) == 0


def test_examples_marked_right_and_wrong_move_the_ranking(index):
    rng = np.random.default_rng(4)
    index.upsert([point(number) for number in range(60)])
    for number in range(10):
        query, more, less = (
            unit(rng),
            [unit(rng) for _ in range(number % 3)],
            [unit(rng) for _ in range(1 + number % 2)],
        )
        if number == 0:
            less = []
        found = index.search(nearest(query, more=tuple(more), less=tuple(less), limit=60, exact=True))
        rows = {one.id: point(number).vectors["a"] for number in range(60) for one in [point(number)]}
        for one in found:
            wanted = query + sum(0.3 * vector for vector in more) - sum(0.1 * vector for vector in less)
            assert one.score == pytest.approx(float(rows[one.id] @ wanted) / (1 + 0.3 * len(more)), abs=1e-4)
        assert len(found) == 60
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    with pytest.raises(BadInput, match="takes"):
        index.search(nearest(unit(rng), less=(np.ones(DIM + 1, np.float32),)))


def test_a_field_of_any_name_is_kept_counted_and_filtered(index):
    index.upsert([point(1, **{ODD: "x", f"{ODD}?": True}), point(2, **{ODD: "y", f"{ODD}?": False})])
    assert index.get([point(1).id])[0].payload == point(1, **{ODD: "x", f"{ODD}?": True}).payload
    assert dict(index.facets(ODD)) == {"x": 1, "y": 1}
    assert dict(index.facets(f"{ODD}?")) == {True: 1, False: 1}
    chosen = parse(f"{WRITTEN}` = 'y' and not {WRITTEN}?`", SCHEMA)
    assert [one.id for one in index.scroll(chosen).points] == [point(2).id]
