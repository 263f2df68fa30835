"""The activity through the API: every filter, pages, what is private, and who did what."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.node import RunningNode
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api

from pfn.domain.activity import ActivityType
from pfn.protocol.errors import Code
from pfn.testing.publisher import FakePublisher

SEED_ROW = {
    *("type", "plugin_id", "source_id", "old_version", "new_version", "timestamp", "plugin_name", "source_username"),
}


@pytest.fixture
async def source(api: Api, publisher: FakePublisher) -> str:
    """A source with two plugins, one of which went from 1.0 to 1.1."""
    publisher.add_plugin("one", "1.0")
    publisher.add_plugin("two", "3.0")
    source_id = await api.add(publisher)
    await api.post("subscribe", sourceId=source_id)
    publisher.add_plugin("one", "1.1")
    await api.sync(source_id)
    return source_id


@pytest.fixture
async def reader(node: RunningNode) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a subscriber's key."""
    async with node.async_client(node.create_key("subscriber")["key"]) as http:
        yield http


async def rows(api: Api, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("activity", **query))["activities"]
    return found


async def test_rows_have_the_seeds_shape(api: Api, source: str) -> None:
    newest = (await rows(api, source=source, kind="version_update"))[0]
    assert set(newest) >= SEED_ROW
    assert (newest["old_version"], newest["new_version"], newest["notified"]) == ("1.0", "1.1", False)
    others = await rows(api, source=source, kind="source_verification")
    assert {row["notified"] for row in others} == {None}


async def test_each_filter_takes_what_it_names_and_no_filter_takes_all(api: Api, source: str) -> None:
    everything = await rows(api, source=source)
    at = everything[2]["timestamp"]
    cases: list[tuple[dict[str, Any], Any]] = [
        *(({"kind": kind.value}, lambda row, kind=kind: row["type"] == kind.value) for kind in ActivityType),
        ({"kind": ["version_update", "federation_event"]}, lambda row: row["type"] != "source_verification"),
        ({"action": "plugin_updated"}, lambda row: row["details"]["action"] == "plugin_updated"),
        ({"plugin": "one"}, lambda row: row["plugin_id"] == "one"),
        (
            {"plugin": "one", "kind": "version_update"},
            lambda row: (row["plugin_id"], row["type"]) == ("one", "version_update"),
        ),
        ({"plugin": "no-such"}, lambda row: False),
        ({"since": at}, lambda row: row["timestamp"] >= at),
        ({"until": at}, lambda row: row["timestamp"] < at),
        ({"since": at, "until": at + 1}, lambda row: row["timestamp"] == at),
        ({"private": "true"}, lambda row: row["private"]),
        ({"private": "false"}, lambda row: not row["private"]),
    ]
    for query, wanted in cases:
        assert await rows(api, source=source, **query) == [row for row in everything if wanted(row)], query
    assert {row["type"] for row in everything} == {"version_update", "source_verification", "federation_event"}


async def test_pages_of_what_is_filtered_meet_everything_once(api: Api, source: str) -> None:
    everything = await rows(api, source=source, private="false")
    walked: list[dict[str, Any]] = []
    cursor = None
    while cursor is not None or not walked:
        query = {} if cursor is None else {"cursor": cursor}
        page = await api.get("activity", source=source, private="false", limit=2, **query)
        walked += page["activities"]
        cursor = page["next"]
    assert walked == everything
    assert await rows(api, source=source, private="false", limit=2, offset=1) == everything[1:3]


@pytest.mark.parametrize(
    "query",
    [{"kind": "gossip"}, {"kind": ""}, {"since": "yesterday"}, {"since": -1}, {"until": 2**80}, {"limit": 0}],
    ids=repr,
)
async def test_a_filter_that_makes_no_sense_is_refused(api: Api, query: dict[str, Any]) -> None:
    answer = await api.http.get("/federation/activity", params=query)
    assert_problem(answer, Code.INVALID_FIELD)


