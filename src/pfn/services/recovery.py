"""Lost leaves come back: a node that was set back to an older state fetches the rest of its own log from its peers.

Peers keep the leaves they read, byte for byte. What they bring is believed for one reason alone: together with what is
here it makes a tree that this log's own key signed. The leaves are put back in their places, and only then is the log
resumed. The releases they speak of come back by the next sync, each to the leaf it had.

A node that was restored from a backup knows nothing of what it signed since: only its peers can tell. It asks them by
itself when it starts, and goes on where all of them answered; else its operator decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import NODE, Activity, ActivityType, describe
from pfn.domain.peer import ESTABLISHED, Peer
from pfn.domain.trust import Gate
from pfn.outbound.peer import PeerClient
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import TreeHead, verify_checkpoint
from pfn.protocol.log.entry import EvidenceLeaf
from pfn.protocol.log.entry_bundle import follow_entries
from pfn.protocol.log.merkle import Frontier, read_frontier
from pfn.protocol.log.note import Note, parse_note, write_note
from pfn.protocol.log.tile import read_nodes, tiles_for_root
from pfn.protocol.peer_leaves import MAX_LEAVES, KeptLeaves, cut_page
from pfn.services.clock import Clock
from pfn.services.leaf import read_filed
from pfn.services.log import LogService
from pfn.services.trust import refresh_trust
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.log import (
    KeptHead,
    append_leaves,
    count_leaves,
    newest_head,
    put_head,
    read_head,
    read_tiles,
    resume_log,
)
from pfn.storage.peer import find_peer, list_peer_leaves, list_peers
from pfn.storage.source import change_source, get_source

log = structlog.get_logger()

# On the average; peers keep no longer ones.
_MOST_LEAF_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many entries came back, from which peer (None where nothing was missing), and the size of the log now."""

    entries: int
    peer: str | None
    size: int


@dataclass(frozen=True, slots=True)
class _Target:
    """A tree that this log's key signed, and its note."""

    head: TreeHead
    note: Note


