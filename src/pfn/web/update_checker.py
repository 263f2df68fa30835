"""Documents for the updaters that plugins and themes bring along (facts: client contracts 3c, 5 and 6).

``/puc/{source}/{slug}.json`` is for Plugin Update Checker and for filters of core's ``Update URI``; below ``/mpp`` is
what Micro-Plugin-Publisher's example updater asks for. What they send in the query says nothing that matters here.
Errors are problem documents whoever asks: what reads them is a program.
"""

import json

from fastapi import APIRouter, Request, Response

from pfn.domain.offer import THEME
from pfn.protocol.errors import Code, PfnError
from pfn.services.directory import Entry
from pfn.services.node import Services
from pfn.web.access import Node
from pfn.web.headers import PUBLIC
from pfn.web.validator import make_etag, not_modified
from pfn.web.wordpress.cards import make_details
from pfn.web.zip import SHORT, send_release
from pfn.wordpress.plugin_info import Details
from pfn.wordpress.update_checker import show_plugin_update, show_theme_update, show_wrapped

router = APIRouter(tags=["WordPress"])


@router.head("/puc/{source_id}/{slug}.json", include_in_schema=False)
@router.get("/puc/{source_id}/{slug}.json", response_class=Response)
async def show_update(source_id: str, slug: str, request: Request, node: Node) -> Response:
    """Tell the newest version of a source's plugin or theme, for Plugin Update Checker or an `Update URI`."""
    entry = await node.update_checkers.find(source_id, slug)
    details = await _describe(node, entry)
    shape = show_theme_update if entry.listed.offered.kind == THEME else show_plugin_update
    return _send(request, shape(details))


@router.head("/mpp/{author}/{slug}/{file}.json", include_in_schema=False)
@router.get("/mpp/{author}/{slug}/{file}.json", response_class=Response)
async def show_in_array(author: str, slug: str, file: str, request: Request, node: Node) -> Response:
    """Tell the newest version of an author's plugin, for Micro-Plugin-Publisher's updater: an array with one object."""
    source_id = await node.update_checkers.find_author(author, _same(slug, file))
    return _send(request, show_wrapped(await _describe(node, await node.update_checkers.find(source_id, slug))))


@router.head("/mpp/{author}/{slug}/{file}.zip", include_in_schema=False)
@router.get("/mpp/{author}/{slug}/{file}.zip", response_class=Response)
async def download_newest(author: str, slug: str, file: str, request: Request, node: Node) -> Response:
    """Give the exact bytes of the newest version of an author's plugin. Takes `Range`."""
    source_id = await node.update_checkers.find_author(author, _same(slug, file))
    found = await node.releases.find_download(source_id, slug)
    return await send_release(request, node, found, named=False, moves=True)


def _same(slug: str, file: str) -> str:
    """Give the slug, which both the folder and the file are named by. Raises PfnError (``not_found``)."""
    if slug != file:
        raise PfnError(Code.NOT_FOUND, "The file has the name of its folder: /mpp/{author}/{slug}/{slug}.json or .zip.")
    return slug


async def _describe(node: Services, entry: Entry) -> Details:
    key = (entry.listed.offered.source_id, entry.listed.offered.slug)
    return make_details(entry, (await node.usage.totals([key]))[key], node.address)


def _send(request: Request, content: object) -> Response:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    etag = make_etag(body.decode())
    headers = {**PUBLIC, "ETag": etag, "Cache-Control": SHORT}
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
