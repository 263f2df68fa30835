"""The only way out of the node: HTTP to strangers.

Answers for one exchange, from a URL somebody gave us to bytes within the limits, redirects included. It
does not judge what the bytes mean, does not retry and does not know sources; a status other than 200 is an
answer, not an error.

Rules (facts: fetch and zip safety, fetching rules 1-8): every hop is judged afresh by ``policy``,
``resolver`` and ``connector``; no proxies, cookies or stored credentials; a redirect never leaves https,
never leads to a host the operator opened, and carries no header but those that cannot be credentials; a
host has few exchanges at a time. Whatever fails on the way is one error to outsiders, with the reason for
the operator in ``PfnError.internal``.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urljoin
from weakref import WeakValueDictionary

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from aiohttp.http import HttpProcessingError
from yarl import URL

from pfn import __version__
from pfn.outbound.body import Refused, Writer, drain, read_document, save_body
from pfn.outbound.budget import Deadline, FetchLimits
from pfn.outbound.connector import GuardedConnector
from pfn.outbound.policy import OutboundPolicy, Target, check_url
from pfn.outbound.resolver import JudgingResolver, Lookup
from pfn.protocol.errors import Code, PfnError
from pfn.tracing import span

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 3
MAX_HEADER_FIELDS = 128
MAX_HEADER_FIELD = 8190
READ_BUFFER = 256 * 1024
MAX_INTERNAL = 300

# Headers that hold no secret; only these follow a redirect.
_FORWARDED = frozenset({"accept", "accept-language", "if-modified-since", "if-none-match"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, decoded. ``headers`` ignores case; ``url`` is where the last redirect led."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Download:
    """What became of a download. Digests are lower-case hex; with a status other than 200 there are none.

    ``elapsed_ms`` is the publisher's time: waiting for our own turn is not in it.
    """

    status: int
    size: int
    sha256: str
    sha1: str
    sha384: str
    headers: Mapping[str, str]
    url: str
    elapsed_ms: int


T = TypeVar("T")
_Reader = Callable[[ClientResponse, Deadline], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked, wherever it is asked. Who ``takes_redirects`` gets one as the answer that it is."""

    method: str
    total: float
    max_redirects: int
    encoding: str
    body: bytes | None = None
    takes_redirects: bool = False


