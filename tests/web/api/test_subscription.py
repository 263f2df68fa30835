"""Subscriptions over HTTP: whose they are, who sees them, how they end."""

import asyncio

from tests.support.node import RunningNode
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api

from pfn.protocol.errors import Code
from pfn.testing.publisher import FakePublisher


async def test_subscribing_needs_a_verified_source(api: Api, publisher: FakePublisher) -> None:
    publisher.proof_key = type(publisher.key).generate()
    source_id = await api.add(publisher)
    problem = assert_problem(await api.post("subscribe", sourceId=source_id), Code.SOURCE_NOT_VERIFIED)
    assert "pfn source verify" in str(problem["detail"])
    assert await api.get("subscriptions", sourceId=source_id) == []


async def test_a_subscription_belongs_to_the_keys_owner(api: Api, node: RunningNode, publisher: FakePublisher) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await api.add(publisher)
    first = node.create_key("subscriber", owner="agency")["key"]
    second = node.create_key("subscriber", owner="agency")["key"]
    stranger = node.create_key("subscriber", owner="stranger")["key"]
    async with node.async_client(first) as http:
        made = (await http.post("/federation/subscribe", json={"sourceId": source_id})).json()["subscription"]
    assert made["subscriber"] == "agency"
    async with node.async_client(second) as http:
        mine = (await http.get("/federation/subscriptions", params={"sourceId": source_id})).json()
        again = (await http.post("/federation/subscribe", json={"sourceId": source_id})).json()["subscription"]
    assert [one["id"] for one in mine] == [made["id"]] == [again["id"]]
    async with node.async_client(stranger) as http:
        assert (await http.get("/federation/subscriptions")).json() == []
        refused = await http.post("/federation/unsubscribe", json={"id": made["id"]})
    assert_problem(refused, Code.SUBSCRIPTION_UNKNOWN)
    assert [one["subscriber"] for one in await api.get("subscriptions", sourceId=source_id)] == ["agency"]
    rows = await api.get("sources")
    assert next(row for row in rows if row["id"] == source_id)["subscriber_count"] == 1


async def test_ending_a_subscription_keeps_what_it_brought(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await api.add(publisher)
    made = (await api.post("subscribe", sourceId=source_id)).json()["subscription"]
    ended = (await api.post("unsubscribe", id=made["id"])).json()["subscription"]
    assert ended["ended_at"] is not None
    assert (await api.post("unsubscribe", id=made["id"])).json()["subscription"] == ended
    assert await api.get("subscriptions", sourceId=source_id) == []
    assert len(await api.get("subscriptions", sourceId=source_id, ended=True)) == 1
    assert await api.versions(source_id) == {"one": ["1.0"]}
    publisher.add_plugin("two", "1.0")
    assert (await api.sync(source_id))["wanted"] == 0


async def test_many_subscribers_at_once_mirror_each_release_once(
    api: Api, node: RunningNode, publisher: FakePublisher
) -> None:
    for number in range(6):
        publisher.add_plugin(f"p{number}", "1.0")
    source_id = await api.add(publisher)
    keys = [node.create_key("subscriber")["key"] for _ in range(4)]

    async def subscribe(key: str) -> int:
        async with node.async_client(key) as http:
            answer = await http.post("/federation/subscribe", json={"sourceId": source_id})
            count: int = answer.json()["syncResult"]["mirroredCount"]
            return count

    assert sum(await asyncio.gather(*map(subscribe, keys))) == 6
    zips = [one.path for one in publisher.requests if one.path.endswith(".zip")]
    assert len(zips) == len(set(zips)) == 6


async def test_an_unknown_subscription_or_sync_is_not_found(api: Api) -> None:
    assert_problem(await api.post("unsubscribe", id=999_999), Code.SUBSCRIPTION_UNKNOWN)
    assert_problem(await api.http.get("/federation/syncs/999999"), Code.SYNC_UNKNOWN)
