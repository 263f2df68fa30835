"""What Composer is told: rows of ``vendors`` and ``composer_documents``, and releases under their package's name.

Sources that are suspended keep their names here, so that nobody is led to look for their packages elsewhere; those
that were removed have none that are found, and keep their vendor for ever all the same.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.domain.composer_name import propose_vendors
from pfn.domain.composer_package import Package, PackagedRelease
from pfn.domain.source import SourceStatus
from pfn.storage.dialect import insert_or, is_pair_of
from pfn.storage.schema import blobs, composer_documents, listings, mirrored_plugins, plugins, sources, vendors
from pfn.storage.search import has_words
from pfn.storage.source import serves
from pfn.wordpress.version import sort_versions

_MOST_RELEASES = 1000
"""Of one answer; of more, those mirrored last."""


@dataclass(frozen=True, slots=True)
class Found:
    """A package as a search shows it."""

    vendor: str
    slug: str
    source_id: str
    description: str | None


async def give_vendor(connection: AsyncConnection, source_id: str) -> str:
    """Give a source's vendor name, the one it has or the first that nobody has."""
    known = select(vendors.c.vendor).where(vendors.c.source_id == source_id)
    vendor: str | None = (await connection.execute(known)).scalar()
    for proposed in propose_vendors(source_id):
        if vendor is not None:
            break
        row = insert_or(connection, vendors).values(source_id=source_id, vendor=proposed).on_conflict_do_nothing()
        await connection.execute(row)
        vendor = (await connection.execute(known)).scalar()
    assert vendor is not None  # the last that is proposed is nobody else's
    return vendor


async def list_nameless(connection: AsyncConnection) -> Sequence[str]:
    """Give the sources with plugins and without a vendor name, those known longest first."""
    query = (
        select(sources.c.id)
        .where(sources.c.id.not_in(select(vendors.c.source_id)))
        .where(sources.c.id.in_(select(mirrored_plugins.c.source_id)))
        .order_by(sources.c.created_at, sources.c.id)
    )
    return (await connection.execute(query)).scalars().all()


async def find_vendors(connection: AsyncConnection, source_ids: Collection[str]) -> dict[str, str]:
    """Give the vendor names of these sources."""
    query = select(vendors.c.source_id, vendors.c.vendor).where(vendors.c.source_id.in_(source_ids))
    return {row[0]: row[1] for row in await connection.execute(query)}


async def find_packages(
    connection: AsyncConnection, names: Collection[tuple[str, str]], *, withdrawn: bool = False
) -> list[Package]:
    """Give the packages of these (vendor, slug); only what there is to warn of, and of it alone, with ``withdrawn``."""
    if not names:
        return []
    table = mirrored_plugins
    query = _select().where(is_pair_of(vendors.c.vendor, table.c.plugin_id, names))
    if withdrawn:
        suspended = sources.c.status == SourceStatus.SUSPENDED
        query = query.where(or_(table.c.yanked_at.is_not(None), table.c.block_reason.is_not(None), suspended))
    rows: dict[tuple[str, str], dict[str, RowMapping]] = {}
    for row in (await connection.execute(query)).mappings():
        rows.setdefault((row["vendor"], row["plugin_id"]), {})[row["version"]] = row
    return [_read(of_package) for of_package in rows.values()]


async def list_versions(
    connection: AsyncConnection, names: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, list[str]]]:
    """Give the source and the mirrored versions, newest first, of each of these (vendor, slug)."""
    table = mirrored_plugins
    query = (
        select(vendors.c.vendor, table.c.plugin_id, table.c.source_id, table.c.version)
        .join(vendors, vendors.c.source_id == table.c.source_id)
        .where(is_pair_of(vendors.c.vendor, table.c.plugin_id, names))
    )
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for vendor, slug, source_id, version in await connection.execute(query):
        found.setdefault((vendor, slug), (source_id, []))[1].append(version)
    return {name: (source_id, sort_versions(all_of)[::-1]) for name, (source_id, all_of) in found.items()}


