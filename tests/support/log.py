"""A log read from outside: through its checkpoint and tiles alone, with the functions anybody would use."""

from dataclasses import dataclass

import httpx

from pfn.protocol.log.checkpoint import Checkpoint, verify_checkpoint
from pfn.protocol.log.entry import AnyLeaf, parse_leaf
from pfn.protocol.log.entry_bundle import follow_entries, read_entries
from pfn.protocol.log.merkle import Frontier
from pfn.protocol.log.note import Note, VerifierKey, parse_note, parse_verifier_key
from pfn.protocol.log.tile import Tile, tile_in


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A whole log whose leaves were proven to make the signed tree."""

    note: Note
    checkpoint: Checkpoint
    leaves: tuple[bytes, ...]

    @property
    def parsed(self) -> list[AnyLeaf]:
        return [parse_leaf(leaf) for leaf in self.leaves]

    def of(self, kind: str) -> list[AnyLeaf]:
        return [leaf for leaf in self.parsed if leaf.kind == kind]


async def log_key(http: httpx.AsyncClient) -> VerifierKey:
    return parse_verifier_key((await http.get("/federation/log")).json()["verifier_key"])


async def read_log(http: httpx.AsyncClient) -> ReadLog:
    """Read a node's whole log and believe none of it unproven."""
    answer = await http.get("/log/checkpoint")
    assert answer.status_code == 200, answer.text
    note = parse_note(answer.content)
    checkpoint = verify_checkpoint(note, [await log_key(http)])
    leaves: list[bytes] = []
    while len(leaves) < checkpoint.size:
        tile = tile_in(None, len(leaves) // 256, checkpoint.size)
        assert tile is not None
        leaves += read_entries(await get_tile(http, tile), tile.width)
    follow_entries(Frontier(), leaves, checkpoint.head)
    return ReadLog(note, checkpoint, tuple(leaves))


async def get_tile(http: httpx.AsyncClient, tile: Tile) -> bytes:
    answer = await http.get(f"/log/{tile.path}")
    assert answer.status_code == 200, answer.text
    return answer.content
