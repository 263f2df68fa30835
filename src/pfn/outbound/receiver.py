"""The receivers of webhooks, over the guarded fetcher: one POST, and how it ended.

Whatever a receiver does is an outcome here, never an exception; what it says beside its status and ``Retry-After`` is
not read. What went wrong inside is for the operator's log, not for the webhook's owner, who might be probing.
"""

import time
from collections.abc import Mapping

import structlog

from pfn.domain.delivery import Attempt
from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Fetcher
from pfn.outbound.retry_after import read_retry_after
from pfn.protocol.errors import Code, PfnError

# Standard Webhooks gives a receiver 15 to 30 seconds.
RECEIVER_LIMITS = FetchLimits(first_byte=20.0, document_total=30.0)

log = structlog.get_logger()


class ReceiverClient:
    """Speaks to the receivers of all webhooks."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """POST a JSON message; a redirect is an answer like any other, and not followed."""
        began = time.monotonic()
        try:
            answer = await self._fetcher.post(url, body, headers={**headers, "Content-Type": "application/json"})
        except PfnError as error:
            log.info("receiver_not_reached", code=error.code.slug, internal=error.internal)
            reason = (
                error.detail
                if error.code is Code.INVALID_URL
                else "The receiver cannot be reached, or gave no answer in time."
            )
            return Attempt(None, round((time.monotonic() - began) * 1000), error=reason)
        return Attempt(answer.status, answer.elapsed_ms, read_retry_after(answer.headers))