class RecoveryService:
    """Brings lost leaves back; ``mark`` is the file with the last signed head."""

    def __init__(self, database: Database, own: LogService, client: PeerClient, mark: Path, clock: Clock) -> None:
        self._database = database
        self._log = own
        self._client = client
        self._mark = mark
        self._clock = clock

    async def settle(self) -> None:
        """Find out what a restored node logged since its backup, where every peer answers; else leave it halted."""
        if await self._log.restored() is None:
            return
        try:
            found = await self.recover(NODE, of_all=True)
        except PfnError as error:
            log.warning("restored_node_waits", code=error.code.slug, detail=error.detail)
        else:
            log.info("restored_node_goes_on", entries=found.entries, peer=found.peer, size=found.size)

    async def recover(self, actor: str, *, of_all: bool = False) -> Recovered:
        """Fetch what is missing, put it back, resume the log; with ``of_all`` only where every peer answered.

        Raises SecurityError: ``log_rollback`` where no peer keeps all that was signed, or none answers a restored node
        that asks what it signed; ``log_consistency`` where what is here is not the beginning of it, or of a tree that
        was signed: then the log went another way and cannot be mended.
        """
        frontier = await self._read_frontier()
        async with self._database.read() as connection:
            newest = await newest_head(connection)
            peers = [peer for peer in await list_peers(connection) if peer.state in ESTABLISHED]
        targets, silent = await self._find_targets(peers, [] if newest is None else [newest.note.encode()])
        if await self._log.restored() is not None:
            _require_answers(peers, silent, of_all=of_all)
        await self._require_start(targets, frontier.size)
        target = max(targets, key=lambda one: one.head.size, default=None)
        if target is None or target.head.size <= frontier.size:
            await self._log.resume(actor)
            return Recovered(0, None, frontier.size)
        refusals = []
        for peer in peers:
            try:
                leaves = await self._fetch(peer, frontier.size, target.head.size)
                follow_entries(frontier, leaves, target.head)
            except PfnError as error:
                log.warning("log_not_recovered", peer=peer.url, code=error.code.slug, internal=error.internal)
                refusals.append(error)
                continue
            await self._put_back(actor, peer, frontier.size, leaves, target)
            return Recovered(len(leaves), peer.url, target.head.size)
        raise _explain(target.head.size, frontier.size, refusals)

    async def kept_leaves(self, origin: str, start: int, end: int) -> KeptLeaves:
        """Give what is kept here of a peer's log, a page from ``start`` on. Raises PfnError (``log_unknown``)."""
        async with self._database.read() as connection:
            peer = await find_peer(connection, origin=origin)
            if peer is None or peer.state not in ESTABLISHED:
                raise PfnError(Code.LOG_UNKNOWN, "This node keeps no such log.")
            end = min(end, start + MAX_LEAVES, peer.size)
            leaves = await list_peer_leaves(connection, peer.id, start, end)
        return KeptLeaves(origin, start, cut_page(leaves), peer.size, (peer.note or "").encode())

    async def _read_frontier(self) -> Frontier:
        async with self._database.read() as connection:
            size = await count_leaves(connection)
            tiles = await read_tiles(connection, tiles_for_root(size))
        return read_frontier(size, read_nodes(tiles, size))

    async def _require_start(self, signed: Sequence[_Target], size: int) -> None:
        """Raise unless every tree that was signed, as far as it is here, is the start of what is here."""
        async with self._database.read() as connection:
            for one in signed:
                if one.head.size <= size and await read_head(connection, one.head.size) != one.head:
                    raise SecurityError(
                        Code.LOG_CONSISTENCY,
                        f"The first {one.head.size} of the {size} entries here are not those that were signed: the log "
                        "went another way, and cannot be mended.",
                    )

    async def _find_targets(self, peers: Sequence[Peer], notes: list[bytes]) -> tuple[list[_Target], list[Peer]]:
        """Find the trees that our own key signed, wherever their notes are kept; give them, and who did not answer."""
        silent = []
        notes += [self._mark.read_bytes()] if self._mark.exists() else []
        for peer in peers:
            try:
                notes.append(await self._client.get_witnessed(peer.url, self._log.origin) or b"")
                notes.append((await self._client.get_peer_leaves(peer.url, self._log.origin, 0, 0)).note)
            except PfnError as error:
                log.info("peer_not_asked", peer=peer.url, code=error.code.slug, internal=error.internal)
                silent.append(peer)
        return [target for note in notes if (target := self._believe(note)) is not None], silent

    def _believe(self, body: bytes) -> _Target | None:
        try:
            note = parse_note(body)
            return _Target(verify_checkpoint(note, [self._log.key]).head, note)
        except PfnError:
            return None

    async def _fetch(self, peer: Peer, start: int, end: int) -> list[bytes]:
        leaves: list[bytes] = []
        room = (end - start) * _MOST_LEAF_BYTES
        while start + len(leaves) < end:
            at = start + len(leaves)
            page = (await self._client.get_peer_leaves(peer.url, self._log.origin, at, end)).leaves
            if not page:
                raise SecurityError(Code.LOG_ROLLBACK, f"{peer.url} keeps {at} entries of this log, of {end} signed.")
            leaves += page[: end - at]
            room -= sum(map(len, page))
            if room < 0:
                raise SecurityError(Code.PEER_ENDLESS, f"{peer.url} shows longer entries than this log ever had.")
        return leaves

    async def _put_back(self, actor: str, peer: Peer, start: int, leaves: Sequence[bytes], target: _Target) -> None:
        now = int(self._clock())
        filed = [read_filed(leaf) for leaf in leaves]
        async with self._database.write() as connection:
            for source_id in sorted({one.source_id or "" for one in filed if one.kind == EvidenceLeaf.kind}):
                await self._gate(connection, source_id)
            await resume_log(connection)
            # All or nothing: what another process may have done meanwhile shows in the tree.
            if await append_leaves(connection, filed, now) != start or await read_head(connection) != target.head:
                raise SecurityError(Code.LOG_CONSISTENCY, "The log changed while it was mended; try again.")
            own = Note(target.note.text, tuple(one for one in target.note.signatures if one.name == self._log.origin))
            await put_head(connection, KeptHead(target.head, write_note(own).decode(), now))
            sentence = f"{len(leaves)} lost entries of the node's log came back from {peer.url}."
            details = describe("log_recovered", sentence, entries=len(leaves), peer=peer.url)
            await add_activities(connection, [Activity(ActivityType.FEDERATION_EVENT, now, actor, details)])
        # A mark that was lost as well, or that was set back, must reach up to here again.
        await self._log.remember(target.note)
        await self._log.resume(actor)

    async def _gate(self, connection: AsyncConnection, source_id: str) -> None:
        """Gate a source again of which the log holds evidence that the rows forgot."""
        source = await get_source(connection, source_id, lock=True)
        if source is None:
            return
        gates = tuple(sorted({*source.gates, Gate.EQUIVOCATION.value}))
        await change_source(connection, source_id, gates=gates)
        await refresh_trust(connection, replace(source, gates=gates), self._clock())


def _require_answers(peers: Sequence[Peer], silent: Sequence[Peer], *, of_all: bool) -> None:
    """Raise where nobody, or not everybody, could say what a restored node signed since its backup."""
    if not peers:
        raise SecurityError(
            Code.LOG_ROLLBACK,
            "The node has no peers to ask what it logged since its backup. Where nobody can have seen more than the "
            "backup has: pfn log resume",
        )
    if len(silent) == len(peers) or (of_all and silent):
        raise SecurityError(
            Code.LOG_ROLLBACK,
            f"{silent[0].url} could not be asked what the node logged since its backup. Try again when it can be "
            "reached: pfn log recover",
        )


def _explain(signed: int, here: int, refusals: Sequence[PfnError]) -> SecurityError:
    consistent = [error for error in refusals if error.code is not Code.LOG_CONSISTENCY]
    if refusals and not consistent:
        return SecurityError(
            Code.LOG_CONSISTENCY,
            f"The {here} entries here are not the beginning of the {signed} signed ones: the log went another way.",
        )
    reasons = " ".join(error.detail for error in refusals)
    return SecurityError(
        Code.LOG_ROLLBACK,
        f"No peer brought the entries from {here} to {signed}. {reasons} Try again when more peers can be reached.",
    )
