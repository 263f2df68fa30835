"""Lists of plugins: filtered, sorted, paged by cursor.

By ``updated`` and ``name``, page 1,000 costs what page 1 does. ``trust`` has no index: each of its pages looks at every
row that is left, as each search for words does.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import FromClause, Select, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.domain.release import Plugin, SignatureLevel
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.strict_json import JsonValue, parse_json
from pfn.storage.release import find_newest
from pfn.storage.schema import plugin_tags, plugins, sources
from pfn.storage.search import find_rows
from pfn.storage.source import serves


class PluginSort(StrEnum):
    """How a list is ordered."""

    UPDATED = "updated"
    NAME = "name"
    TRUST = "trust"


@dataclass(frozen=True, slots=True)
class PluginQuery:
    """What is asked for. ``cursor`` is the ``next`` of the page before; ``level`` the least of the newest release."""

    q: str | None = None
    tag: str | None = None
    author: str | None = None
    source: str | None = None
    plugin: str | None = None
    level: SignatureLevel | None = None
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
    rows = (await connection.execute(_select(connection, query))).mappings().all()
    page = rows[: query.limit]
    newest = await find_newest(connection, [(row["source_id"], row["plugin_id"]) for row in page])
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
            newest=newest[row["source_id"], row["plugin_id"]],
        )
        for row in page
    )
    if len(rows) <= query.limit:
        return PluginPage(found, None)
    last = page[-1]
    value = last[_SORT_COLUMN[query.sort]]
    return PluginPage(found, _encode_cursor(query.sort, value, last["source_id"], last["plugin_id"]))


_SORT_COLUMN = {
    PluginSort.UPDATED: "updated_at",
    PluginSort.NAME: "name",
    PluginSort.TRUST: "trust_score",
}
_SORT_TYPE = {PluginSort.UPDATED: int, PluginSort.NAME: str, PluginSort.TRUST: float}
_LEVELS = tuple(SignatureLevel)
_END_OF_BIGINT = 2**63


def _select(connection: AsyncConnection, query: PluginQuery) -> Select[tuple[object, ...]]:
    if not query.q:
        return _select_page(plugins, query, *plugins.c)
    # What matches is cut to the page before any of it is read whole.
    rows = find_rows(connection, query.q)
    keys = _select_page(rows, query, rows.c.source_id, rows.c.plugin_id).subquery()
    key = (keys.c.source_id == plugins.c.source_id) & (keys.c.plugin_id == plugins.c.plugin_id)
    return (
        select(plugins, keys.c.trust_score)
        .join_from(keys, plugins, key)
        .order_by(*_order(plugins, keys.c.trust_score, query.sort))
    )


def _select_page(rows: FromClause, query: PluginQuery, *columns: ColumnElement[object]) -> Select[tuple[object, ...]]:
    statement: Select[tuple[object, ...]] = (
        select(*[*columns, sources.c.trust_score])
        .select_from(rows)
        .join(sources, sources.c.id == rows.c.source_id)
        .where(serves(), *_conditions(rows, query))
        .order_by(*_order(rows, sources.c.trust_score, query.sort))
        .limit(query.limit + 1)
    )
    if query.cursor is None:
        return statement
    value, source_id, plugin_id = _decode_cursor(query.cursor, query.sort)
    tie = or_(
        rows.c.source_id > source_id,
        and_(rows.c.source_id == source_id, rows.c.plugin_id > plugin_id),
    )
    column = _sorted_by(rows, sources.c.trust_score, query.sort)
    # The first condition is implied by the second, but it alone lets an index begin at the cursor.
    if query.sort is PluginSort.NAME:
        return statement.where(column >= value, or_(column > value, tie))
    return statement.where(column <= value, or_(column < value, tie))


def _sorted_by(rows: FromClause, trust: ColumnElement[float], sort: PluginSort) -> ColumnElement[Any]:
    return trust if sort is PluginSort.TRUST else rows.c[_SORT_COLUMN[sort]]


def _order(rows: FromClause, trust: ColumnElement[float], sort: PluginSort) -> Sequence[ColumnElement[Any]]:
    column = _sorted_by(rows, trust, sort)
    return column if sort is PluginSort.NAME else column.desc(), rows.c.source_id, rows.c.plugin_id


def _conditions(rows: FromClause, query: PluginQuery) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.tag:
        # Costs what has the tag; `exists` would cost what has it not, which for most tags is nearly everything.
        tagged = select(plugin_tags.c.source_id, plugin_tags.c.plugin_id).where(
            plugin_tags.c.tag == query.tag.casefold()
        )
        conditions.append(tuple_(rows.c.source_id, rows.c.plugin_id).in_(tagged))
    if query.author:
        conditions.append(or_(rows.c.author == query.author, sources.c.username == query.author))
    if query.source:
        conditions.append(rows.c.source_id == query.source)
    if query.level:
        at_least = _LEVELS[_LEVELS.index(query.level) :]
        if len(at_least) < len(_LEVELS):
            conditions.append(rows.c.level.in_([level.value for level in at_least]))
    if query.plugin:
        conditions.append(rows.c.plugin_id == query.plugin)
    return conditions


def _encode_cursor(sort: PluginSort, value: object, source_id: str, plugin_id: str) -> str:
    text = json.dumps([sort.value, value, source_id, plugin_id], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str, wanted: PluginSort) -> tuple[object, str, str]:
    match _read_cursor(cursor):
        case [sort, value, str(source_id), str(plugin_id)] if (
            sort == wanted and _could_be_stored(value, _SORT_TYPE[wanted]) and "\0" not in source_id + plugin_id
        ):
            return value, source_id, plugin_id
    raise _bad_cursor()


def _read_cursor(cursor: str) -> JsonValue:
    try:
        return parse_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), max_depth=1)
    except (PfnError, ValueError) as error:
        raise _bad_cursor() from error


def _could_be_stored(value: JsonValue, kind: type) -> bool:
    """Tell whether both databases take the value; a bool is an int only to Python."""
    if isinstance(value, str):
        return kind is str and "\0" not in value
    return isinstance(value, int | float) and type(value) is kind and abs(value) < _END_OF_BIGINT


def _bad_cursor() -> PfnError:
    return PfnError(Code.INVALID_FIELD, "The cursor is not one this node gave for this order; start again without it.")
