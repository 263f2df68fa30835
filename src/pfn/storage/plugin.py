"""Lists of plugins: filtered, sorted, paged by cursor, so that page 1,000 costs what page 1 does."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Select, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.domain.release import Plugin
from pfn.domain.source import SourceStatus
from pfn.protocol.errors import Code, PfnError
from pfn.storage.release import list_releases
from pfn.storage.schema import plugin_tags, plugins, sources


class PluginSort(StrEnum):
    """How a list is ordered."""

    UPDATED = "updated"
    NAME = "name"
    TRUST = "trust"


@dataclass(frozen=True, slots=True)
class PluginQuery:
    """What is asked for. ``cursor`` is the ``next`` of the page before."""

    q: str | None = None
    tag: str | None = None
    author: str | None = None
    source: str | None = None
    plugin: str | None = None
    sort: PluginSort = PluginSort.UPDATED
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PluginPage:
    """One page and the cursor of the next, if there is one."""

    plugins: tuple[Plugin, ...]
    next: str | None


async def list_plugins(connection: AsyncConnection, query: PluginQuery) -> PluginPage:
    """Give one page of the plugins that are offered: those of suspended or removed sources are not.

    Raises PfnError (``invalid_field``) for a cursor that is not one of ours.
    """
    rows = (await connection.execute(_select(query))).mappings().all()
    page = rows[: query.limit]
    releases = await list_releases(connection, [(row["source_id"], row["plugin_id"]) for row in page])
    found = tuple(
        Plugin(
            plugin_id=row["plugin_id"],
            source_id=row["source_id"],
            name=row["name"],
            description=row["description"],
            author=row["author"],
            tags=tuple(row["tags"]),
            updated_at=row["updated_at"],
            trust_score=row["trust_score"],
            releases=releases[row["source_id"], row["plugin_id"]],
        )
        for row in page
    )
    if len(rows) <= query.limit:
        return PluginPage(found, None)
    last = page[-1]
    value = last[_SORT_COLUMN[query.sort].name]
    return PluginPage(found, _encode_cursor([value, last["source_id"], last["plugin_id"]]))


_SORT_COLUMN = {
    PluginSort.UPDATED: plugins.c.updated_at,
    PluginSort.NAME: plugins.c.name,
    PluginSort.TRUST: sources.c.trust_score,
}


def _select(query: PluginQuery) -> Select[tuple[object, ...]]:
    column = _SORT_COLUMN[query.sort]
    descending = query.sort is not PluginSort.NAME
    statement: Select[tuple[object, ...]] = (
        select(plugins, sources.c.trust_score)
        .join(sources, sources.c.id == plugins.c.source_id)
        .where(sources.c.status.not_in([SourceStatus.SUSPENDED, SourceStatus.REMOVED]))
        .order_by(column.desc() if descending else column, plugins.c.source_id, plugins.c.plugin_id)
        .limit(query.limit + 1)
    )
    for condition in _conditions(query):
        statement = statement.where(condition)
    if query.cursor is not None:
        value, source_id, plugin_id = _decode_cursor(query.cursor)
        tie = or_(
            plugins.c.source_id > source_id,
            and_(plugins.c.source_id == source_id, plugins.c.plugin_id > plugin_id),
        )
        beyond = column < value if descending else column > value
        statement = statement.where(or_(beyond, and_(column == value, tie)))
    return statement


def _conditions(query: PluginQuery) -> Sequence[ColumnElement[bool]]:
    words = (query.q or "").casefold().split()
    conditions: list[ColumnElement[bool]] = [plugins.c.search_text.contains(word, autoescape=True) for word in words]
    if query.tag:
        conditions.append(
            exists().where(
                plugin_tags.c.source_id == plugins.c.source_id,
                plugin_tags.c.plugin_id == plugins.c.plugin_id,
                plugin_tags.c.tag == query.tag.casefold(),
            )
        )
    if query.author:
        conditions.append(or_(plugins.c.author == query.author, sources.c.username == query.author))
    if query.source:
        conditions.append(plugins.c.source_id == query.source)
    if query.plugin:
        conditions.append(plugins.c.plugin_id == query.plugin)
    return conditions


def _encode_cursor(values: list[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> tuple[object, str, str]:
    try:
        value, source_id, plugin_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError) as error:
        raise _bad_cursor() from error
    if not (isinstance(value, str | int | float) and isinstance(source_id, str) and isinstance(plugin_id, str)):
        raise _bad_cursor()
    return value, source_id, plugin_id


def _bad_cursor() -> PfnError:
    return PfnError(Code.INVALID_FIELD, "The cursor is not one this node gave; start again without it.")
