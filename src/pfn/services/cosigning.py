"""Have the peers witness this node's log: ask each to cosign the newest checkpoint, and hear what it knows better.

A witness remembers the largest tree it signed. Where that is larger than ours, and its note bears our own key, this
node was set back: its log is halted before it can fork. Where it knows another tree of a size that is ours too, the two
cannot both be right: that witness is not asked again because the log grew, and an operator must look. A witness that
claims such things without a note that our key signed is not believed.

Does not answer for being a witness; that is ``pfn.services.witness``.
"""

import asyncio
from contextlib import suppress

import structlog

from pfn.domain.activity import NODE, Activity, ActivityType, describe
from pfn.domain.peer import Peer, PeerState
from pfn.domain.schedule import Outcome, Result
from pfn.outbound.peer import PeerClient
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import parse_checkpoint, verify_checkpoint
from pfn.protocol.log.note import Note, parse_note, parse_verifier_key
from pfn.protocol.log.policy import DEFAULT_MAX_AGE
from pfn.protocol.log.witness import (
    AddCheckpoint,
    Cosigned,
    SizeConflictError,
    read_answer,
    write_add_checkpoint,
)
from pfn.services.clock import Clock
from pfn.services.leaf import DIVERGED
from pfn.services.log import LogService
from pfn.services.witnesses import list_witnesses
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.log import Cosignature, KeptHead, forget_cosignatures, put_cosignature, read_head
from pfn.storage.peer import change_peer, get_peer

log = structlog.get_logger()

# As late as a row can be put off; an operator who mended it asks at once.
_FAR_AWAY_S = 7 * 86_400
# Signatures are kept for as long as anybody could count them, and a while more.
_KEEP_S = 7 * DEFAULT_MAX_AGE
_LOOK_BACK_S = 5.0


