"""The page about the API says of every endpoint what the OpenAPI document and the code say."""

import re

import pytest
from tests.support.node import RunningNode
from tests.web.pages.browser import Browser

from pfn.domain.access import Scope
from pfn.protocol.errors import Code
from pfn.web.pages.schema_type import describe_type, read_fields

SCHEMAS = {
    "Kind": {"enum": ["a", "b"], "type": "string"},
    "Inner": {"properties": {"tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3}}},
    "Outer": {"properties": {"id": {"type": "integer"}, "inner": {"$ref": "#/x/Inner"}}, "required": ["id"]},
}


async def test_every_endpoint_is_there_with_its_scope_as_the_node_asks_for_it(
    stranger: Browser, node: RunningNode
) -> None:
    page = await stranger.open("/docs")
    articles = page.answer.text.split('<article class="operation')[1:]
    paths = (await stranger.http.get("/openapi.json")).json()["paths"]
    operations = [(method, path) for path, item in paths.items() for method in item if method != "head"]
    assert len(articles) == len(operations) > 15
    # The page keeps together what has one tag, so its order is its own.
    heads = [re.search(r'class="method (\w+)">.*?<a [^>]*>([^<]+)<', article) for article in articles]
    described = {(head[1], head[2]): article for head, article in zip(heads, articles, strict=True) if head}
    assert described.keys() == set(operations)
    for (method, path), article in described.items():
        found = re.search(r"with the scope <code>(.+?)</code>", article)
        # The live stream never ends: how an answer begins is enough.
        async with stranger.http.stream(method, path.replace("{sync_id}", "1"), json={}) as answer:
            assert (answer.status_code == 401) == (found is not None), path
        if found is not None:
            others = sorted(scope.value for scope in Scope if scope.value != found[1])
            with node.client(node.create_key(scopes=others)["key"]) as client:
                body = {"sourceId": "a@b.example", "id": "x", "description": "x", "allow_unsigned": None}
                body |= {"instance_url": "x", "username": "x", "public_key": "x"}
                if path.endswith("/unsubscribe"):
                    body["id"] = 1  # type: ignore[assignment]  # this one is a number
                refused = client.request(
                    method, path.replace("{sync_id}", "1"), json=body, params={"sourceId": "a@b.example"}
                ).json()
                assert (refused["code"], found[1] in refused["detail"]) == ("scope_missing", True), path


async def test_fields_examples_and_errors_are_there(stranger: Browser, node: RunningNode) -> None:
    page = await stranger.open("/docs")
    assert "instance_url required" in page.text
    assert "Where the publisher is" in page.text
    assert "filters.tags" in page.text
    assert f"{node.url}/federation/subscribe" in page.text
    assert f'"{node.url}/federation/download?source=alice@plugins.example.com&plugin=plain-reading-time"' in page.text
    for code in Code:
        assert code.slug in page.text
    anchors = {link[1:] for link in page.links() if link.startswith("#")}
    assert anchors <= {given["id"] for _, given in page.tags if "id" in given}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "minLength": 1, "maxLength": 5}, "string, 1 to 5 characters"),
        ({"type": "integer", "minimum": 1}, "integer, at least 1"),
        ({"type": "integer", "minimum": 1, "maximum": 100000}, "integer, 1 to 100000"),
        ({"type": "integer", "maximum": 1_000_000}, "integer, at most 1000000"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "boolean"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string or integer"),
        ({"$ref": "#/x/Kind"}, "one of a, b"),
        ({"type": "array", "items": {"$ref": "#/x/Kind"}, "maxItems": 3}, "list of one of a, b, at most 3 entries"),
        ({}, "any value"),
    ],
)
def test_a_type_in_words(schema: dict[str, object], said: str) -> None:
    assert describe_type(schema, SCHEMAS) == said


def test_members_of_objects_inside_are_named_by_their_path() -> None:
    fields = read_fields({"$ref": "#/x/Outer"}, SCHEMAS)
    assert [(one.name, one.type, one.required) for one in fields] == [
        ("id", "integer", True),
        ("inner.tags", "list of string, at most 3 entries", False),
    ]
