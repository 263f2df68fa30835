"""What every address of a node shares: problem documents, security headers, an OpenAPI document."""

import pytest
from tests.support.node import RunningNode
from tests.support.problem import assert_problem

from pfn.protocol.errors import Code

SEED_ENDPOINTS = {
    ("post", "/federation/create-admin-key"),
    ("post", "/federation/add-source"),
    ("get", "/federation/sources"),
    ("post", "/federation/verify-source"),
    ("post", "/federation/update-source"),
    ("post", "/federation/subscribe"),
    ("get", "/federation/source-status"),
    ("get", "/federation/activity"),
    ("get", "/federation/plugins"),
    ("get", "/federation/download"),
    ("get", "/federation/verify"),
}


def test_an_unknown_address_is_a_problem_document(node: RunningNode) -> None:
    assert_problem(node.client().get("/federation/nothing"), Code.NOT_FOUND)


def test_a_wrong_method_is_a_problem_document_and_names_the_right_one(node: RunningNode) -> None:
    answer = node.client().get("/federation/add-source")
    assert_problem(answer, Code.METHOD_NOT_ALLOWED)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/federation/plugins", "/federation/nothing"])
def test_every_answer_carries_the_security_headers(node: RunningNode, path: str) -> None:
    headers = node.client().get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_openapi_names_every_endpoint_of_the_seed(node: RunningNode) -> None:
    paths = node.client().get("/openapi.json").json()["paths"]
    found = {(method, path) for path, methods in paths.items() for method in methods}
    assert found >= SEED_ENDPOINTS


def test_the_documentation_page_names_every_endpoint_and_no_other_host(node: RunningNode) -> None:
    page = node.client().get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for _, path in SEED_ENDPOINTS:
        assert path in page.text
    assert "cdn" not in page.text.lower()
