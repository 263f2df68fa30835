"""Rows of ``peers`` and of what is read, wanted and proposed of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.peer import Peer, PeerPolicy, PeerState
from pfn.domain.release import SignatureLevel
from pfn.protocol.document import LARGEST_TIME
from pfn.storage.dialect import insert_or
from pfn.storage.schema import peer_leaves, peer_wants, peers, source_proposals

# When what only a person, or another key document, can mend is tried again.
NEVER = LARGEST_TIME


@dataclass(frozen=True, slots=True)
class Want:
    """A release a peer's log speaks of that is not here yet; ``idx`` is the entry's place in that log."""

    source_id: str
    plugin_id: str
    version: str
    peer_id: int
    idx: int
    sha256: str
    next_retry: int
    code: str | None = None
    details: str | None = None
    retry_count: int = 0

    @property
    def due_at(self) -> int | None:
        """When it is tried next; None where only a person, or other keys, can mend it."""
        return None if self.next_retry >= NEVER else self.next_retry


@dataclass(frozen=True, slots=True)
class Proposal:
    """A source a peer's log speaks of that is not registered here, with the key the peer knows it by."""

    source_id: str
    peer_id: int
    instance_url: str
    username: str
    public_key: str
    proposed_at: int
    state: str = "waiting"


def _read(row: RowMapping) -> Peer:
    policy = dict(row["policy"])
    if policy:
        policy |= {
            "sources": tuple(policy["sources"]),
            "tags": tuple(policy["tags"]),
            "minimum_level": SignatureLevel(policy["minimum_level"]),
        }
    return Peer(**{**row, "state": PeerState(row["state"]), "policy": PeerPolicy(**policy)})


def _write(values: Mapping[str, object]) -> dict[str, object]:
    row = dict(values)
    if isinstance(row.get("policy"), PeerPolicy):
        row["policy"] = row["policy"].to_json()  # type: ignore[attr-defined]  # it was just tested for
    return row


async def add_peer(connection: AsyncConnection, peer: Peer) -> Peer:
    """Insert a peer, whose id is given by the database; it refuses a second of one URL or log."""
    values = {column.name: getattr(peer, column.name) for column in peers.columns if column.name != "id"}
    row = (await connection.execute(insert(peers).values(_write(values)).returning(peers))).mappings().one()
    return _read(row)


