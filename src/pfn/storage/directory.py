"""What a site may browse and search: pages of what is offered under bare slugs, with counts (decision 010).

Pages are by number, as WordPress asks for them; each search, and each count, looks at every row that may match.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, RowMapping, Select, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.offer import PLUGIN, Offered
from pfn.storage.offer import read_offered, select_offered
from pfn.storage.schema import mirrored_plugins, plugin_tags, plugins, slugs, sources, usage_days
from pfn.storage.search import find_rows
from pfn.storage.source import serves
from pfn.wordpress.plugin_info import tags_of
from pfn.wordpress.version import sort_versions


class Order(StrEnum):
    """What comes first; where words are searched for, how well they fit comes before."""

    TRUSTED = "trusted"
    POPULAR = "popular"
    NEW = "new"
    UPDATED = "updated"


@dataclass(frozen=True, slots=True)
class DirectoryQuery:
    """What is asked for; an empty string asks for nothing. ``page`` is from 1 on, ``without`` are slugs to leave out.

    All words must occur, and all ``tags``, which are slugs of tags as ``tag_slug`` makes them.
    """

    kind: str = PLUGIN
    words: str = ""
    tags: tuple[str, ...] = ()
    author: str = ""
    without: tuple[str, ...] = ()
    order: Order = Order.TRUSTED
    page: int = 1
    per_page: int = 24


@dataclass(frozen=True, slots=True)
class Listed:
    """What is offered under a bare slug, and since when its source speaks for it, in Unix seconds."""

    offered: Offered
    added_at: int


@dataclass(frozen=True, slots=True)
class MirroredVersion:
    """One mirrored version; ``withdrawn`` is why it is offered no more, and ``withdrawn_at`` since when, if known."""

    version: str
    name: str
    withdrawn: str | None
    withdrawn_at: int | None


async def list_directory(connection: AsyncConnection, query: DirectoryQuery) -> tuple[Sequence[Listed], int]:
    """Give one page, and how many there are on all."""
    found = _find_keys(connection, query)
    total = select(func.count()).select_from(found).scalar_subquery()
    page = select(found.c.source_id, found.c.plugin_id, total.label("total"))
    page = page.order_by(*list(found.c)[2:]).limit(query.per_page).offset((query.page - 1) * query.per_page)
    keys = (await connection.execute(page)).all()
    if not keys:
        return [], 0 if query.page == 1 else (await connection.execute(select(total))).scalar_one()
    # Slugs that are held are of one source each.
    wanted = plugins.c.plugin_id.in_([key.plugin_id for key in keys])
    rows = (await connection.execute(_select_listed().where(wanted))).mappings()
    listed = {(row["source_id"], row["plugin_id"]): _read_listed(row) for row in rows}
    return [listed[key[0], key[1]] for key in keys], keys[0].total


async def find_listed(connection: AsyncConnection, slug: str, kind: str) -> Listed | None:
    """Find what is offered under a bare slug."""
    query = _select_listed().where(plugins.c.plugin_id == slug, plugins.c.kind == kind)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _read_listed(row)


async def count_tags(connection: AsyncConnection, kind: str, *, limit: int) -> dict[str, int]:
    """Give the most used tags of what is offered, and how often each is."""
    number = func.count().label("number")
    query = (
        select_offered()
        .join(
            plugin_tags,
            (plugin_tags.c.source_id == plugins.c.source_id) & (plugin_tags.c.plugin_id == plugins.c.plugin_id),
        )
        .where(plugins.c.kind == kind)
        .with_only_columns(plugin_tags.c.tag, number, maintain_column_froms=True)
        .group_by(plugin_tags.c.tag)
        .order_by(number.desc(), plugin_tags.c.tag)
        .limit(limit)
    )
    return {row[0]: row[1] for row in await connection.execute(query)}


async def list_mirrored_versions(connection: AsyncConnection, source_id: str, slug: str) -> Sequence[MirroredVersion]:
    """Give every mirrored version of a plugin, newest first."""
    table = mirrored_plugins
    columns = (table.c.version, table.c.name, table.c.yank_reason, table.c.block_reason, table.c.yanked_at)
    query = select(*columns).where(table.c.source_id == source_id, table.c.plugin_id == slug)
    found = {}
    for version, name, yank_reason, block_reason, yanked_at in await connection.execute(query):
        withdrawn = block_reason or yank_reason or ("It was yanked." if yanked_at is not None else None)
        found[version] = MirroredVersion(version, name, withdrawn, yanked_at)
    return [found[version] for version in reversed(sort_versions(found))]


@cache
def _select_listed() -> Select[tuple[object, ...]]:
    return select_offered().add_columns(slugs.c.since)


def _read_listed(row: RowMapping) -> Listed:
    return Listed(read_offered(row), row["since"])


def _find_keys(connection: AsyncConnection, query: DirectoryQuery) -> CTE:
    """Find the keys of all that is asked for, and beside them what they are ordered by, the least first.

    Asked for twice, for the page and to be counted, it is made once, with no more of each row than it takes.
    """
    rows = find_rows(connection, query.words, speaking=True)
    order = [expression.label(f"order_{place}") for place, expression in enumerate(_order(rows, query))]
    return (
        select(rows.c.source_id, rows.c.plugin_id, *order)
        .join(sources, sources.c.id == rows.c.source_id)
        .where(serves())
        .where(*_conditions(rows, query))
        .cte("found")
    )


def _conditions(rows: FromClause, query: DirectoryQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [rows.c.kind == query.kind]
    found += [
        exists().where(
            plugin_tags.c.source_id == rows.c.source_id,
            plugin_tags.c.plugin_id == rows.c.plugin_id,
            func.replace(plugin_tags.c.tag, " ", "-").in_(tags_of(tag)),
        )
        for tag in query.tags
    ]
    if query.author:
        found.append(
            or_(rows.c.author == query.author, sources.c.username == query.author, rows.c.source_id == query.author)
        )
    if query.without:
        found.append(rows.c.plugin_id.not_in(query.without))
    return found


def _order(rows: FromClause, query: DirectoryQuery) -> list[ColumnElement[Any]]:
    order: list[ColumnElement[Any]] = []
    words = query.words.casefold().split()
    if words:
        slug = "-".join(words)
        order.append(
            case(
                (rows.c.plugin_id == slug, 0),
                (rows.c.plugin_id.startswith(slug, autoescape=True), 1),
                (func.lower(rows.c.name).contains(words[0], autoescape=True), 2),
                else_=3,
            )
        )
    match query.order:
        case Order.POPULAR:
            downloads = select(func.sum(usage_days.c.downloads)).where(
                usage_days.c.source_id == rows.c.source_id, usage_days.c.plugin_id == rows.c.plugin_id
            )
            order.append(-func.coalesce(downloads.scalar_subquery(), 0))
        case Order.NEW:
            order.append(-rows.c.since)
        case Order.UPDATED:
            order.append(-rows.c.updated_at)
        case Order.TRUSTED:
            pass
    return [*order, -sources.c.trust_score, rows.c.plugin_id]
