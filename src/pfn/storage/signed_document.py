"""Signed documents of publishers, verbatim: key documents, release statements, the newest catalogue, evidence."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import RowMapping, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.protocol.document import Head
from pfn.storage.dialect import insert_or
from pfn.storage.schema import (
    catalogs,
    evidence,
    listing_states,
    listings,
    publisher_documents,
    release_statements,
)


@dataclass(frozen=True, slots=True)
class StoredCatalog:
    """The newest catalogue that was believed, and what to ask for a newer one with."""

    head: Head
    envelope: bytes
    expires: int
    received_at: int
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A release statement that was believed, and when it came."""

    plugin_id: str
    version: str
    head: Head
    envelope: bytes
    received_at: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two things that cannot both be honest, as they came; ``digest`` names the pair."""

    source_id: str
    kind: str
    details: str
    first: bytes
    second: bytes
    digest: str
    found_at: int
    plugin_id: str = ""
    version: str = ""

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it."""
        return {
            "source_id": self.source_id,
            "kind": self.kind,
            "plugin_id": self.plugin_id or None,
            "version": self.version or None,
            "details": self.details,
            "first": self.first.decode("utf-8", "replace"),
            "second": self.second.decode("utf-8", "replace"),
            "found_at": self.found_at,
        }


async def add_key_document(
    connection: AsyncConnection, source_id: str, version: int, payload_hash: str, envelope: bytes, now: int
) -> None:
    """Keep a key document; one that is kept already stays."""
    row = {
        "source_id": source_id,
        "version": version,
        "payload_sha256": payload_hash,
        "envelope": envelope,
        "received_at": now,
    }
    await connection.execute(insert_or(connection, publisher_documents).values(row).on_conflict_do_nothing())


async def list_key_documents(connection: AsyncConnection, source_id: str) -> Sequence[bytes]:
    """Give every key document of a source, version 1 first."""
    table = publisher_documents
    query = select(table.c.envelope).where(table.c.source_id == source_id).order_by(table.c.version)
    return [row[0] for row in await connection.execute(query)]


async def list_newest_key_documents(
    connection: AsyncConnection, source_id: str, limit: int
) -> Sequence[tuple[bytes, int]]:
    """Give the newest key documents of a source, newest first, and when each came (Unix seconds)."""
    table = publisher_documents
    query = (
        select(table.c.envelope, table.c.received_at)
        .where(table.c.source_id == source_id)
        .order_by(table.c.version.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await connection.execute(query)]


async def get_newest_key_document(connection: AsyncConnection, source_id: str) -> bytes | None:
    """Give the newest key document of a source."""
    table = publisher_documents
    query = select(table.c.envelope).where(table.c.source_id == source_id).order_by(table.c.version.desc()).limit(1)
    return (await connection.execute(query)).scalar()


async def newest_key_version(connection: AsyncConnection, source_id: str) -> int:
    """Give the version of the newest key document of a source; 0 where there is none."""
    table = publisher_documents
    query = select(func.coalesce(func.max(table.c.version), 0)).where(table.c.source_id == source_id)
    version: int = (await connection.execute(query)).scalar_one()
    return version


async def add_statements(connection: AsyncConnection, source_id: str, statements: Sequence[StoredStatement]) -> None:
    """Keep release statements; those that are kept already stay."""
    rows = [
        {
            "source_id": source_id,
            "plugin_id": statement.plugin_id,
            "sequence": statement.head.sequence,
            "version": statement.version,
            "payload_sha256": statement.head.payload_hash,
            "envelope": statement.envelope,
            "received_at": statement.received_at,
        }
        for statement in statements
    ]
    if rows:
        await connection.execute(insert_or(connection, release_statements).on_conflict_do_nothing(), rows)


async def list_statements(
    connection: AsyncConnection, source_id: str, slugs: Collection[str]
) -> Sequence[StoredStatement]:
    """Give every statement about these plugins of a source, by plugin in the order of their sequence."""
    table = release_statements
    query = (
        select(table)
        .where(table.c.source_id == source_id, table.c.plugin_id.in_(slugs))
        .order_by(table.c.plugin_id, table.c.sequence)
    )
    return [_read_statement(row) for row in (await connection.execute(query)).mappings()]


async def get_statement(
    connection: AsyncConnection, source_id: str, plugin_id: str, sequence: int
) -> StoredStatement | None:
    """Find a statement by its number in its plugin's row."""
    table = release_statements
    query = select(table).where(
        table.c.source_id == source_id, table.c.plugin_id == plugin_id, table.c.sequence == sequence
    )
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _read_statement(row)


def _read_statement(row: RowMapping) -> StoredStatement:
    head = Head(row["sequence"], row["payload_sha256"])
    return StoredStatement(row["plugin_id"], row["version"], head, row["envelope"], row["received_at"])


async def put_catalog(connection: AsyncConnection, source_id: str, catalog: StoredCatalog) -> None:
    """Keep the newest catalogue in place of the one before."""
    values = {
        "source_id": source_id,
        "sequence": catalog.head.sequence,
        "payload_sha256": catalog.head.payload_hash,
        "envelope": catalog.envelope,
        "expires": catalog.expires,
        "received_at": catalog.received_at,
        "etag": catalog.etag,
        "last_modified": catalog.last_modified,
    }
    changed = {name: value for name, value in values.items() if name != "source_id"}
    statement = insert_or(connection, catalogs).values(values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["source_id"], set_=changed))


