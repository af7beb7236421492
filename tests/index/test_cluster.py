"""A catalog's collections on servers: one a model, an alias that moves, groups of categories, many addresses."""

import numpy as np
import pytest

from snapfind.core.errors import BadInput, NotFound, NotReady, SnapfindError
from snapfind.index.base import IndexQuery
from snapfind.index.filters import parse
from snapfind.index.qdrant import cluster
from snapfind.index.qdrant.collection import CollectionLayout
from snapfind.index.qdrant.servers import Servers, connect
from snapfind.index.qdrant.sharding import group_of, groups_of
from tests.index.test_contract import DIM, FIELDS, SCHEMA, point, products, unit

qdrant_client = pytest.importorskip("qdrant_client", reason="needs the extra snapfind[cluster]")

from tests.index.stand_in import StandIn, serving  # noqa: E402

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]
GROUPS = 4
CATEGORIES = ["tea", "mugs", "bread", "soap", "lamps", ""]


def alias(client):
    return {one.alias_name: one.collection_name for one in client.get_aliases().aliases}


def collections(client):
    return {one.name for one in client.get_collections().collections}


@pytest.fixture
def client():
    return qdrant_client.QdrantClient(":memory:")


@pytest.fixture
def shop(client):
    opened = cluster.open(Servers([client]), "shop")
    opened.add_space("first", DIM)
    opened.add_space("text", DIM)
    for number in range(30):
        opened.upsert([both(number)])
    opened.publish("first")
    return opened


def both(number, **fields):
    made = point(number, words=f"thing nr-{number}", **fields)
    return type(made)(made.id, {"first": made.vectors["a"], "text": made.vectors["a"]}, made.words, made.payload)


def vector(number):
    return point(number).vectors["a"]


def nearest(index, space, number):
    return products(index.search(IndexQuery(space, vector(number), limit=1)))


# ── one collection for each model ────────────────────────────────────────────────


def build(index, space):
    index.add_space(space, DIM, instead_of=["first"])
    index.put_vectors(space, {point(number).id: vector(number + 1) for number in range(30)})


def test_a_switch_moves_the_alias_and_a_drop_removes_the_collection(client, shop):
    build(shop, "second")
    assert collections(client) == {"shop-1", "shop-2"} and alias(client) == {"shop": "shop-1"}
    assert nearest(shop, "first", 7) == ["p7"] and nearest(shop, "second", 7) == ["p6"]
    shop.publish("second")
    assert alias(client) == {"shop": "shop-2"}
    assert nearest(shop, "first", 7) == ["p7"] and nearest(shop, "text", 7) == ["p7"]
    shop.publish("first")
    assert alias(client) == {"shop": "shop-1"}
    shop.publish("second")
    shop.drop_space("first")
    assert collections(client) == {"shop-2"} and set(shop.spaces()) == {"second", "text"}
    assert products(shop.search(IndexQuery(words="nr-9")))[0] == "p9" and shop.count() == 30
    with pytest.raises(BadInput, match="no space 'first'"):
        nearest(shop, "first", 7)


def test_whoever_reads_the_alias_sees_the_whole_of_one_model(client, shop):
    def seen():
        found = client.scroll("shop", limit=100, with_vectors=True)[0]
        return {frozenset(record.vector) for record in found}, len(found)

    build(shop, "second")
    assert seen() == ({frozenset({"first", "text", "words"})}, 30)
    shop.publish("second")
    assert seen() == ({frozenset({"second", "text", "words"})}, 30)


def test_what_is_written_while_two_models_stand_is_in_both(client, shop):
    build(shop, "second")
    shop.put_payload([point(3).id], {"_product": "p3", "_primary": True, "brand": "new"}, "other words")
    shop.delete([point(4).id])
    made = both(40)
    shop.upsert([type(made)(made.id, {**made.vectors, "second": vector(40)}, made.words, made.payload)])
    whole = shop.get([made.id, point(3).id], vectors=True)
    assert [set(one.vectors) for one in whole] == [{"first", "second", "text"}] * 2
    for space in ("first", "second"):
        shop.publish(space)
        assert shop.count() == 30 and shop.count(parse("brand = 'new'", SCHEMA)) == 1
        assert products(shop.search(IndexQuery(words="other"))) == ["p3"] and shop.get([point(4).id]) == []
        assert nearest(shop, space, 40) == ["p40"]


def test_a_build_that_was_cut_short_goes_on(client, shop, monkeypatch):
    real, calls = cluster.Collection.upsert, []

    def stopping(self, points):
        if self.name == "shop-2" and calls:
            raise KeyboardInterrupt
        calls.append(self.name)
        real(self, points)

    monkeypatch.setattr(cluster, "_PAGE", 10)
    monkeypatch.setattr(cluster.Collection, "upsert", stopping)
    with pytest.raises(KeyboardInterrupt):
        build(shop, "second")
    monkeypatch.setattr(cluster.Collection, "upsert", real)
    again = cluster.open(Servers([client]), "shop")
    build(again, "second")
    assert client.count("shop-2").count == 30 and nearest(again, "second", 7) == ["p6"]


