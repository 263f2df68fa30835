"""Follow a peer's log: its newest tree, once that is proven to follow from all before, and its entries in bundles.

Every checkpoint is held against the last one that was believed. What contradicts it is an error with a name: an older
tree, another of the same size, one that did not grow from it, one that is signed by nobody known. Entries are believed
for their hashes in the signed tree, so a reader may stop after any bundle and go on from there; those that are kept
here already are not fetched again.

Does not answer for: what the entries say, nor for giving up on the peer; who calls does that.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pfn.domain.peer import Peer
from pfn.outbound.peer import PeerClient
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import TreeHead, check_successor, verify_checkpoint
from pfn.protocol.log.merkle import EMPTY_ROOT, Frontier, leaf_hash, prove_consistency
from pfn.protocol.log.note import Note, VerifierKey, parse_note, parse_verifier_key, write_note
from pfn.protocol.log.tile import TILE_WIDTH, Tile, read_nodes, tiles_for_consistency, tiles_for_root
from pfn.protocol.log.trusted_tiles import TrustedTiles
from pfn.services.clock import Clock
from pfn.services.log_evidence import LogEvidenceService
from pfn.storage.database import Database
from pfn.storage.peer import change_peer, get_peer, list_peer_leaves

# Of what is kept here so many entries are gone through at once; what is fetched comes in bundles.
KEPT_AT_ONCE = 2_048
# A leaf of ours has a few hundred bytes.
_MOST_BUNDLE_BYTES = TILE_WIDTH * 4_096
_NOTHING = TreeHead(0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of a peer's log from ``first`` on; ``fresh`` are those that are not kept here yet."""

    first: int
    leaves: Sequence[bytes]
    fresh: bool

    @property
    def end(self) -> int:
        """Where the next batch begins."""
        return self.first + len(self.leaves)


class TailService:
    """Follows logs; ``most_entries`` is how long one may be."""

    def __init__(
        self,
        database: Database,
        client: PeerClient,
        evidence: LogEvidenceService,
        clock: Clock,
        *,
        most_entries: int,
    ) -> None:
        self._database = database
        self._client = client
        self._evidence = evidence
        self._clock = clock
        self._most_entries = most_entries

    async def advance(self, peer: Peer) -> Peer:
        """Believe the newest tree of a peer's log, remember it, and give the peer with it.

        Raises SecurityError: ``log_signature``, ``peer_keys``, ``log_rollback``, ``log_fork``, ``log_consistency``,
        ``peer_endless``; PfnError: ``peer_unreachable``, ``peer_answer``, ``peer_withheld``, ``log_malformed``.
        """
        note = await self._ask(peer)
        head = self.read_note(peer, note)
        known = peer.head or _NOTHING
        if head.size < known.size:
            # A cache on the way may be behind; a log never is.
            note = await self._ask(peer)
            head = self.read_note(peer, note)
        try:
            await self._follow(peer, known, head)
        except SecurityError as error:
            if error.code in {Code.LOG_FORK, Code.LOG_CONSISTENCY}:
                await self.accuse(peer, error, note)
            raise
        grown = replace(peer, size=head.size, root=head.root, last_seen=int(self._clock()))
        if head != peer.head:
            grown = replace(grown, note=write_note(only_signed_by(parse_verifier_key(peer.log_key), note)).decode())
        async with self._database.write() as connection:
            current = await get_peer(connection, peer.id, lock=True)
            if current is None or current.head != peer.head:
                # Who took over from this run is further already.
                return current or peer
            await change_peer(
                connection, peer.id, size=grown.size, root=grown.root, note=grown.note, last_seen=grown.last_seen
            )
        return grown

    def read_note(self, peer: Peer, note: Note) -> TreeHead:
        """Give the tree that a peer's log signed. Raises SecurityError: ``log_signature``, ``peer_keys``."""
        try:
            return verify_checkpoint(note, [parse_verifier_key(peer.log_key)]).head
        except PfnError as error:
            if error.code is not Code.LOG_UNKNOWN:
                raise
            raise SecurityError(
                Code.PEER_KEYS, f"{peer.url} shows another log than {peer.origin}, which is its own."
            ) from error

    async def accuse(self, peer: Peer, error: SecurityError, note: Note) -> None:
        """Keep a note that contradicts the known one, beside it, and give up on the peer."""
        if peer.note is not None:
            second = write_note(only_signed_by(parse_verifier_key(peer.log_key), note))
            await self._evidence.record(peer, error, peer.note.encode(), second)

    async def _ask(self, peer: Peer) -> Note:
        body = await self._client.get_checkpoint(peer.url)
        try:
            return parse_note(body)
        except PfnError as error:
            # A page of somebody between us: the peer itself may know nothing of it.
            raise PfnError(Code.PEER_ANSWER, f"{peer.url} shows no checkpoint of its log.") from error

    async def _follow(self, peer: Peer, known: TreeHead, head: TreeHead) -> None:
        if head.size > self._most_entries:
            raise SecurityError(
                Code.PEER_ENDLESS,
                f"The log of {peer.url} claims {head.size} entries; no more than {self._most_entries} are read "
                "(the setting peer_entries).",
            )
        if head.size < known.size:
            await self._judge_older(peer, head)
        proof: Sequence[bytes] = ()
        if known.size < head.size:
            tiles = await fetch_tiles(self._client, peer, tiles_for_consistency(known.size, head.size))
            proof = prove_consistency(known.size, head.size, read_nodes(tiles, head.size))
        check_successor(known, head, proof)

    async def _judge_older(self, peer: Peer, head: TreeHead) -> None:
        """Tell a log that was set back from one that went another way since, as far as its entries are kept here."""
        frontier = Frontier()
        while frontier.size < head.size:
            async with self._database.read() as connection:
                end = min(frontier.size + KEPT_AT_ONCE, head.size)
                kept = await list_peer_leaves(connection, peer.id, frontier.size, end)
            if not kept:
                return
            frontier = await asyncio.to_thread(frontier.extend, map(leaf_hash, kept))
        if frontier.root != head.root:
            raise SecurityError(
                Code.LOG_FORK,
                f"The log shows a tree of {head.size} entries that is not the start of the {peer.size} known ones.",
            )


