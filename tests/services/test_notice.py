"""From events to deliveries: each exactly once, to whom may hear of it, and the cursor never behind or before them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.webhooks import AGENCY, NOW, STRANGER, House, open_house

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.delivery import DeliveryState
from pfn.domain.schedule import Result, Work
from pfn.services import notice
from pfn.services.webhook import NewKeys, Wish
from pfn.storage.database import Database

DAY = 86_400
ANN, BOB = "ann@one.example", "bob@two.example"
HOOK = "http://127.0.0.1:9/hook"


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as house:
        yield house


async def types(house: House, made: NewKeys) -> list[str]:
    return [one.type for one in await house.log(made.webhook)]


async def test_without_a_webhook_the_cursor_moves_and_everybody_who_wanted_was_told(house: House) -> None:
    await house.source(ANN)
    assert not await house.webhooks.has_news()
    release = await house.release(ANN)
    assert await house.webhooks.has_news()
    assert await house.notified() == {("hello", release.version): False}
    assert (await house.webhooks.notify()).result is Result.CHANGED
    assert not await house.webhooks.has_news()
    assert await house.notified() == {("hello", release.version): True}
    assert (await house.webhooks.notify()).result is Result.UNCHANGED


async def test_each_event_is_fanned_out_once_and_its_sending_is_due(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_BATCH", 3)
    await house.source(ANN)
    first, second = await house.add(HOOK), await house.add(HOOK)
    for number in range(8):
        await house.happen(ANN, f"event_{number}")
    await house.webhooks.notify()
    await house.webhooks.notify()
    for made in (first, second):
        log = await house.log(made.webhook)
        assert [one.type for one in log] == [f"federation_event.event_{number}" for number in range(8)]
        assert {one.next_try for one in log} == {NOW}
        due = await house.schedule.find(Work.DELIVER, str(made.webhook.id))
        assert due is not None
        assert (due.due_at, due.host) == (NOW, "127.0.0.1:9")
    ids = [one.message_id for made in (first, second) for one in await house.log(made.webhook)]
    assert len(set(ids)) == 16


@pytest.mark.parametrize("where", ["add_deliveries", "move_cursor", "mark_notified", "put_due_delivery"])
async def test_killed_anywhere_nothing_is_lost_and_nothing_is_doubled(
    house: House, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    await house.source(ANN)
    made = await house.add(HOOK)
    await house.release(ANN)
    await house.happen(ANN)

    async def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(notice, where, die)
        with pytest.raises(RuntimeError, match="killed"):
            await house.webhooks.notify()
    assert await house.log(made.webhook) == []
    assert await house.webhooks.has_news()
    await house.webhooks.notify()
    assert await types(house, made) == ["version_update.plugin_added", "federation_event.source_verified"]


async def test_two_that_fan_out_at_once_make_one_delivery_of_each(house: House) -> None:
    await house.source(ANN)
    made = await house.add(HOOK)
    for number in range(5):
        await house.happen(ANN, f"event_{number}")
    await asyncio.gather(*(house.webhooks.notify() for _ in range(4)))
    assert await types(house, made) == [f"federation_event.event_{number}" for number in range(5)]


async def test_an_operator_hears_of_everything_a_subscriber_of_his_own(house: House) -> None:
    await house.source(ANN, AGENCY)
    await house.source(BOB)
    operators = await house.add(HOOK)
    operators_own = await house.add(HOOK, everything=False)
    agencys = await house.add(HOOK, AGENCY)
    strangers = await house.add(HOOK, STRANGER)
    await house.happen(ANN)
    await house.happen(BOB)
    await house.happen(ANN, "subscribed", private=True)
    details = describe("key_created", "A key was made.")
    await house.tell(Activity(ActivityType.FEDERATION_EVENT, NOW, "node", details, private=True))
    await house.webhooks.notify()
    everything = ["source_verified", "source_verified", "subscribed", "key_created"]
    assert await types(house, operators) == [f"federation_event.{action}" for action in everything]
    assert await types(house, agencys) == ["federation_event.source_verified"]
    assert await types(house, strangers) == []
    assert await types(house, operators_own) == []


async def test_of_plugins_a_subscriber_hears_what_his_filters_take(house: House) -> None:
    await house.source(ANN, AGENCY, tags=("seo",))
    made = await house.add(HOOK, AGENCY)
    taken = await house.release(ANN, "taken", tags=("SEO", "other"))
    left = await house.release(ANN, "left", tags=("other",))
    for slug in ("taken", "left", "unheard-of"):
        await house.happen(ANN, "release_refused", plugin_id=slug, new_version="9.9")
    await house.webhooks.notify()
    log = await house.log(made.webhook, AGENCY)
    assert [one.type for one in log] == ["version_update.plugin_added", "federation_event.release_refused"]
    assert all('"plugin_id":"taken"' in one.body for one in log)
    assert await house.notified() == {("taken", taken.version): False, ("left", left.version): True}


async def test_a_release_in_its_cool_down_is_told_of_afterwards(house: House) -> None:
    await house.source(ANN, AGENCY, minimum_age_days=2)
    made = await house.add(HOOK, AGENCY)
    await house.release(ANN)
    await house.webhooks.notify()
    log = await house.log(made.webhook, AGENCY)
    assert [one.next_try for one in log] == [NOW + 2 * DAY]
    due = await house.schedule.find(Work.DELIVER, str(made.webhook.id))
    assert due is not None
    assert due.due_at == NOW + 2 * DAY


async def test_kinds_and_sources_narrow_what_is_told(house: House) -> None:
    await house.source(ANN)
    await house.source(BOB)
    made = await house.add(HOOK, kinds=(ActivityType.VERSION_UPDATE,), sources=(BOB,))
    for source_id in (ANN, BOB):
        await house.release(source_id)
        await house.happen(source_id)
    await house.webhooks.notify()
    log = await house.log(made.webhook)
    assert [one.type for one in log] == ["version_update.plugin_added"]
    assert f'"source_id":"{BOB}"' in log[0].body


async def test_what_happened_before_it_was_made_is_not_for_a_webhook(house: House) -> None:
    await house.source(ANN)
    await house.happen(ANN)
    house.clock.now += 1
    made = await house.webhooks.add(AGENCY, Wish(HOOK))
    await house.webhooks.notify()
    assert [one.state for one in await house.log(made.webhook)] == []


async def test_a_disabled_webhook_misses_what_happens(house: House) -> None:
    await house.source(ANN, AGENCY)
    made = await house.add(HOOK, AGENCY)
    async with house.database.write() as connection:
        await connection.exec_driver_sql("UPDATE webhooks SET state = 'disabled'")
    await house.happen(ANN)
    await house.webhooks.notify()
    await house.webhooks.enable(AGENCY, made.webhook.id)
    await house.webhooks.notify()
    assert await house.log(made.webhook) == []
    await house.happen(ANN, "after")
    await house.webhooks.notify()
    assert [(one.type, one.state) for one in await house.log(made.webhook)] == [
        ("federation_event.after", DeliveryState.PENDING)
    ]