def test_one_who_reads_follows_what_another_moved(client, shop):
    reader = cluster.find(Servers([client]), "shop")
    build(shop, "second")
    shop.publish("second")
    shop.drop_space("first")
    assert reader.count() == 30 and nearest(reader, "second", 7) == ["p6"]
    with pytest.raises(NotFound, match="no catalog other"):
        cluster.find(Servers([client]), "other")
    with pytest.raises(BadInput, match="not a catalog"):
        cluster.open(Servers([client]), "shop-2")


def test_a_name_that_is_taken_is_left_alone(client):
    client.create_collection("mine-1", vectors_config={}, sparse_vectors_config={})
    assert cluster.open(Servers([client]), "mine").count() == 0  # an empty one was left by a start that was cut short
    client.delete_collection("mine-1")
    client.create_collection("mine-1", vectors_config={}, sparse_vectors_config={})
    client.upsert("mine-1", [qdrant_client.models.PointStruct(id=1, vector={}, payload={"theirs": 1})])
    with pytest.raises(BadInput, match="mine-1 that is not a catalog"):
        cluster.open(Servers([client]), "mine")
    assert client.count("mine-1").count == 1


def test_a_collection_of_others_with_a_like_name_is_not_written(client, shop):
    client.create_collection("shop-7", vectors_config={})
    again = cluster.open(Servers([client]), "shop")
    again.upsert([both(31)])
    again.drop_space("first")
    assert client.count("shop-7").count == 0 and collections(client) == {"shop-1", "shop-7"}
    assert again.count() == 31 and client.count("shop-1").count == 31


def test_servers_without_groups_refuse_them_and_nothing_is_left(client):
    with pytest.raises(SnapfindError, match="group"):
        cluster.open(Servers([client]), "shop", CollectionLayout(groups=2))
    assert collections(client) == set()


# ── groups of categories ─────────────────────────────────────────────────────────


@pytest.fixture
def state():
    return StandIn()


@pytest.fixture
def address(state):
    with serving(state) as (host, _):
        yield f"qdrant://{host}/shop"


@pytest.fixture
def grouped(address):
    opened = cluster.open(*connect(address), CollectionLayout(groups=GROUPS))
    opened.declare({**FIELDS, "category": "text"})
    opened.add_space("a", DIM)
    opened.upsert([point(n, category=CATEGORIES[n % 6], brand="ab"[n % 2], words=f"thing nr-{n}") for n in range(24)])
    yield opened
    opened.close()


def held(state):
    """Shard key -> ids."""
    keys = state.keys["shop-1"]
    return {key: {one.id for one in state.client.scroll(f"shop-1.{key}", limit=99)[0]} for key in keys}


def test_products_lie_by_category_and_a_filter_asks_their_groups_only(state, grouped):
    assert sum(len(ids) for ids in held(state).values()) == grouped.count() == 24
    assert point(0).id in held(state)[group_of("tea", GROUPS)]
    state.asked.clear()
    found = grouped.search(IndexQuery("a", vector(0), filter=parse("category = 'tea' and brand = 'a'", SCHEMA)))
    assert products(found)[0] == "p0" and {one.payload["category"] for one in found} == {"tea"}
    assert state.asked == [("query", "shop-1", [group_of("tea", GROUPS)])]
    state.asked.clear()
    assert len(grouped.search(IndexQuery("a", vector(0), limit=30))) == 24
    assert state.asked == [("query", "shop-1", None)]
    assert dict(grouped.facets("category"))["mugs"] == 4 and grouped.facets("brand") == [("a", 12), ("b", 12)]
    pages, after = [], None
    while not pages or after:
        page = grouped.scroll(after=after, limit=5)
        pages, after = [*pages, *page.points], page.after
    assert [one.id for one in pages] == [point(n).id for n in range(24)]


def test_a_product_that_changes_category_moves(state, grouped):
    wanted = next(one for one in CATEGORIES if group_of(one, GROUPS) != group_of("tea", GROUPS))
    grouped.put_payload([point(0).id], {"_product": "p0", "category": wanted}, "moved words")
    grouped.upsert([point(6, category=wanted, words="thing nr-6")])
    for number in (0, 6):
        assert [key for key, ids in held(state).items() if point(number).id in ids] == [group_of(wanted, GROUPS)]
    assert grouped.count() == 24 and products(grouped.search(IndexQuery(words="moved"))) == ["p0"]
    assert np.allclose(grouped.get([point(0).id], vectors=True)[0].vectors["a"], vector(0))
    grouped.put_vectors("a", {point(0).id: vector(50)})
    assert grouped.search(IndexQuery("a", vector(50), limit=1))[0].score == pytest.approx(1, abs=1e-5)
    assert grouped.delete([point(0).id, point(6).id]) == 2 and grouped.count() == 22
    assert grouped.delete(parse("category = 'soap'", SCHEMA)) == 4 and grouped.count() == 18


