"""A publisher over HTTP: its signed files (protocol.md section 3), and the v1 endpoints beside them (section 2).

Routes, statuses, caching and the limits of a request. What there is to serve is for ``site``, what the v1 documents say
for ``documents``. Errors are JSON with the sentence in ``error``. Nothing can be changed from outside.
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
from pfn.publisher import paths
from pfn.publisher.documents import (
    Document,
    encode_document,
    list_features,
    make_federation_info,
    make_plugin_data,
    prove_ownership,
)
from pfn.publisher.download import ZipAnswer, describe_zip, is_unchanged, open_zip
from pfn.publisher.page import CONTENT_SECURITY_POLICY, render_page
from pfn.publisher.shelf import Shelf
from pfn.publisher.signed import signature_file, zip_file
from pfn.publisher.site import Site

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
    Code.OWNERSHIP_CHALLENGE: 400,
    Code.MALFORMED_JSON: 400,
    Code.BODY_TOO_LARGE: 413,
    Code.SOURCE_UNKNOWN: 404,
    Code.PLUGIN_UNKNOWN: 404,
    Code.RELEASE_UNKNOWN: 404,
}


def build_app(shelf: Shelf, *, clock: Callable[[], float] = time.time) -> Starlette:
    """Make the application; ``clock`` gives Unix seconds."""
    handlers = _Handlers(shelf, clock)
    return Starlette(
        routes=[
            Route("/", handlers.show_page),
            Route("/federation-info", handlers.get_info),
            Route("/verify-ownership", handlers.verify_ownership, methods=["POST"]),
            Route("/author-data", handlers.get_author_data),
            Route("/federated/plugin-data", handlers.get_plugin_data),
            Route(f"/{paths.WELL_KNOWN}/{{path:path}}", handlers.get_document),
            Route("/plugins/{path:path}", handlers.get_zip),
        ],
        exception_handlers={PfnError: _refuse, HTTPException: _refuse_request, Exception: _fail},
    )


class _Handlers:
    """The handlers."""

    def __init__(self, shelf: Shelf, clock: Callable[[], float]) -> None:
        self._shelf = shelf
        self._clock = clock
        self._began = clock()

    async def show_page(self, request: Request) -> Response:
        page = render_page(await self._shelf.site()).encode()
        return _answer_unless_held(request, page, HTMLResponse.media_type)

    async def get_info(self, request: Request) -> Response:
        del request
        site = await self._shelf.site()
        return _answer(
            make_federation_info(
                site.publisher,
                [plugin.newest for plugin in site.plugins],
                features=list_features(site.publisher, answers=True),
                releases=len(site.zips),
                now_ms=self._now_ms(),
                uptime_s=int(self._clock() - self._began),
            )
        )

    async def verify_ownership(self, request: Request) -> Response:
        body = await _read_body(request)
        site = await self._shelf.site()
        return _answer(prove_ownership(site.publisher, parse_json(body), now_ms=self._now_ms()))

    async def get_author_data(self, request: Request) -> Response:
        site = await self._find_author(_parameter(request, "author"))
        return _answer_unless_held(request, site.author_data, "application/json")

    async def get_plugin_data(self, request: Request) -> Response:
        site = await self._find_author(_parameter(request, "author"))
        plugin = site.find_plugin(_parameter(request, "slug"))
        if plugin is None:
            raise PfnError(Code.PLUGIN_UNKNOWN, "No such plugin here.")
        return _answer(make_plugin_data(site.publisher, plugin.releases, now_ms=self._now_ms()))

    async def get_document(self, request: Request) -> Response:
        site = await self._shelf.site()
        content = site.documents.get(f"{paths.WELL_KNOWN}/{request.path_params['path']}")
        if content is None:
            raise PfnError(Code.NOT_FOUND, "There is no such document here.")
        return _answer_unless_held(request, content, "application/json")

    async def get_zip(self, request: Request) -> Response:
        site = await self._shelf.site()
        path = f"plugins/{request.path_params['path']}"
        release = site.zips.get(path.removesuffix(paths.SIGNATURE_SUFFIX))
        if release is None:
            raise PfnError(Code.RELEASE_UNKNOWN, "No such version here.")
        statement, folder = release.statement, self._shelf.folder
        signature = await asyncio.to_thread(signature_file(folder, statement.slug, statement.version).read_bytes)
        if path.endswith(paths.SIGNATURE_SUFFIX):
            return _answer_unless_held(request, signature, "text/plain")
        headers = {
            **_REVALIDATE,
            **describe_zip(statement),
            "X-Content-Signature": signature.decode("ascii").strip(),
        }
        if is_unchanged(request.headers, headers["ETag"], headers["Last-Modified"]):
            return Response(status_code=304, headers=headers)
        place = zip_file(folder, statement.slug, statement.version)
        file = await asyncio.to_thread(open_zip, place, statement.length)
        if file is None:
            return _error(503, "The zip is not there as it was signed; its publisher must put it back.")
        return ZipAnswer(file, statement.length, headers)

    async def _find_author(self, author: str) -> Site:
        site = await self._shelf.site()
        if author != site.publisher.username:
            raise PfnError(Code.SOURCE_UNKNOWN, "No such author here.")
        return site

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
