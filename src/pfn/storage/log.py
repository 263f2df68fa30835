"""Rows of the node's transparency log: its leaves, the hashes of its tiles, its signed heads.

Leaves are appended in the transaction that makes what they speak of, one writer at a time: a release is in the log in
the very moment it is there at all. A leaf is never changed or deleted. Of the tree only tile hashes are kept, each
written as its tile grows; every root and proof is made of them, so nothing costs more as the log grows.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.merkle import leaf_hash, read_frontier
from pfn.protocol.log.tile import Tile, cut_tile, edge_tiles, read_nodes, tiles_for_root
from pfn.storage.dialect import insert_or
from pfn.storage.schema import (
    cosignatures,
    log_halts,
    log_heads,
    log_leaves,
    log_owner,
    log_tiles,
    mirrored_plugins,
    sources,
)

# Any constant will do that no other advisory lock here has. Always taken before the one of the events.
_APPEND_LOCK = 7_311_990


@dataclass(frozen=True, slots=True)
class NewLeaf:
    """A leaf to append, and what it is found by. ``leaf`` are its exact bytes."""

    kind: str
    leaf: bytes
    source_id: str | None = None
    plugin_id: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A head of the tree and the note this node signed over it, without cosignatures."""

    head: TreeHead
    note: str
    signed_at: int


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's signature line over the checkpoint of ``size``, and when it was made."""

    size: int
    witness: str
    line: str
    at: int


@dataclass(frozen=True, slots=True)
class KeptLeaf:
    """A leaf and where it stands."""

    index: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class PlacedRelease:
    """A release's row, by its ``id``, and the leaf at the place in the log that it names."""

    id: int
    source_id: str
    plugin_id: str
    version: str
    sha256: str
    leaf: bytes | None


