"""Plugins and releases: list, download, verify. For everyone, without a key."""

import base64
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from pfn.domain.release import SignatureLevel
from pfn.storage.plugin import PluginQuery, PluginSort
from pfn.web.access import Node
from pfn.web.api.answers import show_plugin, show_verdict
from pfn.web.headers import PUBLIC
from pfn.web.hot import keep_hot
from pfn.web.strict_route import StrictRoute
from pfn.web.validator import make_etag, not_modified
from pfn.web.zip import send_release

router = APIRouter(prefix="/federation", tags=["Plugins"], route_class=StrictRoute)

Text = Annotated[str | None, Query(max_length=400)]
Required = Annotated[str, Query(max_length=400)]


@router.get("/plugins")
async def list_plugins(
    request: Request,
    node: Node,
    q: Annotated[str | None, Query(max_length=200, description="Words that must all occur.")] = None,
    tag: Text = None,
    author: Text = None,
    source: Text = None,
    level: Annotated[SignatureLevel | None, Query(description="Of the newest release, at least.")] = None,
    sort: PluginSort = PluginSort.UPDATED,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=8_000)] = None,
) -> Response:
    """List mirrored plugins with every version, its digests and signature level."""
    # This changes with anything the list could show, so the list itself need not be asked to say "same".
    log = await node.log.standing()
    etag = make_etag(node.address, await node.activities.version(), str(log), request.url.query)
    headers = {**PUBLIC, "ETag": etag, "Cache-Control": "public, max-age=0, must-revalidate"}
    keep_hot(request.scope)
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    page, versions = await node.releases.list_versions(
        PluginQuery(q=q, tag=tag, author=author, source=source, level=level, sort=sort, limit=limit, cursor=cursor)
    )
    names = await node.composer.names_of(list(versions))
    plugins = [show_plugin(one, versions[one.key], node.address, log, names.get(one.key)) for one in page.plugins]
    return JSONResponse({"plugins": plugins, "next": page.next}, headers=headers)


@router.head("/download", include_in_schema=False)
@router.get("/download", response_class=Response)
async def download(request: Request, node: Node, source: Required, plugin: Required, version: Text = None) -> Response:
    """Give the publisher's exact bytes; the newest version where none is named. Takes ``Range``."""
    found = await node.releases.find_download(source, plugin, version)
    return await send_release(request, node, found, named=version is not None, moves=False)


@router.get("/statement", response_class=Response)
async def get_statement(node: Node, source: Required, plugin: Required, version: Text = None) -> Response:
    """Give the publisher's signed statement about a release, byte for byte as it came."""
    _, release = await node.releases.find(source, plugin, version)
    body = await node.statements.get(release)
    return Response(body, media_type="application/json", headers={**PUBLIC, "Cache-Control": "public, max-age=300"})


@router.get("/catalog", response_class=Response)
async def get_catalog(node: Node, source: Required) -> Response:
    """Give a source's newest signed catalogue, byte for byte as it came."""
    return Response(await node.statements.catalog(source), media_type="application/json", headers=PUBLIC)


@router.get("/key-documents")
async def list_key_documents(node: Node, source: Required) -> Response:
    """Give every key document of a source, version 1 first, each verbatim in base64."""
    chain = [base64.b64encode(body).decode() for body in await node.statements.key_documents(source)]
    return JSONResponse({"source": source, "documents": chain}, headers=PUBLIC)


@router.get("/verify")
async def verify(request: Request, node: Node, source: Required, plugin: Required, version: Text = None) -> Response:
    """Hash the stored bytes and check the stored signature now, and name every check."""
    verdict = await node.releases.verify(source, plugin, version)
    content = show_verdict(verdict, await node.log.standing())
    stable = {name: value for name, value in content.items() if name != "verified_at"}
    etag = make_etag(str(stable))
    headers = {**PUBLIC, "ETag": etag, "Cache-Control": "no-cache"}
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    return JSONResponse(content, headers=headers)
