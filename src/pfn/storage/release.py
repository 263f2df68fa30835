"""Rows of ``mirrored_plugins`` and ``blobs``: releases, written once.

A release is inserted or refused by the database, never updated. ``plugins`` and ``plugin_tags`` are derived: one
row per plugin with its newest release, so that lists cost what they show and not what is stored.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.offer import kind_of, make_offer
from pfn.domain.release import Blob, KeptSignature, Release, ReleaseRecord, SignatureLevel
from pfn.domain.zip_verdict import RULES, ZipVerdict
from pfn.storage.dialect import insert_or, is_of_plugins
from pfn.storage.schema import blobs, mirrored_plugins, plugin_tags, plugins, version_updates
from pfn.storage.search import fold_text
from pfn.wordpress.version import sort_versions

_RECORD: Final = (
    "plugin_id",
    "source_id",
    "name",
    "version",
    "mirror_date",
    "sha256",
    "level",
    "yanked_at",
    "yank_reason",
    "block_reason",
    "log_index",
    "retired_at",
)
_BLOB: Final = (blobs.c.sha1, blobs.c.sha384, blobs.c.size, blobs.c.corrupt_at)


async def add_release(connection: AsyncConnection, release: Release, verdict: ZipVerdict) -> None:
    """Insert a release and its blob; the database refuses a version that is there already."""
    await add_releases(connection, [(release, verdict)])


async def add_releases(connection: AsyncConnection, judged: Sequence[tuple[Release, ZipVerdict]]) -> None:
    """Insert releases and their blobs, as ``add_release`` does, in two statements however many they are."""
    if not judged:
        return
    statement = insert_or(connection, blobs)
    # The same bytes under newer rules have a newer verdict; and whatever became of them before, they are here now.
    renewed = {name: statement.excluded[name] for name in ("report", "rules", "gone_at", "corrupt_at")}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["sha256"], set_=renewed),
        [_write_blob(release, verdict) for release, verdict in judged],
    )
    await connection.execute(insert(mirrored_plugins), [_write_release(release) for release, _ in judged])


def _write_blob(release: Release, verdict: ZipVerdict) -> dict[str, object]:
    blob = release.blob
    return {
        "sha256": blob.sha256,
        "sha1": blob.sha1,
        "sha384": blob.sha384,
        "size": blob.size,
        "stored_at": release.mirror_date,
        "manifest": list(verdict.manifest),
        "report": verdict.to_json(),
        "rules": RULES,
        "gone_at": None,
        "corrupt_at": None,
    }


def _write_release(release: Release) -> dict[str, object]:
    signature = release.signature
    return {
        "plugin_id": release.plugin_id,
        "source_id": release.source_id,
        "name": release.name,
        "version": release.version,
        "description": release.description,
        "local_path": release.blob.local_path,
        "signature": signature.signature if signature else "",
        "mirror_date": release.mirror_date,
        "sha256": release.blob.sha256,
        "level": release.level.value,
        "signed_message": signature.message if signature else None,
        "signing_key": signature.public_key if signature else None,
        "author": release.author,
        "tags": list(release.tags),
        "facts": release.facts,
        "artifact_signature": _artifact_signature(release),
        "statement_sequence": release.statement_sequence,
        "yanked_at": release.yanked_at,
        "yank_reason": release.yank_reason,
    }


async def point_newest(connection: AsyncConnection, *releases: Release) -> None:
    """Make each of these releases, one of a plugin, the one its plugin's list row shows; all in three statements."""
    if not releases:
        return
    statement = insert_or(connection, plugins)
    key = ("source_id", "plugin_id")
    rows = [_write_plugin(release) for release in releases]
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=key, set_={name: statement.excluded[name] for name in rows[0] if name not in key}
        ),
        rows,
    )
    keys = [(release.source_id, release.plugin_id) for release in releases]
    of_plugins = is_of_plugins(connection, plugin_tags, keys)
    await connection.execute(delete(plugin_tags).where(of_plugins))
    tags = [
        {"source_id": release.source_id, "plugin_id": release.plugin_id, "tag": tag}
        for release in releases
        for tag in sorted({tag.casefold() for tag in release.tags})
    ]
    if tags:
        await connection.execute(insert(plugin_tags), tags)


