"""The clock jumps an hour, either way: what is due stays due, nothing is done twice, nothing signed goes back.

A jump forward ends what ends by time (a lease, an idle session) as an hour of silence would; a jump back delays what
was planned by an hour at most.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.mesh import follow
from tests.support.network import ServedNode, serve_node

from pfn.app import make_worker
from pfn.domain.schedule import Work
from pfn.domain.source import SourceStatus
from pfn.domain.verification import VerificationResult, VerificationType
from pfn.protocol.errors import Code
from pfn.protocol.log.checkpoint import TreeHead, verify_checkpoint
from pfn.protocol.log.note import parse_note, parse_verifier_key
from pfn.storage.schema import log_leaves, mirrored_plugins, version_updates
from pfn.testing.publisher import FakePublisher

HOUR, DAY = 3600, 86_400
pytestmark = [pytest.mark.slow, pytest.mark.grown, pytest.mark.timeout(600)]

JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
EVERYTHING = {Work.SYNC, Work.PROBE, Work.VERIFY, Work.RECHECK, Work.TIDY, Work.COLLECT, Work.SCRUB}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node", lease_seconds=60) as node:
        yield node


@pytest.fixture
async def publisher(node: ServedNode) -> AsyncIterator[FakePublisher]:
    """A publisher whose clock is right, and a source of the node's."""
    async with FakePublisher("alice") as publisher:
        publisher.now = int(node.clock.now)
        yield publisher


async def count(node: ServedNode) -> tuple[int, int, int]:
    """Count the releases, their leaves, and how often a plugin was said to have moved."""
    async with node.database.read() as connection:
        releases = (await connection.execute(select(func.count()).select_from(mirrored_plugins))).scalar_one()
        leaves = select(func.count()).select_from(log_leaves).where(log_leaves.c.kind == "release")
        moves = select(func.count()).select_from(version_updates)
        return releases, (await connection.execute(leaves)).scalar_one(), (await connection.execute(moves)).scalar_one()


async def look(node: ServedNode) -> TreeHead:
    """Give the tree that a node shows, its signature checked."""
    answer = await node.http.get("/log/checkpoint")
    assert answer.status_code == 200, answer.text
    key = parse_verifier_key((await node.get("node"))["log_key"])
    return verify_checkpoint(parse_note(answer.content), [key]).head


@JUMPS
async def test_what_is_due_stays_due_and_is_done_once(node: ServedNode, publisher: FakePublisher, jump: int) -> None:
    publisher.add_plugin("hello", "1.0")
    await follow(node, publisher)
    await node.services.schedule.fill()
    worker = make_worker(node.services, node.prepared.settings)
    await worker.finish_due()
    publisher.add_plugin("hello", "1.1")
    node.clock.now += jump
    done: Counter[Work] = Counter()
    for _ in range(2 * 28):
        publisher.now = int(node.clock.now)
        at_once = Counter((one.kind, one.subject) for one in await worker.finish_due())
        assert not [key for key, times in at_once.items() if times > 1 and key[0] is not Work.NOTIFY]
        done.update(kind for kind, _ in at_once)
        node.clock.now += HOUR / 2
    assert EVERYTHING - {Work.SCRUB} <= set(done)
    # Hourly at first, then ever less; a day's work is done once in a day, and once more where the jump fell.
    assert {done[kind] for kind in (Work.VERIFY, Work.RECHECK, Work.COLLECT)} <= {1, 2}
    assert await count(node) == (2, 2, 2)
    assert {due.failures for due in await node.services.schedule.list()} == {0}
    assert not [due for due in await node.services.schedule.list() if due.owner is not None]