async def list_known(connection: AsyncConnection, limit: int) -> Sequence[tuple[str, str]]:
    """Give (vendor, slug) of all that is not of a removed source, whether anything of it is offered or not."""
    table = mirrored_plugins
    query = (
        select(vendors.c.vendor, table.c.plugin_id)
        .join(vendors, vendors.c.source_id == table.c.source_id)
        .join(sources, sources.c.id == table.c.source_id)
        .where(sources.c.status != SourceStatus.REMOVED)
        .distinct()
        .order_by(vendors.c.vendor, table.c.plugin_id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await connection.execute(query)]


async def list_vendors(connection: AsyncConnection) -> Sequence[str]:
    """Give the vendor names of all sources that were not removed."""
    query = (
        select(vendors.c.vendor)
        .join(sources, sources.c.id == vendors.c.source_id)
        .where(sources.c.status != SourceStatus.REMOVED)
        .order_by(vendors.c.vendor)
    )
    return (await connection.execute(query)).scalars().all()


async def list_offered_names(
    connection: AsyncConnection, limit: int, *, vendor: str | None = None, pattern: str | None = None
) -> Sequence[tuple[str, str]]:
    """Give (vendor, slug) of what is offered, by name; in ``pattern`` a ``*`` stands for any signs."""
    query = _offered(vendors.c.vendor, plugins.c.plugin_id).order_by(vendors.c.vendor, plugins.c.plugin_id)
    if vendor is not None:
        query = query.where(vendors.c.vendor == vendor)
    if pattern is not None:
        like = pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%")
        query = query.where(_name().like(like, escape="\\"))
    return [(row[0], row[1]) for row in await connection.execute(query.limit(limit))]


async def search_packages(
    connection: AsyncConnection, words: Sequence[str], kind: str | None, *, offset: int, limit: int
) -> tuple[Sequence[Found], int]:
    """Give one page of what is offered and has all these words, and how much there is in all."""
    conditions: list[ColumnElement[bool]] = [
        or_(has_words(connection, word), _name().contains(word, autoescape=True)) for word in words
    ]
    if kind is not None:
        conditions.append(plugins.c.kind == kind)
    columns = (vendors.c.vendor, plugins.c.plugin_id, plugins.c.source_id, plugins.c.description)
    page = _offered(*columns).where(*conditions).order_by(vendors.c.vendor, plugins.c.plugin_id)
    found = [Found(*row) for row in await connection.execute(page.offset(offset).limit(limit))]
    total = (await connection.execute(_offered(func.count()).where(*conditions))).scalar_one()
    return found, int(total)


async def find_document(connection: AsyncConnection, name: str) -> tuple[str, int] | None:
    """Give the digest of a document when it was last given, and since when it was that."""
    table = composer_documents
    row = (await connection.execute(select(table.c.digest, table.c.modified_at).where(table.c.name == name))).first()
    return None if row is None else (row[0], row[1])


async def date_document(connection: AsyncConnection, name: str, digest: str, now: int) -> int:
    """Note what a document says now, and give since when: later than any time at which it said anything else."""
    table = composer_documents
    made = insert_or(connection, table).values(name=name, digest=digest, modified_at=now)
    # Two changes in one second are two dates: a date stands for one state and for no other.
    after = case(
        (made.excluded.modified_at > table.c.modified_at, made.excluded.modified_at), else_=table.c.modified_at + 1
    )
    changed = made.on_conflict_do_update(
        index_elements=["name"], set_={"digest": digest, "modified_at": after}, where=table.c.digest != digest
    )
    await connection.execute(changed)
    found = await find_document(connection, name)
    assert found is not None  # it was just written
    return found[1]


def _name() -> ColumnElement[str]:
    return vendors.c.vendor + "/" + plugins.c.plugin_id


def _offered(*columns: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    return (
        select(*columns)
        .select_from(plugins)
        .join(vendors, vendors.c.source_id == plugins.c.source_id)
        .join(sources, sources.c.id == plugins.c.source_id)
        .where(serves())
    )


def _select() -> Select[*tuple[Any, ...]]:
    table = mirrored_plugins
    own = [table.c[name] for name in _OWN]
    return (
        select(
            vendors.c.vendor,
            table.c.plugin_id,
            table.c.source_id,
            sources.c.status,
            sources.c.status_detail,
            listings.c.unlisted_at,
            blobs.c.sha1,
            blobs.c.sha256,
            blobs.c.sha384,
            # Not the whole facts: they carry the readme.
            table.c.facts["kind"].label("kind"),
            table.c.facts["header"].label("header"),
            table.c.facts[("readme", "license")].label("readme_license"),
            *own,
        )
        .join(blobs, blobs.c.sha256 == table.c.sha256)
        .join(vendors, vendors.c.source_id == table.c.source_id)
        .join(sources, sources.c.id == table.c.source_id)
        .outerjoin(listings, (listings.c.source_id == table.c.source_id) & (listings.c.plugin_id == table.c.plugin_id))
        .where(sources.c.status != SourceStatus.REMOVED)
        # What is retired cannot be installed any more, but is still warned of.
        .where(or_(table.c.retired_at.is_(None), table.c.yanked_at.is_not(None), table.c.block_reason.is_not(None)))
        .order_by(table.c.id.desc())
        .limit(_MOST_RELEASES)
    )


_OWN = (
    *("version", "name", "description", "author", "tags", "level", "mirror_date"),
    *("yanked_at", "yank_reason", "block_reason"),
)


def _read(rows: dict[str, RowMapping]) -> Package:
    first = next(iter(rows.values()))
    suspended = first["status"] == SourceStatus.SUSPENDED
    newest_first = reversed(sort_versions(rows))
    return Package(
        vendor=first["vendor"],
        slug=first["plugin_id"],
        source_id=first["source_id"],
        suspended=(first["status_detail"] or "no reason given") if suspended else None,
        abandoned=first["unlisted_at"] is not None,
        releases=tuple(_read_release(rows[version]) for version in newest_first),
    )


def _read_release(row: RowMapping) -> PackagedRelease:
    values = {name: row[name] for name in (*_OWN, "sha1", "sha256", "sha384")}
    return PackagedRelease(
        **{**values, "tags": tuple(row["tags"])},
        kind=row["kind"] or "",
        header=row["header"] or {},
        readme_license=row["readme_license"] or "",
    )
