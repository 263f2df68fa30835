"""Asking witnesses: what they sign is kept and shown; one that knows better, or says so, is heard and never nagged."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from tests.protocol.log.trees import LOG
from tests.services.conftest import StandingClock
from tests.support.peers import make_key, make_peer

from pfn.domain.peer import Peer, PeerState
from pfn.domain.schedule import Result, Work
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, parse_checkpoint, sign_checkpoint
from pfn.protocol.log.cosignature import Cosigner, cosign, verify_cosignatures
from pfn.protocol.log.entry import YankLeaf
from pfn.protocol.log.merkle import leaf_hash
from pfn.protocol.log.note import NoteSigner, parse_note, write_note
from pfn.protocol.log.policy import DEFAULT_MAX_AGE
from pfn.protocol.log.witness import SizeConflictError, judge_checkpoint, parse_add_checkpoint, write_answer
from pfn.services.cosigning import CosigningService
from pfn.services.leaf import DIVERGED, WITNESS_SOON_S, append
from pfn.services.log import LogService
from pfn.storage.activity import list_activities
from pfn.storage.database import Database
from pfn.storage.log import NewLeaf, append_leaves, list_cosignatures
from pfn.storage.peer import add_peer, change_peer, get_peer
from pfn.storage.schedule import claim_one, get_due, put_due
from pfn.storage.schema import log_heads, log_leaves, log_tiles, schedule

NUMBER = 7
COSIGNER = Cosigner(f"node{NUMBER}.example.org/witness", make_key(3 * NUMBER + 2))


@dataclass
class Witness:
    """Another node's witness, by the book unless ``lie`` answers first; it counts what it is asked."""

    clock: StandingClock
    known: TreeHead | None = None
    note: bytes | None = None
    lie: Callable[[bytes], tuple[int, bytes]] | None = None
    asked: list[int] = field(default_factory=list)

    async def add_checkpoint(self, url: str, body: bytes) -> tuple[int, bytes]:
        request = parse_add_checkpoint(body)
        self.asked.append(request.old)
        if self.lie is not None:
            return self.lie(body)
        try:
            checkpoint = judge_checkpoint(request, logs=[LOG.verifier_key], known=self.known)
        except SizeConflictError as conflict:
            return 409, conflict.body
        except PfnError as error:
            return error.code.status, b"no\n"
        self.known, self.note = checkpoint.head, write_note(request.note)
        return 200, write_answer([cosign(request.note, COSIGNER, int(self.clock.now))])

    async def get_witnessed(self, url: str, origin: str) -> bytes | None:
        assert origin == LOG.name
        return self.note


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def witness(clock: StandingClock) -> Witness:
    return Witness(clock)


@pytest.fixture
async def peer(database: Database) -> Peer:
    async with database.write() as connection:
        return await add_peer(connection, make_peer(NUMBER))


@pytest.fixture
def log(database: Database, clock: StandingClock, tmp_path: Path) -> LogService:
    return LogService(database, clock, LOG, tmp_path / "log.mark")


@pytest.fixture
def asking(database: Database, log: LogService, witness: Witness, clock: StandingClock) -> CosigningService:
    return CosigningService(database, log, witness, clock)  # type: ignore[arg-type]  # it asks no more of a client


async def grow(database: Database, count: int, label: str = "leaf") -> None:
    leaves = [NewLeaf("release", f"{label} {number}".encode()) for number in range(count)]
    async with database.write() as connection:
        await append_leaves(connection, leaves, 5)


async def set_back(database: Database, peer: Peer, size: int) -> None:
    """Make the rows what a backup of that time would have, without the mark: as if the whole folder was restored."""
    async with database.write() as connection:
        await connection.execute(delete(log_leaves).where(log_leaves.c.idx >= size))
        await connection.execute(delete(log_heads).where(log_heads.c.size > size))
        hashes = b"".join(leaf_hash(f"leaf {number}".encode()) for number in range(size))
        await connection.execute(update(log_tiles).where(log_tiles.c.level == 0).values(hashes=hashes))
        await change_peer(connection, peer.id, cosigned_size=size)


async def actions(database: Database) -> list[str]:
    async with database.read() as connection:
        return [one.action for one in reversed(await list_activities(connection, limit=50))]


async def test_what_a_witness_signed_is_kept_and_shown(
    database: Database, log: LogService, asking: CosigningService, witness: Witness, clock: StandingClock, peer: Peer
) -> None:
    for step, size in enumerate((0, 9, 9, 300), start=1):
        clock.now += 3600
        async with database.read() as connection:
            missing = size - (await log.sign()).head.size
        await grow(database, missing, str(step))
        assert (await asking.ask(peer.id)).result is Result.UNCHANGED
        note = parse_note(await log.checkpoint())
        (cosignature,) = verify_cosignatures(note, [COSIGNER.verifier_key])
        assert cosignature.at == int(clock.now)
        assert parse_checkpoint(note.text).size == size
        async with database.read() as connection:
            asked = await get_peer(connection, peer.id)
        assert asked is not None
        assert (asked.cosigned_size, asked.cosigned_at) == (size, int(clock.now))
    assert witness.asked == [0, 0, 9, 9]