class CosigningService:
    """Asks witnesses."""

    def __init__(self, database: Database, own: LogService, client: PeerClient, clock: Clock) -> None:
        self._database = database
        self._log = own
        self._client = client
        self._clock = clock

    async def ask(self, peer_id: int) -> Outcome:
        """Ask a peer's witness to cosign the newest checkpoint, for who holds the lease of it.

        Raises PfnError: ``peer_unreachable``, ``peer_answer``, ``witness_refused``, ``log_halted``.
        """
        async with self._database.read() as connection:
            peer = await get_peer(connection, peer_id)
        if peer is None or peer.state is not PeerState.ACTIVE or not peer.is_witness:
            return Outcome(Result.UNCHANGED, detail="not a witness")
        if await self._log.halted() is not None:
            return Outcome(Result.UNCHANGED, detail=Code.LOG_HALTED.slug)
        try:
            kept, cosigned = await self._cosign(peer)
        except SizeConflictError as conflict:
            return await self._settle(peer, conflict.size)
        except SecurityError as error:
            if error.code is not Code.WITNESS_DIVERGENCE:
                raise
            return await self._diverge(peer, error.detail)
        await self._keep(peer, kept, cosigned)
        return Outcome(Result.UNCHANGED, detail=f"cosigned {kept.head.size}")

    async def look_back(self) -> None:
        """Ask the witnesses what they have seen before anything is appended: a restored node knows it from them alone.

        Who does not answer soon is not waited for.
        """
        if await self._log.halted() is not None:
            return
        async with self._database.read() as connection:
            peers = await list_witnesses(connection)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_BACK_S), asyncio.TaskGroup() as group:
                for peer in peers:
                    group.create_task(self._look_back(peer))

    async def _look_back(self, peer: Peer) -> None:
        try:
            shown = await self._look(peer)
        except PfnError as error:
            log.info("witness_not_asked", witness=peer.url, code=error.code.slug, internal=error.internal)
            return
        if shown is not None:
            await self._compare(peer, shown)

    async def _cosign(self, peer: Peer) -> tuple[KeptHead, Cosigned]:
        """Ask, once more from the size the witness names where it named one that we have too."""
        try:
            return await self._ask(peer, peer.cosigned_size)
        except SizeConflictError as conflict:
            if conflict.size == peer.cosigned_size:
                raise PfnError(Code.WITNESS_REFUSED, f"{peer.url} refuses the very size that it names.") from conflict
            return await self._ask(peer, conflict.size)

    async def _ask(self, peer: Peer, old: int) -> tuple[KeptHead, Cosigned]:
        kept = await self._log.sign()
        if old > kept.head.size:
            raise SizeConflictError(old)
        note = parse_note(kept.note.encode())
        proof = await self._log.prove_consistency(old, kept.head.size)
        status, body = await self._client.add_checkpoint(
            peer.url, write_add_checkpoint(AddCheckpoint(old, proof, note))
        )
        answer = read_answer(status, body, note=note, witness=parse_verifier_key(peer.witness_key))
        return kept, answer

    async def _keep(self, peer: Peer, kept: KeptHead, cosigned: Cosigned) -> None:
        at = cosigned.cosignature.at
        witness = cosigned.signature.name
        now = int(self._clock())
        async with self._database.write() as connection:
            await put_cosignature(connection, Cosignature(kept.head.size, witness, cosigned.signature.line, at))
            await forget_cosignatures(connection, witness, before=min(at, now) - _KEEP_S)
            await change_peer(connection, peer.id, cosigned_size=kept.head.size, cosigned_at=at, last_seen=now)

    async def _settle(self, peer: Peer, size: int) -> Outcome:
        """Hear what a witness knows that says it signed another size than was thought."""
        shown = await self._look(peer)
        settled = None if shown is None else await self._compare(peer, shown)
        if settled is None:
            raise PfnError(
                Code.WITNESS_REFUSED, f"{peer.url} says that it signed a tree of {size} entries, and does not show it."
            )
        return settled

    async def _diverge(self, peer: Peer, detail: str) -> Outcome:
        """Stop asking a witness that knows another tree, and find out whose fault it is where that can be told."""
        try:
            shown = await self._look(peer)
        except PfnError:
            shown = None
        settled = None if shown is None else await self._compare(peer, shown)
        if settled is not None:
            return settled
        await self._alarm(peer, f"{detail} It shows no tree that our key signed and that contradicts ours.")
        return Outcome(Result.UNCHANGED, _FAR_AWAY_S, DIVERGED)

    async def _look(self, peer: Peer) -> Note | None:
        """Read the newest checkpoint of this log a witness knows; None unless our own key signed it."""
        body = await self._client.get_witnessed(peer.url, self._log.origin)
        if body is None:
            return None
        try:
            note = parse_note(body)
            verify_checkpoint(note, [self._log.key])
        except PfnError as error:
            log.warning("witness_shows_wrong_note", witness=peer.url, code=error.code.slug)
            return None
        return note

    async def _compare(self, peer: Peer, note: Note) -> Outcome | None:
        """Hold a tree that our key signed against ours: halt where it says more or other; None where all is well."""
        shown = parse_checkpoint(note.text)
        own = (await self._log.sign()).head
        if shown.size > own.size:
            reason = (
                f"{peer.url} has seen {shown.size} entries that this log signed; it has {own.size} now: "
                "the database was set back. Bring the lost entries back from a peer: pfn log recover"
            )
            # So that nobody resumes without what is missing.
            await self._log.remember(note)
            await self._log.halt(reason, "log_rolled_back")
            return Outcome(Result.UNCHANGED, detail=Code.LOG_ROLLBACK.slug)
        async with self._database.read() as connection:
            same = await read_head(connection, shown.size) == shown.head
        if same:
            return None
        reason = (
            f"{peer.url} shows a tree of {shown.size} entries with this log's signature that is not the one here: "
            "the database was set back, and then the log went another way. It cannot be mended; "
            "other nodes may hold both trees as evidence."
        )
        await self._alarm(peer, reason)
        await self._log.halt(reason)
        return Outcome(Result.UNCHANGED, _FAR_AWAY_S, DIVERGED)

    async def _alarm(self, peer: Peer, sentence: str) -> None:
        log.error(DIVERGED, witness=peer.url, detail=sentence)
        details = describe(DIVERGED, sentence, peer=peer.url)
        event = Activity(ActivityType.FEDERATION_EVENT, int(self._clock()), NODE, details)
        async with self._database.write() as connection:
            await add_activities(connection, [event])
