"""The log never goes back: what was signed is held against what is there, by the mark, by memory, by the rows."""

from pathlib import Path

import pytest
from sqlalchemy import delete, update
from tests.protocol.log.trees import LOG, WITNESSES
from tests.services.conftest import StandingClock
from tests.support.peers import make_key, make_peer

from pfn.domain.peer import PeerState
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.checkpoint import verify_checkpoint
from pfn.protocol.log.cosignature import cosign
from pfn.protocol.log.merkle import check_consistency, check_inclusion, leaf_hash
from pfn.protocol.log.note import NoteSigner, parse_note
from pfn.protocol.log.policy import DEFAULT_MAX_AGE
from pfn.services.log import LogService
from pfn.services.witnesses import choose_size
from pfn.storage.database import Database
from pfn.storage.log import Cosignature, NewLeaf, append_leaves, put_cosignature, read_head, resume_log
from pfn.storage.peer import add_peer
from pfn.storage.schema import log_heads, log_leaves, log_tiles


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def log(database: Database, clock: StandingClock, tmp_path: Path) -> LogService:
    return LogService(database, clock, LOG, tmp_path / "log.mark")


async def grow(database: Database, count: int, label: str = "leaf") -> None:
    leaves = [NewLeaf("release", f"{label} {number}".encode()) for number in range(count)]
    async with database.write() as connection:
        await append_leaves(connection, leaves, 5)


async def set_back(database: Database, size: int) -> None:
    """Make the rows what a backup of that time would have: here, of a tree within one tile."""
    async with database.write() as connection:
        await connection.execute(delete(log_leaves).where(log_leaves.c.idx >= size))
        await connection.execute(delete(log_heads).where(log_heads.c.size > size))
        hashes = b"".join(leaf_hash(f"leaf {number}".encode()) for number in range(size))
        await connection.execute(update(log_tiles).where(log_tiles.c.level == 0).values(hashes=hashes))


async def test_a_head_is_signed_once_and_the_same_for_ever(database: Database, log: LogService, clock: StandingClock):
    await grow(database, 5)
    first = await log.sign()
    clock.now += 60
    assert await log.sign() == first
    await grow(database, 300, "more")
    second = await log.sign()
    assert (first.head.size, second.head.size) == (5, 305)
    for kept in (first, second):
        checkpoint = verify_checkpoint(parse_note(kept.note.encode()), [LOG.verifier_key])
        assert checkpoint.head == kept.head
    proof = await log.prove_consistency(5, 305)
    check_consistency(5, first.head.root, 305, second.head.root, proof)
    check_inclusion(leaf_hash(b"leaf 4"), 4, 305, await log.prove_inclusion(4, 305), second.head.root)
    with pytest.raises(PfnError) as caught:
        await log.cosigned(7)
    assert caught.value.code is Code.NOT_FOUND


async def test_a_log_as_it_was_signed_is_not_halted(database: Database, log: LogService):
    assert await log.check() is None
    await grow(database, 3)
    await log.sign()
    assert await log.check() is None
    # Entries that nobody was shown yet are no contradiction.
    await grow(database, 3, "more")
    assert await log.check() is None


async def test_a_database_that_was_set_back_halts_the_log_until_the_entries_are_back(
    database: Database, log: LogService, clock: StandingClock, tmp_path: Path
):
    await grow(database, 4)
    await log.sign()
    await grow(database, 5, "later")
    await log.sign()
    await set_back(database, 4)
    other = LogService(database, clock, LOG, tmp_path / "log.mark")
    reason = await other.check()
    assert reason is not None
    assert "set back" in reason
    # Nothing is appended, in no process, and what is served is no new tree.
    with pytest.raises(PfnError) as caught:
        await grow(database, 1)
    assert caught.value.code is Code.LOG_HALTED
    with pytest.raises(PfnError) as caught:
        await other.resume("operator")
    assert caught.value.code is Code.LOG_ROLLBACK
    assert await other.check() == reason
    # An older tree than was shown is never shown; how the log stands is.
    with pytest.raises(PfnError) as caught:
        await other.checkpoint()
    assert caught.value.code is Code.LOG_HALTED
    assert (await other.standing()).origin == LOG.name
    # Put back exactly, by hand, all is well again.
    async with database.write() as connection:
        await resume_log(connection)
        await append_leaves(connection, [NewLeaf("release", f"later {number}".encode()) for number in range(5)], 5)
    await other.resume("operator")
    assert await other.check() is None


async def test_other_entries_in_place_of_the_signed_ones_halt_the_log(database: Database, log: LogService):
    await grow(database, 9)
    await log.sign()
    await set_back(database, 4)
    await grow(database, 9, "other")
    reason = await log.check()
    assert reason is not None
    assert "changed" in reason


async def test_a_tree_that_does_not_follow_is_never_signed(
    database: Database, log: LogService, clock: StandingClock, tmp_path: Path
):
    """Without a mark, and with heads of its own: the rows alone tell."""
    await grow(database, 9)
    kept = await log.sign()
    async with database.write() as connection:
        hashes = b"".join(leaf_hash(f"other {number}".encode()) for number in range(9))
        await connection.execute(update(log_tiles).values(hashes=hashes))
    fresh = LogService(database, clock, LOG, tmp_path / "no.mark")
    assert await fresh.sign() == kept
    assert await fresh.halted() is not None
    with pytest.raises(PfnError) as caught:
        await grow(database, 1)
    assert caught.value.code is Code.LOG_HALTED


