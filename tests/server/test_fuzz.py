"""Requests made up from the OpenAPI document, no fault of the server, no reply off the document."""

import hypothesis
import pytest
import requests
import schemathesis

from tests.catalog.conftest import Shop
from tests.server.conftest import BASE, serving

FAULTS = {500, 502, 503, 504, 507}
SETTINGS = hypothesis.settings(max_examples=12, suppress_health_check=list(hypothesis.HealthCheck))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    with serving(Shop(tmp_path_factory.mktemp("fuzz"))) as client:
        yield client


def operations(client):
    """Method, path, and a strategy of requests, for every operation of the document."""
    for found in schemathesis.openapi.from_dict(client.app.openapi()).get_all_operations():
        operation = found.ok()
        yield operation.label, operation.as_strategy()


def ask_all(client, cases):
    """The statuses that an operation answered with; the client holds each reply against the document."""
    seen = []

    @hypothesis.given(case=cases)
    @SETTINGS
    def ask(case):
        try:
            made = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        except (requests.exceptions.InvalidHeader, UnicodeError):
            hypothesis.reject()  # what cannot be sent over HTTP at all
        found = client.request(made.method, made.url, content=made.body, headers=dict(made.headers))
        assert found.status_code not in FAULTS, (made.method, made.url, made.body, found.text)
        seen.append(found.status_code)

    ask()
    return seen


def test_whatever_is_asked_the_answer_is_documented(fuzzed):
    statuses = {label: ask_all(fuzzed, cases) for label, cases in operations(fuzzed)}
    seen = {status for some in statuses.values() for status in some}
    assert len(statuses) >= 28 and sum(map(len, statuses.values())) > 200
    assert {200, 202, 400, 404, 422} <= seen