def _write_plugin(release: Release) -> dict[str, object]:
    words = (release.plugin_id, release.name, release.description or "", release.author or "", *release.tags)
    return {
        "source_id": release.source_id,
        "plugin_id": release.plugin_id,
        "name": release.name,
        "description": release.description,
        "author": release.author,
        "tags": list(release.tags),
        "newest_version": release.version,
        "updated_at": release.mirror_date,
        "search_text": fold_text(" ".join(words)),
        "kind": kind_of(release),
        "offer": make_offer(release).to_json(),
        "level": release.level.value,
    }


async def add_version_updates(connection: AsyncConnection, updates: Sequence[tuple[Release, str]]) -> None:
    """Record that plugins moved, each from a version (``0.0.0`` at first) to a release."""
    rows = [
        {
            "plugin_id": release.plugin_id,
            "source_id": release.source_id,
            "old_version": old_version,
            "new_version": release.version,
            "update_time": release.mirror_date,
        }
        for release, old_version in updates
    ]
    if rows:
        await connection.execute(insert(version_updates), rows)


async def newest_versions(connection: AsyncConnection, source_id: str, slugs: Sequence[str]) -> dict[str, str]:
    """Give the newest mirrored version of each of these plugins of a source."""
    query = select(plugins.c.plugin_id, plugins.c.newest_version).where(
        plugins.c.source_id == source_id, plugins.c.plugin_id.in_(slugs)
    )
    return {row[0]: row[1] for row in await connection.execute(query)}


