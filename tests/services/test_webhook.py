"""Whose webhooks are whose, where they may point, and what is told of them."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.support.webhooks import AGENCY, NOW, OPERATOR, STRANGER, House, open_house

from pfn.domain.access import Grant, Scope
from pfn.domain.activity import ActivityType
from pfn.domain.schedule import Work
from pfn.outbound.policy import OutboundPolicy
from pfn.protocol.errors import Code, PfnError
from pfn.services import webhook as webhook_service
from pfn.services.webhook import Wish
from pfn.storage.activity import list_activities
from pfn.storage.database import Database

ANN = "ann@one.example"
HOOK = "https://hooks.example.com/in?key=hidden"
READER = Grant("key-of-reader", "agency", frozenset({Scope.SOURCES_READ}))
# A subscriber's key that was made for the operator.
OPERATORS_SUBSCRIBER = Grant("key", OPERATOR.owner, AGENCY.scopes)

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    policy = OutboundPolicy(allowed_hosts=frozenset({"inside.test", "10.0.0.5"}))
    async with open_house(database, policy=policy) as house:
        await house.source(ANN)
        yield house


async def refused(work: Awaitable[object]) -> Code:
    with pytest.raises(PfnError) as error:
        await work
    return error.value.code


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example.com", "http://hooks.example.com/in", "ftp://hooks.example.com/", "https://intranet/"),
        *("https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://169.254.169.254/latest"),
        *("https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://2130706433/", "https://0x7f.1/"),
        *("https://hooks.example.com:8443/", "https://hooks.example.com/#part", "https://hooks.example.com/\n"),
        "https://user:pass@hooks.example.com/",
    ],
)
async def test_a_url_inside_is_refused_at_once(house: House, url: str) -> None:
    assert await refused(house.webhooks.add(OPERATOR, Wish(url))) is Code.INVALID_URL
    made = await house.webhooks.add(OPERATOR, Wish(HOOK))
    assert await refused(house.webhooks.change(OPERATOR, made.webhook.id, Wish(url))) is Code.INVALID_URL
    assert [one.webhook.url for one in await house.webhooks.list(OPERATOR)] == [HOOK]


async def test_hosts_that_the_operator_opened_are_for_his_webhooks_alone(house: House) -> None:
    for url in ("http://inside.test:9000/", "https://INSIDE.test/x", "http://10.0.0.5/"):
        await house.webhooks.add(OPERATOR, Wish(url))
        assert await refused(house.webhooks.add(AGENCY, Wish(url))) is Code.INVALID_URL
    made = await house.webhooks.add(AGENCY, Wish(HOOK))
    assert (
        await refused(house.webhooks.change(AGENCY, made.webhook.id, Wish("https://inside.test/"))) is Code.INVALID_URL
    )


async def test_an_owner_sees_its_own_an_operator_all(house: House) -> None:
    first = (await house.webhooks.add(AGENCY, Wish(HOOK))).webhook
    second = (await house.webhooks.add(OPERATOR, Wish(HOOK))).webhook
    assert (first.owner, first.everything) == ("agency", False)
    assert (second.owner, second.everything) == ("operator", True)

    async def seen(grant: Grant) -> list[int]:
        return [one.webhook.id for one in await house.webhooks.list(grant)]

    assert await seen(OPERATOR) == [second.id, first.id]
    assert await seen(AGENCY) == [first.id]
    assert await seen(STRANGER) == []
    assert await seen(OPERATORS_SUBSCRIBER) == []
    assert await refused(house.webhooks.list(READER)) is Code.SCOPE_MISSING
    assert await refused(house.webhooks.add(READER, Wish(HOOK))) is Code.SCOPE_MISSING


ACTIONS: list[Callable[[House, Grant, int], Awaitable[object]]] = [
    lambda house, grant, one: house.webhooks.get(grant, one),
    lambda house, grant, one: house.webhooks.change(grant, one, Wish(description="mine")),
    lambda house, grant, one: house.webhooks.rotate_keys(grant, one),
    lambda house, grant, one: house.webhooks.enable(grant, one),
    lambda house, grant, one: house.webhooks.remove(grant, one),
    lambda house, grant, one: house.webhooks.list_deliveries(grant, one),
    lambda house, grant, one: house.webhooks.redeliver(grant, one),
    lambda house, grant, one: house.webhooks.test(grant, one),
]


@pytest.mark.parametrize("act", ACTIONS)
async def test_nobody_touches_another_ones_webhook(
    house: House, act: Callable[[House, Grant, int], Awaitable[object]]
) -> None:
    agencys = (await house.webhooks.add(AGENCY, Wish(HOOK))).webhook.id
    operators = (await house.webhooks.add(OPERATOR, Wish(HOOK))).webhook.id
    before = [one.webhook for one in await house.webhooks.list(OPERATOR)]
    for grant, one in ((STRANGER, agencys), (AGENCY, operators), (OPERATORS_SUBSCRIBER, operators), (AGENCY, 999)):
        assert await refused(act(house, grant, one)) is Code.WEBHOOK_UNKNOWN
    assert await refused(act(house, READER, agencys)) is Code.SCOPE_MISSING
    assert [one.webhook for one in await house.webhooks.list(OPERATOR)] == before


async def test_only_an_operators_webhook_may_be_told_everything(house: House) -> None:
    assert await refused(house.webhooks.add(AGENCY, Wish(HOOK, everything=True))) is Code.SCOPE_MISSING
    made = (await house.webhooks.add(AGENCY, Wish(HOOK, everything=False))).webhook
    assert await refused(house.webhooks.change(AGENCY, made.id, Wish(everything=True))) is Code.SCOPE_MISSING
    assert not (await house.webhooks.add(OPERATOR, Wish(HOOK, everything=False))).webhook.everything


async def test_sources_must_be_known(house: House) -> None:
    assert await refused(house.webhooks.add(AGENCY, Wish(HOOK, sources=[ANN, "no@where"]))) is Code.SOURCE_UNKNOWN
    made = await house.webhooks.add(AGENCY, Wish(HOOK, sources=[ANN, ANN]))
    assert made.webhook.sources == (ANN,)


async def test_a_change_changes_what_is_named(house: House) -> None:
    made = (await house.webhooks.add(AGENCY, Wish(HOOK, "first", [ActivityType.VERSION_UPDATE], [ANN]))).webhook
    same = await house.webhooks.change(AGENCY, made.id, Wish())
    assert same == made
    changed = await house.webhooks.change(AGENCY, made.id, Wish(description="", kinds=[]))
    assert (changed.url, changed.description, changed.kinds, changed.sources) == (HOOK, "", (), (ANN,))
    assert (await house.webhooks.get(AGENCY, made.id)).webhook == changed


async def test_another_url_is_another_receiver(house: House) -> None:
    made = (await house.webhooks.add(AGENCY, Wish(HOOK))).webhook
    async with house.database.write() as connection:
        await connection.exec_driver_sql("UPDATE webhooks SET failing_since = 1, rest_until = 2")
    changed = await house.webhooks.change(AGENCY, made.id, Wish("https://other.example.com/"))
    assert (changed.failing_since, changed.rest_until) == (None, None)


async def test_one_too_many_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_service, "MOST_PER_OWNER", 2)
    first = await house.webhooks.add(AGENCY, Wish(HOOK))
    await house.webhooks.add(AGENCY, Wish(HOOK))
    assert await refused(house.webhooks.add(AGENCY, Wish(HOOK))) is Code.WRONG_STATE
    await house.webhooks.add(STRANGER, Wish(HOOK))
    await house.webhooks.remove(AGENCY, first.webhook.id)
    await house.webhooks.add(AGENCY, Wish(HOOK))


async def test_removed_is_gone_for_good_and_its_secret_with_it(house: House) -> None:
    made = await house.webhooks.add(AGENCY, Wish(HOOK))
    await house.webhooks.rotate_keys(AGENCY, made.webhook.id)
    async with house.database.write() as connection:
        await house.schedule.put(connection, Work.DELIVER, str(made.webhook.id), at=NOW)
    await house.webhooks.remove(AGENCY, made.webhook.id)
    assert await house.webhooks.list(OPERATOR) == []
    assert await house.schedule.find(Work.DELIVER, str(made.webhook.id)) is None
    async with house.database.read() as connection:
        row = (await connection.exec_driver_sql("SELECT * FROM webhooks")).mappings().one()
    assert made.secret not in row.values()
    assert (row["old_secret"], row["old_signing_key"]) == (None, None)
    for act in ACTIONS:
        assert await refused(act(house, OPERATOR, made.webhook.id)) is Code.WEBHOOK_UNKNOWN


async def test_an_active_one_cannot_be_enabled(house: House) -> None:
    made = await house.webhooks.add(AGENCY, Wish(HOOK))
    assert await refused(house.webhooks.enable(AGENCY, made.webhook.id)) is Code.WRONG_STATE


async def test_all_that_is_done_is_on_record_for_operators_and_holds_no_secret(house: House) -> None:
    made = await house.webhooks.add(AGENCY, Wish(HOOK))
    one = made.webhook.id
    await house.webhooks.change(OPERATOR, one, Wish(description="changed"))
    fresh = await house.webhooks.rotate_keys(AGENCY, one)
    async with house.database.write() as connection:
        await connection.exec_driver_sql("UPDATE webhooks SET state = 'disabled'")
    await house.webhooks.enable(AGENCY, one)
    await house.webhooks.remove(AGENCY, one)
    async with house.database.read() as connection:
        events = list(reversed(await list_activities(connection, limit=9)))
    told = [(event.action, event.actor) for event in events]
    actions = ("webhook_added", "webhook_changed", "webhook_keys_rotated", "webhook_enabled", "webhook_removed")
    actors = (AGENCY.key_id, OPERATOR.key_id, AGENCY.key_id, AGENCY.key_id, AGENCY.key_id)
    assert told == list(zip(actions, actors, strict=True))
    assert all(event.private for event in events)
    for hidden in (made.secret, fresh.secret, "hidden"):
        assert hidden not in str([event.to_json() for event in events])
