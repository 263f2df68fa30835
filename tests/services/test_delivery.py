"""Sending, against receivers that misbehave on command: what counts as delivered, when and how often it is tried."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import nacl.signing
import pytest
import standardwebhooks
from tests.outbound.raw_server import reply
from tests.support.webhooks import AGENCY, NOW, OPERATOR, House, Receiver, believe, open_house

from pfn.domain.delivery import DeliveryState
from pfn.domain.schedule import Outcome, Result, Work
from pfn.domain.webhook import WebhookState
from pfn.outbound.policy import OutboundPolicy
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.webhook import verify_message
from pfn.services import delivery as delivery_service
from pfn.services.webhook import NewKeys
from pfn.storage.activity import list_activities
from pfn.storage.database import Database
from pfn.storage.delivery import settle_delivery

DAY = 86_400
ANN = "ann@one.example"
SERVER_ERROR = reply(status="500 Internal Server Error")
AWAY = reply(status="503 Service Unavailable")
GOOD = reply(status="204 No Content")
# Where only the receiver's behaviour matters, one kind of database will do.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PENDING, DELIVERED, FAILED = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.FAILED


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as house:
        await house.source(ANN, AGENCY)
        yield house


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def made(house: House, receiver: Receiver) -> NewKeys:
    """A webhook of a subscriber, to the receiver."""
    return await house.add(receiver.hook, AGENCY)


async def send(house: House, made: NewKeys, *, events: int = 0) -> Outcome:
    """Let something happen and send what is due."""
    for number in range(events):
        await house.happen(ANN, f"event_{number}")
    await house.webhooks.notify()
    return await house.webhooks.deliver(made.webhook.id)


async def state(house: House, made: NewKeys) -> WebhookState:
    return (await house.webhooks.get(OPERATOR, made.webhook.id)).webhook.state


async def test_receivers_with_the_standards_library_believe_what_comes(
    house: House, receiver: Receiver, made: NewKeys
) -> None:
    release = await house.release(ANN, name="Grüße")
    outcome = await send(house, made, events=2)
    assert (outcome.result, outcome.wait) == (Result.CHANGED, DAY)
    log = await house.log(made.webhook)
    assert [(one.state, one.attempts, one.last_status, one.last_error) for one in log] == [
        (DELIVERED, 1, 204, None)
    ] * 3
    assert receiver.ids == [one.message_id for one in log]
    messages = [believe(one, made.secret) for one in receiver.received]
    assert [one["type"] for one in messages] == [one.type for one in log]
    assert messages[0]["data"]["new_version"] == release.version
    assert messages[0]["data"]["plugin_name"] == "Grüße"
    assert [one.body.decode() for one in receiver.received] == [one.body for one in log]
    assert receiver.received[0].headers["content-type"] == "application/json"
    key = nacl.signing.VerifyKey(base64.b64decode(made.webhook.keys.public_text.removeprefix("whpk_")))
    for one in receiver.received:
        signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
        v1a = one.headers["webhook-signature"].split(" ")[1].removeprefix("v1a,")
        key.verify(signed, base64.b64decode(v1a))
    assert await house.notified() == {("hello", release.version): True}


async def test_an_error_then_a_success(house: House, receiver: Receiver, made: NewKeys) -> None:
    receiver.say(SERVER_ERROR, GOOD)
    release = await house.release(ANN)
    outcome = await send(house, made)
    assert outcome == Outcome(Result.UNCHANGED, 5, "0 delivered")
    (failed,) = await house.log(made.webhook)
    assert (failed.state, failed.attempts, failed.last_status, failed.next_try) == (PENDING, 1, 500, NOW + 5)
    assert failed.last_error == "The receiver answered with status 500."
    assert await house.notified() == {("hello", release.version): False}
    assert (await send(house, made)).wait == 5
    assert len(receiver.ids) == 1
    house.clock.now += 5
    assert (await send(house, made)).result is Result.CHANGED
    (delivered,) = await house.log(made.webhook)
    assert (delivered.state, delivered.attempts, delivered.last_error) == (DELIVERED, 2, None)
    assert delivered.delivered_at == NOW + 5
    assert receiver.ids[0] == receiver.ids[1]
    assert receiver.received[1].headers["webhook-timestamp"] == str(NOW + 5)
    assert await house.notified() == {("hello", release.version): True}


@ON_SQLITE
async def test_a_message_that_is_not_taken_holds_no_other_up(house: House, receiver: Receiver, made: NewKeys) -> None:
    receiver.say(SERVER_ERROR, GOOD)
    await send(house, made, events=3)
    assert [one.state for one in await house.log(made.webhook)] == [PENDING, DELIVERED, DELIVERED]


async def test_410_disables_at_once(house: House, receiver: Receiver, made: NewKeys) -> None:
    receiver.say(GOOD, reply(status="410 Gone"))
    await send(house, made, events=4)
    assert [one.state for one in await house.log(made.webhook)] == [DELIVERED, FAILED, FAILED, FAILED]
    assert len(receiver.ids) == 2
    found = (await house.webhooks.get(AGENCY, made.webhook.id)).webhook
    assert (found.state, found.state_detail) == (
        WebhookState.DISABLED,
        "Its receiver answered 410: it wants no more messages.",
    )
    async with house.database.read() as connection:
        event = (await list_activities(connection, limit=1))[0]
    assert (event.action, event.private, event.actor) == ("webhook_disabled", True, "node")
    with pytest.raises(PfnError) as refused:
        await house.webhooks.redeliver(AGENCY, made.webhook.id)
    assert refused.value.code is Code.WRONG_STATE
    receiver.say(GOOD)
    await house.webhooks.enable(AGENCY, made.webhook.id)
    assert await house.webhooks.redeliver(AGENCY, made.webhook.id) == 3
    await send(house, made)
    assert [one.state for one in await house.log(made.webhook)] == [DELIVERED] * 4


@ON_SQLITE
async def test_five_days_without_a_success_disable_it(house: House, receiver: Receiver, made: NewKeys) -> None:
    receiver.say(SERVER_ERROR)
    await house.happen(ANN)
    await house.webhooks.notify()
    began = house.clock.now
    while await state(house, made) is WebhookState.ACTIVE:
        outcome = await house.webhooks.deliver(made.webhook.id)
        if outcome.wait == DAY and not (await house.log(made.webhook))[-1].next_try:
            await house.happen(ANN, "another")
            await house.webhooks.notify()
        house.clock.now += min(outcome.wait or 0, DAY)
        assert house.clock.now - began < 20 * DAY
    assert house.clock.now - began > 5 * DAY
    log = await house.log(made.webhook)
    assert {one.state for one in log} == {FAILED}
    assert max(one.attempts for one in log) == 10


@ON_SQLITE
@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
async def test_a_redirect_is_a_failure_and_not_followed(
    house: House, receiver: Receiver, made: NewKeys, status: str
) -> None:
    receiver.say(reply(status=status, Location=receiver.url("/elsewhere")))
    await send(house, made, events=1)
    (tried,) = await house.log(made.webhook)
    assert (tried.state, tried.last_status) == (PENDING, int(status[:3]))
    assert [one.path for one in receiver.received] == ["/hook"]


async def hang(_: object) -> None:
    await asyncio.sleep(60)


@ON_SQLITE
async def test_a_receiver_that_hangs_fails_and_holds_no_other_up(
    house: House, receiver: Receiver, made: NewKeys
) -> None:
    receiver.say(hang)
    async with Receiver() as second:
        other = await house.add(second.hook, AGENCY)
        await house.happen(ANN)
        await house.webhooks.notify()
        slow = asyncio.create_task(house.webhooks.deliver(made.webhook.id))
        while not receiver.received:
            await asyncio.sleep(0.01)
        await house.webhooks.deliver(other.webhook.id)
        assert not slow.done()
        assert len(second.received) == 1
        outcome = await slow
    assert outcome.wait == 5
    (tried,) = await house.log(made.webhook)
    assert (tried.state, tried.last_status) == (PENDING, None)
    assert tried.last_error == "The receiver cannot be reached, or gave no answer in time."
    # It is away: the others wait, instead of waiting for it one by one.
    await send(house, made, events=3)
    assert len(receiver.received) == 1


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(2000):
        writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        await writer.drain()


@ON_SQLITE
@pytest.mark.parametrize(
    "answer",
    [
        endless,
        reply(b"x" * 3_000_000),
        reply(b"short", length=5_000),
        reply(b"not gzip", Content_Encoding="gzip"),
        reply(b"<html>Thanks!</html>", status="202 Accepted"),
    ],
    ids=["endless", "large", "cut short", "wrong encoding", "html"],
)
async def test_what_a_receiver_says_beside_its_status_does_not_matter(
    house: House, receiver: Receiver, made: NewKeys, answer: Any
) -> None:
    receiver.say(answer)
    await send(house, made, events=2)
    assert [one.state for one in await house.log(made.webhook)] == [DELIVERED] * 2


@ON_SQLITE
@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/9 200\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 3000 + b"\r\n"],
    ids=["nothing", "no HTTP", "many headers"],
)
async def test_an_answer_that_is_none_is_a_failure(
    house: House, receiver: Receiver, made: NewKeys, answer: bytes
) -> None:
    receiver.say(answer)
    receiver.hang_up.add("/hook")
    await send(house, made, events=1)
    (tried,) = await house.log(made.webhook)
    assert (tried.state, tried.last_status) == (PENDING, None)


@ON_SQLITE
async def test_what_a_receiver_asks_for_is_heeded_for_all_its_messages(
    house: House, receiver: Receiver, made: NewKeys
) -> None:
    receiver.say(reply(status="429 Too Many Requests", Retry_After="3600"), GOOD)
    assert (await send(house, made, events=3)).wait == 3600
    assert len(receiver.ids) == 1
    await house.happen(ANN, "new")
    await house.webhooks.notify()
    due = await house.schedule.find(Work.DELIVER, str(made.webhook.id))
    assert due is not None
    for later in (60, 3500):
        house.clock.now = NOW + later
        assert (await send(house, made)).result is Result.UNCHANGED
    assert len(receiver.ids) == 1
    house.clock.now = NOW + 3600
    await send(house, made)
    assert [one.state for one in await house.log(made.webhook)] == [DELIVERED] * 4
    found = (await house.webhooks.get(AGENCY, made.webhook.id)).webhook
    assert (found.failing_since, found.rest_until) == (None, None)


@ON_SQLITE
async def test_a_name_that_turns_inward_is_not_reached(database: Database) -> None:
    asked: list[str] = []

    async def lookup(host: str) -> list[str]:
        asked.append(host)
        return ["10.0.0.7"]

    async with open_house(database, policy=OutboundPolicy(), lookup=lookup) as house:
        await house.source(ANN)
        made = await house.add("https://hooks.example.com/in")
        assert (await send(house, made, events=1)).result is Result.UNCHANGED
        (tried,) = await house.log(made.webhook)
    assert asked == ["hooks.example.com"]
    assert (tried.state, tried.last_status) == (PENDING, None)
    assert tried.last_error == "The receiver cannot be reached, or gave no answer in time."


@ON_SQLITE
async def test_a_url_that_is_allowed_no_more_is_not_reached(database: Database, receiver: Receiver) -> None:
    async with open_house(database) as house:
        await house.source(ANN)
        made = await house.add(receiver.hook)
    async with open_house(database, policy=OutboundPolicy()) as house:
        await send(house, made, events=1)
        (tried,) = await house.log(made.webhook)
    assert tried.last_error is not None
    assert tried.last_error.startswith("The URL cannot be used")
    assert receiver.received == []


@ON_SQLITE
async def test_while_keys_change_over_both_are_believed(house: House, receiver: Receiver, made: NewKeys) -> None:
    fresh = await house.webhooks.rotate_keys(AGENCY, made.webhook.id)
    assert fresh.secret != made.secret
    await send(house, made, events=1)
    for secret in (made.secret, fresh.secret):
        believe(receiver.received[0], secret)
    house.clock.now += DAY
    await send(house, made, events=1)
    message = receiver.received[1]
    for keys in (fresh.webhook.keys.secret, fresh.webhook.keys.signing.public_key):
        verify_message(message.headers, message.body, house.clock.now, [keys])
    with pytest.raises(PfnError):
        verify_message(message.headers, message.body, house.clock.now, [made.webhook.keys.secret])
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        believe(message, made.secret)


async def test_killed_between_sending_and_writing_down_it_is_sent_again_under_its_id(
    house: House, receiver: Receiver, made: NewKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.release(ANN)
    await house.webhooks.notify()

    async def die(*_: object) -> None:
        raise RuntimeError("killed")

    for where in ("settle_delivery", "mark_notified"):
        with monkeypatch.context() as patch:
            patch.setattr(delivery_service, where, die)
            with pytest.raises(RuntimeError, match="killed"):
                await house.webhooks.deliver(made.webhook.id)
        (kept,) = await house.log(made.webhook)
        assert (kept.state, kept.attempts) == (PENDING, 0)
    await house.webhooks.deliver(made.webhook.id)
    (kept,) = await house.log(made.webhook)
    assert (kept.state, kept.attempts) == (DELIVERED, 1)
    assert receiver.ids == [kept.message_id] * 3
    assert list((await house.notified()).values()) == [True]


async def test_a_try_is_written_down_once(house: House, made: NewKeys) -> None:
    await send(house, made, events=1)
    (kept,) = await house.log(made.webhook)
    async with house.database.write() as connection:
        assert not await settle_delivery(connection, kept, kept)


async def test_two_workers_never_send_one_message_at_the_same_time(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes' worth of services on one database, each claiming as a worker does."""
    async with (
        open_house(database) as first,
        open_house(Database(database.url.render_as_string(hide_password=False))) as second,
    ):
        await first.source(ANN)
        made = await first.add(receiver.hook)
        for number in range(12):
            await first.happen(ANN, f"event_{number}")
        await first.webhooks.notify()
        receiver.say(_slowly)
        monkeypatch.setattr(delivery_service, "_MOST_PER_RUN", 2)

        async def work(house: House) -> None:
            while await _count(house, made, PENDING):
                lease = await house.leases.claim(Work.DELIVER, str(made.webhook.id))
                if lease is None:
                    await asyncio.sleep(0.005)
                    continue
                async with house.leases.keep(lease):
                    outcome = await house.webhooks.deliver(made.webhook.id)
                await house.schedule.finish(lease, outcome)

        await asyncio.gather(work(first), work(first), work(second))
        assert receiver.most_busy == 1
        assert receiver.ids == [one.message_id for one in await first.log(made.webhook)]
        await second.database.close()


