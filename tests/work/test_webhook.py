"""Webhooks end to end: a node that works by itself, a publisher, a receiver with the standard's own library."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.outbound.raw_server import reply
from tests.support.node import RunningNode, run_node, start_node
from tests.support.webhooks import Receiver, believe
from tests.web.api.conftest import Api

from pfn.testing.publisher import FakePublisher

pytestmark = pytest.mark.slow
WORK = {"PFN_WORK": "1"}
PATIENCE_S = 60


async def subscribe(node: RunningNode, publisher: FakePublisher, url: str) -> tuple[str, dict[str, Any]]:
    """Register a publisher, and have a subscriber's webhook told of what he subscribes to; give his key and it."""
    async with node.async_client() as http:
        source_id = await Api(http).add(publisher)
    key = node.create_key("subscriber", owner="agency")["key"]
    async with node.async_client(key) as agency:
        made: dict[str, Any] = (await agency.post("/federation/webhooks", json={"url": url})).json()
        answer = await agency.post("/federation/subscribe", json={"sourceId": source_id})
    assert answer.status_code == 200, answer.text
    return key, made


async def until_all_delivered(agency: httpx.AsyncClient, made: dict[str, Any], least: int) -> dict[str, Any]:
    where = f"/federation/webhooks/{made['webhook']['id']}"
    async with asyncio.timeout(PATIENCE_S):
        while True:
            shown: dict[str, Any] = (await agency.get(where)).json()
            if shown["deliveries"]["delivered"] >= least and not shown["deliveries"]["pending"]:
                return shown
            await asyncio.sleep(0.1)


async def test_a_release_reaches_its_subscriber_by_itself(tmp_path: Path) -> None:
    async with Receiver() as receiver, FakePublisher("alice") as publisher:
        publisher.add_plugin("hello", "1.0")
        receiver.say(reply(status="500 Internal Server Error"), reply(status="204 No Content"))
        with run_node(tmp_path / "node", environment=WORK) as node:
            key, made = await subscribe(node, publisher, receiver.hook)
            async with node.async_client(key) as agency:
                await until_all_delivered(agency, made, 1)
                feed = (await agency.get("/federation/activity", params={"type": "version_update"})).json()
        messages = [believe(one, made["secret"]) for one in receiver.received]
        news = [one["data"] for one in messages if one["type"] == "version_update.plugin_added"]
        assert {(one["plugin_id"], one["new_version"]) for one in news} == {("hello", "1.0")}
        # What failed came again under its id; nothing else came twice.
        assert receiver.ids.count(receiver.ids[0]) == 2
        assert len(set(receiver.ids)) == len(receiver.ids) - 1
        assert [row["notified"] for row in feed["activities"] if row["type"] == "version_update"] == [True]


async def test_a_node_killed_while_it_sends_sends_again(tmp_path: Path) -> None:
    sent = asyncio.Event()

    async def hang(_: object) -> None:
        sent.set()
        await asyncio.sleep(PATIENCE_S)

    async with Receiver() as receiver, FakePublisher("alice") as publisher:
        publisher.add_plugin("hello", "1.0")
        receiver.say(hang, reply(status="204 No Content"))
        with run_node(tmp_path / "node", environment=WORK) as node:
            key, made = await subscribe(node, publisher, receiver.hook)
            await asyncio.wait_for(sent.wait(), PATIENCE_S)
            node.kill()
        again = await asyncio.to_thread(start_node, tmp_path / "node", environment=WORK)
        try:
            async with again.async_client(key) as agency:
                await until_all_delivered(agency, made, 1)
        finally:
            again.process.terminate()
            await asyncio.to_thread(again.process.wait, 20)
            assert again.process.stdout is not None
            again.process.stdout.close()
        assert receiver.ids.count(receiver.ids[0]) == 2
        assert believe(receiver.received[0], made["secret"]) == believe(
            next(one for one in receiver.received[1:] if one.headers["webhook-id"] == receiver.ids[0]), made["secret"]
        )