async def test_signatures_are_kept_for_a_week(
    database: Database, log: LogService, asking: CosigningService, clock: StandingClock, peer: Peer
) -> None:
    await grow(database, 3)
    await asking.ask(peer.id)
    clock.now += 7 * DEFAULT_MAX_AGE
    await grow(database, 3)
    await asking.ask(peer.id)
    clock.now += 1
    await grow(database, 3)
    await asking.ask(peer.id)
    async with database.read() as connection:
        kept = [len(await list_cosignatures(connection, size)) for size in (3, 6, 9)]
    assert kept == [0, 1, 1]


async def test_a_witness_that_is_elsewhere_is_asked_once_more_from_there(
    database: Database, log: LogService, asking: CosigningService, witness: Witness, peer: Peer
) -> None:
    await grow(database, 9)
    await asking.ask(peer.id)
    await grow(database, 9, "more")
    async with database.write() as connection:
        await change_peer(connection, peer.id, cosigned_size=4)
    assert (await asking.ask(peer.id)).detail == "cosigned 18"
    assert witness.asked == [0, 4, 9]
    # One that was set back itself is no harm to this log.
    witness.known = None
    assert (await asking.ask(peer.id)).detail == "cosigned 18"
    assert witness.asked == [0, 4, 9, 18, 0]


async def test_a_witness_that_has_seen_more_halts_the_log(
    database: Database, log: LogService, asking: CosigningService, witness: Witness, peer: Peer, tmp_path: Path
) -> None:
    """A node set back with its mark and all: only others know."""
    await grow(database, 9)
    await asking.ask(peer.id)
    await set_back(database, peer, 4)
    (tmp_path / "log.mark").unlink()
    restored = LogService(database, witness.clock, LOG, tmp_path / "log.mark")
    assert await restored.check() is None
    outcome = await CosigningService(database, restored, witness, witness.clock).ask(peer.id)  # type: ignore[arg-type]
    assert outcome.detail == Code.LOG_ROLLBACK.slug
    reason = await restored.halted()
    assert reason is not None
    assert "set back" in reason
    assert (await actions(database))[-1] == "log_rolled_back"
    # Halted, it asks nobody any more.
    asked = len(witness.asked)
    await CosigningService(database, restored, witness, witness.clock).ask(peer.id)  # type: ignore[arg-type]
    assert len(witness.asked) == asked


async def test_a_log_that_went_another_way_is_halted_by_its_own_signature(
    database: Database, log: LogService, asking: CosigningService, witness: Witness, peer: Peer, tmp_path: Path
) -> None:
    await grow(database, 9)
    await asking.ask(peer.id)
    await set_back(database, peer, 4)
    (tmp_path / "log.mark").unlink()
    restored = LogService(database, witness.clock, LOG, tmp_path / "log.mark")
    await grow(database, 20, "another way")
    outcome = await CosigningService(database, restored, witness, witness.clock).ask(peer.id)  # type: ignore[arg-type]
    assert (outcome.detail, outcome.result) == (DIVERGED, Result.UNCHANGED)
    assert outcome.wait is not None
    assert outcome.wait > 6 * 86_400
    assert await restored.halted() is not None
    assert "witness_divergence" in await actions(database)


def answer(status: int, body: bytes) -> Callable[[bytes], tuple[int, bytes]]:
    return lambda _: (status, body)


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (answer(404, b""), Code.WITNESS_REFUSED),
        (answer(403, b""), Code.WITNESS_REFUSED),
        (answer(500, b""), Code.WITNESS_REFUSED),
        (answer(200, b""), Code.WITNESS_REFUSED),
        (answer(200, b"not a signature\n"), Code.WITNESS_REFUSED),
        # A size it does not show, the very size it was asked from, and one after the other.
        (answer(409, b"7000\n"), Code.WITNESS_REFUSED),
        (answer(409, b"0\n"), Code.WITNESS_REFUSED),
        (answer(409, b"3\n"), Code.WITNESS_REFUSED),
    ],
)
async def test_a_witness_that_claims_what_it_does_not_show_is_not_believed(
    database: Database,
    log: LogService,
    asking: CosigningService,
    witness: Witness,
    peer: Peer,
    lie: Callable[[bytes], tuple[int, bytes]],
    code: Code,
) -> None:
    await grow(database, 9)
    witness.lie = lie
    stranger = NoteSigner(LOG.name, make_key(55))
    witness.note = write_note(sign_checkpoint(Checkpoint(LOG.name, 7000, b"\7" * 32), stranger))
    with pytest.raises(PfnError) as caught:
        await asking.ask(peer.id)
    assert caught.value.code is code
    assert len(witness.asked) <= 2
    assert await log.halted() is None
    async with database.read() as connection:
        assert not await list_cosignatures(connection, 9)