async def _slowly(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.01)
    writer.write(GOOD)


async def _count(house: House, made: NewKeys, wanted: DeliveryState) -> int:
    return (await house.webhooks.get(OPERATOR, made.webhook.id)).counts[wanted]


async def test_what_comes_while_it_is_being_sent_is_not_forgotten(
    house: House, receiver: Receiver, made: NewKeys
) -> None:
    lease = await house.leases.claim(Work.DELIVER, str(made.webhook.id))
    assert lease is not None
    outcome = await house.webhooks.deliver(made.webhook.id)
    assert outcome.wait == DAY
    await house.happen(ANN)  # after the last look, before the end
    await house.webhooks.notify()
    await house.schedule.finish(lease, outcome)
    due = await house.schedule.find(Work.DELIVER, str(made.webhook.id))
    assert due is not None
    assert due.due_at == NOW


@ON_SQLITE
async def test_one_run_is_bounded(house: House, made: NewKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_service, "_MOST_PER_RUN", 3)
    assert await send(house, made, events=4) == Outcome(Result.CHANGED, 0, "3 delivered")
    assert await send(house, made) == Outcome(Result.CHANGED, DAY, "1 delivered")


async def test_a_version_update_is_notified_when_the_last_notice_is_delivered(
    house: House, receiver: Receiver, made: NewKeys
) -> None:
    async with Receiver() as second:
        other = await house.add(second.hook, AGENCY)
        third = await house.add("http://127.0.0.1:9/closed", AGENCY)
        await house.release(ANN)
        await house.webhooks.notify()
        await asyncio.gather(*(house.webhooks.deliver(one.webhook.id) for one in (made, other, third)))
        assert list((await house.notified()).values()) == [False]
        # Nobody waits for a notice to a webhook that is removed.
        await house.webhooks.remove(AGENCY, third.webhook.id)
        assert list((await house.notified()).values()) == [True]


