"""A catalog's index moves to a Qdrant collection and back: same points, same answers, nothing lost on the way."""

import os
import uuid

import numpy as np
import pytest

from snapfind.catalog.storage.migrate import EMBEDDED, verify
from snapfind.core.errors import BadInput, CatalogBroken, NotReady
from snapfind.index.base import Point
from snapfind.index.qdrant.servers import connect
from snapfind.index.reference import ReferenceIndex
from tests.pictures import picture

pytest.importorskip("qdrant_client", reason="needs the extra snapfind[cluster]")
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def address(tmp_path):
    """On the servers of SNAPFIND_QDRANT_URL where that is set, else in the client's own local mode."""
    servers = os.environ.get("SNAPFIND_QDRANT_URL")
    return f"{servers}/test-{uuid.uuid4().hex}" if servers else f"qdrant+path://{tmp_path}/servers/shop"


def answers(catalog):
    photos = [[hit.product.id for hit in catalog.search(picture(number))] for number in range(4)]
    return [*photos, [hit.product.id for hit in catalog.search("red tea")], catalog.facets("brand")]


def test_there_and_back(shop, address):
    with shop.open() as catalog:
        catalog.add(shop.table)
        before = answers(catalog)
        moved = catalog.migrate(address)
        assert (moved.copied, moved.there) == (4, 0) and moved.compared == moved.same > 0
        assert answers(catalog) == before
        with pytest.raises(BadInput, match="already"):
            catalog.migrate(address)
    with shop.open() as catalog:
        assert catalog.folder.manifest.index == address and answers(catalog) == before
        catalog.update("tea-1", {"price": 99})
        catalog.delete(["mug-1"])
        back = catalog.migrate(EMBEDDED)
        assert back.copied == 1 and back.there == 2 and len(catalog) == 2
        assert catalog.get("tea-1").price == 99
    with shop.open() as catalog:
        assert catalog.folder.manifest.index == "" and len(catalog) == 2


def test_a_move_that_was_stopped_goes_on(shop, address, monkeypatch):
    with shop.open() as catalog:
        catalog.add(shop.table)
        monkeypatch.setattr("snapfind.catalog.storage.migrate._PAGE", 2)

        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            catalog.migrate(address, progress=stop)
        assert catalog.folder.manifest.index == "" and len(catalog.search(picture(0))) == 3
        assert catalog.migrate(address).there == 2


def test_two_that_disagree_are_not_switched(shop, address, monkeypatch):
    with shop.open() as catalog:
        catalog.add(shop.table)
        monkeypatch.setattr("snapfind.catalog.storage.migrate.copy", lambda *_: (0, 0))  # a move that loses everything
        with pytest.raises(CatalogBroken, match="nothing was switched"):
            catalog.migrate(address)
        assert catalog.folder.manifest.index == "" and len(catalog) == 3


@pytest.mark.parametrize("wrong", ["http://host/x", "qdrant://host", "qdrant:///x", "qdrant://host/a/b", "shop.snap"])
def test_an_address_that_is_none_is_refused(wrong):
    with pytest.raises(BadInput, match="qdrant://HOST:6333/NAME"):
        connect(wrong)


def test_servers_that_do_not_answer_leave_everything_as_it_is(shop):
    with shop.open() as catalog:
        catalog.add(shop.table)
        with pytest.raises(NotReady, match="do not respond"):
            catalog.migrate("qdrant://127.0.0.1:1/shop")
        assert len(catalog) == 3


def index_of(vectors):
    index = ReferenceIndex()
    index.add_space("s", 2)
    index.upsert([Point(f"{n:032}", {"s": np.array(v, np.float32)}, "", {"_product": n}) for n, v in vectors.items()])
    return index


def test_an_index_with_another_number_of_points_or_other_hits_is_different():
    rows = {number: [np.cos(number / 9), np.sin(number / 9)] for number in range(14)}
    same = index_of(rows)
    assert verify(index_of(rows), same).same == 14
    more = index_of(rows)
    more.upsert([Point("f" * 32, {}, "", {"_product": "further"})])  # without a vector, so that no search finds it
    with pytest.raises(CatalogBroken, match="14 points here, 15 there"):
        verify(same, more)
    other = index_of({number: rows[13 - number] for number in rows})
    with pytest.raises(CatalogBroken, match="searches have other hits"):
        verify(same, other)
