"""The node as a Composer repository, version 2 of its protocol (facts: client contracts 4.1; docs/composer.md).

Composer asks again by date alone, so documents carry one that is true: since when they say what they say, to the second
and never the same for two states.
"""

import hashlib
from collections.abc import Sequence
from email.utils import formatdate
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from pfn.domain.composer_name import split_name
from pfn.domain.composer_package import Package, Place, list_advisories, write_package
from pfn.protocol.errors import PfnError
from pfn.protocol.strict_json import parse_json
from pfn.services.composer import encode_document
from pfn.services.node import Services
from pfn.web.access import Node
from pfn.web.headers import PUBLIC
from pfn.web.links import plugin_path, zip_path
from pfn.web.strict_route import StrictRoute
from pfn.web.validator import make_etag, not_modified

router = APIRouter(prefix="/composer", tags=["Composer"], route_class=StrictRoute)

_ASK_AGAIN = {**PUBLIC, "Cache-Control": "public, max-age=0, must-revalidate"}
_ROOT = "packages.json"
_MOST_NAMES = 1000
_SUFFIX, _DEV_SUFFIX = ".json", "~dev.json"
Text = Annotated[str | None, Query(max_length=400)]


@router.get("/packages.json", response_class=Response)
async def show_repository(request: Request, node: Node) -> Response:
    """Say what kind of repository this is and what is to be found in it; the first that Composer asks for."""
    contents = await node.composer.contents()
    here = f"{urlsplit(node.address).path}/composer"
    found = {"available-packages": contents.packages}
    if contents.packages is None:
        found = {"available-package-patterns": [f"{vendor}/*" for vendor in contents.vendors]}
    document = {
        "packages": [],
        "metadata-url": f"{here}/p2/%package%.json",
        "list": f"{here}/list.json",
        "search": f"{here}/search.json?q=%query%&type=%type%",
        "notify-batch": f"{here}/notify-batch",
        # Composer takes this one as it stands, unlike the others.
        "security-advisories": {"metadata": True, "api-url": f"{node.address}/composer/security-advisories"},
        "filter": {"metadata": True, "lists": {"malware": {"enabled": True}}},
        **found,
    }
    return await _answer(request, node, _ROOT, encode_document(document))


@router.get("/p2/{vendor}/{file}", response_class=Response)
async def show_package(request: Request, node: Node, vendor: str, file: str) -> Response:
    """Give a package's versions and advisories. There are no development versions (``~dev``) of anything."""
    name = f"{vendor}/{file.removesuffix(_SUFFIX)}"
    if file.endswith(_DEV_SUFFIX):
        # To name the package here would tell Composer that it exists, and nowhere else.
        return JSONResponse({"packages": {}}, headers=_ASK_AGAIN)
    package = await node.composer.find(name if file.endswith(_SUFFIX) else "")
    return await _answer(request, node, package.name, encode_document(write_package(package, _place(node, package))))


@router.get("/list.json", response_class=Response)
async def list_packages(
    node: Node,
    wanted: Annotated[str | None, Query(alias="filter", max_length=400, description="A name; * for any signs.")] = None,
    vendor: Text = None,
) -> Response:
    """Give the names of what is offered."""
    names = await node.composer.list_names(vendor=vendor, pattern=wanted)
    return JSONResponse({"packageNames": names}, headers=_ASK_AGAIN)


@router.get("/search.json", response_class=Response)
async def search(
    node: Node,
    q: Annotated[str, Query(max_length=200, description="Words that must all occur.")] = "",
    type: Text = None,  # noqa: A002  # Composer's name for it
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """Search in what is offered, by words; ``type`` is ``wordpress-plugin`` or ``wordpress-theme``."""
    found, total = await node.composer.search(q, type, page)
    results = [
        {
            "name": f"{one.vendor}/{one.slug}",
            "description": one.description or "",
            "url": node.address + plugin_path(one.source_id, one.slug),
        }
        for one in found
    ]
    return JSONResponse({"results": results, "total": total}, headers=_ASK_AGAIN)


@router.post("/notify-batch", response_class=Response)
async def count_installs(request: Request, node: Node) -> Response:
    """Count what Composer says it installed. Nothing about who did is kept; what cannot be read counts nothing."""
    for source_id, slug, version in await node.composer.find_installed(_read_installs(await request.body())):
        node.usage.count_download(source_id, slug, version)
    return JSONResponse({"status": "success"}, headers={"Cache-Control": "no-store"})


@router.get("/security-advisories", response_class=Response)
async def show_advisories(request: Request, node: Node) -> Response:
    """Give the advisories about these packages (``packages[]=vendor/name``)."""
    return await _advise(node, request.url.query.encode())


@router.post("/security-advisories", response_class=Response)
async def show_advisories_to_composer(request: Request, node: Node) -> Response:
    """Give the advisories about these packages, named in a form (``packages[]=vendor/name``)."""
    return await _advise(node, await request.body())


async def _advise(node: Services, form: bytes) -> Response:
    fields = parse_qsl(form.decode("utf-8", "replace"))
    # PHP numbers the brackets, people leave them empty.
    names = [value for name, value in fields if name == "packages" or name.startswith("packages[")]
    withdrawn = await node.composer.find_withdrawn(names[:_MOST_NAMES])
    listed = {package.name: list_advisories(package, _place(node, package)) for package in withdrawn}
    return JSONResponse({"advisories": listed}, headers={**PUBLIC, "Cache-Control": "no-cache"})


async def _answer(request: Request, node: Services, name: str, body: bytes) -> Response:
    digest = hashlib.sha256(body).hexdigest()
    modified_at = await node.composer.date(name, digest)
    headers = {**_ASK_AGAIN, "ETag": make_etag(digest)}
    if modified_at is not None:
        headers["Last-Modified"] = formatdate(modified_at, usegmt=True)
    if not_modified(request, headers["ETag"], headers.get("Last-Modified")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _place(node: Services, package: Package) -> Place:
    source_id, slug = package.source_id, package.slug
    return Place(
        node=node.address,
        page=node.address + plugin_path(source_id, slug),
        zip_url=lambda version: node.address + zip_path(source_id, slug, version),
    )


def _read_installs(body: bytes) -> Sequence[tuple[str, str]]:
    try:
        said = parse_json(body, max_bytes=len(body))
    except PfnError:
        return []
    downloads = said.get("downloads") if isinstance(said, dict) else None
    reported: dict[tuple[str, str], None] = {}
    for one in downloads[:_MOST_NAMES] if isinstance(downloads, list) else []:
        match one:
            case {"name": str(name), "version": str(version)} if split_name(name):
                # Once for each version, however often one body says it.
                reported[name.lower(), version] = None
    return list(reported)