def test_a_long_run_of_random_changes_agrees_with_a_dictionary(state, grouped):
    rng = np.random.default_rng(3)
    model = {one.id: one for one in grouped.scroll(limit=100, vectors=True).points}
    for _ in range(150):
        made = point(int(rng.integers(30)), vector=unit(rng), category=CATEGORIES[rng.integers(6)])
        chosen, old = rng.integers(4), model.get(made.id)
        if chosen == 0:
            grouped.upsert([made])
            model[made.id] = made
        elif chosen == 1:
            assert grouped.delete([made.id]) == (model.pop(made.id, None) is not None)
        elif chosen == 2 and old:
            grouped.put_payload([made.id], made.payload)
            model[made.id] = type(old)(old.id, old.vectors, old.words, made.payload)
        elif old:
            grouped.put_vectors("a", {made.id: made.vectors["a"]})
            model[made.id] = type(old)(old.id, made.vectors, old.words, old.payload)
    assert sum(len(ids) for ids in held(state).values()) == grouped.count() == len(model)
    for category in CATEGORIES[:5]:
        meaning, query = parse(f"category = '{category}'", SCHEMA), unit(rng)
        fitting = (one for one in model.values() if meaning.matches(one.payload))
        expected = sorted(fitting, key=lambda one: -float(np.dot(one.vectors["a"], query)))
        found = grouped.search(IndexQuery("a", query, filter=meaning, limit=30, exact=True))
        assert [one.id for one in found] == [one.id for one in expected]


def test_a_second_model_has_the_groups_of_the_first(state, grouped):
    grouped.add_space("b", DIM, instead_of=["a"])
    assert state.keys["shop-2"] == state.keys["shop-1"] and grouped.count() == 24
    grouped.put_vectors("b", {point(n).id: vector(n) for n in range(24)})
    grouped.publish("b")
    grouped.drop_space("a")
    assert nearest(grouped, "b", 5) == ["p5"] and set(state.made) == {"shop-2"}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("category = 'tea'", ["tea"]),
        ("category in ('tea', 'mugs') and price < 5", ["tea", "mugs"]),
        ("(category = 'tea' or category = 'soap') and brand = 'x'", ["tea", "soap"]),
        ("category in ('tea', 'mugs') and category in ('mugs', 'soap')", ["mugs"]),
        ("category = 'tea' or brand = 'x'", None),
        ("category != 'tea'", None),
        ("category = 'tea' and category = 'mugs'", None),
        ("price < 5", None),
    ],
)
def test_a_filter_says_which_groups_can_hold_what_fits(text, asked):
    expected = None if asked is None else sorted({group_of(one, 64) for one in asked})
    assert groups_of(parse(text, SCHEMA), 64) == expected


def test_a_category_keeps_its_group():
    assert [group_of(one, 8) for one in ("tea", "mugs", "", None, "红茶")] == [
        *("group-3", "group-5", "group-4", "group-4", "group-0")
    ]


# ── over HTTP, at several addresses ──────────────────────────────────────────────


def test_another_server_is_asked_when_one_is_gone(state):
    with serving(state) as (first, stop), serving(state) as (second, _):
        index = cluster.open(*connect(f"qdrant://{first},{second}/shop"))
        index.add_space("a", DIM)
        index.upsert([point(1)])
        stop()
        index.upsert([point(2)])
        assert index.count() == 2 and nearest(index, "a", 2) == ["p2"]
    with pytest.raises(NotReady, match="do not respond"):
        index.count()
    index.close()


def test_over_http_the_answers_are_those_of_the_local_mode(address, client):
    far, near = cluster.open(*connect(address)), cluster.open(Servers([client]), "shop")
    rng = np.random.default_rng(5)
    for index in (far, near):
        index.declare(FIELDS)
        index.add_space("a", DIM)
        index.upsert([point(n, brand="ab"[n % 2], organic=n % 3 == 0, words=f"thing nr-{n}") for n in range(40)])
        index.put_payload([point(3).id], {"_product": "p3", "brand": "c"}, "")
        index.delete(parse("brand = 'b' and organic", SCHEMA))
    for _ in range(10):
        asks = [
            IndexQuery("a", unit(rng), less=(unit(rng),), filter=parse("brand = 'a'", SCHEMA)),
            IndexQuery(words="nr-8"),
        ]
        for ask in asks:
            assert [one.id for one in far.search(ask)] == [one.id for one in near.search(ask)]
    assert far.facets("brand") == near.facets("brand") and far.facets("organic") == near.facets("organic")
    assert far.count() == near.count() == 34
    with pytest.raises(BadInput, match="no space"):
        far.search(IndexQuery("c", unit(rng)))
    far.close()


def test_the_graph_is_that_of_the_embedded_index(state, address):
    cluster.open(*connect(address)).close()
    told = state.made["shop-1"]
    assert (told.hnsw_config.m, told.hnsw_config.ef_construct, told.hnsw_config.full_scan_threshold) == (
        32,
        256,
        128_000,
    )
    assert told.quantization_config.scalar.type == "int8" and told.quantization_config.scalar.quantile == 0.99
