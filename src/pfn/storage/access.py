"""Rows of ``api_keys`` and ``sessions``."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.access import ApiKey, Scope
from pfn.protocol.api_key import Prefix
from pfn.storage.schema import api_keys, sessions


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser: only a hash of its cookie is kept. Times are Unix seconds."""

    id_hash: str
    key_id: str
    csrf: str
    created_at: int
    last_seen: int


def _read(row: RowMapping) -> ApiKey:
    scopes = frozenset(Scope(scope) for scope in row["scopes"])
    return ApiKey(**{**row, "kind": Prefix(row["kind"]), "scopes": scopes})


async def add_api_key(connection: AsyncConnection, key: ApiKey) -> None:
    """Insert a key."""
    values = {column.name: getattr(key, column.name) for column in api_keys.columns}
    values |= {"kind": key.kind.value, "scopes": sorted(key.scopes)}
    await connection.execute(insert(api_keys).values(values))


async def get_api_key(connection: AsyncConnection, key_id: str) -> ApiKey | None:
    """Find a key by its public id."""
    row = (await connection.execute(select(api_keys).where(api_keys.c.id == key_id))).mappings().first()
    return None if row is None else _read(row)


async def list_api_keys(connection: AsyncConnection) -> Sequence[ApiKey]:
    """Give every key, newest first."""
    query = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def list_expiring_keys(
    connection: AsyncConnection, now: float, until: float, *, key_id: str | None = None
) -> Sequence[ApiKey]:
    """Give the keys that work now and end by a time, the next one first; or the one, where it is among them."""
    query = (
        select(api_keys)
        .where(api_keys.c.revoked_at.is_(None), api_keys.c.expires_at > now, api_keys.c.expires_at <= until)
        .order_by(api_keys.c.expires_at, api_keys.c.id)
    )
    if key_id is not None:
        query = query.where(api_keys.c.id == key_id)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def change_api_key(connection: AsyncConnection, key_id: str, **values: object) -> None:
    """Set columns of one key."""
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(values))


async def add_session(connection: AsyncConnection, session: Session) -> None:
    """Insert a session."""
    values = {column.name: getattr(session, column.name) for column in sessions.columns}
    await connection.execute(insert(sessions).values(values))


async def get_session(connection: AsyncConnection, id_hash: str) -> Session | None:
    """Find a session by the hash of its cookie."""
    row = (await connection.execute(select(sessions).where(sessions.c.id_hash == id_hash))).mappings().first()
    return None if row is None else Session(**row)


async def touch_session(connection: AsyncConnection, id_hash: str, now: int) -> None:
    """Note that a session was used."""
    await connection.execute(update(sessions).where(sessions.c.id_hash == id_hash).values(last_seen=now))


async def end_session(connection: AsyncConnection, id_hash: str) -> None:
    """Delete one session."""
    await connection.execute(delete(sessions).where(sessions.c.id_hash == id_hash))


async def end_stale_sessions(connection: AsyncConnection, *, seen_before: int, made_before: int) -> None:
    """Delete the sessions that idled or lived too long."""
    stale = or_(sessions.c.last_seen < seen_before, sessions.c.created_at < made_before)
    await connection.execute(delete(sessions).where(stale))


async def end_sessions_of_key(connection: AsyncConnection, key_id: str) -> None:
    """Delete every session a key opened."""
    await connection.execute(delete(sessions).where(sessions.c.key_id == key_id))