async def append_leaves(connection: AsyncConnection, leaves: Sequence[NewLeaf], now: int) -> int:
    """Append leaves in their order and give the index of the first.

    Other writers of the log wait until this transaction ends. Raises PfnError (``log_halted``).
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_APPEND_LOCK)))
    reason = await read_halt(connection)
    if reason is not None:
        raise PfnError(Code.LOG_HALTED, f"The node's log is halted, so nothing new is taken in. {reason}")
    first = await count_leaves(connection)
    if not leaves:
        return first
    rows = [
        {
            "idx": first + number,
            "kind": one.kind,
            "leaf": one.leaf,
            "source_id": one.source_id,
            "plugin_id": one.plugin_id,
            "version": one.version,
            "at": now,
        }
        for number, one in enumerate(leaves)
    ]
    await connection.execute(insert(log_leaves), rows)
    tiles = await read_tiles(connection, edge_tiles(first))
    growth = grow(Edge(first, tuple(tiles.items())), [leaf_hash(one.leaf) for one in leaves])
    statement = insert_or(connection, log_tiles)
    statement = statement.on_conflict_do_update(
        index_elements=["level", "number"], set_={"hashes": statement.excluded.hashes}
    )
    written = [{"level": tile.level, "number": tile.number, "hashes": hashes} for tile, hashes in growth.tiles.items()]
    await connection.execute(statement, written)
    return first


async def count_leaves(connection: AsyncConnection) -> int:
    """Give the size of the tree."""
    newest: int = (await connection.execute(select(func.coalesce(func.max(log_leaves.c.idx), -1)))).scalar_one()
    return newest + 1


async def read_head(connection: AsyncConnection, size: int | None = None) -> TreeHead:
    """Give the head of the tree as it is, or as it was at an earlier size."""
    if size is None:
        size = await count_leaves(connection)
    tiles = await read_tiles(connection, tiles_for_root(size))
    return TreeHead(size, read_frontier(size, read_nodes(tiles, size)).root)


async def read_tiles(connection: AsyncConnection, tiles: Iterable[Tile]) -> dict[Tile, bytes]:
    """Give the hashes of tiles, each as wide as it is asked for; those that are not there are left out."""
    wanted = list(tiles)
    if not wanted:
        return {}
    table = log_tiles
    which = or_(*(and_(table.c.level == tile.level, table.c.number == tile.number) for tile in wanted))
    found = {(row.level, row.number): row.hashes for row in await connection.execute(select(table).where(which))}
    return {
        tile: cut_tile(found[tile.level, tile.number], tile) for tile in wanted if (tile.level, tile.number) in found
    }


async def list_leaves(connection: AsyncConnection, start: int, end: int) -> Sequence[bytes]:
    """Give the leaves from ``start`` up to, but without, ``end``."""
    query = select(log_leaves.c.leaf).where(log_leaves.c.idx >= start, log_leaves.c.idx < end)
    return [row[0] for row in await connection.execute(query.order_by(log_leaves.c.idx))]


async def list_filed(connection: AsyncConnection, start: int, end: int) -> Sequence[NewLeaf]:
    """Give leaves as ``list_leaves`` does, with what they are found by; a gap ends them."""
    table = log_leaves
    query = select(table).where(table.c.idx >= start, table.c.idx < end).order_by(table.c.idx)
    rows = (await connection.execute(query)).all()
    return [
        NewLeaf(row.kind, row.leaf, row.source_id, row.plugin_id, row.version)
        for index, row in enumerate(rows, start)
        if row.idx == index
    ]


async def count_tiles(connection: AsyncConnection) -> int:
    """Count the tiles of hashes, full and partial."""
    count: int = (await connection.execute(select(func.count()).select_from(log_tiles))).scalar_one()
    return count


async def point_to_leaves(connection: AsyncConnection, source_id: str, places: Mapping[tuple[str, str], int]) -> None:
    """Say where in the log the leaves of these releases, each (slug, version) of a source, stand."""
    if not places:
        return
    table = mirrored_plugins
    which = (
        (table.c.source_id == source_id)
        & (table.c.plugin_id == bindparam("slug"))
        & (table.c.version == bindparam("numbered"))
    )
    rows = [{"slug": slug, "numbered": version, "place": place} for (slug, version), place in places.items()]
    await connection.execute(update(table).where(which).values(log_index=bindparam("place")), rows)


async def list_placed(connection: AsyncConnection, *, after: int, limit: int) -> list[PlacedRelease]:
    """Give releases with their leaves, those with an id above ``after``."""
    table = mirrored_plugins
    columns = (table.c.id, table.c.source_id, table.c.plugin_id, table.c.version, table.c.sha256, log_leaves.c.leaf)
    query = select(*columns).outerjoin(log_leaves, log_leaves.c.idx == table.c.log_index)
    query = query.where(table.c.id > after).order_by(table.c.id).limit(limit)
    return [PlacedRelease(*row) for row in await connection.execute(query)]


async def find_leaves(
    connection: AsyncConnection, kind: str, source_id: str, plugins: Collection[str] | None = None
) -> Sequence[KeptLeaf]:
    """Give the leaves of a kind about a source, or about these plugins of it, oldest first."""
    table = log_leaves
    query = select(table.c.idx, table.c.leaf).where(table.c.source_id == source_id, table.c.kind == kind)
    if plugins is not None:
        query = query.where(table.c.plugin_id.in_(plugins))
    return [KeptLeaf(row.idx, row.leaf) for row in await connection.execute(query.order_by(table.c.idx))]


async def newest_leaf(connection: AsyncConnection, kind: str, source_id: str) -> KeptLeaf | None:
    """Give the newest leaf of a kind about a source."""
    table = log_leaves
    query = select(table.c.idx, table.c.leaf).where(table.c.source_id == source_id, table.c.kind == kind)
    row = (await connection.execute(query.order_by(table.c.idx.desc()).limit(1))).first()
    return None if row is None else KeptLeaf(row.idx, row.leaf)


async def list_sources_to_log(connection: AsyncConnection, *, unlogged: bool) -> Sequence[str]:
    """Give the sources, removed ones too, in the order of their age; with ``unlogged`` those the log never named."""
    query = select(sources.c.id).order_by(sources.c.created_at, sources.c.id)
    if unlogged:
        leaf = log_leaves
        query = query.where(
            ~select(leaf.c.idx).where(leaf.c.source_id == sources.c.id, leaf.c.kind == "source").exists()
        )
    return [row[0] for row in await connection.execute(query)]


async def list_heads(connection: AsyncConnection) -> Sequence[KeptHead]:
    """Give every head that was signed, smallest first."""
    rows = await connection.execute(select(log_heads).order_by(log_heads.c.size))
    return [KeptHead(TreeHead(row.size, row.root), row.note, row.signed_at) for row in rows]


async def put_head(connection: AsyncConnection, kept: KeptHead) -> None:
    """Keep the note over a head; a size has one for ever, and the first stays.

    Raises SecurityError (``log_fork``) for another root than was signed of this size: nothing may come of such a note.
    """
    head = kept.head
    await connection.execute(
        insert_or(connection, log_heads)
        .values(size=head.size, root=head.root, note=kept.note, signed_at=kept.signed_at)
        .on_conflict_do_nothing()
    )
    query = select(log_heads.c.root).where(log_heads.c.size == head.size)
    if (await connection.execute(query)).scalar_one() != head.root:
        raise SecurityError(Code.LOG_FORK, f"Another tree of {head.size} entries was signed by this log before.")


async def get_head(connection: AsyncConnection, size: int) -> KeptHead | None:
    """Find the signed head of a size."""
    row = (await connection.execute(select(log_heads).where(log_heads.c.size == size))).first()
    return None if row is None else KeptHead(TreeHead(row.size, row.root), row.note, row.signed_at)


async def newest_head(connection: AsyncConnection) -> KeptHead | None:
    """Give the largest head that was signed."""
    row = (await connection.execute(select(log_heads).order_by(log_heads.c.size.desc()).limit(1))).first()
    return None if row is None else KeptHead(TreeHead(row.size, row.root), row.note, row.signed_at)


async def put_cosignature(connection: AsyncConnection, one: Cosignature) -> None:
    """Keep a witness's newest signature over the checkpoint of a size."""
    statement = insert_or(connection, cosignatures).values(size=one.size, witness=one.witness, line=one.line, at=one.at)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["size", "witness"], set_={"line": statement.excluded.line, "at": statement.excluded.at}
        )
    )


