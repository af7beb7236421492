"""The options of a search have one definition: every interface is derived from it."""

import inspect
from dataclasses import replace

import pytest

from snapfind import Query, QueryTerm
from snapfind.cli.search import search as search_command
from snapfind.client.convert import query_json
from snapfind.core.config import Settings
from snapfind.core.errors import BadQuery
from snapfind.core.query import OPTIONS, QueryOptions
from snapfind.server.schemas.search import ParsedSearch, SearchBody, form_schema

VALUES = {
    "filter": "price < 5",
    "regions": "whole",
    "category": "mugs",
    "order": "similarity",
    "recent": ("a", "b"),
}


def test_every_interface_has_every_option():
    assert set(OPTIONS) == set(VALUES) == set(QueryOptions.__annotations__)
    assert set(OPTIONS) <= set(SearchBody.model_fields)
    assert set(OPTIONS) <= set(form_schema()["properties"])
    assert set(OPTIONS) <= set(inspect.signature(search_command).parameters)


def test_help_and_limits_are_the_same_everywhere():
    schema, parameters = SearchBody.model_json_schema()["properties"], inspect.signature(search_command).parameters
    for name, option in OPTIONS.items():
        assert schema[name]["description"] == option.help
        assert parameters[name].annotation.__metadata__[0].help == option.help
        assert option.help.endswith(".")
    assert schema["category"]["anyOf"][0]["maxLength"] == 256 and schema["recent"]["maxItems"] == 50


@pytest.mark.parametrize("name", VALUES)
def test_an_option_survives_the_way_over_http(name):
    query = replace(Query((QueryTerm(text="a cup"),)), **{name: VALUES[name]})
    body = SearchBody.model_validate(query_json(query))
    assert ParsedSearch.model_construct(body=body, files=[]).query(Settings(), []) == query


def test_options_are_added_to_those_of_a_query():
    query = Query((QueryTerm(text="a cup"),), "price < 5", recent=("a",))
    more = query.with_options({"filter": "brand = 'x'", "recent": ["b"], "order": "similarity", "category": None})
    assert more.filter == "(price < 5) and (brand = 'x')" and more.recent == ("a", "b")
    assert (more.order, more.category, query.order) == ("similarity", None, "clicks")
    marked = query.with_options({}, [QueryTerm(product="p")])
    assert marked.marked == (QueryTerm(product="p"),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"oder": "clicks"}, "unknown option 'oder'; supported: filter, regions"),
        ({"order": "price"}, "supported: clicks"),
    ],
)
def test_an_unknown_option_or_value_is_named(options, message):
    with pytest.raises(BadQuery, match=message):
        Query((QueryTerm(text="a cup"),)).with_options(options)


def test_a_negative_term_needs_a_positive_one_of_its_modality():
    for terms in (
        (QueryTerm(photo=b"x"), QueryTerm(text="striped", weight=-1)),
        (QueryTerm(text="shirt"), QueryTerm(photo=b"x", weight=-1)),
        (QueryTerm(text="shirt"), QueryTerm(product="a", weight=-1)),
    ):
        with pytest.raises(BadQuery, match="needs a positive"):
            Query(terms)
    assert Query((QueryTerm(photo=b"x"), QueryTerm(product="a", weight=-1))).terms[1].weight == -1
    assert Query((QueryTerm(text="shirt"), QueryTerm(text="striped", weight=-1))).terms[1].text == "striped"
