"""What follows from how a try ended, by table; when the next one is due, by law."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.delivery import (
    DELIVERY_LIFE_CYCLE,
    PING,
    Attempt,
    Delivery,
    DeliveryState,
    plan_retry,
    settle,
    write_message,
    write_ping,
)
from pfn.domain.webhook import Webhook, WebhookState
from pfn.protocol.webhook import WebhookKeys

NOW = 1_800_000_000
DAY = 86_400
KEYS = WebhookKeys.generate()
WEBHOOK = Webhook(1, "agency", "https://hooks.example/in?key=hidden", NOW - DAY, KEYS)
DELIVERY = Delivery(1, 7, "msg_1", "version_update.plugin_added", "{}", NOW, id=3, next_try=NOW)
PLANNED = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


def fail(webhook: Webhook, delivery: Delivery, now: int, status: int | None = 500) -> tuple[Webhook, Delivery]:
    return settle(webhook, delivery, Attempt(status, 1), now, 0.0)


def test_there_are_ten_tries_over_more_than_three_days() -> None:
    webhook, delivery, now, waits = WEBHOOK, DELIVERY, NOW, []
    while delivery.state is DeliveryState.PENDING:
        webhook, delivery = fail(webhook, delivery, now)
        if delivery.next_try is not None:
            waits.append(delivery.next_try - now)
            now = delivery.next_try
    assert tuple(waits) == PLANNED
    assert delivery.attempts == 10
    assert now - NOW > 3 * DAY
    assert delivery.state is DeliveryState.FAILED
    assert delivery.next_try is None
    assert webhook.state is WebhookState.ACTIVE  # for it has been failing for less than five days


@given(attempts=st.integers(1, 9), asked=st.none() | st.integers(0, 10**9), dice=st.floats(0, 1))
def test_a_retry_is_never_too_soon_and_hardly_late(attempts: int, asked: int | None, dice: float) -> None:
    at = plan_retry(attempts, asked, NOW, dice)
    assert at is not None
    least = max(PLANNED[attempts - 1], min(asked or 0, DAY))
    assert least <= at - NOW <= least * 1.1


@pytest.mark.parametrize("attempts", [10, 11, 1000])
def test_after_the_last_try_there_is_none(attempts: int) -> None:
    assert plan_retry(attempts, 5, NOW, 0.5) is None


@given(status=st.none() | st.integers(100, 599))
def test_only_2xx_is_success(status: int | None) -> None:
    attempt = Attempt(status, 12, error="No answer." if status is None else None)
    webhook, delivery = settle(WEBHOOK, DELIVERY, attempt, NOW, 0.0)
    good = status is not None and 200 <= status < 300
    assert (delivery.state is DeliveryState.DELIVERED) == good
    assert (delivery.delivered_at, webhook.failing_since) == ((NOW, None) if good else (None, NOW))
    assert (delivery.last_error is None) == good
    assert (delivery.attempts, delivery.last_status, delivery.last_ms) == (1, status, 12)
    assert (webhook.state is WebhookState.DISABLED) == (status == 410)
    assert delivery.state in DELIVERY_LIFE_CYCLE.targets(DeliveryState.PENDING)


@pytest.mark.parametrize(
    ("status", "asked", "rest"),
    [
        (None, None, 5),
        (503, None, 5),
        (429, 120, 120),
        (503, 10 * DAY, DAY),
        (502, None, 5),
        (504, 0, 0),
        (500, None, None),
        (400, 120, None),
        (302, None, None),
    ],
)
def test_a_receiver_that_is_away_is_left_alone(status: int | None, asked: int | None, rest: int | None) -> None:
    webhook, delivery = settle(WEBHOOK, DELIVERY, Attempt(status, 1, asked), NOW, 0.0)
    assert webhook.rest_until == (None if rest is None else NOW + rest)
    assert delivery.next_try == NOW + max(5, min(asked or 0, DAY))


def test_it_is_left_alone_for_a_minute_at_most_unless_it_asked() -> None:
    tried = Delivery(1, 7, "msg_1", "t", "{}", NOW, attempts=6)
    assert fail(WEBHOOK, tried, NOW, None)[0].rest_until == NOW + 60
    last = Delivery(1, 7, "msg_1", "t", "{}", NOW, attempts=9)
    assert fail(WEBHOOK, last, NOW, None)[0].rest_until == NOW + 60


def test_five_days_without_a_success_disable_it_when_something_is_given_up() -> None:
    last = Delivery(1, 7, "msg_1", "t", "{}", NOW, attempts=9)
    webhook, _ = fail(WEBHOOK, DELIVERY, NOW)
    for days, state in ((4.9, WebhookState.ACTIVE), (5, WebhookState.DISABLED)):
        ended, given_up = fail(webhook, last, NOW + int(days * DAY))
        assert given_up.state is DeliveryState.FAILED
        assert ended.state is state
    # Somebody who retries still has hope; one success makes all good.
    assert fail(webhook, DELIVERY, NOW + 6 * DAY)[0].state is WebhookState.ACTIVE
    well, _ = settle(webhook, DELIVERY, Attempt(200, 1), NOW + 4 * DAY, 0.0)
    assert fail(well, last, NOW + 6 * DAY)[0].state is WebhookState.ACTIVE


def test_410_ends_it_at_once_and_says_why() -> None:
    webhook, delivery = fail(WEBHOOK, DELIVERY, NOW, 410)
    assert webhook.state is WebhookState.DISABLED
    assert webhook.state_detail is not None
    assert "410" in webhook.state_detail
    assert delivery.state is DeliveryState.FAILED


def test_a_message_has_the_standards_members_and_the_row_of_the_feed() -> None:
    activity = Activity(
        type=ActivityType.VERSION_UPDATE,
        timestamp=1_800_000_000,
        actor="node",
        details=describe("plugin_updated", "Grüße went from 1 to 2.", odd="\u202e\ud800\x00"),
        seq=9,
        source_id="ann@one.example",
        plugin_id="hello",
        old_version="1",
        new_version="2",
        notified=False,
    )
    kind, body = write_message(activity)
    assert kind == "version_update.plugin_updated"
    assert body.isascii()
    message = json.loads(body)
    assert list(message) == ["type", "timestamp", "data"]
    assert (message["type"], message["timestamp"]) == (kind, "2027-01-15T08:00:00Z")
    row = activity.to_json()
    del row["notified"]
    assert message["data"] == row


def test_a_ping_is_a_message_too() -> None:
    message = json.loads(write_ping(WEBHOOK, NOW))
    assert list(message) == ["type", "timestamp", "data"]
    assert message["type"] == PING