async def list_cosignatures(connection: AsyncConnection, size: int) -> Sequence[Cosignature]:
    """Give the signatures of witnesses over the checkpoint of a size."""
    table = cosignatures
    query = select(table).where(table.c.size == size).order_by(table.c.witness)
    return [Cosignature(**row) for row in (await connection.execute(query)).mappings()]


async def forget_cosignatures(connection: AsyncConnection, witness: str, *, before: int) -> None:
    """Forget what a witness signed before a time (Unix seconds): its newer signatures say more."""
    table = cosignatures
    await connection.execute(delete(table).where(table.c.witness == witness, table.c.at < before))


async def newest_cosignatures(connection: AsyncConnection, at_least: int, *, limit: int) -> Sequence[Cosignature]:
    """Give signatures of witnesses over trees of at least so many leaves, those over the largest trees first."""
    table = cosignatures
    query = select(table).where(table.c.size >= at_least).order_by(table.c.size.desc(), table.c.witness).limit(limit)
    return [Cosignature(**row) for row in (await connection.execute(query)).mappings()]


async def claim_owner(connection: AsyncConnection, verifier_key: str) -> str:
    """Give the key whose log these rows are; a log that is nobody's yet is ``verifier_key``'s from now on."""
    await connection.execute(
        insert_or(connection, log_owner).values(id=1, verifier_key=verifier_key).on_conflict_do_nothing()
    )
    owner: str = (await connection.execute(select(log_owner.c.verifier_key))).scalar_one()
    return owner


async def halt_log(connection: AsyncConnection, reason: str, now: int) -> None:
    """Let nobody append any more; the first reason stays."""
    await connection.execute(
        insert_or(connection, log_halts).values(id=1, reason=reason, at=now).on_conflict_do_nothing()
    )


async def read_halt(connection: AsyncConnection) -> str | None:
    """Give why the log is halted; None where it is not."""
    reason: str | None = (await connection.execute(select(log_halts.c.reason))).scalar_one_or_none()
    return reason


async def resume_log(connection: AsyncConnection) -> None:
    """Let leaves be appended again."""
    await connection.execute(delete(log_halts))
