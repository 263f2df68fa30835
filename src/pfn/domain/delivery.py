"""A delivery: one message for one webhook, its tries, and what follows from how each of them ended.

Answers for what is sent, for when a failed try is made again and for when to stop (facts: keys and sessions, webhooks).
Does not sign (``pfn.protocol.webhook``), send or store.

Rules: 2xx alone is success. A message is written once and sent like that, under one id, every time. A receiver that
is away is left alone for a while; one that says 410, or that took nothing for five days, is told nothing more until
its webhook's owner says so.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from pfn.domain.activity import Activity
from pfn.domain.life_cycle import LifeCycle, Transition
from pfn.domain.schedule import spread
from pfn.domain.webhook import GIVEN_UP, GONE, Webhook
from pfn.protocol.webhook import sign_message

PING: Final = "ping"
REDELIVER: Final = "redeliver"

_DAY_S: Final = 86_400
_GIVE_UP_AFTER_S: Final = 5 * _DAY_S
_LONGEST_ASKED_S: Final = _DAY_S
_REST_S: Final = 60
# The waits before the second try, the third, and so on: ten tries in a little over three days.
_WAITS_S: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
_GONE: Final = 410
# No answer, or one that says "not now": it is the receiver that fails, not this message.
_AWAY: Final = frozenset({None, 429, 502, 503, 504})


class DeliveryState(StrEnum):
    """Where a delivery is in its life."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


DELIVERY_LIFE_CYCLE = LifeCycle(
    name="delivery",
    initial=DeliveryState.PENDING,
    states=tuple(DeliveryState),
    transitions=(
        Transition(DeliveryState.PENDING, DeliveryState.DELIVERED, "a try is answered with 2xx"),
        Transition(DeliveryState.PENDING, DeliveryState.PENDING, "a try fails, the next is planned"),
        Transition(DeliveryState.PENDING, DeliveryState.FAILED, "the last try fails"),
        Transition(DeliveryState.PENDING, DeliveryState.FAILED, "its webhook is disabled"),
        Transition(DeliveryState.DELIVERED, DeliveryState.PENDING, REDELIVER),
        Transition(DeliveryState.FAILED, DeliveryState.PENDING, REDELIVER),
    ),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of ``deliveries``: one message for one webhook. ``event_seq`` is None for a ping."""

    webhook_id: int
    event_seq: int | None
    message_id: str
    type: str
    body: str
    created_at: int
    id: int = 0
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_try: int | None = None
    delivered_at: int | None = None
    last_status: int | None = None
    last_error: str | None = None
    last_ms: int | None = None

    def sign(self, webhook: Webhook, now: int) -> dict[str, str]:
        """Give the headers of a try made now."""
        return sign_message(self.message_id, self.body.encode(), now, webhook.living_keys(now))

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it; ``body`` is what was or will be sent, to the letter."""
        return {
            "id": self.id,
            "webhook_id": self.webhook_id,
            "event_seq": self.event_seq,
            "message_id": self.message_id,
            "type": self.type,
            "state": self.state.value,
            "created_at": self.created_at,
            "attempts": self.attempts,
            "next_try": self.next_try,
            "delivered_at": self.delivered_at,
            "last_status": self.last_status,
            "last_error": self.last_error,
            "last_ms": self.last_ms,
            "body": self.body,
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one try ended.

    ``status`` is None where no answer came; ``error`` then says why, without addresses. ``retry_after`` is what the
    receiver asked for; both times are in milliseconds and seconds, as their names say.
    """

    status: int | None
    ms: int
    retry_after: int | None = None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took the message."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def sentence(self) -> str | None:
        """What went wrong; None where nothing did."""
        if self.succeeded:
            return None
        return self.error or f"The receiver answered with status {self.status}."


def new_message_id(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Make the id by which a receiver counts a message once, however often it comes."""
    return f"msg_{random_bytes(16).hex()}"


def write_message(activity: Activity) -> tuple[str, str]:
    """Give the type and the body of the message about an event. Once written it is sent like this every time."""
    kind = f"{activity.type.value}.{activity.action}"
    data = activity.to_json()
    del data["notified"]  # of this very message it cannot tell
    return kind, _write(kind, activity.timestamp, data)


def write_ping(webhook: Webhook, now: int) -> str:
    """Give the body of a test message."""
    return _write(PING, now, {"webhook_id": webhook.id, "sentence": "A test, sent on request."})


def plan_retry(attempts: int, asked: int | None, now: int, dice: float) -> int | None:
    """Give when to try again after ``attempts`` failed tries; None where that was the last.

    ``asked`` is the receiver's ``Retry-After`` in seconds, heeded up to a day; ``dice``, between 0 and 1, makes jitter.
    """
    if attempts > len(_WAITS_S):
        return None
    return now + spread(max(_WAITS_S[attempts - 1], min(asked or 0, _LONGEST_ASKED_S)), dice)


def settle(webhook: Webhook, delivery: Delivery, attempt: Attempt, now: int, dice: float) -> tuple[Webhook, Delivery]:
    """Give what becomes of a webhook and its pending delivery after a try that ended ``now``."""
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        last_status=attempt.status,
        last_error=attempt.sentence,
        last_ms=attempt.ms,
        next_try=None,
    )
    if attempt.succeeded:
        delivered = replace(tried, state=DeliveryState.DELIVERED, delivered_at=now)
        return replace(webhook, failing_since=None, rest_until=None), delivered
    failing = replace(webhook, failing_since=now if webhook.failing_since is None else webhook.failing_since)
    if attempt.status == _GONE:
        reason = "Its receiver answered 410: it wants no more messages."
        return failing.disable(GONE, reason), replace(tried, state=DeliveryState.FAILED)
    next_try = plan_retry(tried.attempts, attempt.retry_after, now, dice)
    if attempt.status in _AWAY:
        failing = replace(failing, rest_until=_rest(attempt, next_try, now))
    if next_try is not None:
        return failing, replace(tried, next_try=next_try)
    if failing.failing_since is not None and now - failing.failing_since >= _GIVE_UP_AFTER_S:
        reason = "Nothing could be delivered for five days."
        failing = failing.disable(GIVEN_UP, reason)
    return failing, replace(tried, state=DeliveryState.FAILED)


def _rest(attempt: Attempt, next_try: int | None, now: int) -> int:
    """Leave a receiver alone that is away: until the next try, for a minute at most unless it asked for more."""
    if attempt.retry_after is not None:
        return now + min(attempt.retry_after, _LONGEST_ASKED_S)
    return now + _REST_S if next_try is None else min(next_try, now + _REST_S)


def _write(kind: str, timestamp: int, data: dict[str, object]) -> str:
    moment = datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"type": kind, "timestamp": moment, "data": data}, separators=(",", ":"), allow_nan=False)