async def test_what_is_private_is_for_operators(api: Api, reader: httpx.AsyncClient, source: str) -> None:
    assert "subscribed" in {row["details"]["action"] for row in await rows(api, source=source)}
    seen = (await reader.get("/federation/activity", params={"source": source})).json()["activities"]
    assert seen == await rows(api, source=source, private="false")
    assert "subscribed" not in {row["details"]["action"] for row in seen}
    refused = await reader.get("/federation/activity", params={"private": "true"})
    assert_problem(refused, Code.SCOPE_MISSING)


async def test_an_older_version_that_arrives_later_is_no_update(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin("good", "2.0")
    source_id = await api.add(publisher)
    await api.post("subscribe", sourceId=source_id)
    # By WordPress's order: a beta is older, and so is 1.10 although its text sorts otherwise.
    for version in ("2.0-beta1", "1.10", "10.0", "9.0"):
        publisher.add_plugin("good", version)
        await api.sync(source_id)
    assert set((await api.versions(source_id))["good"]) >= {"2.0", "10.0"}
    updates = await rows(api, source=source_id, kind="version_update")
    assert [(row["old_version"], row["new_version"]) for row in updates] == [("2.0", "10.0"), ("0.0.0", "2.0")]
    assert [row["details"]["action"] for row in updates] == ["plugin_updated", "plugin_added"]


async def test_every_key_and_admin_action_names_its_key(node: RunningNode, publisher: FakePublisher) -> None:
    """One life of a source and of a key: each step leaves one event with the key's id as its actor."""
    admin = node.create_key(description="the auditor's")
    other = node.create_key("subscriber", owner=f"agency-{secrets.token_hex(3)}")
    async with node.async_client(admin["key"]) as http:
        api = Api(http)
        publisher.add_plugin("bad", "1.0", content=b"no zip")
        publisher.add_plugin("good", "1.0")
        source_id = await api.add(publisher)
        subscription = (await api.post("subscribe", sourceId=source_id)).json()["subscription"]["id"]
        held = (await api.get("quarantine", sourceId=source_id))[0]["id"]
        steps: list[tuple[str, dict[str, Any]]] = [
            ("drop-quarantined", {"id": held}),
            ("verify-source", {"sourceId": source_id}),
            ("source-policy", {"sourceId": source_id, "allow_unsigned": True}),
            ("unsubscribe", {"id": subscription}),
            ("suspend-source", {"sourceId": source_id, "reason": "A test."}),
            ("resume-source", {"sourceId": source_id}),
            ("remove-source", {"sourceId": source_id}),
        ]
        for path, body in steps:
            answer = await api.post(path, **body)
            assert answer.status_code == 200, (path, answer.text)
        trail = [row for row in await rows(api, source=source_id) if row["actor"] == admin["id"]]
        events = [row["details"]["action"] for row in reversed(trail) if row["type"] == "federation_event"]
        assert events == [
            *("source_added", "subscribed", "quarantine_dropped", "source_policy", "unsubscribed"),
            *("source_suspended", "source_resumed", "source_removed"),
        ]
        assert "manual" in {row["details"].get("verification_type") for row in trail}
        private = {row["details"]["action"] for row in trail if row["private"]}
        assert private == {"subscribed", "unsubscribed"}

        revoked = node.client(node.master_key).post("/federation/revoke-key", json={"id": other["id"]})
        assert revoked.status_code == 200
        keys = [row for row in await rows(api, private="true") if row["details"].get("key_id") == other["id"]]
        assert [(row["details"]["action"], row["actor"]) for row in keys] == [
            ("key_revoked", "master"),
            ("key_created", "master"),
        ]


async def test_signing_in_and_out_is_in_the_trail(node: RunningNode, api: Api) -> None:
    key = node.create_key(description="for a browser")
    async with node.async_client("") as browser:
        form = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        signed_in = await browser.post("/sign-in", data={"key": key["key"], "csrf": ""}, headers=form)
        assert signed_in.status_code == 303, signed_in.text
        page = (await browser.get("/", headers=form)).text
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        assert (await browser.post("/sign-out", data={"csrf": csrf}, headers=form)).status_code == 303
    mine = [row for row in await rows(api, private="true") if row["actor"] == key["id"]]
    assert [row["details"]["action"] for row in mine] == ["signed_out", "signed_in"]
    assert key["key"] not in str(mine)
