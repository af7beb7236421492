"""The tools of an assistant, asked by the protocol's own client."""

import asyncio
import json

import pytest

mcp = pytest.importorskip("mcp")

from snapfind.server.mcp import assistant  # noqa: E402
from tests.catalog.conftest import Shop  # noqa: E402
from tests.server.conftest import photo64  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    with shop.open() as catalog:
        catalog.add(shop.table)
        yield assistant(catalog)


def ask(server, tool, **arguments):
    async def run():
        async with mcp.Client(server) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(run())


def told(found):
    assert not found.is_error, found
    return [json.loads(part.text) for part in found.content]


def test_an_assistant_searches_and_looks(server):
    assert told(ask(server, "search_products", text="green tea", limit=1))[0]["product"]["id"] == "tea-2"
    found = told(ask(server, "search_products", photo=photo64(3), filter="price > 10"))
    assert [hit["product"]["id"] for hit in found] == ["mug-1"]
    assert told(ask(server, "get_product", id="tea-1"))[0]["title"] == "Red tea"
    assert told(ask(server, "count_values"))[0] == {"tea": 2, "mugs": 1}


def test_what_is_wrong_is_said_in_a_sentence(server):
    for arguments in ({}, {"text": "tea", "filter": "color = 1"}, {"photo": "!!"}):
        found = ask(server, "search_products", **arguments)
        assert found.is_error and found.content[0].text


def test_it_changes_nothing(server):
    async def names():
        async with mcp.Client(server) as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    assert asyncio.run(names()) == {"search_products", "get_product", "count_values"}
