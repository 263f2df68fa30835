"""The node's transparency log: signed heads, tiles, proofs; and that it never goes back.

Leaves are appended by whoever makes what they speak of, in the same transaction (``pfn.services.leaf``); here the tree
over them is signed and served. Before a head is signed it is held against the last one: what does not follow from it
is never signed, so a damaged log stops instead of forking.

The last signed head is also kept in a file beside the database, the mark. A database that was set back to an older
state does not reach up to it: the log is then halted, for every process, until an operator has brought the lost leaves
back from a peer. A halted log still answers for what it has; nothing new is appended, so nothing new is mirrored.

Where a whole folder was restored, the mark is as old as the rows. Then a note beside it says so: the log is halted, and
shows nobody an older tree than they may know, until peers were asked or an operator resumes it.

Of several processes each has a mark of its own in its data folder, and a new one takes up the newest signed head it
finds in the rows. A database that was set back is so noticed by every process that had seen more, running or started
again on its folder, and halted for all; where none of these folders is left, only witnesses and peers can tell.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import structlog

from pfn.domain.activity import NODE, Activity, ActivityType, describe
from pfn.domain.log import LogStanding
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, parse_checkpoint, sign_checkpoint, verify_checkpoint
from pfn.protocol.log.entry_bundle import write_entries
from pfn.protocol.log.merkle import prove_consistency, prove_inclusion
from pfn.protocol.log.note import (
    Note,
    NoteSigner,
    VerifierKey,
    add_signatures,
    parse_note,
    parse_signatures,
    parse_verifier_key,
    write_note,
)
from pfn.protocol.log.policy import DEFAULT_MAX_AGE, Policy, PolicyLog, Witness, require_operators
from pfn.protocol.log.tile import TILE_WIDTH, Tile, read_nodes, tile_in, tiles_for_consistency, tiles_for_inclusion
from pfn.services.clock import Clock
from pfn.services.log_backfill import backfill
from pfn.services.witnesses import choose_size, describe_witness, list_witnesses
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.identity import RESTORED_NAME, write_file
from pfn.storage.log import (
    KeptHead,
    claim_owner,
    count_leaves,
    get_head,
    halt_log,
    list_cosignatures,
    list_leaves,
    newest_cosignatures,
    newest_head,
    put_head,
    read_halt,
    read_head,
    read_tiles,
    resume_log,
)

log = structlog.get_logger()

# So many signatures are looked at for the best checkpoint: some for each of the last trees.
_LOOK_BACK = 500


class LogService:
    """Signs and serves the log; ``quorum`` is how many operators of witnesses its node wants behind it."""

    def __init__(self, database: Database, clock: Clock, signer: NoteSigner, mark: Path, *, quorum: int = 0) -> None:
        self._database = database
        self._clock = clock
        self._signer = signer
        self._mark = mark
        self._restored = mark.with_name(RESTORED_NAME)
        self._quorum = quorum
        self._signing = asyncio.Lock()
        self._last: TreeHead | None = None

    @property
    def origin(self) -> str:
        """The log's name, which never changes."""
        return self._signer.name

    @property
    def key(self) -> VerifierKey:
        """What others verify checkpoints with."""
        return self._signer.verifier_key

    async def claim(self) -> None:
        """Make sure that the rows, which other processes share, are of this log, or of none yet.

        Raises PfnError (``config_invalid``) where they are another's: two keys over one tree would be two logs.
        """
        mine = self.key.text
        async with self._database.write() as connection:
            kept = await newest_head(connection)
            owner = await claim_owner(connection, mine) if kept is None or self._is_ours(kept) else None
            if owner != mine:
                # Raised in here, so that nothing was claimed.
                raise PfnError(
                    Code.CONFIG_INVALID,
                    f"database_url: these rows hold the log of another key than log.key, of {self.origin}. Give every "
                    "process on one database the same keys; the setting for their folder is keys.",
                )

    async def check(self) -> str | None:
        """Hold the log against its mark, and halt it where it went back or another way; give why, if it is halted."""
        marked = await asyncio.to_thread(self._read_mark)
        restored = await self.restored()
        async with self._database.read() as connection:
            halted = await read_halt(connection)
            size = await count_leaves(connection)
            known = await read_head(connection, marked.size) if marked and marked.size <= size else None
            kept = await newest_head(connection)
        if halted is None and kept is not None and not self._is_ours(kept):
            reason = "The log was signed with another key than the one in log.key; restore that from a backup."
            await self.halt(reason)
            return reason
        if halted is None and restored is not None:
            reason = (
                f"The node was restored from a backup of {restored}. Its peers are asked for what it logged since: "
                "pfn log recover. Where nobody can have seen more than the backup has: pfn log resume"
            )
            await self.halt(reason, "node_restored")
            return reason
        if halted is None and kept is not None and (marked is None or known == marked):
            await asyncio.to_thread(self._move_mark, kept.head, kept.note)
        if halted is not None or marked is None or known == marked:
            return halted
        if known is None:
            reason = (
                f"The log has {size} entries, but a tree of {marked.size} was signed: the database was set back. "
                "Bring the lost entries back from a peer: pfn log recover"
            )
            await self.halt(reason, "log_rolled_back")
        else:
            reason = f"The first {marked.size} entries of the log are not those that were signed: they were changed."
            await self.halt(reason)
        return reason

    async def restored(self) -> str | None:
        """Give when the backup was made that the node was restored from; None once it is known what came after it."""
        # Nearly always there is no such file, which is known faster than a thread is found.
        return self._read_restored()

    async def halted(self) -> str | None:
        """Give why the log is halted; None where it is not."""
        async with self._database.read() as connection:
            return await read_halt(connection)

    async def halt(self, reason: str, action: str = "log_halted") -> None:
        """Append nothing more, in no process, until ``resume``; the event is named ``action``."""
        log.error(action, reason=reason)
        async with self._database.write() as connection:
            if await read_halt(connection) is None:
                await halt_log(connection, reason, int(self._clock()))
                await add_activities(connection, [self._event(action, f"The node's log is halted. {reason}")])

    async def resume(self, actor: str) -> None:
        """Append again. Raises SecurityError (``log_rollback``) where the log still lacks what was signed."""
        marked = await asyncio.to_thread(self._read_mark)
        async with self._database.write() as connection:
            size = await count_leaves(connection)
            if marked is not None and (size < marked.size or await read_head(connection, marked.size) != marked):
                raise SecurityError(
                    Code.LOG_ROLLBACK, f"The log still does not contain the tree of {marked.size} entries it signed."
                )
            if await read_halt(connection) is not None:
                await resume_log(connection)
                sentence = "The node's log was resumed: new entries are taken in again."
                await add_activities(connection, [self._event("log_resumed", sentence, actor)])
        await asyncio.to_thread(self._restored.unlink, missing_ok=True)
        # What could not wait for the log happened without it.
        await backfill(self._database, self._clock, all_sources=True)

    async def backfill(self) -> int:
        """Log what was there before the log was; tell how many releases that were."""
        return await backfill(self._database, self._clock)

    async def sign(self) -> KeptHead:
        """Give the signed head of the tree as it is now, signing it where that was not done yet.

        Of a halted log it is the last one that was signed. Raises PfnError (``log_halted``) where there is none,
        or where the tree does not contain what was signed: the log is halted by that.
        """
        async with self._signing:
            async with self._database.read() as connection:
                halted = await read_halt(connection)
                head = await read_head(connection)
                kept = await newest_head(connection)
                known = {one for one in (None if kept is None else kept.head, self._last) if one is not None}
                follows = [
                    one == head or (one.size < head.size and await read_head(connection, one.size) == one)
                    for one in known
                ]
            if halted is None and not all(follows):
                halted = "The log's tree does not contain the last one that was signed; nothing more is signed."
                await self.halt(halted)
            if halted is not None:
                if kept is None:
                    raise PfnError(Code.LOG_HALTED, f"The node's log is halted. {halted}")
                return kept
            if kept is None or kept.head != head:
                kept = await self._sign(head)
            elif kept.head != self._last:
                # Another process signed it. Whoever knows of a signed tree sees when the rows are set back behind it.
                await asyncio.to_thread(self._move_mark, kept.head, kept.note)
            self._last = kept.head
            return kept

    async def remember(self, note: Note) -> None:
        """Have the mark say that a tree was signed, from whoever the note came that bears this log's signature."""
        head = verify_checkpoint(note, [self.key]).head
        own = Note(note.text, tuple(one for one in note.signatures if one.name == self.origin))
        await asyncio.to_thread(self._move_mark, head, write_note(own).decode())

    async def _sign(self, head: TreeHead) -> KeptHead:
        note = sign_checkpoint(Checkpoint(self.origin, head.size, head.root), self._signer)
        fresh = KeptHead(head, write_note(note).decode(), int(self._clock()))
        async with self._database.write() as connection:
            # This process may have slept since it read the tree, and the rows be others now. What is not kept here is
            # given to nobody, so a note over a tree that is not there goes no further than this line (decision 012).
            if await count_leaves(connection) < head.size or await read_head(connection, head.size) != head:
                raise PfnError(Code.LOG_HALTED, "The log's tree changed while it was signed; try again.", retry_after=1)
            await put_head(connection, fresh)
        await asyncio.to_thread(self._move_mark, head, fresh.note)
        return fresh

    async def _newest(self) -> KeptHead | None:
        """Give what ``sign`` does; None of a halted log that has signed nothing."""
        try:
            return await self.sign()
        except PfnError as error:
            if error.code is not Code.LOG_HALTED:
                raise
            return None

    async def checkpoint(self) -> bytes:
        """Give the newest checkpoint, with the signatures of the witnesses that have seen it.

        An older one than was shown before is never shown: others would call that a lie. Raises PfnError
        (``log_halted``) while the log lacks what it signed, or may lack it because it was restored.
        """
        restored = await self.restored()
        if restored is not None:
            raise PfnError(
                Code.LOG_HALTED,
                f"The node was restored from a backup of {restored}, and is finding out what it logged since.",
            )
        kept = await self.sign()
        marked = await asyncio.to_thread(self._read_mark)
        if marked is not None and marked.size > kept.head.size:
            raise PfnError(
                Code.LOG_HALTED, f"The node's log has lost entries of the tree of {marked.size} that it signed."
            )
        return write_note(await self.cosigned(kept.head.size))

    async def cosigned(self, size: int) -> Note:
        """Give the signed checkpoint of a size with what witnesses signed of it. Raises PfnError (``not_found``)."""
        async with self._database.read() as connection:
            kept = await get_head(connection, size)
            lines = await list_cosignatures(connection, size)
        if kept is None:
            raise PfnError(Code.NOT_FOUND, f"This log has signed no tree of {size} entries.")
        note = parse_note(kept.note.encode())
        return add_signatures(note, parse_signatures("".join(one.line for one in lines)) if lines else ())

    async def best_checkpoint(self, index: int) -> Note:
        """Give the checkpoint to prove an entry with: of those that hold it, the one most operators witnessed lately.

        The largest of these, where there are several; the newest, where nobody has signed one.
        """
        async with self._database.read() as connection:
            found = await newest_cosignatures(connection, index + 1, limit=_LOOK_BACK)
            operators = {one.name: one.operator for one in map(describe_witness, await list_witnesses(connection))}
        size = choose_size(found, operators, int(self._clock()) - DEFAULT_MAX_AGE)
        return await self.cosigned((await self.sign()).head.size if size is None else size)

    async def standing(self) -> LogStanding:
        """Give how the log stands and how far its witnesses have seen it."""
        kept = await self._newest()
        async with self._database.read() as connection:
            witnesses = tuple(map(describe_witness, await list_witnesses(connection)))
        if kept is None:
            return LogStanding(self.origin, 0, witnesses, self._quorum)
        return LogStanding(self.origin, kept.head.size, witnesses, self._quorum, kept.head.root, kept.signed_at)

    async def policy(self) -> Policy:
        """Give what this node would have others ask of its log: its key, its witnesses, how many operators.

        Raises PfnError (``config_invalid``) where there are fewer operators than the settings ask for.
        """
        async with self._database.read() as connection:
            peers = await list_witnesses(connection)
        witnesses = [
            Witness(key.name, key, peer.url, peer.operator)
            for peer in peers
            for key in [parse_verifier_key(peer.witness_key)]
        ]
        return require_operators([PolicyLog(self.key)], witnesses, self._quorum)

    async def read_tile(self, tile: Tile) -> bytes:
        """Give a tile of hashes, or of entries, that lies within the signed tree. Raises PfnError (``not_found``)."""
        within = None if self._last is None else tile_in(tile.level, tile.number, self._last.size)
        if within is None or tile.width > within.width:
            within = tile_in(tile.level, tile.number, (await self.sign()).head.size)
        if within is None or tile.width > within.width:
            raise PfnError(Code.NOT_FOUND, "The log's tree has no such tile yet.")
        async with self._database.read() as connection:
            if tile.level is not None:
                return (await read_tiles(connection, [tile]))[tile]
            start = tile.number * TILE_WIDTH
            return write_entries(await list_leaves(connection, start, start + tile.width))

    async def prove_inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """Prove that an entry is in the tree of a size. Raises ValueError outside of it."""
        tiles = await self._read_tiles(tiles_for_inclusion(index, size))
        return prove_inclusion(index, size, read_nodes(tiles, size))

    async def prove_consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Prove that the tree of ``new`` entries starts with that of ``old``. Raises ValueError where it cannot."""
        tiles = await self._read_tiles(tiles_for_consistency(old, new))
        return prove_consistency(old, new, read_nodes(tiles, new))

    async def _read_tiles(self, tiles: Iterable[Tile]) -> dict[Tile, bytes]:
        async with self._database.read() as connection:
            return await read_tiles(connection, tiles)

    def _is_ours(self, kept: KeptHead) -> bool:
        try:
            return verify_checkpoint(parse_note(kept.note.encode()), [self.key]).head == kept.head
        except PfnError:
            return False

    def _read_mark(self) -> TreeHead | None:
        marked = read_mark(self._mark)
        return None if marked is None else marked.head

    def _read_restored(self) -> str | None:
        try:
            return self._restored.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None

    def _move_mark(self, head: TreeHead, note: str) -> None:
        """Write a larger head to the mark; another process may have been further already."""
        marked = self._read_mark()
        if marked is None or marked.size < head.size:
            write_file(self._mark, note)

    def _event(self, action: str, sentence: str, actor: str = NODE) -> Activity:
        details = describe(action, sentence, origin=self.origin)
        return Activity(ActivityType.FEDERATION_EVENT, int(self._clock()), actor, details)


def read_mark(path: Path) -> Checkpoint | None:
    """Give the head that was signed last, as the mark has it; None where there is no mark yet."""
    try:
        return parse_checkpoint(parse_note(path.read_bytes()).text)
    except FileNotFoundError:
        return None