async def test_the_last_two_deliveries_of_an_event_may_end_at_once(house: House, receiver: Receiver) -> None:
    webhooks = [await house.add(receiver.hook, AGENCY) for _ in range(4)]
    for _ in range(5):
        await house.release(ANN)
    await house.webhooks.notify()
    await asyncio.gather(*(house.webhooks.deliver(one.webhook.id) for one in webhooks))
    assert list((await house.notified()).values()) == [True] * 5


@ON_SQLITE
async def test_a_ping_is_sent_at_once_and_its_outcome_told(house: House, receiver: Receiver, made: NewKeys) -> None:
    sent = await house.webhooks.test(AGENCY, made.webhook.id)
    assert (sent.state, sent.type, sent.event_seq, sent.last_status) == (DELIVERED, "ping", None, 204)
    assert believe(receiver.received[0], made.secret)["type"] == "ping"
    receiver.say(AWAY)
    failed = await house.webhooks.test(AGENCY, made.webhook.id)
    assert (failed.state, failed.next_try, failed.last_error) == (
        FAILED,
        None,
        "The receiver answered with status 503.",
    )
    assert await house.log(made.webhook) == [sent, failed]
    receiver.say(reply(status="410 Gone"))
    await house.webhooks.test(AGENCY, made.webhook.id)
    assert await state(house, made) is WebhookState.DISABLED
    receiver.say(GOOD)
    assert (await house.webhooks.test(AGENCY, made.webhook.id)).state is DELIVERED
    assert await state(house, made) is WebhookState.DISABLED


