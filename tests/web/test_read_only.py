"""The page of a server that only reads: it searches, and offers nothing that would be refused."""

import pytest

from tests.catalog.conftest import Shop
from tests.served import served
from tests.web.conftest import watched

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser test").expect
pytest.importorskip("qdrant_client", reason="needs the extra snapfind[cluster]")

from tests.index.stand_in import StandIn  # noqa: E402
from tests.index.stand_in import serving as index_servers  # noqa: E402

pytestmark = [
    pytest.mark.enable_socket,  # loopback only
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]


def test_it_offers_what_it_can_do(browser, tmp_path):
    shop = Shop(tmp_path)
    with index_servers(StandIn()) as (host, _):
        with shop.open() as owner:
            owner.add(shop.table)
            owner.migrate(f"qdrant://{host}/shop")
        with served(shop.path, "--read-only") as address, watched(browser, address) as page:
            expect(page.get_by_role("link", name="Import")).to_be_hidden()
            expect(page.get_by_role("link", name="Quality")).to_be_hidden()
            page.get_by_role("link", name="Products").click()
            expect(page.locator("#products .card").first).to_be_visible()
            expect(page.get_by_role("button", name="Add a product")).to_be_hidden()
            expect(page.get_by_role("button", name="Edit").first).to_be_hidden()