async def releases_among(
    connection: AsyncConnection, source_id: str, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Map those of these (slug, version) that are mirrored to their SHA-256."""
    table = mirrored_plugins
    query = select(table.c.plugin_id, table.c.version, table.c.sha256).where(
        table.c.source_id == source_id, table.c.plugin_id.in_([slug for slug, _ in keys])
    )
    wanted = set(keys)
    found = {(row[0], row[1]): row[2] for row in await connection.execute(query)}
    return {key: digest for key, digest in found.items() if key in wanted}


async def digests_among(
    connection: AsyncConnection, plugins_named: Collection[tuple[str, str]]
) -> dict[tuple[str, str, str], str]:
    """Map (source, slug, version) of all that is mirrored of these (source, slug) to their SHA-256."""
    table = mirrored_plugins
    query = select(table.c.source_id, table.c.plugin_id, table.c.version, table.c.sha256).where(
        is_of_plugins(connection, table, plugins_named)
    )
    return {(row[0], row[1], row[2]): row[3] for row in await connection.execute(query)}


async def mirrored_among(connection: AsyncConnection, source_id: str, slugs: Collection[str]) -> set[str]:
    """Give those of these plugins of a source of which any version is mirrored."""
    table = mirrored_plugins
    query = select(table.c.plugin_id).where(table.c.source_id == source_id, table.c.plugin_id.in_(slugs)).distinct()
    return {row[0] for row in await connection.execute(query)}


async def measure_source(connection: AsyncConnection, source_id: str) -> tuple[int, int]:
    """Tell how many plugins of a source are mirrored, and in how many bytes; equal bytes count once."""
    table = mirrored_plugins
    digests = select(table.c.sha256).where(table.c.source_id == source_id).distinct()
    plugins_query = select(func.count(table.c.plugin_id.distinct())).where(table.c.source_id == source_id)
    size_query = select(func.coalesce(func.sum(blobs.c.size), 0)).where(
        blobs.c.sha256.in_(digests), blobs.c.gone_at.is_(None)
    )
    counts = [int((await connection.execute(query)).scalar_one()) for query in (plugins_query, size_query)]
    return counts[0], counts[1]


async def blobs_among(connection: AsyncConnection, digests: Collection[str]) -> set[str]:
    """Give those of these SHA-256 whose bytes are stored and, as far as is known, what they were."""
    query = select(blobs.c.sha256).where(
        blobs.c.sha256.in_(digests), blobs.c.corrupt_at.is_(None), blobs.c.gone_at.is_(None)
    )
    return {row[0] for row in await connection.execute(query)}


async def find_blobs(connection: AsyncConnection, digests: Collection[str]) -> dict[str, Blob]:
    """Map those of these SHA-256 that are stored and, as far as is known, what they were, to their blobs."""
    columns = (blobs.c.sha256, blobs.c.sha1, blobs.c.sha384, blobs.c.size)
    stored = (blobs.c.corrupt_at.is_(None), blobs.c.gone_at.is_(None))
    query = select(*columns).where(blobs.c.sha256.in_(digests), *stored)
    return {row.sha256: Blob(*row) for row in await connection.execute(query)}


async def known_releases(connection: AsyncConnection, source_id: str) -> dict[tuple[str, str], str]:
    """Map (slug, version) to the SHA-256 of everything mirrored of a source."""
    table = mirrored_plugins
    query = select(table.c.plugin_id, table.c.version, table.c.sha256).where(table.c.source_id == source_id)
    return {(row[0], row[1]): row[2] for row in await connection.execute(query)}


def _select_releases(*more: ColumnElement[Any]) -> Select[Any]:
    """Ask for all that ``_read`` needs, and these columns."""
    return select(*mirrored_plugins.c, *_BLOB, *more).join(blobs, blobs.c.sha256 == mirrored_plugins.c.sha256)


def _read_record(row: RowMapping) -> dict[str, Any]:
    record = {name: row[name] for name in _RECORD}
    record["level"] = SignatureLevel(record["level"])
    record["blob"] = Blob(record.pop("sha256"), row["sha1"], row["sha384"], row["size"], row["corrupt_at"] is not None)
    return record


def _read(row: RowMapping) -> Release:
    signature = None
    if row["signature"]:
        signature = KeptSignature(row["signature"], row["signed_message"], row["signing_key"])
    return Release(
        **_read_record(row),
        description=row["description"],
        signature=signature,
        tags=tuple(row["tags"]),
        author=row["author"],
        facts=row["facts"],
        statement_sequence=row["statement_sequence"],
    )


def _artifact_signature(release: Release) -> str | None:
    if release.level is not SignatureLevel.ARTIFACT or release.signature is None:
        return None
    return release.signature.signature


async def get_release(
    connection: AsyncConnection, source_id: str, plugin_id: str, version: str | None = None
) -> Release | None:
    """Find one release; without a version, the newest by WordPress's order."""
    table = mirrored_plugins
    query = _select_releases().where(table.c.source_id == source_id, table.c.plugin_id == plugin_id)
    if version is None:
        newest = select(plugins.c.newest_version).where(
            plugins.c.source_id == source_id, plugins.c.plugin_id == plugin_id
        )
        query = query.where(table.c.version == newest.scalar_subquery())
    else:
        query = query.where(table.c.version == version)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _read(row)


async def find_newest(connection: AsyncConnection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Release]:
    """Give the newest offered release of those of these plugins that have one, keyed by (source_id, plugin_id)."""
    table = mirrored_plugins
    is_newest = and_(
        table.c.source_id == plugins.c.source_id,
        table.c.plugin_id == plugins.c.plugin_id,
        table.c.version == plugins.c.newest_version,
    )
    query = _select_releases().join(plugins, is_newest).where(is_of_plugins(connection, plugins, keys))
    rows = (await connection.execute(query)).mappings()
    return {(row["source_id"], row["plugin_id"]): _read(row) for row in rows}


async def list_releases(
    connection: AsyncConnection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[ReleaseRecord, ...]]:
    """Give what is on record of each release of these plugins, keyed by (source_id, plugin_id), newest version first.

    Not what their zips say of themselves: that is most of a row, and nothing that shows old versions shows it.
    """
    table = mirrored_plugins
    found: dict[tuple[str, str], dict[str, ReleaseRecord]] = {key: {} for key in keys}
    query = (
        select(*(table.c[name] for name in _RECORD), *_BLOB)
        .join(blobs, blobs.c.sha256 == table.c.sha256)
        .where(is_of_plugins(connection, table, keys))
    )
    for row in (await connection.execute(query)).mappings():
        found[row["source_id"], row["plugin_id"]][row["version"]] = ReleaseRecord(**_read_record(row))
    return {
        key: tuple(releases[version] for version in reversed(sort_versions(releases)))
        for key, releases in found.items()
    }


async def forget_source_releases(connection: AsyncConnection, source_id: str) -> int:
    """Delete every release row of a source, for a purge alone; the bytes become garbage. Tell how many went."""
    await connection.execute(delete(plugins).where(plugins.c.source_id == source_id))
    await connection.execute(delete(version_updates).where(version_updates.c.source_id == source_id))
    gone = delete(mirrored_plugins).where(mirrored_plugins.c.source_id == source_id)
    return (await connection.execute(gone)).rowcount


async def newest_blobs(connection: AsyncConnection, *, limit: int) -> list[Blob]:
    """Give the blobs that were stored last."""
    columns = (blobs.c.sha256, blobs.c.sha1, blobs.c.sha384, blobs.c.size, blobs.c.corrupt_at.is_not(None))
    query = select(*columns).where(blobs.c.gone_at.is_(None))
    query = query.order_by(blobs.c.stored_at.desc(), blobs.c.sha256).limit(limit)
    return [Blob(*row) for row in await connection.execute(query)]


async def mark_releases(
    connection: AsyncConnection, source_id: str, plugin_id: str, version: str, **values: object
) -> None:
    """Set what may change of a release: that it is yanked or blocked, and why."""
    table = mirrored_plugins
    which = (table.c.source_id == source_id) & (table.c.plugin_id == plugin_id) & (table.c.version == version)
    await connection.execute(update(table).where(which).values(values))


async def list_unlogged(connection: AsyncConnection, *, limit: int) -> list[tuple[Release, list[dict[str, object]]]]:
    """Give releases that have no leaf in the log yet, oldest first, each with the files in its zip."""
    table = mirrored_plugins
    query = _select_releases(blobs.c.manifest).where(table.c.log_index.is_(None)).order_by(table.c.id).limit(limit)
    return [(_read(row), row["manifest"]) for row in (await connection.execute(query)).mappings()]


async def refresh_newest(connection: AsyncConnection, source_id: str, plugin_id: str) -> None:
    """Point a plugin's list row at its newest release that may be offered; without any it is listed no more."""
    key = (source_id, plugin_id)
    offered = [release for release in (await list_releases(connection, [key]))[key] if release.offered]
    if offered:
        newest = await get_release(connection, source_id, plugin_id, offered[0].version)
        assert newest is not None  # this very transaction has just listed it
        await point_newest(connection, newest)
        return
    await connection.execute(delete(plugins).where(plugins.c.source_id == source_id, plugins.c.plugin_id == plugin_id))


async def list_signed_releases(connection: AsyncConnection, source_id: str) -> list[Release]:
    """Give the releases of a source whose bytes a statement covers."""
    table = mirrored_plugins
    query = _select_releases().where(table.c.source_id == source_id, table.c.level == SignatureLevel.ARTIFACT.value)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def list_releases_of(connection: AsyncConnection, digests: Collection[str]) -> list[Release]:
    """Give the releases whose zips have these SHA-256, by source, oldest first."""
    table = mirrored_plugins
    query = _select_releases().where(table.c.sha256.in_(digests)).order_by(table.c.source_id, table.c.id)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def list_yanked(connection: AsyncConnection, source_id: str) -> list[tuple[str, str]]:
    """Give (slug, version) of the releases of a source that are marked as yanked."""
    table = mirrored_plugins
    query = select(table.c.plugin_id, table.c.version).where(
        table.c.source_id == source_id, table.c.yanked_at.is_not(None)
    )
    return [(row[0], row[1]) for row in await connection.execute(query)]
