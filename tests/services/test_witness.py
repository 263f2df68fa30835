"""Being a witness: what the specification says to each request, remembered before it is said, and never taken back."""

import asyncio
import hashlib
from typing import Any

import pytest
from tests.protocol.log.trees import hashed, naive_proof, tiled
from tests.services.conftest import StandingClock
from tests.support.peers import make_key, make_peer

from pfn.domain.activity import ActivityFilter
from pfn.domain.peer import Peer, PeerState
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from pfn.protocol.log.cosignature import Cosigner, verify_cosignatures
from pfn.protocol.log.entry import EvidenceLeaf, parse_leaf
from pfn.protocol.log.note import Note, NoteSigner, parse_note, parse_signatures, write_note
from pfn.protocol.log.witness import AddCheckpoint, SizeConflictError, write_add_checkpoint
from pfn.services.log_evidence import LogEvidenceService
from pfn.services.peer import PeerService
from pfn.services.peer_step import PeerSteps
from pfn.services.schedule import ScheduleService, make_paces
from pfn.services.witness import WitnessService
from pfn.storage.activity import list_activities
from pfn.storage.database import Database
from pfn.storage.log import halt_log, list_leaves
from pfn.storage.peer import add_peer, get_peer
from pfn.storage.witness import get_witnessed, list_log_evidence

WITNESS = Cosigner("here.example.org/witness", make_key(100))
NUMBER = 7
PEER = make_peer(NUMBER)
LOG = NoteSigner(PEER.origin, make_key(3 * NUMBER + 1))


def make_service(database: Database, clock: StandingClock) -> WitnessService:
    paces = make_paces(sync=3600, probe=600, verify=86_400, recheck=86_400, scrub=86_400)
    steps = PeerSteps(ScheduleService(database, clock, paces), clock)
    evidence = LogEvidenceService(database, PeerService(database, steps, clock), clock)
    return WitnessService(database, WITNESS, evidence, clock)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def peer(database: Database) -> Peer:
    async with database.write() as connection:
        return await add_peer(connection, PEER)


@pytest.fixture
def witness(database: Database, clock: StandingClock) -> WitnessService:
    return make_service(database, clock)


def signed(size: int, label: str = "leaf", signer: NoteSigner = LOG) -> Note:
    head, _ = tiled(size, label)
    return sign_checkpoint(Checkpoint(signer.name, head.size, head.root), signer)


def request(old: int, new: int, label: str = "leaf", **changes: Any) -> bytes:
    proof = naive_proof(old, hashed(new, label)) if 0 < old <= new else []
    return write_add_checkpoint(
        AddCheckpoint(**{"old": old, "proof": tuple(proof), "note": signed(new, label), **changes})
    )


async def known(database: Database) -> TreeHead | None:
    async with database.read() as connection:
        found = await get_witnessed(connection, PEER.origin)
    return None if found is None else found.head


async def test_a_log_is_cosigned_as_it_grows(
    database: Database, witness: WitnessService, clock: StandingClock, peer: Peer
) -> None:
    for old, new in ((0, 3), (3, 3), (3, 300), (300, 301)):
        clock.now += 60
        (line,) = parse_signatures((await witness.add_checkpoint(request(old, new))).decode())
        (cosignature,) = verify_cosignatures(Note(signed(new).text, (line,)), [WITNESS.verifier_key])
        assert cosignature.at == int(clock.now)
        assert await known(database) == tiled(new)[0]
        # What anybody may read is the log's own note with the witness's line, and nothing else in it.
        name = hashlib.sha256(PEER.origin.encode()).hexdigest()
        shown = parse_note(await witness.checkpoint(name))
        assert shown.text == signed(new).text
        assert [one.name for one in shown.signatures] == [LOG.name, WITNESS.name]


STRANGER = NoteSigner(PEER.origin, make_key(99))
ELSEWHERE = NoteSigner("elsewhere.example.org/pfn", make_key(98))
BAD_PROOF = (b"\0" * 32,) * len(naive_proof(3, hashed(9)))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.LOG_MALFORMED),
        (b"old 3\n", Code.LOG_MALFORMED),
        (b"old -1\n\n" + write_note(signed(5)), Code.LOG_MALFORMED),
        (request(5, 9).replace(b"old 5", b"old 05"), Code.LOG_MALFORMED),
        (request(9, 9).replace(b"old 9", b"old 10"), Code.LOG_MALFORMED),
        (request(3, 9, note=signed(9, signer=ELSEWHERE)), Code.LOG_UNKNOWN),
        (request(3, 9, note=signed(9, signer=STRANGER)), Code.LOG_SIGNATURE),
        (request(3, 9, note=Note(signed(9).text, signed(8).signatures)), Code.LOG_SIGNATURE),
        (request(0, 9), Code.LOG_SIZE),
        (request(4, 9), Code.LOG_SIZE),
        (request(9, 9), Code.LOG_SIZE),
        # An unknown log comes before a wrong size, and a wrong size before a wrong proof.
        (request(4, 9, note=signed(9, signer=ELSEWHERE)), Code.LOG_UNKNOWN),
        (request(4, 9, proof=BAD_PROOF), Code.LOG_SIZE),
        (request(3, 9, proof=BAD_PROOF), Code.LOG_CONSISTENCY),
        (request(3, 9, proof=()), Code.LOG_CONSISTENCY),
        (request(3, 9, "other"), Code.LOG_CONSISTENCY),
        (request(3, 3, proof=BAD_PROOF), Code.LOG_CONSISTENCY),
    ],
)
async def test_everything_else_is_refused_and_changes_nothing(
    database: Database, witness: WitnessService, peer: Peer, body: bytes, code: Code
) -> None:
    await witness.add_checkpoint(request(0, 3))
    with pytest.raises(PfnError) as caught:
        await witness.add_checkpoint(body)
    assert caught.value.code is code
    if isinstance(caught.value, SizeConflictError):
        assert caught.value.body == b"3\n"
    assert await known(database) == tiled(3)[0]
    async with database.read() as connection:
        assert not await list_log_evidence(connection)


