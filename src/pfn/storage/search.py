"""Search for words: which rows of ``plugins`` have them, asked of each database in its own way.

The one place that knows how words are found. Words are runs of letters and digits, without regard to case; each must
occur as the beginning of one of the plugin's words. Case and the marks over letters do not count: ``zoe`` finds
``Zoë``. Nothing here ranks: who asks decides the order.
"""

import unicodedata

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    column,
    false,
    func,
    literal,
    literal_column,
    select,
    table,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.storage.schema import plugins, slugs

# Nobody means more, nor longer ones; what is beyond asks for nothing.
_MOST_WORDS = 16
_LONGEST_WORD = 100
# The marks over Latin, Greek and Cyrillic letters, which both databases leave out too.
_MARKS = dict.fromkeys(range(0x300, 0x370))

# What lists are sifted and ordered by.
_SIFTED = ("source_id", "plugin_id", "kind", "name", "author", "level", "updated_at")

# Of SQLite alone, and kept by its triggers: the words (migration 0010), and beside them the narrow rows (0014).
_WORDS = table("plugin_words", column("rowid"), column("plugin_words"))
_ROWS = table(
    "plugin_word_rows",
    column("id"),
    *(column(name, plugins.c[name].type) for name in _SIFTED),
    column("since", slugs.c.since.type),
)


def fold_text(text: str) -> str:
    """Give a text as words are compared: without regard to case, marks over letters and other spellings of a letter."""
    return unicodedata.normalize("NFKD", text.casefold()).translate(_MARKS).casefold()


def find_words(text: str) -> list[str]:
    """Give the words that a text asks for: letters, digits and the signs that belong to letters, in any script."""
    plain = fold_text(text)
    words = "".join(sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in plain).split()
    return [word[:_LONGEST_WORD] for word in words[:_MOST_WORDS]]


def has_words(connection: AsyncConnection, text: str) -> ColumnElement[bool]:
    """Give the condition that a row of ``plugins`` has all words of a text: any has, where there is no text at all."""
    words = find_words(text)
    if not words:
        return false() if text.strip() else true()
    if connection.dialect.name == "postgresql":
        return _postgres_has(words)
    return _sqlite_has(words)


def find_rows(connection: AsyncConnection, text: str, *, speaking: bool = False) -> FromClause:
    """Give the rows of ``plugins`` that have all words of a text, to sift and to order before any is read whole.

    Their columns are ``source_id``, ``plugin_id``, ``kind``, ``name``, ``author``, ``level`` and ``updated_at``. Those
    of sources ``speaking`` for the bare slug alone have ``since`` too: since when, in Unix seconds.
    """
    words = find_words(text)
    if words and connection.dialect.name == "sqlite":
        found = select(*(_ROWS.c[name] for name in _SIFTED)).where(_ROWS.c.id.in_(_match(words)))
        if speaking:
            found = found.add_columns(_ROWS.c.since).where(_ROWS.c.since.is_not(None))
        return found.subquery()
    found = select(*(plugins.c[name] for name in _SIFTED)).where(has_words(connection, text))
    if speaking:
        holds = (slugs.c.slug == plugins.c.plugin_id) & (slugs.c.source_id == plugins.c.source_id)
        found = found.join(slugs, holds).add_columns(slugs.c.since)
    return found.subquery()


def _sqlite_has(words: list[str]) -> ColumnElement[bool]:
    rows = select(_ROWS.c.source_id, _ROWS.c.plugin_id).where(_ROWS.c.id.in_(_match(words)))
    return tuple_(plugins.c.source_id, plugins.c.plugin_id).in_(rows)


def _match(words: list[str]) -> Select[tuple[int]]:
    # Words have no sign that means something within quotes; `*` asks for beginnings. Not ranked: that would read every
    # row that matches.
    asked = literal(" ".join(f'"{word}"*' for word in words))
    return select(_WORDS.c.rowid).where(_WORDS.c.plugin_words.op("MATCH")(asked))


def _postgres_has(words: list[str]) -> ColumnElement[bool]:
    # Words have no sign that means something in a query; `:*` asks for beginnings.
    asked = func.to_tsquery(literal_column("'simple'"), " & ".join(f"{word}:*" for word in words))
    # A column that only PostgreSQL has (migration 0011), made of `search_text` by the database itself.
    return literal_column("plugins.search_words").op("@@")(asked)
