"""Witnesses over real HTTP, both ends: two nodes cosign each other's logs, and the wire is as specified."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.log import read_log
from tests.support.network import ServedNode, make_peers, serve_node
from tests.support.problem import assert_problem
from tests.support.rows import ON_POSTGRES
from tests.support.site import Time

from pfn.domain.schedule import Outcome, Work
from pfn.protocol.errors import Code
from pfn.protocol.log.checkpoint import verify_checkpoint
from pfn.protocol.log.cosignature import verify_cosignatures
from pfn.protocol.log.note import parse_note, parse_signatures
from pfn.protocol.log.witness import AddCheckpoint, write_add_checkpoint
from pfn.testing.publisher import FakePublisher
from pfn.work.dispatch import do_work


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def ours(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "ours", clock=clock, witness_quorum=1) as node:
        yield node


@pytest.fixture
async def theirs(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "theirs", clock=clock) as node:
        yield node


async def ask(node: ServedNode, peer_id: int) -> Outcome:
    """Ask a peer's witness as a worker does."""
    lease = await node.services.leases.claim(Work.WITNESS, str(peer_id))
    assert lease is not None
    outcome = await do_work(node.services, lease)
    assert await node.services.schedule.finish(lease, outcome)
    return outcome


async def test_two_nodes_witness_each_other(ours: ServedNode, theirs: ServedNode, clock: Time) -> None:
    pair = await make_peers(ours, theirs, operator="Society")
    for node, other, peer_id in ((ours, theirs, pair[0]), (theirs, ours, pair[1])):
        await ask(node, peer_id)
        log = await read_log(node.http)
        assert log.checkpoint.size > 0
        (cosignature,) = verify_cosignatures(log.note, [other.prepared.witness.verifier_key])
        assert cosignature.at == int(clock.now)
        # Anybody may ask the witness what it saw.
        name = hashlib.sha256(log.checkpoint.origin.encode()).hexdigest()
        async with httpx.AsyncClient(base_url=other.url) as stranger:
            answer = await stranger.get(f"/witness/{name}/checkpoint")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        seen = verify_checkpoint(parse_note(answer.content), [node.prepared.log.verifier_key])
        assert seen == log.checkpoint
        shown = (await node.get("log"))["witnesses"]
        assert [(one["cosigned_size"], one["operator"]) for one in shown] == [(log.checkpoint.size, "Society")]


async def test_the_wire_is_the_specifications(ours: ServedNode, theirs: ServedNode) -> None:
    await make_peers(ours, theirs)
    kept = await ours.services.log.sign()
    note = parse_note(kept.note.encode())

    async def post(body: bytes) -> httpx.Response:
        async with httpx.AsyncClient(base_url=theirs.url) as stranger:
            return await stranger.post("/witness/add-checkpoint", content=body)

    answer = await post(write_add_checkpoint(AddCheckpoint(0, (), note)))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert [one.name for one in parse_signatures(answer.text)] == [theirs.prepared.witness.name]
    again = await post(write_add_checkpoint(AddCheckpoint(0, (), note)))
    assert (again.status_code, again.headers["content-type"]) == (409, "text/x.tlog.size")
    assert again.content == b"%d\n" % kept.head.size
    wrong = AddCheckpoint(kept.head.size, (b"\0" * 32,), note)
    assert_problem(await post(write_add_checkpoint(wrong)), Code.LOG_CONSISTENCY)
    assert_problem(await post(b"nonsense"), Code.LOG_MALFORMED)
    assert_problem(await post(b"x" * 300_000), Code.BODY_TOO_LARGE)
    stranger = parse_note((await theirs.services.log.sign()).note.encode())
    assert_problem(await post(write_add_checkpoint(AddCheckpoint(0, (), stranger))), Code.LOG_UNKNOWN)
    assert_problem(await theirs.http.get(f"/witness/{'0' * 64}/checkpoint"), Code.LOG_UNKNOWN)
    assert (await theirs.http.get("/witness/other/checkpoint")).status_code == 422


async def test_a_release_shows_who_has_seen_it(ours: ServedNode, theirs: ServedNode, clock: Time) -> None:
    async with FakePublisher("alice") as publisher:
        publisher.add_plugin("hello", "1.0")
        body = {"instance_url": publisher.url, "username": "alice", "public_key": publisher.public_key_pem}
        source_id = (await ours.post("add-source", **body)).json()["source_id"]
        assert (await ours.post("verify-source", sourceId=source_id)).json()["success"]
        assert (await ours.post("subscribe", sourceId=source_id)).status_code == 200
    query = {"source": source_id, "plugin": "hello"}

    async def witnessed() -> dict[str, int]:
        verdict = await ours.get("verify", **query)
        row = (await ours.get("plugins"))["plugins"][0]["versions"][0]
        for name in ("logged", "log", "witnessed"):
            assert row[name] == verdict[name]
        assert verdict["logged"] is True
        found: dict[str, int] = verdict["witnessed"]
        return {name: int(found[name]) for name in ("n", "of", "operators", "is_quorum")}

    assert await witnessed() == {"n": 0, "of": 0, "operators": 0, "is_quorum": 0}
    page = await ours.http.get(f"/plugins/{source_id}/hello")
    assert "No other node witnesses the log yet." in page.text
    peer_id, _ = await make_peers(ours, theirs)
    assert await witnessed() == {"n": 0, "of": 1, "operators": 0, "is_quorum": 0}
    etag = (await ours.http.get("/federation/plugins")).headers["etag"]
    await ask(ours, peer_id)
    assert await witnessed() == {"n": 1, "of": 1, "operators": 1, "is_quorum": 1}
    assert (await ours.http.get("/federation/plugins")).headers["etag"] != etag
    page = await ours.http.get(f"/plugins/{source_id}/hello")
    assert "1 of 1 witness, run by 1 operator other than this node&#39;s, has seen it there." in page.text
    # A peer that is one no more is no witness.
    await ours.post(f"peers/{peer_id}/suspend", reason="a test")
    assert await witnessed() == {"n": 0, "of": 0, "operators": 0, "is_quorum": 0}


@pytest.mark.skipif(ON_POSTGRES, reason="these rows are not in the folder that is set back")
async def test_a_node_set_back_with_its_mark_hears_of_it_from_its_witness(
    tmp_path: Path, theirs: ServedNode, clock: Time
) -> None:
    data = tmp_path / "mine"
    async with serve_node(data, clock=clock) as mine:
        peer_id, _ = await make_peers(mine, theirs)
        port = urlsplit(mine.url).port
        assert port is not None
    shutil.copytree(data, tmp_path / "backup")
    async with serve_node(data, clock=clock, port=port) as mine:
        for number in range(3):
            body = {"instance_url": f"https://p{number}.example.org", "username": "alice"}
            key = mine.prepared.identity.public_key.pem
            assert (await mine.post("add-source", **body, public_key=key)).status_code == 200
        await ask(mine, peer_id)
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "backup", data)
    async with serve_node(data, clock=clock, port=port) as mine:
        assert (await mine.get("log"))["halted"] is None
        assert (await ask(mine, peer_id)).detail == Code.LOG_ROLLBACK.slug
        assert "set back" in (await mine.get("log"))["halted"]
        assert "log_rolled_back" in await mine.actions()
        # It shows no older tree than it showed, nor can it be resumed before the entries are back.
        assert_problem(await mine.http.get("/log/checkpoint"), Code.LOG_HALTED)
        assert_problem(await mine.post("log/resume"), Code.LOG_ROLLBACK)
        assert (await mine.get("plugins"))["plugins"] == []
