"""The audit trail to take away: as CSV for a table or an archive, as Atom for whoever wants to be told.

Both are for who may see the page: signed in, or with the API key that a program or a feed reader sends. A file is
bounded and is written while it is read, some rows at a time; ``before`` goes on where the last one ended.
"""

import csv
from collections.abc import AsyncIterator
from io import StringIO
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from pfn.domain.access import Grant, Scope
from pfn.domain.activity import Activity, ActivityFilter
from pfn.domain.feed import Entry, Feed, write_atom
from pfn.services.access import require
from pfn.services.activity import LONGEST_PAGE
from pfn.services.node import Services
from pfn.web.access import Node, bearer_of, caller_of
from pfn.web.pages import text
from pfn.web.pages.audit import Before, OfTrail
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.viewer import Seen
from pfn.web.validator import make_etag, not_modified

router = APIRouter(include_in_schema=False)

MOST_ROWS = 100_000
"""So many rows a file has at most, the newest."""
_COLUMNS = ("seq", "time", "key", "action", "source", "plugin", "old_version", "new_version", "sentence")


async def read_auditor(request: Request, node: Node, viewer: Seen) -> Grant:
    """Give who asks: by an API key where one is sent, else whoever is signed in.

    Raises PfnError: ``key_required``, ``key_unknown``, ``scope_missing``.
    """
    if bearer_of(request) is None:
        grant = require_viewer(viewer)
    else:
        grant = await node.access.authenticate(bearer_of(request), caller=caller_of(request))
        request.state.key_id = grant.key_id
    require(grant, Scope.SOURCES_WRITE)
    return grant


Auditor = Annotated[Grant, Depends(read_auditor)]


@router.get("/audit.csv")
async def write_trail(node: Node, grant: Auditor, asked: OfTrail, before: Before = None) -> Response:
    """Give the trail as CSV (RFC 4180), newest first, times in UTC."""
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="audit.csv"'}
    lines = _write(node, grant, asked.wanted, before)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8; header=present", headers=headers)


@router.get("/audit.atom")
async def feed_trail(request: Request, node: Node, grant: Auditor, asked: OfTrail) -> Response:
    """Give the newest page of the trail as an Atom feed."""
    page = await node.activities.list(grant, asked.wanted)
    query = f"?{urlencode(asked.query)}" if asked.query else ""
    here = f"{node.address}/audit{query}"
    feed = Feed(
        title=f"Audit of {node.address.partition('://')[2]}",
        address=node.address,
        page=here,
        url=f"{node.address}/audit.atom{query}",
        entries=[Entry(one.seq, here, one.timestamp, _say(one), (one.action,), {}) for one in page.activities],
    )
    # Events never change: the numbers of the first and the last, and how many there are, say which they are.
    numbers = [one.seq for one in page.activities]
    etag = make_etag(feed.url, str(len(numbers)), str(numbers[:1]), str(numbers[-1:]))
    headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie", "ETag": etag}
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(write_atom(feed), media_type="application/atom+xml; charset=utf-8", headers=headers)


async def _write(node: Services, grant: Grant, wanted: ActivityFilter, before: int | None) -> AsyncIterator[str]:
    yield _line(_COLUMNS)
    for _ in range(MOST_ROWS // LONGEST_PAGE):
        page = await node.activities.list(grant, wanted, limit=LONGEST_PAGE, before=before)
        yield "".join(_line(_row(one)) for one in page.activities)
        if page.next is None:
            return
        before = page.next


def _row(one: Activity) -> tuple[str, ...]:
    facts = (one.source_id, one.plugin_id, one.old_version, one.new_version)
    return (str(one.seq), text.iso(one.timestamp), one.actor, one.action, *(fact or "" for fact in facts), one.sentence)


def _line(cells: tuple[str, ...]) -> str:
    written = StringIO()
    csv.writer(written).writerow([_tame(cell) for cell in cells])
    return written.getvalue()


def _tame(cell: str) -> str:
    """Keep a program for tables from reading what a stranger wrote as a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _say(one: Activity) -> str:
    return f"{one.sentence} (by {one.actor})"
