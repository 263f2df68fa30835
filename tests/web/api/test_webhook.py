"""Webhooks over HTTP, and in the terminal that speaks the same API."""

import asyncio
import json
import os
import secrets
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.outbound.raw_server import reply
from tests.support.node import PFN, RunningNode
from tests.support.problem import assert_problem
from tests.support.webhooks import Receiver, believe
from tests.web.api.conftest import Api

from pfn.protocol.errors import Code


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def agency(node: RunningNode) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a subscriber's key of an owner of its own."""
    key = node.create_key("subscriber", owner=f"agency-{secrets.token_hex(4)}")["key"]
    async with node.async_client(key) as http:
        yield http


async def make(http: httpx.AsyncClient, url: str, **more: Any) -> dict[str, Any]:
    answer = await http.post("/federation/webhooks", json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_webhook_shows_its_secret_once(agency: httpx.AsyncClient, receiver: Receiver) -> None:
    made = await make(agency, receiver.hook, description="Our console", kinds=["version_update"])
    webhook, secret = made["webhook"], made["secret"]
    assert secret.startswith("whsec_")
    assert webhook["public_key"].startswith("whpk_")
    where = f"/federation/webhooks/{webhook['id']}"
    shown = (await agency.get(where)).json()
    assert shown == {**webhook, "deliveries": {"pending": 0, "delivered": 0, "failed": 0}}
    assert (await agency.get("/federation/webhooks")).json() == [shown]
    changed = (await agency.post(f"{where}/change", json={"kinds": []})).json()["webhook"]
    assert (changed["kinds"], changed["description"]) == ([], "Our console")
    fresh = (await agency.post(f"{where}/rotate-secret")).json()
    assert fresh["secret"] != secret
    assert fresh["webhook"]["old_keys_until"] is not None
    for path in ("", "/deliveries"):
        text = (await agency.get(where + path)).text
        assert secret not in text
        assert fresh["secret"] not in text
        assert "whsk_" not in text


async def test_a_test_tells_how_it_went_and_is_in_the_log(agency: httpx.AsyncClient, receiver: Receiver) -> None:
    made = await make(agency, receiver.hook)
    where = f"/federation/webhooks/{made['webhook']['id']}"
    answer = (await agency.post(f"{where}/test")).json()
    assert answer["success"] is True
    assert believe(receiver.received[0], made["secret"])["type"] == "ping"
    receiver.say(reply(status="500 Internal Server Error"))
    failed = (await agency.post(f"{where}/test", json={})).json()
    assert (failed["success"], failed["delivery"]["last_status"]) == (False, 500)
    page = (await agency.get(f"{where}/deliveries", params={"limit": 1})).json()
    assert page["deliveries"] == [failed["delivery"]]
    page = (await agency.get(f"{where}/deliveries", params={"before": page["next"]})).json()
    assert page == {"deliveries": [answer["delivery"]], "next": None}
    page = (await agency.get(f"{where}/deliveries", params={"state": "failed"})).json()
    assert [one["id"] for one in page["deliveries"]] == [failed["delivery"]["id"]]
    assert (await agency.post(f"{where}/redeliver", json={"since": 2**62})).json()["count"] == 0
    assert (await agency.post(f"{where}/redeliver", json={})).json()["count"] == 1
    again = {"delivery": answer["delivery"]["id"]}
    assert (await agency.post(f"{where}/redeliver", json=again)).json()["count"] == 1
    assert_problem(await agency.post(f"{where}/redeliver", json=again), Code.WRONG_STATE)
    assert_problem(await agency.post(f"{where}/redeliver", json={"delivery": 2**40}), Code.DELIVERY_UNKNOWN)


async def test_a_disabled_one_can_be_enabled_and_removed(agency: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.say(reply(status="410 Gone"))
    made = await make(agency, receiver.hook)
    where = f"/federation/webhooks/{made['webhook']['id']}"
    assert_problem(await agency.post(f"{where}/enable"), Code.WRONG_STATE)
    await agency.post(f"{where}/test")
    shown = (await agency.get(where)).json()
    assert shown["state"] == "disabled"
    assert "410" in shown["state_detail"]
    assert (await agency.post(f"{where}/enable")).json()["webhook"]["state"] == "active"
    assert (await agency.post(f"{where}/remove")).json()["webhook"]["state"] == "removed"
    for path in ("", "/deliveries"):
        assert_problem(await agency.get(where + path), Code.WEBHOOK_UNKNOWN)
    assert (await agency.get("/federation/webhooks")).json() == []


async def test_webhooks_belong_to_their_owner(
    api: Api, node: RunningNode, agency: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await make(agency, receiver.hook)
    one = made["webhook"]["id"]
    assert one in [row["id"] for row in await api.get("webhooks")]
    async with node.async_client(node.create_key("subscriber")["key"]) as stranger:
        assert (await stranger.get("/federation/webhooks")).json() == []
        assert_problem(await stranger.get(f"/federation/webhooks/{one}"), Code.WEBHOOK_UNKNOWN)
        refused = await stranger.post("/federation/webhooks", json={"url": receiver.hook, "everything": True})
        assert_problem(refused, Code.SCOPE_MISSING)
    async with node.async_client(node.create_key(scopes=["sources:read"])["key"]) as reader:
        assert_problem(await reader.get("/federation/webhooks"), Code.SCOPE_MISSING)
    async with node.async_client("") as nobody:
        assert_problem(await nobody.get("/federation/webhooks"), Code.KEY_REQUIRED)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, Code.INVALID_FIELD),
        ({"url": 1}, Code.INVALID_FIELD),
        ({"url": "https://169.254.169.254/latest"}, Code.INVALID_URL),
        ({"url": "https://hooks.example.com/", "kinds": ["nonsense"]}, Code.INVALID_FIELD),
        ({"url": "https://hooks.example.com/", "kinds": [["version_update"]]}, Code.INVALID_FIELD),
        ({"url": "https://hooks.example.com/", "description": "two\nlines"}, Code.INVALID_FIELD),
        ({"url": "https://hooks.example.com/", "sources": ["no@where"]}, Code.SOURCE_UNKNOWN),
        ({"url": "https://hooks.example.com/" + "x" * 3000}, Code.INVALID_FIELD),
    ],
)
async def test_what_cannot_be_is_refused(agency: httpx.AsyncClient, body: dict[str, object], code: Code) -> None:
    assert_problem(await agency.post("/federation/webhooks", json=body), code)


