"""The node as a witness of its peers' logs (C2SP tlog-witness): cosign what follows, once, and remember it first.

The decision and what is remembered are one transaction, and the answer goes out after it: two requests at once cannot
roll a log back. A log that shows two trees of one size has contradicted itself by its own signature: both notes are
kept as evidence, and the peer is given up on.

Does not answer for asking others to witness this node's log; that is ``pfn.services.cosigning``.
"""

from pfn.domain.peer import PeerState
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import parse_checkpoint
from pfn.protocol.log.cosignature import Cosigner, cosign
from pfn.protocol.log.note import Note, VerifierKey, add_signatures, parse_verifier_key, write_note
from pfn.protocol.log.witness import AddCheckpoint, SizeConflictError, judge_checkpoint, parse_add_checkpoint
from pfn.protocol.log.witness import write_answer as write_signatures
from pfn.services.clock import Clock
from pfn.services.log_evidence import LogEvidenceService
from pfn.storage.database import Database
from pfn.storage.peer import find_peer
from pfn.storage.witness import Witnessed, find_witnessed, get_witnessed, set_witnessed


class WitnessService:
    """Witnesses the logs of active peers."""

    def __init__(self, database: Database, cosigner: Cosigner, evidence: LogEvidenceService, clock: Clock) -> None:
        self._database = database
        self._cosigner = cosigner
        self._evidence = evidence
        self._clock = clock

    async def add_checkpoint(self, body: bytes) -> bytes:
        """Cosign the checkpoint in a request and give the answer's body, a signature line.

        Raises PfnError: ``log_malformed``, ``log_unknown``; SizeConflictError; SecurityError: ``log_signature``,
        ``log_consistency``, ``log_fork``.
        """
        request = parse_add_checkpoint(body)
        origin = parse_checkpoint(request.note.text).origin
        try:
            return await self._cosign(request, origin)
        except SecurityError as error:
            if error.code is Code.LOG_FORK:
                await self._accuse(origin, error, request.note)
            raise

    async def checkpoint(self, name: str) -> bytes:
        """Give the newest checkpoint that was cosigned of the log whose origin has this SHA-256 in hex.

        Raises PfnError (``log_unknown``).
        """
        async with self._database.read() as connection:
            found = await find_witnessed(connection, name)
        if found is None:
            raise PfnError(Code.LOG_UNKNOWN, "This node has witnessed no such log.")
        return found.note.encode()

    async def _cosign(self, request: AddCheckpoint, origin: str) -> bytes:
        now = int(self._clock())
        async with self._database.write() as connection:
            peer = await find_peer(connection, origin=origin)
            keys = [] if peer is None or peer.state is not PeerState.ACTIVE else [parse_verifier_key(peer.log_key)]
            known = await get_witnessed(connection, origin, lock=True)
            before = None if known is None else known.head
            checkpoint = judge_checkpoint(request, logs=keys, known=before)
            signature = cosign(request.note, self._cosigner, now)
            note = add_signatures(_strip(request.note, keys), [signature])
            fresh = Witnessed(origin, checkpoint.head, write_note(note).decode(), now)
            if not await set_witnessed(connection, before, fresh):
                # Where there was none, nothing could be held: somebody else was faster.
                other = await get_witnessed(connection, origin)
                raise SizeConflictError(0 if other is None else other.head.size)
        return write_signatures([signature])

    async def _accuse(self, origin: str, error: SecurityError, second: Note) -> None:
        async with self._database.read() as connection:
            peer = await find_peer(connection, origin=origin)
            known = await get_witnessed(connection, origin)
        if peer is not None and known is not None:
            notes = known.note.encode(), write_note(_strip(second, [parse_verifier_key(peer.log_key)]))
            await self._evidence.record(peer, error, *notes)


def _strip(note: Note, keys: list[VerifierKey]) -> Note:
    """Leave out signatures of those who were not asked: anybody can add lines to a note."""
    known = {(key.name, key.key_id) for key in keys}
    return Note(note.text, tuple(one for one in note.signatures if (one.name, one.key_id) in known))
