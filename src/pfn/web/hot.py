"""Answers that were given a moment ago, given again: for what everybody is told alike and asks for all the time.

An endpoint says of an answer that it may be kept (``keep_hot``): it follows from the path, the query, the reader's
language and the rows alone. It is given again for as long as nothing whatever was written to the rows, by any process,
and a minute at most, for some numbers are of a day; so what is withdrawn is gone at once. Where the rows cannot tell
that they changed (PostgreSQL), nothing is kept.

A kept answer goes round the framework, not round the rules: the limits, the log, the counts and the headers are the
same. Whoever shows a key, a session or a range is answered in the usual way.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from starlette.types import Message, Scope, Send

from pfn.services.clock import Clock
from pfn.web.bucket import Buckets
from pfn.web.forwarded import REQUEST_ID, TrustedProxies, network_of, see_through
from pfn.web.limit import name_share
from pfn.web.metrics import HttpMetrics
from pfn.web.pages.language import prefer_language
from pfn.web.request_log import choose_id, following
from pfn.web.validator import matches_any

Changes: TypeAlias = Callable[[], int | None]
Again: TypeAlias = Callable[[Scope], None]
Pairs: TypeAlias = list[tuple[bytes, bytes]]
Key: TypeAlias = tuple[str, bytes, str]

_STATE: Final = "hot"
_LONGEST_S: Final = 60.0
_LARGEST: Final = 1024 * 1024
_MOST_BYTES: Final = 16 * 1024 * 1024
# What makes an answer one person's, or a part; and another body than GET's.
_OF_ONE: Final = frozenset({b"authorization", b"cookie", b"range", b"if-modified-since", b"content-length"})
# Made anew for every request.
_ANEW: Final = frozenset({REQUEST_ID.encode(), b"ratelimit", b"ratelimit-policy"})
_KEPT: Final = frozenset({HTTPStatus.OK, HTTPStatus.NOT_MODIFIED})
_HEAD_BYTES: Final = 2_048
_OF_BODIES: Final = frozenset({b"content-length", b"content-type"})


@dataclass(frozen=True, slots=True)
class _Mark:
    """What an endpoint says of its answer: the route's template, and what to do when it is given again."""

    route: str
    again: Again | None


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, the headers as they go out but for those of one request, and when it was made, in Unix seconds.

    Without a ``body`` it is known only that what has this ``etag`` is unchanged.
    """

    mark: _Mark
    headers: Pairs
    unchanged: Pairs
    etag: str | None
    body: bytes | None
    made: float

    @property
    def size(self) -> int:
        """About how much memory it takes, in bytes."""
        return _HEAD_BYTES + len(self.body or b"")


def keep_hot(scope: Scope, again: Again | None = None) -> None:
    """Say that this request's answer may be given to anybody else who asks the same; ``again`` hears of each."""
    scope["state"][_STATE] = _Mark(scope["route"].path, again)


class HotAnswers:
    """The answers of one application; ``changes`` tells whether the rows are what they were."""

    def __init__(self, clock: Clock, *, metrics: HttpMetrics, limit: Buckets, proxies: TrustedProxies) -> None:
        self.changes: Changes = _unknown
        self._clock = clock
        self._metrics = metrics
        self._limit = limit
        self._proxies = proxies
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._left = _MOST_BYTES
        # What all that is kept follows from.
        self._changes: int | None = None

    def may_keep(self, scope: Scope) -> bool:
        """Tell whether a request is one that anybody might make."""
        return scope["method"] == "GET" and not any(name in _OF_ONE for name, _ in scope["headers"])

    async def answer(self, scope: Scope, send: Send) -> bool:
        """Answer a request that ``may_keep``, where its answer was kept; tell whether it was."""
        key = _name(scope)
        kept = self._kept.get(key)
        if kept is None:
            return False
        self._look()
        if key not in self._kept or not kept.made <= self._clock() <= kept.made + _LONGEST_S:
            self._drop(key)
            return False
        given = _find(scope, b"if-none-match")
        same = given is not None and kept.etag is not None and matches_any(given, kept.etag)
        body = b"" if same else kept.body
        if body is None:
            return False
        scope = see_through(scope, self._proxies)
        share = self._limit.take(network_of(scope["client"][0]) if scope.get("client") else "unknown")
        if share is not None and not share.allowed:
            # Refused where everybody is; that costs nothing again.
            return False
        began = time.perf_counter()
        self._kept.move_to_end(key)
        status = HTTPStatus.NOT_MODIFIED if same else HTTPStatus.OK
        request_id = choose_id(_find(scope, REQUEST_ID.encode()))
        headers = [*(kept.unchanged if same else kept.headers), (REQUEST_ID.encode(), request_id.encode())]
        if share is not None:
            headers += name_share("address", share, self._limit.limit)
        with following(scope, request_id, kept.mark.route) as served:
            self._metrics.count(kept.mark.route, "GET", status, time.perf_counter() - began)
            if kept.mark.again is not None and not same:
                kept.mark.again(scope)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            served.ended(int(status), len(body))
        return True

    def watch(self, scope: Scope, send: Send) -> Send:
        """Give the ``send`` that keeps the answer to a request that ``may_keep``, if its endpoint says so."""
        changes = self._look()
        if changes is None:
            return send
        state = scope.setdefault("state", {})
        start: Message = {}

        async def keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif _STATE in state and start.get("status") in _KEPT and not message.get("more_body"):
                body = message.get("body", b"") if start["status"] == HTTPStatus.OK else None
                self._keep(scope, state[_STATE], start["headers"], body, changes)
            # Before it goes out: who reads it may ask again at once.
            await send(message)

        return keep

    def _look(self) -> int | None:
        """Ask for the state of the rows, and let go of all that followed from another."""
        changes = self.changes()
        if changes != self._changes:
            self._kept.clear()
            self._left = _MOST_BYTES
            self._changes = changes
        return changes

    def _keep(
        self, scope: Scope, mark: _Mark, headers: Iterable[tuple[bytes, bytes]], body: bytes | None, changes: int
    ) -> None:
        lowered = [(name.lower(), value) for name, value in headers]
        named = dict(lowered)
        # A part of a body that came in several messages is not the whole.
        whole = body is None or (len(body) <= _LARGEST and named.get(b"content-length") == str(len(body)).encode())
        if not whole or b"set-cookie" in named or changes != self._look():
            return
        key = _name(scope)
        self._drop(key)
        common = [pair for pair in lowered if pair[0] not in _ANEW]
        unchanged = [pair for pair in common if pair[0] not in _OF_BODIES]
        etag = named.get(b"etag", b"").decode("latin-1") or None
        kept = _Kept(mark, common, unchanged, etag, body, self._clock())
        self._kept[key] = kept
        self._left -= kept.size
        while self._left < 0:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._left += dropped.size


def _name(scope: Scope) -> Key:
    return scope["path"], scope["query_string"], prefer_language(_find(scope, b"accept-language") or "")


def _find(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            text: str = value.decode("latin-1")
            return text
    return None


def _unknown() -> int | None:
    return None
