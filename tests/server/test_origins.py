"""Pages of sites in the setting `origins` may use the API; pages of all others may not."""

from contextlib import ExitStack

import pytest
from fastapi.testclient import TestClient

from snapfind.core.errors import BadSetting
from snapfind.server import build
from tests.server.conftest import BASE

SITE = "https://shop.example"


@pytest.fixture
def open_to(shop):
    def make(origins):
        catalog = shop.open(origins=origins)
        stack.callback(catalog.close)
        return stack.enter_context(TestClient(build(catalog), base_url=BASE))

    with ExitStack() as stack:
        yield make


def test_a_listed_site_may_search_and_read_the_answer(open_to, shop):
    client = open_to(f"{SITE}/, http://localhost:3000")
    for site in (SITE, "http://localhost:3000"):
        asked = {"origin": site, "access-control-request-method": "POST"}
        allowed = client.options("/v1/search", headers=asked)
        assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == site
        found = client.post(
            "/v1/search", json={"text": "tea"}, headers={"origin": site, "sec-fetch-site": "cross-site"}
        )
        assert found.status_code == 200 and found.headers["access-control-allow-origin"] == site
    picture = {"referer": f"{SITE}/cart", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/v1/info", headers=picture).status_code == 200, "an image has no Origin, but a Referer"


@pytest.mark.parametrize("site", ["https://evil.example", "http://shop.example", f"{SITE}.evil.example", "null", ""])
def test_other_sites_are_refused(open_to, site):
    client = open_to(SITE)
    found = client.post("/v1/search", json={"text": "tea"}, headers={"origin": site, "sec-fetch-site": "cross-site"})
    assert found.status_code == 403 and "access-control-allow-origin" not in found.headers


def test_without_the_setting_no_site_is_allowed(open_to):
    client = open_to("")
    found = client.get("/v1/info", headers={"origin": SITE})
    assert found.status_code == 403 and "access-control-allow-origin" not in found.headers


@pytest.mark.parametrize("origins", ["shop.example", "*", "https://", "javascript:x"])
def test_what_is_no_site_is_one_sentence(open_to, origins):
    with pytest.raises(BadSetting, match="is not a site"):
        open_to(origins)