class LogReader:
    """Reads the entries of one peer's log, up to the tree that is believed."""

    def __init__(self, database: Database, client: PeerClient, peer: Peer) -> None:
        self._database = database
        self._client = client
        self._peer = peer
        self._trusted: TrustedTiles | None = None

    async def read(self, start: int) -> Batch:
        """Give the entries from ``start`` on, up to the end of their bundle, or as many as are kept here.

        Raises SecurityError: ``log_consistency``, ``peer_endless``; PfnError: ``peer_unreachable``, ``peer_answer``,
        ``peer_withheld``, ``log_malformed``.
        """
        async with self._database.read() as connection:
            kept = await list_peer_leaves(connection, self._peer.id, start, min(start + KEPT_AT_ONCE, self._peer.size))
        if kept:
            return Batch(start, kept, fresh=False)
        number = start // TILE_WIDTH
        first = number * TILE_WIDTH
        entries = await self._fetch(number, min(TILE_WIDTH, self._peer.size - first))
        return Batch(start, entries[start - first :], fresh=True)

    async def _fetch(self, number: int, width: int) -> Sequence[bytes]:
        entries = await self._client.get_entries(self._peer.url, number, width)
        if sum(map(len, entries)) > _MOST_BUNDLE_BYTES:
            raise SecurityError(
                Code.PEER_ENDLESS,
                f"Bundle {number} of the log of {self._peer.url} has more than {_MOST_BUNDLE_BYTES} bytes of entries.",
            )
        trusted = await self._trust()
        for tile in trusted.missing(number):
            trusted.admit(tile, await self._client.get_tile(self._peer.url, tile))
        trusted.check_entries(number, entries)
        return entries

    async def _trust(self) -> TrustedTiles:
        if self._trusted is None:
            head = self._peer.head
            assert head is not None  # or there would be nothing to read
            tiles = await fetch_tiles(self._client, self._peer, tiles_for_root(head.size))
            self._trusted = TrustedTiles(head, tiles)
        return self._trusted


async def fetch_tiles(client: PeerClient, peer: Peer, tiles: Iterable[Tile]) -> dict[Tile, bytes]:
    """Fetch hashes, of which nothing is proven by that."""
    return {tile: await client.get_tile(peer.url, tile) for tile in tiles}


def only_signed_by(key: VerifierKey, note: Note) -> Note:
    """Give a note with the signature of this key alone: anybody can add lines to one."""
    return Note(note.text, tuple(one for one in note.signatures if (one.name, one.key_id) == (key.name, key.key_id)))