async def get_peer(connection: AsyncConnection, peer_id: int, *, lock: bool = False) -> Peer | None:
    """Find a peer, removed or not; ``lock`` holds its row for this transaction."""
    query = select(peers).where(peers.c.id == peer_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    return None if row is None else _read(row)


async def find_peer(connection: AsyncConnection, *, url: str | None = None, origin: str | None = None) -> Peer | None:
    """Find a peer by its URL or by its log."""
    column, value = (peers.c.url, url) if origin is None else (peers.c.origin, origin)
    row = (await connection.execute(select(peers).where(column == value))).mappings().first()
    return None if row is None else _read(row)


async def list_peers(
    connection: AsyncConnection, *, state: PeerState | None = None, removed: bool = False
) -> Sequence[Peer]:
    """Give the peers that were not removed, or those in one state, or all that ever were."""
    query = select(peers).order_by(peers.c.id)
    if state is not None:
        query = query.where(peers.c.state == state)
    elif not removed:
        query = query.where(peers.c.state != PeerState.REMOVED)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def change_peer(connection: AsyncConnection, peer_id: int, **values: object) -> None:
    """Set columns of one peer."""
    await connection.execute(update(peers).where(peers.c.id == peer_id).values(_write(values)))


async def forget_peer(connection: AsyncConnection, peer_id: int) -> None:
    """Delete a peer and all that was read, wanted or proposed of it."""
    for table in (peer_leaves, peer_wants, source_proposals):
        await connection.execute(delete(table).where(table.c.peer_id == peer_id))
    await connection.execute(delete(peers).where(peers.c.id == peer_id))


async def forget_wishes(connection: AsyncConnection, peer_id: int) -> None:
    """Forget what is wanted of a peer, and the sources it proposed that nobody has decided on."""
    await connection.execute(delete(peer_wants).where(peer_wants.c.peer_id == peer_id))
    table = source_proposals
    await connection.execute(delete(table).where(table.c.peer_id == peer_id, table.c.state == "waiting"))


async def put_peer_leaves(connection: AsyncConnection, peer_id: int, first: int, leaves: Sequence[bytes]) -> None:
    """Keep leaves of a peer's log, as they came; those that are here already stay."""
    rows = [{"peer_id": peer_id, "idx": first + number, "leaf": leaf} for number, leaf in enumerate(leaves)]
    if rows:
        await connection.execute(insert_or(connection, peer_leaves).on_conflict_do_nothing(), rows)


async def list_peer_leaves(connection: AsyncConnection, peer_id: int, start: int, end: int) -> Sequence[bytes]:
    """Give kept leaves of a peer's log, from ``start`` up to, but without, ``end``."""
    table = peer_leaves
    query = (
        select(table.c.leaf)
        .where(table.c.peer_id == peer_id, table.c.idx >= start, table.c.idx < end)
        .order_by(table.c.idx)
    )
    return [row[0] for row in await connection.execute(query)]


async def find_peer_leaves(connection: AsyncConnection, peer_id: int, places: Sequence[int]) -> dict[int, bytes]:
    """Map those of these places of which the leaf of a peer's log is kept to the leaf."""
    table = peer_leaves
    query = select(table.c.idx, table.c.leaf).where(table.c.peer_id == peer_id, table.c.idx.in_(places))
    return {row[0]: row[1] for row in await connection.execute(query)}


async def put_want(connection: AsyncConnection, want: Want) -> None:
    """Record a want, or how the last try for it went."""
    values = {column.name: getattr(want, column.name) for column in peer_wants.columns}
    key = ("source_id", "plugin_id", "version", "peer_id")
    await connection.execute(
        insert_or(connection, peer_wants)
        .values(values)
        .on_conflict_do_update(index_elements=key, set_={k: v for k, v in values.items() if k not in key})
    )


async def list_wants(
    connection: AsyncConnection, peer_id: int, *, due: int | None = None, limit: int | None = None
) -> Sequence[Want]:
    """Give what is wanted of a peer, in the order of its log; with ``due`` what is to be tried by then."""
    table = peer_wants
    query = select(table).where(table.c.peer_id == peer_id).order_by(table.c.idx).limit(limit)
    if due is not None:
        query = query.where(table.c.next_retry <= due)
    return [Want(**row) for row in (await connection.execute(query)).mappings()]


async def add_wants(connection: AsyncConnection, wants: Sequence[Want]) -> None:
    """Record wants; of those that are there already, how the last try went stays."""
    if wants:
        rows = [{column.name: getattr(want, column.name) for column in peer_wants.columns} for want in wants]
        await connection.execute(insert_or(connection, peer_wants).on_conflict_do_nothing(), rows)


async def list_due_wants(connection: AsyncConnection, peer_id: int, now: int, *, limit: int) -> Sequence[Want]:
    """Give what of a peer is to be tried now, newest first: what sites wait for, and what vouches for older ones."""
    table = peer_wants
    query = select(table).where(table.c.peer_id == peer_id, table.c.next_retry <= now)
    query = query.order_by(table.c.idx.desc()).limit(limit)
    return [Want(**row) for row in (await connection.execute(query)).mappings()]


async def next_want_at(connection: AsyncConnection, peer_id: int) -> int | None:
    """Give when (Unix seconds) the next want of a peer is to be tried; None where nothing is wanted."""
    query = select(func.min(peer_wants.c.next_retry)).where(peer_wants.c.peer_id == peer_id)
    found: int | None = (await connection.execute(query)).scalar_one()
    return found


async def count_untried(connection: AsyncConnection, peer_id: int) -> int:
    """Count what is wanted of a peer and was never tried."""
    table = peer_wants
    query = select(func.count()).select_from(table).where(table.c.peer_id == peer_id, table.c.code.is_(None))
    count: int = (await connection.execute(query)).scalar_one()
    return count


async def hasten_wants(connection: AsyncConnection, now: int, *, source_id: str = "", peer_id: int = 0) -> None:
    """Let what is wanted of a source, or of a peer, be tried at once: its keys are others now, or a person asks."""
    table = peer_wants
    which = (table.c.source_id == source_id) | (table.c.peer_id == peer_id)
    await connection.execute(update(table).where(which, table.c.next_retry > now).values(next_retry=now))


async def read_anew(connection: AsyncConnection) -> None:
    """Have every peer's log gone through again, from what is kept here: there is a source it may speak of."""
    await connection.execute(update(peers).where(peers.c.state == PeerState.ACTIVE).values(read_to=0))


async def count_wants(connection: AsyncConnection, peer_id: int) -> int:
    """Count what is still wanted of a peer."""
    query = select(func.count()).select_from(peer_wants).where(peer_wants.c.peer_id == peer_id)
    count: int = (await connection.execute(query)).scalar_one()
    return count


async def drop_want(connection: AsyncConnection, source_id: str, plugin_id: str, version: str) -> None:
    """Forget a want, of whichever peer: the release is here, or is not to come."""
    table = peer_wants
    await connection.execute(
        delete(table).where(table.c.source_id == source_id, table.c.plugin_id == plugin_id, table.c.version == version)
    )


async def put_proposal(connection: AsyncConnection, proposal: Proposal) -> bool:
    """Record that a peer knows a source; one that was decided on keeps its answer. Tell whether it is new."""
    values = {column.name: getattr(proposal, column.name) for column in source_proposals.columns}
    made = insert_or(connection, source_proposals).values(values).on_conflict_do_nothing()
    return (await connection.execute(made.returning(source_proposals.c.source_id))).first() is not None


async def count_proposals(connection: AsyncConnection, peer_id: int) -> int:
    """Count the sources a peer proposed that nobody has decided on."""
    table = source_proposals
    query = select(func.count()).select_from(table).where(table.c.peer_id == peer_id, table.c.state == "waiting")
    count: int = (await connection.execute(query)).scalar_one()
    return count


async def list_proposals(
    connection: AsyncConnection, *, source_id: str | None = None, state: str | None = "waiting"
) -> Sequence[Proposal]:
    """Give proposals, oldest first."""
    table = source_proposals
    query = select(table).order_by(table.c.proposed_at, table.c.source_id, table.c.peer_id)
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    if state is not None:
        query = query.where(table.c.state == state)
    return [Proposal(**row) for row in (await connection.execute(query)).mappings()]


async def decide_proposals(connection: AsyncConnection, source_id: str, state: str) -> int:
    """Answer every proposal of a source with ``accepted`` or ``refused``."""
    table = source_proposals
    query = update(table).where(table.c.source_id == source_id).values(state=state)
    return (await connection.execute(query)).rowcount