def run_pfn(node: RunningNode, *arguments: str, code: int = 0) -> str:
    """Run a command against the node as its operator."""
    environment = {**os.environ, "PFN_NODE": node.url, "PFN_KEY": node.admin_key, "COLUMNS": "300"}
    done = subprocess.run(
        [PFN, "webhook", *arguments], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow  # each command is a process
async def test_the_terminal_does_it_all(node: RunningNode, receiver: Receiver) -> None:

    async def pfn(*arguments: str, code: int = 0) -> str:
        return await asyncio.to_thread(run_pfn, node, *arguments, code=code)

    made = json.loads(await pfn("add", receiver.hook, "--description", "console", "--kind", "version_update", "--json"))
    one = str(made["webhook"]["id"])
    assert made["webhook"]["kinds"] == ["version_update"]
    assert receiver.hook in await pfn("list")
    assert made["webhook"]["public_key"] in await pfn("show", one)
    assert "Delivered: status 204" in await pfn("test", one)
    assert believe(receiver.received[0], made["secret"])["type"] == "ping"
    receiver.say(reply(status="500 Internal Server Error"))
    assert "answered with status 500" in await pfn("test", one, code=1)
    assert "ping" in await pfn("deliveries", one, "--state", "failed", "--limit", "1")
    assert "whsec_" in await pfn("rotate-secret", one)
    assert "old keys sign until" in await pfn("show", one)
    assert ": 1." in await pfn("redeliver", one)
    changed = json.loads(await pfn("change", one, "--url", receiver.url("/other"), "--subscribed", "--json"))
    assert (changed["webhook"]["url"], changed["webhook"]["everything"]) == (receiver.url("/other"), False)
    receiver.answers["/other"] = reply(status="410 Gone")
    await pfn("test", one, code=1)
    assert "disabled: Its receiver answered 410" in await pfn("show", one)
    await pfn("enable", one)
    await pfn("remove", one)
    assert one not in [str(row["id"]) for row in json.loads(await pfn("list", "--json"))]
    await pfn("show", one, code=1)
