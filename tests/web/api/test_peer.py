"""Peers over HTTP, and in the terminal that speaks the same API."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.support.network import ServedNode, serve_node
from tests.support.node import PFN
from tests.support.problem import assert_problem

from pfn.protocol.errors import Code
from pfn.storage.peer import Want, change_peer, put_want
from pfn.storage.witness import put_log_evidence

STEPS = ("accept", "suspend", "resume", "forgive", "policy", "remove")


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "ours") as node:
        yield node


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "theirs") as node:
        yield node


async def with_key(node: ServedNode, kind: str, **body: object) -> httpx.AsyncClient:
    answer = await node.post(f"create-{kind}-key", description="test", **body)
    return httpx.AsyncClient(base_url=node.url, headers={"Authorization": f"Bearer {answer.json()['key']}"})


async def test_who_may_do_what(ours: ServedNode, theirs: ServedNode) -> None:
    await ours.post("peers", url=theirs.url)
    reading = await with_key(ours, "subscriber", owner="agency")
    caring = await with_key(ours, "admin", scopes=["log:admin"])
    async with httpx.AsyncClient(base_url=ours.url) as stranger, reading, caring:
        for path in ("/federation/peers", "/federation/peers/1"):
            assert_problem(await stranger.get(path), Code.KEY_REQUIRED)
            assert_problem(await caring.get(path), Code.SCOPE_MISSING)
            assert (await reading.get(path)).status_code == 200
        changes = {"/federation/peers": {"url": theirs.url}} | {f"/federation/peers/1/{step}": {} for step in STEPS}
        for path, body in changes.items():
            assert_problem(await stranger.post(path, json=body), Code.KEY_REQUIRED)
            assert_problem(await reading.post(path, json=body), Code.SCOPE_MISSING)
        assert (await caring.post("/federation/peers/1/suspend", json={})).status_code == 200
        assert (await stranger.get("/federation/node")).status_code == 200


async def test_the_life_of_a_peer(ours: ServedNode, theirs: ServedNode) -> None:
    policy = {"take": "chosen", "sources": ["a@x.org"], "tags": ["forms"], "minimum_trust": 0.5}
    answer = await ours.post("peers", url=theirs.url, policy={**policy, "minimum_level": "artifact"}, witness=False)
    assert answer.status_code == 201
    peer = answer.json()["peer"]
    assert (answer.json()["peer_id"], peer["witness"]) == (1, False)
    assert peer["policy"] == {**policy, "minimum_level": "artifact", "first": "publisher"}
    shown = await ours.get("peers/1")
    assert {name: shown[name] for name in peer} == peer
    assert [row["kind"] for row in shown["schedule"]] == ["peer"]
    for step, state in (("suspend", "suspended"), ("resume", "active"), ("policy", "active"), ("remove", "removed")):
        done = await ours.post(f"peers/1/{step}")
        assert (done.status_code, done.json()["status"]) == (200, state)
        assert done.json()["message"].endswith(".")
    assert await ours.get("peers") == []
    for step in STEPS:
        assert_problem(await ours.post(f"peers/1/{step}"), Code.PEER_UNKNOWN)
    assert await ours.actions() == ["peer_added", "peer_suspended", "peer_resumed", "peer_removed"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", 5),
        ("operator", ""),
        ("operator", "two\nlines"),
        ("witness", "yes"),
        ("identity_key", "MD5:abc"),
        ("policy", {"take": "most"}),
        ("policy", {"minimum_trust": 1.5}),
        ("policy", {"minimum_level": "signed"}),
        ("policy", {"sources": [""]}),
        ("policy", {"first": "me"}),
    ],
)
async def test_a_wrong_field_is_named(ours: ServedNode, name: str, value: object) -> None:
    body = {"url": "http://127.0.0.1:9", name: value}
    assert name in str(assert_problem(await ours.post("peers", **body), Code.INVALID_FIELD)["detail"])


async def test_a_peer_that_is_away_is_said_to_be(ours: ServedNode, theirs: ServedNode) -> None:
    problem = assert_problem(await ours.post("peers", url="http://127.0.0.1:9"), Code.PEER_UNREACHABLE)
    assert problem["detail"] == "The node at 127.0.0.1:9 cannot be reached."


async def test_a_report_names_what_is_missing_and_what_is_proven(ours: ServedNode, theirs: ServedNode) -> None:
    await spoil(ours, theirs)
    shown = await ours.get("peers/1")
    assert (shown["lag"], shown["missing"], shown["equal"], shown["own_log_size"]) == (5, 1, False, 1)
    (want,) = shown["wants"]
    assert (want["plugin"], want["code"], want["details"]) == ("hello", "peer_unreachable", "It is away.")
    (evidence,) = shown["evidence"]
    assert (evidence["kind"], evidence["details"]) == ("log_fork", "Two trees of 5.")


async def spoil(ours: ServedNode, theirs: ServedNode) -> None:
    """Have a peer behind, with something missing and something proven."""
    await ours.post("peers", url=theirs.url)
    async with ours.database.write() as connection:
        await change_peer(connection, 1, size=9, root=b"r" * 32, read_to=4, equal=False, compared_at=1)
        wanted = Want("a@x.org", "hello", "1.0", 1, 3, "0" * 64, 5, "peer_unreachable", "It is away.", 2)
        await put_want(connection, wanted)
        origin = theirs.services.description.origin
        await put_log_evidence(connection, origin, "log_fork", "Two trees of 5.", b"one", b"other", 1)


def run_pfn(node: ServedNode, *arguments: str, code: int = 0) -> str:
    """Run a command against a node as its operator."""
    environment = {**os.environ, "PFN_NODE": node.url, "PFN_KEY": node.key, "COLUMNS": "300"}
    done = subprocess.run(
        [PFN, "peer", *arguments], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow  # each command is a process
async def test_the_terminal_does_it_all(ours: ServedNode, theirs: ServedNode) -> None:

    async def pfn(*arguments: str, node: ServedNode = ours, code: int = 0) -> str:
        return await asyncio.to_thread(run_pfn, node, *arguments, code=code)

    assert "No peers. Add one: pfn peer add URL" in await pfn("list")
    told = theirs.services.public_key.fingerprint
    added = await pfn("add", theirs.url, "--operator", "Friends", "--tag", "forms", "--identity-key", told)
    assert "its operator has to accept it" in added
    assert "peer_exists" in await pfn("add", theirs.url, code=1)
    assert theirs.url in await pfn("list")
    assert json.loads(await pfn("list", "--json"))[0]["policy"]["take"] == "chosen"
    assert "is a peer" in await pfn("accept", "1", "--operator", "Others", node=theirs)
    for said in (told, "Friends", "tag forms", "unknown, compared -", "0 of the 1 entries"):
        assert said in await pfn("show", "1")
    assert "is suspended" in await pfn("suspend", "1", "--reason", "moves house")
    assert "suspended: moves house" in await pfn("show", "1")
    assert "is resumed" in await pfn("resume", "1")
    assert "wrong_state" in await pfn("forgive", "1", code=1)
    changed = json.loads(await pfn("policy", "1", "--source", "a@x.org", "--minimum-level", "artifact", "--json"))
    policy = {"take": "chosen", "sources": ["a@x.org"], "tags": ["forms"], "minimum_trust": 0.0}
    assert changed["peer"]["policy"] == {**policy, "minimum_level": "artifact", "first": "publisher"}
    await pfn("policy", "1", "--take", "all", "--no-witness", "--first", "peers")
    assert "zips from the peers first" in await pfn("show", "1")
    assert "no witness" in await pfn("list")
    assert "is no peer" in await pfn("remove", "1")
    await spoil(theirs, ours)
    for said in ("a@x.org/hello", "It is away.", "Two trees of 5."):
        assert said in await pfn("show", "1", node=theirs)