class Fetcher:
    """Fetches within a policy and limits; an async context manager, one per process, safe for concurrent use.

    ``lookup`` replaces the system's name resolution and ``ssl_context`` its trust store.
    """

    def __init__(
        self,
        policy: OutboundPolicy,
        limits: FetchLimits | None = None,
        *,
        lookup: Lookup | None = None,
        ssl_context: ssl.SSLContext | None = None,
        user_agent: str = f"pfn/{__version__}",
    ) -> None:
        self._policy = policy
        self._limits = limits or FetchLimits()
        self._lookup = lookup
        self._ssl_context = ssl_context
        self._user_agent = user_agent
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        limits = self._limits
        self._resolver = JudgingResolver(self._policy, seconds=limits.connect, lookup=self._lookup)
        self._session = ClientSession(
            connector=GuardedConnector(self._policy, self._resolver, self._ssl_context),
            timeout=ClientTimeout(total=None, sock_connect=limits.connect, sock_read=limits.first_byte),
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            max_line_size=MAX_HEADER_FIELD,
            max_field_size=MAX_HEADER_FIELD,
            max_headers=MAX_HEADER_FIELDS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._resolver.close()

    async def get_document(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        max_redirects: int = MAX_REDIRECTS,
    ) -> Answer:
        """GET a document of at most ``max_bytes`` decoded bytes, whatever its status.

        Raises ``PfnError``: INVALID_URL when ``url`` itself breaks the policy, PUBLISHER_TOO_LARGE, and for
        everything else that fails SOURCE_UNREACHABLE.
        """
        request = _Request("GET", self._limits.document_total, max_redirects, "gzip, deflate")
        return await self._fetch_document(request, url, headers, max_bytes)

    async def post_json(self, url: str, payload: object, *, headers: Mapping[str, str] | None = None) -> Answer:
        """POST ``payload`` as JSON; a redirect is an error. Raises as ``get_document``."""
        body = json.dumps(payload, ensure_ascii=False, allow_nan=False).encode()
        return await self.post_document(url, body, headers={**(headers or {}), "Content-Type": "application/json"})

    async def post_document(
        self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None
    ) -> Answer:
        """POST ``body`` and give the whole answer, whatever its status; a redirect is an error.

        Raises as ``get_document``.
        """
        request = _Request("POST", self._limits.document_total, 0, "gzip, deflate", body)
        return await self._fetch_document(request, url, headers, max_bytes)

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None) -> Answer:
        """POST ``body`` and give the answer without its body, which is left unread; a redirect is an answer.

        Raises ``PfnError``: INVALID_URL when ``url`` breaks the policy, SOURCE_UNREACHABLE for everything else.
        """

        async def ignore(response: ClientResponse, deadline: Deadline) -> bytes:
            del response, deadline
            return b""

        request = _Request("POST", self._limits.document_total, 0, "identity", body, takes_redirects=True)
        content, response, final, elapsed = await self._follow(request, url, headers, ignore)
        return Answer(response.status, response.headers, content, final, elapsed)

    async def download(
        self,
        url: str,
        target: Writer,
        *,
        max_bytes: int | None = None,
        headers: Mapping[str, str] | None = None,
        max_redirects: int = MAX_REDIRECTS,
    ) -> Download:
        """GET a file of at most ``max_bytes`` into ``target``, hashing it on the way.

        Only a 200 writes; any other status is returned with size 0 and no digests. Raises as
        ``get_document``, and whatever ``target.write`` raises; after an error ``target`` holds a torso.
        """
        limit = self._limits.download_bytes if max_bytes is None else max_bytes

        async def save(response: ClientResponse, deadline: Deadline) -> tuple[int, str, str, str]:
            if response.status != 200:
                await drain(response, deadline)
                return 0, "", "", ""
            digests = await save_body(response, deadline, limit, target)
            return digests.size, digests.sha256, digests.sha1, digests.sha384

        request = _Request("GET", self._limits.download_total, max_redirects, "identity")
        (size, sha256, sha1, sha384), response, final, elapsed = await self._follow(request, url, headers, save)
        return Download(response.status, size, sha256, sha1, sha384, response.headers, final, elapsed)

    async def _fetch_document(
        self, request: _Request, url: str, headers: Mapping[str, str] | None, max_bytes: int | None
    ) -> Answer:
        limit = self._limits.document_bytes if max_bytes is None else max_bytes

        async def read(response: ClientResponse, deadline: Deadline) -> bytes:
            return await read_document(response, deadline, limit)

        body, response, final, elapsed = await self._follow(request, url, headers, read)
        return Answer(response.status, response.headers, body, final, elapsed)

    async def _follow(
        self, request: _Request, url: str, headers: Mapping[str, str] | None, read: _Reader[T]
    ) -> tuple[T, ClientResponse, str, int]:
        """Go where ``url`` leads; return what ``read`` made of the answer, it, its URL and the time."""
        first = target = check_url(url, self._policy)
        headers = headers or {}
        spent, left = 0.0, request.max_redirects
        try:
            while True:
                # Given back before the next host's is awaited, or two redirects could wait for each other.
                async with self._turn(target.host):
                    began = time.monotonic()
                    about = {"server.address": target.host, "http.request.method": request.method}
                    with span("fetch", about, "client") as asked:
                        outcome = await self._exchange(request, target, headers, request.total - spent, read)
                        if not isinstance(outcome, str):
                            asked.set_attribute("http.response.status_code", outcome[1].status)
                    spent += time.monotonic() - began
                if not isinstance(outcome, str):
                    return *outcome, target.url, round(spent * 1000)
                target = self._redirect(target, outcome, left=left)
                left -= 1
                headers = {name: value for name, value in headers.items() if name.lower() in _FORWARDED}
        except (ClientError, HttpProcessingError, TimeoutError, Refused) as error:
            raise _unreachable(first, target, error) from error

    async def _exchange(
        self, request: _Request, target: Target, headers: Mapping[str, str], seconds: float, read: _Reader[T]
    ) -> tuple[T, ClientResponse] | str:
        """Ask once; return what ``read`` made of the answer and the answer, or where it redirects."""
        async with (
            Deadline(self._limits, seconds) as deadline,
            self._session.request(
                request.method,
                URL(target.url, encoded=True),
                headers={**headers, "User-Agent": self._user_agent, "Accept-Encoding": request.encoding},
                # Written piece by piece, so that a long one holds nobody up.
                data=None if request.body is None else BytesIO(request.body),
                allow_redirects=False,
            ) as response,
        ):
            size = sum(len(name) + len(value) + 4 for name, value in response.raw_headers)
            if size > self._limits.header_bytes:
                raise Refused(f"its headers take {size} bytes")
            redirects = response.status in REDIRECTS and "Location" in response.headers
            if redirects and not request.takes_redirects:
                await drain(response, deadline)
                return response.headers["Location"]
            return await read(response, deadline), response

    def _redirect(self, source: Target, location: str, *, left: int) -> Target:
        """Judge a redirect as strictly as a URL somebody typed, and more; ``left`` more are allowed."""
        if left <= 0:
            raise Refused(f"one redirect too many, to {location}")
        try:
            target = check_url(urljoin(source.url, location), self._policy)
        except (PfnError, ValueError) as error:
            raise Refused(f"redirect to {location}: {error}") from error
        if source.scheme == "https" and target.scheme != "https":
            raise Refused(f"redirect from https to {target.url}")
        if target.exempt and not source.exempt:
            raise Refused(f"redirect from the public internet to {target.url}")
        return target

    def _turn(self, host: str) -> asyncio.Semaphore:
        turn = self._turns.get(host)
        if turn is None:
            turn = self._turns[host] = asyncio.Semaphore(self._limits.per_host)
        return turn


def _unreachable(first: Target, last: Target, error: Exception) -> PfnError:
    # What the other side sent may be in the text: keep it short and on one line.
    reason = f"{type(error).__name__}: {error}"[:MAX_INTERNAL]
    return PfnError(
        Code.SOURCE_UNREACHABLE,
        f"The publisher at {first.host} cannot be reached.",
        internal=f"{last.url}: {reason!r}",
    )
