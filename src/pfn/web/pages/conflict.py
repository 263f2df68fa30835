"""Conflicts: who contradicted itself, with both sides beside each other, and byte for byte to keep.

Lifting a source's gate is the page of that (``source_gate``), forgiving a peer its own.
"""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.pages.evidence import lay_out
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen, Viewer

router = APIRouter(include_in_schema=False)

Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Which = Literal["first", "second"]


@router.get("/conflicts")
async def show_conflicts(
    request: Request,
    node: Node,
    viewer: Seen,
    source: Annotated[str, Query(max_length=400)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Show who waits for a decision, and what is on record. Raises PfnError: ``key_required``, ``scope_missing``."""
    _require_operator(viewer)
    page = await node.conflicts.list(source_id=source or None, before=before)
    return render(request, viewer, "conflicts.html", page=page, of_source=source, before=before)


@router.get("/conflicts/logs/{digest}")
async def show_log_conflict(digest: Digest, request: Request, node: Node, viewer: Seen) -> Response:
    """Show what a log contradicted itself in. Raises PfnError: ``key_required``, ``scope_missing``, ``not_found``."""
    _require_operator(viewer)
    found = await node.conflicts.get_of_log(digest)
    peer = next((one for one in await node.peers.list() if one.origin == found.origin), None)
    sides = await asyncio.to_thread(lay_out, found.first, found.second)
    return render(
        request,
        viewer,
        "conflict.html",
        evidence=found,
        sides=sides,
        peer=peer,
        source=None,
        gates=(),
        whose=found.origin,
    )


@router.get("/conflicts/logs/{digest}/{which}")
async def download_log_side(digest: Digest, which: Which, node: Node, viewer: Seen) -> Response:
    """Give one side as it came. Raises as ``show_log_conflict``."""
    _require_operator(viewer)
    found = await node.conflicts.get_of_log(digest)
    return _attach(found.first if which == "first" else found.second, digest, which)


@router.get("/conflicts/{source_id}/{digest}")
async def show_conflict(source_id: str, digest: Digest, request: Request, node: Node, viewer: Seen) -> Response:
    """Show what a source contradicted itself in.

    Raises PfnError: ``key_required``, ``scope_missing``, ``source_unknown``, ``not_found``.
    """
    _require_operator(viewer)
    found = await node.conflicts.get(source_id, digest)
    source = await node.sources.get(source_id)
    # A catalogue may be megabytes long: unpacking two of them must not hold up everybody else.
    sides = await asyncio.to_thread(lay_out, found.first, found.second)
    return render(
        request,
        viewer,
        "conflict.html",
        evidence=found,
        sides=sides,
        peer=None,
        source=source,
        gates=source.gates,
        whose=source_id,
    )


@router.get("/conflicts/{source_id}/{digest}/{which}")
async def download_side(source_id: str, digest: Digest, which: Which, node: Node, viewer: Seen) -> Response:
    """Give one side as it came. Raises as ``show_conflict``."""
    _require_operator(viewer)
    found = await node.conflicts.get(source_id, digest)
    return _attach(found.first if which == "first" else found.second, digest, which)


def _require_operator(viewer: Viewer) -> None:
    require(require_viewer(viewer), Scope.SOURCES_WRITE)


def _attach(content: bytes, digest: str, which: Which) -> Response:
    # A stranger made it: it is never shown as a page of this site.
    headers = {
        "Content-Disposition": f'attachment; filename="evidence-{digest[:16]}-{which}.txt"',
        "Cache-Control": "no-store",
    }
    return Response(content, media_type="application/octet-stream", headers=headers)