@JUMPS
async def test_a_jump_within_a_sync_mirrors_everything_once(
    node: ServedNode, publisher: FakePublisher, jump: int
) -> None:
    source_id = await follow(node, publisher)
    for number in range(30):
        publisher.add_plugin(f"plugin-{number}", "1.0")
    worker = make_worker(node.services, node.prepared.settings)
    syncing = asyncio.create_task(node.services.syncs.run_now(source_id))
    await asyncio.sleep(0.05)
    node.clock.now += jump
    # To another worker the lease looks as if its holder were dead.
    await asyncio.gather(syncing, worker.finish_due())
    node.clock.now += 2 * HOUR
    publisher.now = int(node.clock.now)
    await node.services.syncs.run_now(source_id)
    assert await count(node) == (30, 30, 30)
    assert await node.services.log.check() is None


@JUMPS
async def test_a_lease_has_one_holder(node: ServedNode, jump: int) -> None:
    leases = node.services.leases
    first = await leases.claim(Work.TIDY, "")
    assert first is not None
    node.clock.now += jump
    second = await leases.claim(Work.TIDY, "")
    if jump < 0:
        assert second is None
        assert await leases.end(first)
        return
    assert second is not None
    # Whoever held it before writes nothing any more, and cannot give away what is another's.
    assert not await leases.end(first)
    assert await leases.end(second)


@JUMPS
async def test_a_dead_holders_lease_ends_an_hour_late_at_most(node: ServedNode, jump: int) -> None:
    assert await node.services.leases.claim(Work.TIDY, "") is not None
    node.clock.now += jump
    node.clock.now += HOUR + 61
    assert await node.services.leases.claim(Work.TIDY, "") is not None


@JUMPS
async def test_the_log_never_goes_back(node: ServedNode, publisher: FakePublisher, jump: int) -> None:
    publisher.add_plugin("hello", "1.0")
    source_id = await follow(node, publisher)
    seen = [await look(node)]
    for version, moved in (("1.1", jump), ("1.2", -jump)):
        node.clock.now += moved
        assert (await look(node)).size >= seen[-1].size
        publisher.add_plugin("hello", version)
        await node.services.syncs.run_now(source_id)
        seen.append(await look(node))
    assert [head.size for head in seen] == sorted({head.size for head in seen})
    assert await node.services.log.check() is None
    # Events are told in their order, whatever their times say.
    actions = await node.actions()
    assert actions.count("plugin_updated") == 2


@JUMPS
async def test_a_proof_asked_for_at_a_wrong_hour_takes_nothing_from_the_source(
    node: ServedNode, publisher: FakePublisher, jump: int
) -> None:
    source_id = await follow(node, publisher)
    node.clock.now += jump
    await node.services.verifications.verify(source_id, VerificationType.PERIODIC, "node")
    node.clock.now -= jump
    right = await node.services.verifications.verify(source_id, VerificationType.PERIODIC, "node")
    assert right.result is VerificationResult.SUCCESS
    assert (await node.services.sources.get(source_id)).status is SourceStatus.VERIFIED


@JUMPS
async def test_a_session_outlives_a_jump_back_and_ends_by_one_forward(node: ServedNode, jump: int) -> None:
    cookie = await node.services.sessions.sign_in(node.key, caller="192.0.2.1")
    node.clock.now += jump
    if jump < 0:
        assert await node.services.sessions.recognize(cookie) is not None
        node.clock.now -= jump
        assert await node.services.sessions.recognize(cookie) is not None
    else:
        assert await node.services.sessions.recognize(cookie) is None


@JUMPS
async def test_what_arrives_is_no_garbage_and_a_look_over_the_zips_ends(
    node: ServedNode, publisher: FakePublisher, jump: int
) -> None:
    publisher.add_plugin("hello", "1.0")
    await follow(node, publisher)
    temporary = node.data / "blobs" / "tmp" / "arriving"
    temporary.write_bytes(b"half")
    lease = await node.services.scrubs.begin()
    node.clock.now += jump
    gone = await node.services.garbage.collect("operator")
    assert (gone.blobs, gone.files, temporary.exists()) == (0, 0, True)
    async with asyncio.timeout(30):
        outcome = await node.services.scrubs.run(lease, 0)
    assert outcome.detail in {"Zips looked at: 1, mended: 0, damaged still: 0.", Code.LEASE_LOST.slug}
