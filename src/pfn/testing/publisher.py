"""A v1 publisher for tests: real HTTP on loopback, plugins in memory, and misbehaviour on command.

Answers honestly with the documents of the publisher kit (protocol.md section 2), unless told otherwise: by how a plugin
is added, by its attributes, or by a fault for a path (``pfn.testing.faults``). It runs in the loop of the test that
enters it. It is no server for anything else: one request at a time per connection, no TLS, no limits.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.js_json import metadata_message
from pfn.protocol.log.bundle import SignedMessage
from pfn.protocol.strict_json import parse_json
from pfn.publisher.documents import (
    NAMING_SCHEME,
    V1_FEATURES,
    Document,
    Publisher,
    encode_document,
    list_plugin,
    make_author_data,
    make_federation_info,
    make_plugin_data,
    prove_ownership,
)
from pfn.publisher.profile import Profile
from pfn.publisher.release import Refused, Release, read_release
from pfn.testing.faults import Answer, Fault
from pfn.testing.plugin import plugin_zip

# Where a plugin's signature is, or what is wrong with the one in the catalogue: made over another release, or with a
# key that nobody knows.
Signature: TypeAlias = Literal["author-data", "plugin-data", "wrong", "other-key"]

ANY_PATH: Final = "*"
_MEMBER_SINCE: Final = date(2020, 1, 2)
_RELEASED_AT: Final = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came; header names in lower case, ``path`` without the query."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Announced:
    """A plugin as the catalogue shows it."""

    release: Release
    signature: Signature | None


class FakePublisher:
    """A publisher, listening while it is entered.

    ``faults`` maps a path without query, or ``*`` for all that have none, to a fault. ``key`` signs everything;
    ``proof_key`` the ownership challenges, the same key unless replaced. ``requests`` are all that came, in order.
    ``now`` is the publisher's own time in Unix seconds; None is the real one.
    """

    def __init__(
        self, username: str = "alice", *, key: SigningKey | None = None, naming_scheme: str = NAMING_SCHEME
    ) -> None:
        self.username = username
        self.key = key or SigningKey.generate()
        self.proof_key = self.key
        self.naming_scheme = naming_scheme
        self.now: int | None = None
        self.faults: dict[str, Fault] = {}
        self.requests: list[Received] = []
        self._announced: dict[str, _Announced] = {}
        self._zips: dict[str, bytes] = {}
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def public_key_pem(self) -> str:
        """The key to register this publisher with."""
        return self.key.public_key.pem

    def add_plugin(
        self,
        slug: str,
        version: str,
        *,
        name: str | None = None,
        description: str = "Does one thing.",
        tags: tuple[str, ...] = (),
        signature: Signature | None = "author-data",
        content: bytes | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """Publish a release and announce it in place of the one before, older or newer; return its zip.

        ``files`` are further ones of the zip, or others in place of its own (``plugin_zip``); ``content`` is served
        instead of the honest zip, and what is announced stays what the arguments say. Raises
        ValueError for a slug or version no honest plugin has: to announce such, edit ``/author-data`` by a fault.
        """
        honest = plugin_zip(slug, version, name=name, description=description, tags=tags, files=files)
        release = read_release(honest, released_at=_RELEASED_AT)
        if isinstance(release, Refused):
            raise ValueError(release.reasons[0].sentence)  # noqa: TRY004  # the values are wrong, not a type
        self._announced[slug] = _Announced(release, signature)
        self.replace_zip(slug, version, honest if content is None else content)
        return self._zips[self.zip_path(slug, version)]

    def sign_metadata(self, slug: str) -> SignedMessage:
        """Sign what is announced of a plugin as v1 does, with the exact message."""
        release = self._announced[slug].release
        message = metadata_message(release.slug, release.name, release.version, release.description)
        return SignedMessage(message, self.key.sign(message))

    def replace_zip(self, slug: str, version: str, content: bytes) -> None:
        """Serve other bytes for a version; nothing else changes."""
        self._zips[self.zip_path(slug, version)] = content

    def remove_zip(self, slug: str, version: str) -> None:
        """Answer 404 for a zip that stays announced."""
        del self._zips[self.zip_path(slug, version)]

    def withdraw_plugin(self, slug: str) -> None:
        """Announce the plugin no more; its zips stay."""
        del self._announced[slug]

    def zip_path(self, slug: str, version: str) -> str:
        """Where a zip is: a key for ``faults``."""
        return unquote(urlsplit(self._publisher().zip_url(slug, version)).path)

    def _publisher(self) -> Publisher:
        profile = Profile(username=self.username, member_since=_MEMBER_SINCE, public_url=self.url)
        return Publisher(profile, self.url, self.key.public_key, self.key, None, self.naming_scheme)

    @property
    def present(self) -> int:
        """What time it is for this publisher, in Unix seconds."""
        return int(time.time()) if self.now is None else self.now

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # Cancelled by our own end: Python 3.11's streams would make a traceback of each connection.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._serve_one(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tell whether the connection goes on."""
        request = await _read_request(reader)
        self.requests.append(request)
        fault = self.faults.get(request.path) or self.faults.get(ANY_PATH)
        if fault is not None:
            # Whatever the client knows already: a fault is made of the whole answer.
            headers = {name: value for name, value in request.headers.items() if name != "if-none-match"}
            await fault(self._answer(replace(request, headers=headers)), writer)
            return False
        answer = self._answer(request)
        writer.write(answer.head() + (b"" if request.method == "HEAD" else answer.body))
        await writer.drain()
        return request.headers.get("connection", "").lower() != "close"

    def _answer(self, request: Received) -> Answer:
        publisher, now_ms = self._publisher(), self.present * 1000
        newest = [one.release for one in self._announced.values()]
        author = request.query.get("author")
        match request.method, request.path:
            case "GET", "/federation-info":
                return _document(
                    make_federation_info(
                        publisher,
                        newest,
                        features=self._features(),
                        releases=len(self._zips),
                        now_ms=now_ms,
                        uptime_s=1,
                    )
                )
            case "POST", "/verify-ownership":
                return self._prove(request, now_ms)
            case "GET", "/author-data" if author == self.username:
                entries = [_sign_entry(publisher, announced) for announced in self._announced.values()]
                return keepable(request, _document(make_author_data(publisher, entries)))
            case "GET", "/federated/plugin-data" if author == self.username:
                announced = self._announced.get(request.query.get("slug", ""))
                if announced and announced.signature == "plugin-data":
                    return _document(make_plugin_data(publisher, [announced.release], now_ms=now_ms))
            case "GET" | "HEAD", path if path in self._zips:
                return keepable(request, Answer(200, {"Content-Type": "application/zip"}, self._zips[path]))
        return _document({"error": "There is nothing here."}, 404)

    def _features(self) -> tuple[str, ...]:
        return V1_FEATURES

    def _prove(self, request: Received, now_ms: int) -> Answer:
        try:
            asked = parse_json(request.body)
            return _document(prove_ownership(replace(self._publisher(), v1_key=self.proof_key), asked, now_ms=now_ms))
        except PfnError as error:
            return _document({"error": error.detail}, 404 if error.code is Code.SOURCE_UNKNOWN else 400)


def _sign_entry(publisher: Publisher, announced: _Announced) -> Document:
    release = announced.release
    entry = list_plugin(publisher, release)
    match announced.signature:
        case "author-data":
            pass
        case "wrong":
            other = metadata_message(release.slug, release.name, release.version + ".1", release.description)
            entry |= publisher.sign_v1(other)
        case "other-key":
            entry = list_plugin(replace(publisher, v1_key=SigningKey.generate()), release)
        case _:
            del entry["signature"]
    return entry


def _document(document: Document, status: int = 200) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, encode_document(document))


def keepable(request: Received, answer: Answer) -> Answer:
    """Give the answer an ETag, or 304 to who has it."""
    etag = f'"{hashlib.sha256(answer.body).hexdigest()}"'
    if request.headers.get("if-none-match") == etag:
        return Answer(304, {"ETag": etag})
    return Answer(answer.status, {**answer.headers, "ETag": etag}, answer.body)


async def _read_request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    query = {name: values[-1] for name, values in parse_qs(urlsplit(target).query).items()}
    return Received(method, unquote(urlsplit(target).path), headers, query, body)