async def test_a_process_remembers_what_it_signed_though_the_rows_forget(database: Database, log: LogService):
    await grow(database, 9)
    await log.sign()
    await set_back(database, 4)
    with pytest.raises(PfnError) as caught:
        await log.sign()
    assert caught.value.code is Code.LOG_HALTED
    assert await log.halted() is not None


async def test_the_mark_never_goes_back(database: Database, log: LogService, clock: StandingClock, tmp_path: Path):
    await grow(database, 9)
    await log.sign()
    marked = (tmp_path / "log.mark").read_bytes()
    # Another process that signs an older tree late.
    small = LogService(database, clock, LOG, tmp_path / "log.mark")
    async with database.read() as connection:
        head = await read_head(connection, 4)
    await small._sign(head)  # only a race gets there
    assert (tmp_path / "log.mark").read_bytes() == marked


async def test_two_processes_sign_one_tree_alike(
    nodes: tuple[Database, Database], clock: StandingClock, tmp_path: Path
):
    logs = [LogService(database, clock, LOG, tmp_path / "log.mark") for database in nodes]
    for number in range(3):
        await grow(nodes[number % 2], 4, f"round {number}")
        first, second = [await log.sign() for log in logs]
        assert first == second


async def test_the_tree_to_prove_with_is_the_one_most_operators_saw(
    database: Database, log: LogService, clock: StandingClock
):
    for number in (4, 5):
        async with database.write() as connection:
            await add_peer(connection, make_peer(number))
    names = [f"node{number}.example.org/witness" for number in (4, 5)]
    now = int(clock.now)
    for size, signed in ((4, names), (8, names[:1]), (12, [])):
        await grow(database, 4, str(size))
        note = parse_note((await log.sign()).note.encode())
        async with database.write() as connection:
            for name in signed:
                line = cosign(note, WITNESSES[0], now).line
                await put_cosignature(connection, Cosignature(size, name, line, now))
    sizes = [verify_checkpoint(await log.best_checkpoint(index), [LOG.verifier_key]).size for index in (0, 3, 4, 7, 8)]
    assert sizes == [4, 4, 8, 8, 12]
    # Lately: what only one signed today counts more than what two signed last week.
    clock.now += DEFAULT_MAX_AGE + 1
    async with database.write() as connection:
        line = cosign(note, WITNESSES[0], now).line
        await put_cosignature(connection, Cosignature(8, names[0], line, int(clock.now)))
    assert verify_checkpoint(await log.best_checkpoint(0), [LOG.verifier_key]).size == 8


@pytest.mark.parametrize(
    ("found", "best"),
    [
        ([], None),
        ([(5, "a", 100)], 5),
        ([(5, "a", 100), (6, "a", 100)], 6),
        # Two witnesses of one operator are one.
        ([(5, "a", 100), (5, "b", 100), (6, "a", 100), (6, "a2", 100)], 5),
        ([(6, "a", 100), (6, "a2", 100), (5, "a", 100)], 6),
        # Whom the operator does not know counts for nothing.
        ([(9, "stranger", 100), (5, "a", 100)], 5),
        ([(9, "stranger", 100)], None),
        # Old ones count where there are no others.
        ([(5, "a", 1), (5, "b", 1), (6, "a", 1)], 5),
        ([(5, "a", 1), (5, "b", 1), (6, "a", 100)], 6),
    ],
)
def test_how_a_tree_is_chosen(found: list[tuple[int, str, int]], best: int | None):
    operators = {"a": "Ann", "a2": "Ann", "b": "Bob"}
    assert choose_size([Cosignature(size, name, "", at) for size, name, at in found], operators, 50) == best


async def test_the_quorum_counts_operators_and_wants_as_many_as_the_settings_say(
    database: Database, clock: StandingClock, tmp_path: Path
):
    log = LogService(database, clock, LOG, tmp_path / "log.mark", quorum=2)
    with pytest.raises(PfnError) as caught:
        await log.policy()
    assert caught.value.code is Code.CONFIG_INVALID
    async with database.write() as connection:
        for number in (1, 2):
            await add_peer(connection, make_peer(number))
        await add_peer(connection, make_peer(3, PeerState.SUSPENDED))
    policy = await log.policy()
    assert [witness.operator for witness in policy.witnesses] == ["Society 1", "Society 2"]
    assert not policy.is_met_by([policy.witnesses[0].name])
    assert policy.is_met_by([one.name for one in policy.witnesses])


async def test_a_log_of_another_key_is_halted_before_anything_is_signed(
    database: Database, log: LogService, clock: StandingClock, tmp_path: Path
):
    """The key's file was lost and made anew: what it would sign is not this log."""
    await grow(database, 3)
    kept = await log.sign()
    other = LogService(database, clock, NoteSigner(LOG.name, make_key(77)), tmp_path / "log.mark")
    reason = await other.check()
    assert reason is not None
    assert "log.key" in reason
    assert await other.sign() == kept
    # With the right key back, an operator resumes.
    await log.resume("operator")
    assert await log.check() is None