async def test_one_delivery_or_all_that_failed_are_sent_again(
    house: House, receiver: Receiver, made: NewKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pfn.domain.delivery._WAITS_S", ())
    receiver.say(GOOD, SERVER_ERROR)
    await send(house, made, events=2)
    house.clock.now += 100
    await send(house, made, events=1)
    log = await house.log(made.webhook)
    assert [one.state for one in log] == [DELIVERED, FAILED, FAILED]
    receiver.say(GOOD)
    assert await house.webhooks.redeliver(AGENCY, made.webhook.id, since=NOW + 101) == 0
    assert await house.webhooks.redeliver(AGENCY, made.webhook.id, since=NOW + 100) == 1
    assert await house.webhooks.redeliver(AGENCY, made.webhook.id, delivery_id=log[0].id) == 1
    with pytest.raises(PfnError) as refused:
        await house.webhooks.redeliver(AGENCY, made.webhook.id, delivery_id=log[0].id)
    assert refused.value.code is Code.WRONG_STATE
    await send(house, made)
    assert [one.state for one in await house.log(made.webhook)] == [DELIVERED, FAILED, DELIVERED]
    assert receiver.ids.count(log[0].message_id) == 2
    assert await house.webhooks.redeliver(AGENCY, made.webhook.id) == 1
    await send(house, made)
    assert [one.state for one in await house.log(made.webhook)] == [DELIVERED] * 3
    other = await house.add(receiver.hook, AGENCY)
    with pytest.raises(PfnError) as unknown:
        await house.webhooks.redeliver(AGENCY, other.webhook.id, delivery_id=log[0].id)
    assert unknown.value.code is Code.DELIVERY_UNKNOWN


async def test_what_is_removed_while_it_is_sent_stays_removed(house: House, receiver: Receiver, made: NewKeys) -> None:
    async def remove(writer: asyncio.StreamWriter) -> None:
        await house.webhooks.remove(AGENCY, made.webhook.id)
        writer.write(reply(status="410 Gone"))

    receiver.say(remove)
    assert (await send(house, made, events=2)).result is Result.UNCHANGED
    assert len(receiver.received) == 1
    async with house.database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT state FROM webhooks")
        assert [row[0] for row in rows] == ["removed"]
        assert (await connection.exec_driver_sql("SELECT count(*) FROM deliveries")).scalar() == 0
    assert await house.schedule.find(Work.DELIVER, str(made.webhook.id)) is None