async def get_catalog(connection: AsyncConnection, source_id: str) -> StoredCatalog | None:
    """Give the newest catalogue that was believed."""
    row = (await connection.execute(select(catalogs).where(catalogs.c.source_id == source_id))).mappings().first()
    if row is None:
        return None
    return StoredCatalog(
        head=Head(row["sequence"], row["payload_sha256"]),
        envelope=row["envelope"],
        expires=row["expires"],
        received_at=row["received_at"],
        etag=row["etag"],
        last_modified=row["last_modified"],
    )


async def catalog_sequence(connection: AsyncConnection, source_id: str) -> int:
    """Give the number of the newest catalogue that was believed; 0 where there is none."""
    query = select(catalogs.c.sequence).where(catalogs.c.source_id == source_id)
    sequence: int | None = (await connection.execute(query)).scalar()
    return sequence or 0


async def get_catalog_validators(connection: AsyncConnection, source_id: str) -> tuple[str | None, str | None] | None:
    """Give ETag and Last-Modified of the newest catalogue, without the catalogue; None where there is none."""
    query = select(catalogs.c.etag, catalogs.c.last_modified).where(catalogs.c.source_id == source_id)
    row = (await connection.execute(query)).first()
    return None if row is None else (row[0], row[1])


async def forget_signed_documents(connection: AsyncConnection, source_id: str) -> None:
    """Forget what a former holder of the source signed and listed; for a custody reset and a purge alone."""
    for table in (catalogs, release_statements, publisher_documents, listings, listing_states):
        await connection.execute(delete(table).where(table.c.source_id == source_id))


async def add_evidence(connection: AsyncConnection, item: Evidence) -> bool:
    """Keep evidence; tell whether it is new."""
    known = select(evidence.c.id).where(evidence.c.source_id == item.source_id, evidence.c.digest == item.digest)
    if (await connection.execute(known)).first() is not None:
        return False
    names = [column.name for column in evidence.columns if column.name != "id"]
    await connection.execute(insert(evidence).values({name: getattr(item, name) for name in names}))
    return True


async def list_evidence_news(connection: AsyncConnection, since: int, *, most_bytes: int) -> Sequence[tuple[str, str]]:
    """Give source and digest of all evidence since a time whose sides are no longer than this together, oldest first.

    The sides of all at once may be more than fits into memory.
    """
    short = func.length(evidence.c.first) + func.length(evidence.c.second) <= most_bytes
    query = select(evidence.c.source_id, evidence.c.digest).where(evidence.c.found_at >= since, short)
    return [(row[0], row[1]) for row in await connection.execute(query.order_by(evidence.c.id))]


async def get_evidence(connection: AsyncConnection, source_id: str, digest: str) -> Evidence | None:
    """Find one pair."""
    query = select(evidence).where(evidence.c.source_id == source_id, evidence.c.digest == digest)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _read_evidence(row)


async def list_evidence(
    connection: AsyncConnection, source_id: str, *, most_bytes: int | None = None
) -> Sequence[Evidence]:
    """Give the evidence against a source, newest first; of both sides together no more than ``most_bytes``."""
    table = evidence
    query = select(table).where(table.c.source_id == source_id).order_by(table.c.id.desc())
    if most_bytes is not None:
        lengths = select(table.c.id, func.length(table.c.first) + func.length(table.c.second))
        found = await connection.execute(lengths.where(table.c.source_id == source_id).order_by(table.c.id.desc()))
        sums = accumulate((row[1] for row in found), initial=0)
        query = query.limit(sum(1 for total in sums if total <= most_bytes) - 1)
    return [_read_evidence(row) for row in (await connection.execute(query)).mappings()]


async def count_evidence(connection: AsyncConnection, source_id: str) -> int:
    """Count the evidence against a source."""
    query = select(func.count()).select_from(evidence).where(evidence.c.source_id == source_id)
    count: int = (await connection.execute(query)).scalar_one()
    return count


def _read_evidence(row: RowMapping) -> Evidence:
    return Evidence(**{name: value for name, value in row.items() if name != "id"})
