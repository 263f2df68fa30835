"""Rate limits: so many requests a minute for each key and each address; who asks more is told when to come back.

A request that carries a proven key (or the session it opened) is counted for the key alone, so that a busy stranger
behind the same address never locks the operator out; all others are counted for their address. A key counts as proven
once a request with it was let through: made-up ones, and other people's ids, spare nobody their address's limit.
Where that is used up and a key comes that is not known yet, it is looked up before the request is refused.

Not counted: the probes of whoever watches the node, and the pages' own files.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pfn.domain.access import Grant
from pfn.protocol.errors import Code, PfnError
from pfn.web.access import bearer_of, caller_of
from pfn.web.bucket import PERIOD_S, Buckets, Share
from pfn.web.problem import from_pfn_error

FREE = ("/livez", "/readyz", "/static/")
MOST_KNOWN = 10_000


_WHOSE = {"key": "with your API key", "address": "from your address"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a minute, 0 for no limit: of an address, of a key."""

    address: int
    key: int


class RateLimit:
    """ASGI middleware; inside ``RequestLog``, which makes the request's state."""

    def __init__(self, app: ASGIApp, *, of_addresses: Buckets, of_keys: Buckets) -> None:
        self._app = app
        self._buckets = {"address": of_addresses, "key": of_keys}
        # A digest of what proved itself, and whose key it was.
        self._known: OrderedDict[bytes, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request; answer 429 where it is one too many."""
        if scope["type"] != "http" or scope["path"].startswith(FREE):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        proof = _digest_proof(request)
        of, share = await self._take(request, proof)
        if share is not None:
            send = _tell(send, of, share, self._buckets[of].limit)
            if not share.allowed:
                refusal = PfnError(
                    Code.TOO_MANY_REQUESTS,
                    f"Too many requests came {_WHOSE[of]}; try again in {share.wait} seconds.",
                    retry_after=share.wait,
                )
                await from_pfn_error(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)
        key_id = scope["state"].get("key_id")
        if proof is not None and key_id is not None:
            self._learn(proof, key_id)

    async def _take(self, request: Request, proof: bytes | None) -> tuple[str, Share | None]:
        key_id = self._known.get(proof) if proof else None
        if key_id is None:
            share = self._buckets["address"].take(caller_of(request))
            if share is None or share.allowed or proof is None:
                return "address", share
            key_id = await _prove(request)
            if key_id is None:
                return "address", share
            self._learn(proof, key_id)
        return "key", self._buckets["key"].take(key_id)

    def _learn(self, proof: bytes, key_id: str) -> None:
        self._known[proof] = key_id
        self._known.move_to_end(proof)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def _digest_proof(request: Request) -> bytes | None:
    """Give what a key or session is remembered by; neither is kept itself."""
    proof = request.headers.get("authorization") or request.headers.get("cookie")
    return hashlib.sha256(proof.encode()).digest() if proof else None


async def _prove(request: Request) -> str | None:
    """Give the id of the key a request carries, where it is a right one; a wrong one is counted as such."""
    try:
        access = request.app.state.services.access
        grant: Grant = await access.authenticate(bearer_of(request), caller=caller_of(request))
    except PfnError:
        return None
    return grant.key_id


def _tell(send: Send, of: str, share: Share, limit: int) -> Send:
    """Say in every answer how much is left (the ``RateLimit`` fields of the IETF's draft)."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *name_share(of, share, limit)]
        await send(message)

    return tell


def name_share(of: str, share: Share, limit: int) -> list[tuple[bytes, bytes]]:
    """Give the ``RateLimit`` fields of an answer."""
    return [
        (b"ratelimit-policy", f'"{of}";q={limit};w={PERIOD_S}'.encode()),
        (b"ratelimit", f'"{of}";r={share.remaining};t={share.reset}'.encode()),
    ]
