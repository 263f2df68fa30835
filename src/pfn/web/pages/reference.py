"""The API's own description (OpenAPI), read into what the docs page shows of each address.

Nothing is said twice: addresses, fields, types and sentences come from the document that programs read; who may call
comes from the dependency that lets requests through.
"""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.routing import APIRoute

from pfn.domain.access import Scope
from pfn.web.pages.schema_type import Field, Schema, Schemas, describe_type, read_fields

_EXAMPLES: dict[str, object] = {
    "sourceId": "alice@plugins.example.com",
    "source": "alice@plugins.example.com",
    "plugin": "plain-reading-time",
    "instance_url": "https://plugins.example.com",
    "username": "alice",
    "public_key": "MCowBQYDK2VwAyEA…",
    "description": "the agency's console",
    "id": "4fJ0aP2kQz91",
    "allow_unsigned": True,
    "sync_id": 7,
}
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one address. ``scope`` is None where no key is needed."""

    anchor: str
    method: str
    path: str
    tag: str
    paragraphs: Sequence[str]
    scope: Scope | None
    parameters: Sequence[Field]
    body: Sequence[Field]
    status: str
    answer: str
    answer_fields: Sequence[Field]
    example: str


def read_scopes(routers: Iterable[APIRouter]) -> dict[tuple[str, str], Scope]:
    """Map (method, path) of the routes that need a key to the scope it must have."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    found: dict[tuple[str, str], Scope] = {}
    for route in routes:
        for dependency in route.dependant.dependencies:
            scope = _find_scope(dependency.call)
            if scope is not None:
                found |= {(method.lower(), route.path): scope for method in route.methods or ()}
    return found


def _find_scope(call: object) -> Scope | None:
    """Give the scope that a dependency made by ``pfn.web.access.need`` asks for."""
    if not inspect.isfunction(call):
        return None
    scope = inspect.getclosurevars(call).nonlocals.get("scope")
    return scope if isinstance(scope, Scope) else None


def read_reference(
    document: Schema, scopes: Mapping[tuple[str, str], Scope], address: str
) -> dict[str, list[Operation]]:
    """Read every operation of an OpenAPI document, grouped by tag, in the document's order."""
    schemas: Schemas = document.get("components", {}).get("schemas", {})
    grouped: dict[str, list[Operation]] = {}
    for method, path, described in _operations(document):
        operation = _read(method, path, described, schemas, scopes.get((method, path)), address)
        grouped.setdefault(operation.tag, []).append(operation)
    return grouped


def _operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _read(method: str, path: str, described: Schema, schemas: Schemas, scope: Scope | None, address: str) -> Operation:
    parameters = [
        Field.read(one["name"], one["schema"], schemas, required=one.get("required", False), place=one["in"])
        for one in described.get("parameters", ())
    ]
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = read_fields(content["schema"], schemas) if content else []
    status, answer = next((code, one) for code, one in described["responses"].items() if code.startswith("2"))
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return Operation(
        anchor=f"{method}{path}".replace("/", "-").replace("{", "").replace("}", ""),
        method=method.upper(),
        path=path,
        tag=described.get("tags", ["Other"])[0],
        paragraphs=described.get("description", described.get("summary", "")).split("\n\n"),
        scope=scope,
        parameters=parameters,
        body=body,
        status=status,
        answer=describe_type(schema, schemas),
        answer_fields=read_fields(schema, schemas),
        example=_write_example(method, path, parameters, body, address, with_key=scope is not None),
    )


def _write_example(
    method: str, path: str, parameters: Sequence[Field], body: Sequence[Field], address: str, *, with_key: bool
) -> str:
    query = urlencode(
        {one.name: _EXAMPLES.get(one.name, "…") for one in parameters if one.required and one.place == "query"},
        safe="@…",
    )
    for one in parameters:
        if one.place == "path":
            path = path.replace(f"{{{one.name}}}", str(_EXAMPLES.get(one.name, "…")))
    lines = ['-H "Authorization: Bearer $PFN_KEY"'] if with_key else []
    if method == "post":
        sent = {one.name: _EXAMPLES.get(one.name, "…") for one in body if one.required and "." not in one.name}
        quoted = json.dumps(sent, ensure_ascii=False).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{quoted}'"]
    url = f"{address}{path}"
    lines.append(f'"{url}?{query}"' if query else url)
    return "curl " + " \\\n  ".join(lines)