async def test_a_false_cosignature_is_not_kept(
    database: Database, log: LogService, asking: CosigningService, witness: Witness, peer: Peer
) -> None:
    await grow(database, 9)

    def forge(body: bytes) -> tuple[int, bytes]:
        note = parse_add_checkpoint(body).note
        forged = cosign(note, Cosigner(COSIGNER.name, make_key(66)), 5)
        return 200, write_answer([replace(forged, key_id=COSIGNER.verifier_key.key_id)])

    witness.lie = forge
    with pytest.raises(PfnError) as caught:
        await asking.ask(peer.id)
    assert caught.value.code is Code.WITNESS_SIGNATURE
    async with database.read() as connection:
        assert not await list_cosignatures(connection, 9)


@pytest.mark.parametrize("lie", [answer(422, b""), answer(409, b""), answer(409, b"many\n")])
async def test_a_witness_that_contradicts_is_left_alone_however_the_log_grows(
    database: Database,
    log: LogService,
    asking: CosigningService,
    witness: Witness,
    clock: StandingClock,
    peer: Peer,
    lie: Callable[[bytes], tuple[int, bytes]],
) -> None:
    await grow(database, 9)
    witness.lie = lie
    outcome = await asking.ask(peer.id)
    assert outcome.detail == DIVERGED
    assert outcome.wait == 7 * 86_400
    assert await actions(database) == ["witness_divergence"]
    assert await log.halted() is None
    assert len(witness.asked) == 1


@pytest.mark.parametrize(
    ("outcome", "leased", "expected"),
    [
        (None, False, ("due", WITNESS_SOON_S)),
        ("cosigned 9", False, ("due", WITNESS_SOON_S)),
        (DIVERGED, False, ("due", 3600)),
        ("cosigned 9", True, ("again", WITNESS_SOON_S)),
    ],
)
async def test_witnesses_are_asked_soon_after_the_log_grew(
    database: Database,
    clock: StandingClock,
    peer: Peer,
    outcome: str | None,
    leased: bool,
    expected: tuple[str, int],
) -> None:
    now = int(clock.now)
    subject = str(peer.id)
    async with database.write() as connection:
        await put_due(connection, Work.WITNESS, subject, due_at=now + 3600, interval_s=3600)
        await put_due(connection, Work.PEER, subject, due_at=now + 3600, interval_s=3600)
        await connection.execute(update(schedule).values(outcome=outcome))
        if leased:
            await claim_one(connection, Work.WITNESS, subject, now, token="t", until=now + 60)
    leaf = YankLeaf(at=now, source="alice@plugins.example.com", slug="one", version="1", catalog="0" * 64)
    for _ in range(2):
        async with database.write() as connection:
            await append(connection, [leaf], now)
    async with database.read() as connection:
        due = await get_due(connection, Work.WITNESS, subject)
        other = await get_due(connection, Work.PEER, subject)
    assert due is not None
    assert other is not None
    assert other.due_at == now + 3600
    if expected[0] == "due":
        assert due.due_at == now + expected[1]
    else:
        assert due.again_at == now + expected[1]


async def test_who_is_no_witness_is_not_asked(
    database: Database, log: LogService, asking: CosigningService, witness: Witness, peer: Peer
) -> None:
    async with database.write() as connection:
        await change_peer(connection, peer.id, is_witness=False)
    await asking.ask(peer.id)
    async with database.write() as connection:
        await change_peer(connection, peer.id, is_witness=True, state=PeerState.SUSPENDED)
    await asking.ask(peer.id)
    await asking.ask(peer.id + 1)
    assert witness.asked == []


async def test_a_restored_node_looks_back_before_it_goes_on(
    database: Database, log: LogService, asking: CosigningService, witness: Witness, peer: Peer, tmp_path: Path
) -> None:
    await grow(database, 9)
    await asking.ask(peer.id)
    await asking.look_back()
    assert await log.halted() is None
    await set_back(database, peer, 4)
    (tmp_path / "log.mark").unlink()
    restored = LogService(database, witness.clock, LOG, tmp_path / "log.mark")
    restarted = CosigningService(database, restored, witness, witness.clock)  # type: ignore[arg-type]
    await restarted.look_back()
    assert await restored.halted() is not None
    # Nobody resumes without what is missing.
    with pytest.raises(PfnError) as caught:
        await restored.resume("operator")
    assert caught.value.code is Code.LOG_ROLLBACK


async def test_a_witness_that_is_away_delays_no_start(
    database: Database, log: LogService, asking: CosigningService, witness: Witness, peer: Peer
) -> None:
    async def fail(url: str, origin: str) -> bytes | None:
        raise PfnError(Code.PEER_UNREACHABLE, "The test took it away.")

    witness.get_witnessed = fail  # type: ignore[method-assign]
    await asking.look_back()
    assert await log.halted() is None
