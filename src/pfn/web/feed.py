"""Feeds of the activity, for everyone without a key: of the node, of a source, of a plugin. Never a private event.

The ETag is what readers ask again with. ``Last-Modified`` is said but not believed when it comes back: events carry
the time of what they tell of, and a later one may tell of something earlier.
"""

import json
from collections.abc import Callable
from email.utils import formatdate
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from pfn.domain.activity import Activity, ActivityFilter
from pfn.domain.feed import Entry, Feed, write_atom, write_json_feed
from pfn.services.node import Services
from pfn.web.access import Node
from pfn.web.activity_query import Wanted
from pfn.web.links import plugin_path, source_path
from pfn.web.strict_route import StrictRoute
from pfn.web.validator import make_etag, not_modified

router = APIRouter(prefix="/federation", tags=["Activity"], route_class=StrictRoute)

Limit = Annotated[int, Query(ge=1, le=200)]
_LIMIT = 50


@router.get("/activity.json", response_class=Response)
async def get_json_feed(request: Request, node: Node, wanted: Wanted, limit: Limit = _LIMIT) -> Response:
    """Give the public events as a JSON Feed (version 1.1); each item has the row of the activity under ``_pfn``."""
    return await _answer(request, node, wanted, limit, "application/feed+json", _write_json)


@router.get("/activity.atom", response_class=Response)
async def get_atom_feed(request: Request, node: Node, wanted: Wanted, limit: Limit = _LIMIT) -> Response:
    """Give the public events as an Atom feed (RFC 4287)."""
    return await _answer(request, node, wanted, limit, "application/atom+xml", write_atom)


async def _answer(
    request: Request,
    node: Services,
    wanted: ActivityFilter,
    limit: int,
    media_type: str,
    write: Callable[[Feed], bytes],
) -> Response:
    page = await node.activities.list(None, wanted, limit=limit)
    feed = Feed(
        title=_name(node, wanted),
        address=node.address,
        page=node.address + _page_of(wanted.source_id, wanted.plugin_id),
        url=f"{node.address}{request.url.path}{_query(wanted, limit)}",
        entries=[_enter(node, activity) for activity in page.activities],
    )
    # Events never change, and the oldest go: how many there are and two numbers say which.
    seqs = [activity.seq for activity in page.activities]
    etag = make_etag(feed.url, str(len(seqs)), str(seqs[:1]), str(seqs[-1:]))
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": "public, max-age=60",
        "ETag": etag,
        "Last-Modified": formatdate(feed.updated, usegmt=True),
    }
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(write(feed), media_type=f"{media_type}; charset=utf-8", headers=headers)


def _query(wanted: ActivityFilter, limit: int) -> str:
    """Write what a feed is of the one way that is its own, however it was asked for."""
    given = [
        ("kind", sorted(wanted.kinds)),
        ("action", sorted(wanted.actions)),
        ("source", wanted.source_id),
        ("plugin", wanted.plugin_id),
        ("limit", None if limit == _LIMIT else limit),
    ]
    query = urlencode([(name, value) for name, value in given if value], doseq=True)
    return f"?{query}" if query else ""


def _write_json(feed: Feed) -> bytes:
    return json.dumps(write_json_feed(feed)).encode()


def _enter(node: Services, activity: Activity) -> Entry:
    return Entry(
        seq=activity.seq,
        url=node.address + _page_of(activity.source_id, activity.plugin_id),
        timestamp=activity.timestamp,
        sentence=activity.sentence,
        tags=(activity.type.value, activity.action),
        row=activity.to_public_json(),
    )


def _page_of(source_id: str | None, plugin_id: str | None) -> str:
    if source_id is None:
        return "/"
    return source_path(source_id) if plugin_id is None else plugin_path(source_id, plugin_id)


def _name(node: Services, wanted: ActivityFilter) -> str:
    of = " of ".join(part for part in (wanted.plugin_id, wanted.source_id) if part)
    return f"{of or 'Activity'} at {node.address.partition('://')[2]}"