@pytest.mark.parametrize("state", [PeerState.PROPOSED, PeerState.SUSPENDED, PeerState.FAULTY, PeerState.REMOVED])
async def test_only_active_peers_are_witnessed(database: Database, witness: WitnessService, state: PeerState) -> None:
    async with database.write() as connection:
        await add_peer(connection, make_peer(NUMBER, state))
    with pytest.raises(PfnError) as caught:
        await witness.add_checkpoint(request(0, 3))
    assert caught.value.code is Code.LOG_UNKNOWN
    with pytest.raises(PfnError) as caught:
        await witness.checkpoint(hashlib.sha256(PEER.origin.encode()).hexdigest())
    assert caught.value.code is Code.LOG_UNKNOWN


async def test_two_trees_of_one_size_are_evidence_and_the_peer_is_given_up_on(
    database: Database, witness: WitnessService, peer: Peer
) -> None:
    await witness.add_checkpoint(request(0, 3))
    for code in (Code.LOG_FORK, Code.LOG_UNKNOWN):
        with pytest.raises(PfnError) as caught:
            await witness.add_checkpoint(request(3, 3, "other", proof=()))
        assert caught.value.code is code
    assert await known(database) == tiled(3)[0]
    async with database.read() as connection:
        (kept,) = await list_log_evidence(connection, PEER.origin)
        faulty = await get_peer(connection, peer.id)
        leaves = [parse_leaf(leaf) for leaf in await list_leaves(connection, 0, 9)]
        events = await list_activities(connection, ActivityFilter(actions=frozenset({"peer_faulty"})), limit=9)
    assert {parse_note(side).text for side in (kept.first, kept.second)} == {signed(3).text, signed(3, "other").text}
    assert faulty is not None
    assert (faulty.state, faulty.state_code) == (PeerState.FAULTY, Code.LOG_FORK.slug)
    assert [leaf.kind for leaf in leaves] == ["evidence", "peer"]
    assert isinstance(leaves[0], EvidenceLeaf)
    assert (leaves[0].subject, leaves[0].first) == (PEER.origin, hashlib.sha256(kept.first).hexdigest())
    assert len(events) == 1


async def test_evidence_is_kept_though_the_own_log_is_halted(
    database: Database, witness: WitnessService, peer: Peer
) -> None:
    await witness.add_checkpoint(request(0, 3))
    async with database.write() as connection:
        await halt_log(connection, "A test halted it.", 1)
    with pytest.raises(PfnError) as caught:
        await witness.add_checkpoint(request(3, 3, "other", proof=()))
    assert caught.value.code is Code.LOG_FORK
    async with database.read() as connection:
        assert len(await list_log_evidence(connection, PEER.origin)) == 1
        faulty = await get_peer(connection, peer.id)
    assert faulty is not None
    assert faulty.state is PeerState.FAULTY


async def test_of_two_requests_at_once_one_loses(nodes: tuple[Database, Database], clock: StandingClock) -> None:
    """Two processes, two answers from one tree: the second is told to start from where the first left it."""
    services = [make_service(database, clock) for database in nodes]
    async with nodes[0].write() as connection:
        await add_peer(connection, PEER)
    size = 0
    for _ in range(8):
        sizes = (size + 2, size + 5)
        outcomes = await asyncio.gather(
            *(service.add_checkpoint(request(size, new)) for service, new in zip(services, sizes, strict=True)),
            return_exceptions=True,
        )
        (lost,) = [one for one in outcomes if isinstance(one, BaseException)]
        size = sizes[1 - outcomes.index(lost)]
        assert isinstance(lost, SizeConflictError)
        assert lost.size == size
        assert await known(nodes[0]) == tiled(size)[0]


async def test_many_at_once_leave_the_largest_signed(database: Database, witness: WitnessService, peer: Peer) -> None:
    done: set[int] = set()

    async def grow(new: int) -> None:
        old = 0
        while True:
            try:
                await witness.add_checkpoint(request(old, new))
            except SizeConflictError as conflict:
                if conflict.size > new:
                    return
                old = conflict.size
            else:
                done.add(new)
                return

    await asyncio.gather(*(grow(new) for new in range(1, 13)))
    assert await known(database) == tiled(max(done))[0] == tiled(12)[0]
