"""The directory of WordPress's install screens: lists, search, details, tags (facts: client contracts 3b and 3e).

At the paths of WordPress's own server, and below ``/wordpress``; ``GET`` with PHP's brackets in the query, or ``POST``
with the same as a form. Core does not look at the status: an ``error`` in the body is what a person reads.
"""

import json
from typing import Final

from fastapi import APIRouter, Request, Response

from pfn.domain.offer import PLUGIN, THEME
from pfn.services.directory import Closed
from pfn.services.node import Services
from pfn.storage.directory import DirectoryQuery, Order
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.validator import make_etag, not_modified
from pfn.web.wordpress.cards import make_card, make_details
from pfn.web.wordpress.paths import spell
from pfn.wordpress.php_query import Tree, branch, leaf, number, parse_query
from pfn.wordpress.plugin_info import (
    MOST_PER_PAGE,
    list_plugins,
    show_closed,
    show_error,
    show_plugin,
    show_tags,
    tag_slug,
)
from pfn.wordpress.slug import is_slug
from pfn.wordpress.theme_info import list_themes, show_theme

router = APIRouter(include_in_schema=False)

_PER_PAGE: Final = 24
_MOST_PAGES: Final = 10_000
_MOST_CHARACTERS: Final = 200
_MOST_WITHOUT: Final = 500
_MOST_TAGS: Final = 500
_MOST_WANTED_TAGS: Final = 10
_ORDERS: Final = {
    "popular": Order.POPULAR,
    "new": Order.NEW,
    "updated": Order.UPDATED,
    "top-rated": Order.TRUSTED,
    "featured": Order.TRUSTED,
    "recommended": Order.TRUSTED,
    "beta": Order.UPDATED,
}
# Without these core can do nothing with an answer, whatever fields it asks for.
_ALWAYS: Final = frozenset({"name", "slug", "version", "author", "error"})
_OFF: Final = frozenset({"", "0", "false"})


async def answer_plugins(request: Request, node: Node) -> Response:
    """Answer ``query_plugins``, ``plugin_information`` or ``hot_tags``."""
    asked = await _read(request)
    fields = branch(asked, "request")
    match leaf(asked, "action"):
        case "query_plugins":
            return _send(request, await _list(node, PLUGIN, fields))
        case "plugin_information":
            return await _find(request, node, PLUGIN, fields)
        case "hot_tags":
            return _send(request, await _count_tags(node, PLUGIN, fields))
    return _send(request, show_error("There is no such action here."), 400)


async def answer_themes(request: Request, node: Node) -> Response:
    """Answer ``query_themes``, ``theme_information``, ``hot_tags`` or ``feature_list``."""
    asked = await _read(request)
    fields = branch(asked, "request")
    match leaf(asked, "action"):
        case "query_themes":
            return _send(request, await _list(node, THEME, fields))
        case "theme_information":
            return await _find(request, node, THEME, fields)
        case "hot_tags":
            return _send(request, await _count_tags(node, THEME, fields))
        case "feature_list":
            # Core has a list of its own, which it shows where there is no other.
            return _send(request, {})
    return _send(request, show_error("There is no such action here."), 400)


async def show_one(slug: str, request: Request, node: Node) -> Response:
    """Answer for one plugin, in the older form."""
    return await _find(request, node, PLUGIN, {"slug": slug})


for _path, _endpoint, _methods in (
    ("/plugins/info/1.2", answer_plugins, ["GET", "POST"]),
    ("/themes/info/1.2", answer_themes, ["GET", "POST"]),
    ("/plugins/info/1.0/{slug}.json", show_one, ["GET"]),
):
    for _spelling in spell(_path):
        router.add_api_route(_spelling, _endpoint, methods=_methods)


async def _read(request: Request) -> Tree:
    if request.method == "POST":
        return parse_query((await request.body()).decode("latin-1"))
    return parse_query(request.url.query)


async def _list(node: Services, kind: str, fields: Tree) -> dict[str, object]:
    query = _make_query(kind, fields)
    shape = list_themes if kind == THEME else list_plugins
    if leaf(fields, "user"):
        # A person's favourites are kept elsewhere: here nobody has any.
        return shape([], page=1, pages=0, results=0)
    shelf = await node.directory.list(query)
    keys = [(one.offered.source_id, one.offered.slug) for one in shelf.items]
    usage = await node.usage.totals(keys)
    cards = [make_card(one, usage[key], node.address) for one, key in zip(shelf.items, keys, strict=True)]
    return shape(cards, page=query.page, pages=-(-shelf.total // query.per_page), results=shelf.total)


def _make_query(kind: str, fields: Tree) -> DirectoryQuery:
    tags = [leaf(fields, "tag"), *(one for one in branch(fields, "tag").values() if isinstance(one, str))]
    browse = leaf(fields, "browse")
    installed = [one for one in branch(fields, "installed_plugins").values() if isinstance(one, str) and is_slug(one)]
    return DirectoryQuery(
        kind=kind,
        words=leaf(fields, "search")[:_MOST_CHARACTERS],
        tags=tuple(tag_slug(tag) for tag in tags if tag)[:_MOST_WANTED_TAGS],
        author=leaf(fields, "author")[:_MOST_CHARACTERS],
        without=tuple(installed[:_MOST_WITHOUT]) if browse == "recommended" else (),
        order=_ORDERS.get(browse, Order.TRUSTED),
        page=min(max(number(fields, "page", 1), 1), _MOST_PAGES),
        per_page=min(max(number(fields, "per_page", _PER_PAGE), 1), MOST_PER_PAGE),
    )


async def _find(request: Request, node: Services, kind: str, fields: Tree) -> Response:
    found = await node.directory.find(kind, leaf(fields, "slug"))
    if found is None:
        return _send(request, show_error(f"{kind.title()} not found."), 404)
    if isinstance(found, Closed):
        closed = show_closed(slug=found.slug, name=found.name, reason=found.reason, closed_at=found.closed_at)
        return _send(request, closed, 404)
    key = (found.listed.offered.source_id, found.listed.offered.slug)
    usage = (await node.usage.totals([key]))[key]
    details = make_details(found, usage, node.address)
    content = show_theme(details) if kind == THEME else show_plugin(details)
    unwanted = {name for name, value in branch(fields, "fields").items() if value in _OFF} - _ALWAYS
    return _send(request, {name: value for name, value in content.items() if name not in unwanted})


async def _count_tags(node: Services, kind: str, fields: Tree) -> dict[str, object]:
    most = min(number(fields, "number", 100), _MOST_TAGS)
    return show_tags(await node.directory.count_tags(kind, 2 * _MOST_TAGS), number=most)


def _send(request: Request, content: dict[str, object], status: int = 200) -> Response:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    etag = make_etag(body.decode())
    headers = {"Access-Control-Allow-Origin": "*", "ETag": etag, "Cache-Control": "public, max-age=60"}
    if request.method == "POST":
        headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
    elif status == 200:
        keep_hot(request.scope)
        if not_modified(request, etag):
            return Response(status_code=304, headers=headers)
    return Response(body, status, headers, media_type="application/json")
