"""A folder of plugin zips as a v1 publisher (protocol.md section 2): the HTTP application.

Routes, statuses, caching and the limits of a request. What the documents say is for ``documents``, what there is to
publish for ``library``. Errors are JSON with the sentence in ``error``. Nothing can be changed from outside.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.strict_json import parse_json
from pfn.publisher.documents import (
    Document,
    Publisher,
    encode_document,
    list_plugin,
    make_author_data,
    make_federation_info,
    make_plugin_data,
    prove_ownership,
)
from pfn.publisher.download import ZipAnswer, describe_zip, is_unchanged, open_zip
from pfn.publisher.library import Catalog, Library, Plugin
from pfn.publisher.page import CONTENT_SECURITY_POLICY, render_page

MAX_REQUEST_BYTES: Final = 4096

_ALWAYS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# Clients may keep an answer, but ask whether it still holds.
_REVALIDATE: Final = {**_ALWAYS, "Cache-Control": "no-cache"}
_NEVER_KEEP: Final = {**_ALWAYS, "Cache-Control": "no-store"}

# In v1 every bad request is a 400 and every unknown thing a 404.
_STATUS: Final = {
    Code.INVALID_FIELD: 400,
    Code.MALFORMED_JSON: 400,
    Code.BODY_TOO_LARGE: 413,
    Code.SOURCE_UNKNOWN: 404,
    Code.PLUGIN_UNKNOWN: 404,
    Code.RELEASE_UNKNOWN: 404,
}


def build_app(publisher: Publisher, library: Library, *, clock: Callable[[], float] = time.time) -> Starlette:
    """Make the application; ``clock`` gives Unix seconds."""
    site = _Site(publisher, library, clock)
    return Starlette(
        routes=[
            Route("/", site.show_page),
            Route("/federation-info", site.get_info),
            Route("/verify-ownership", site.verify_ownership, methods=["POST"]),
            Route("/author-data", site.get_author_data),
            Route("/federated/plugin-data", site.get_plugin_data),
            Route("/plugins/{author}/{slug}/{file}", site.get_zip),
        ],
        exception_handlers={PfnError: _refuse, HTTPException: _refuse_request, Exception: _fail},
    )


class _Site:
    """The handlers, and the catalogue's document as it was last written."""

    def __init__(self, publisher: Publisher, library: Library, clock: Callable[[], float]) -> None:
        self._publisher = publisher
        self._library = library
        self._clock = clock
        self._began = clock()
        self._written: tuple[Catalog, bytes] | None = None

    async def show_page(self, request: Request) -> Response:
        page = render_page(self._publisher, await self._library.catalog()).encode()
        return _answer_unless_held(request, page, HTMLResponse.media_type)

    async def get_info(self, request: Request) -> Response:
        del request
        catalog = await self._library.catalog()
        return _answer(
            make_federation_info(
                self._publisher,
                [plugin.newest for plugin in catalog.plugins],
                releases=sum(len(plugin.zips) for plugin in catalog.plugins),
                now_ms=self._now_ms(),
                uptime_s=int(self._clock() - self._began),
            )
        )

    async def verify_ownership(self, request: Request) -> Response:
        body = await _read_body(request)
        return _answer(prove_ownership(self._publisher, parse_json(body), now_ms=self._now_ms()))

    async def get_author_data(self, request: Request) -> Response:
        self._check_author(_parameter(request, "author"))
        catalog = await self._library.catalog()
        if self._written is None or self._written[0] is not catalog:
            entries = [list_plugin(self._publisher, plugin.newest) for plugin in catalog.plugins]
            self._written = catalog, encode_document(make_author_data(self._publisher, entries))
        return _answer_unless_held(request, self._written[1], "application/json")

    async def get_plugin_data(self, request: Request) -> Response:
        self._check_author(_parameter(request, "author"))
        plugin = await self._find(_parameter(request, "slug"))
        releases = [stored.release for stored in plugin.zips]
        return _answer(make_plugin_data(self._publisher, releases, now_ms=self._now_ms()))

    async def get_zip(self, request: Request) -> Response:
        self._check_author(request.path_params["author"])
        slug, name = request.path_params["slug"], request.path_params["file"]
        plugin = await self._find(slug)
        stored = next((one for one in plugin.zips if name == f"{slug}.{one.release.version}.zip"), None)
        if stored is None:
            raise PfnError(Code.RELEASE_UNKNOWN, "No such version here.")
        headers = {**_REVALIDATE, **describe_zip(stored)}
        if is_unchanged(request.headers, headers["ETag"], headers["Last-Modified"]):
            return Response(status_code=304, headers=headers)
        file = await asyncio.to_thread(open_zip, stored)
        if file is None:
            return _error(503, "The zip is being replaced; ask again in a moment.", {"Retry-After": "1"})
        return ZipAnswer(file, stored.release.size, headers)

    async def _find(self, slug: str) -> Plugin:
        plugin = (await self._library.catalog()).find(slug)
        if plugin is None:
            raise PfnError(Code.PLUGIN_UNKNOWN, "No such plugin here.")
        return plugin

    def _check_author(self, author: str) -> None:
        if author != self._publisher.username:
            raise PfnError(Code.SOURCE_UNKNOWN, "No such author here.")

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _parameter(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise PfnError(Code.INVALID_FIELD, f"The query needs {name}=….")
    return value


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST_BYTES:
            raise PfnError(Code.BODY_TOO_LARGE, f"A request has at most {MAX_REQUEST_BYTES} bytes.")
    return bytes(body)


def _answer(document: Document) -> Response:
    return Response(encode_document(document), headers=_NEVER_KEEP, media_type="application/json")


def _answer_unless_held(request: Request, body: bytes, media_type: str | None) -> Response:
    headers = {**_REVALIDATE, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'}
    if is_unchanged(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    body = encode_document({"error": sentence})
    return Response(body, status, {**_NEVER_KEEP, **(headers or {})}, "application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, PfnError)  # it is registered for nothing else
    return _error(_STATUS.get(error.code, error.code.status), error.detail)


async def _refuse_request(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)  # it is registered for nothing else
    return _error(error.status_code, f"{error.detail}.", error.headers)


async def _fail(request: Request, error: Exception) -> Response:
    del request, error
    return _error(500, "Something went wrong here.")
