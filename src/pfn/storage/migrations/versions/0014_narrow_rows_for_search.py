"""What searches sift and sort by, in narrow rows beside the words on SQLite, kept by the database itself.

A search looks at every row that matches: of ``plugins`` and ``slugs`` each would be looked up by name, on pages full of
what only the few rows need that are shown. ``since`` is when the source began to speak for the bare slug, and null
where it does not.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

TABLE = """CREATE TABLE plugin_word_rows (
        id INTEGER PRIMARY KEY, source_id VARCHAR NOT NULL, plugin_id VARCHAR NOT NULL, kind VARCHAR NOT NULL,
        name VARCHAR NOT NULL, author VARCHAR, level VARCHAR NOT NULL, updated_at BIGINT NOT NULL, since BIGINT,
        UNIQUE (source_id, plugin_id)
    )"""
COLUMNS = ("source_id", "plugin_id", "kind", "name", "author", "level", "updated_at")
NAMES = ", ".join(COLUMNS)
OLD, NEW = (", ".join(f"{row}.{column}" for column in COLUMNS) for row in ("old", "new"))
# Put together of constants alone, as all that follows.
SINCE = "(SELECT since FROM slugs WHERE slug = new.plugin_id AND source_id = new.source_id)"
FORGET = """
    INSERT INTO plugin_words(plugin_words, rowid, search_text)
        SELECT 'delete', id, old.search_text FROM plugin_word_rows
        WHERE source_id = old.source_id AND plugin_id = old.plugin_id
"""
LEARN = """
    INSERT INTO plugin_words(rowid, search_text)
        SELECT id, new.search_text FROM plugin_word_rows
        WHERE source_id = new.source_id AND plugin_id = new.plugin_id
"""
SILENCE = "UPDATE plugin_word_rows SET since = NULL WHERE source_id = old.source_id AND plugin_id = old.slug"
SPEAK = "UPDATE plugin_word_rows SET since = new.since WHERE source_id = new.source_id AND plugin_id = new.slug"
TRIGGERS = (
    f"""CREATE TRIGGER plugin_words_insert AFTER INSERT ON plugins BEGIN
        INSERT INTO plugin_word_rows({NAMES}, since) VALUES ({NEW}, {SINCE});
        {LEARN};
    END""",  # noqa: S608
    f"""CREATE TRIGGER plugin_words_update AFTER UPDATE ON plugins
        WHEN ({OLD}, old.search_text) IS NOT ({NEW}, new.search_text)
    BEGIN
        {FORGET} AND old.search_text IS NOT new.search_text;
        UPDATE plugin_word_rows SET ({NAMES}, since) = ({NEW}, {SINCE})
            WHERE source_id = old.source_id AND plugin_id = old.plugin_id;
        {LEARN} AND old.search_text IS NOT new.search_text;
    END""",  # noqa: S608
    f"""CREATE TRIGGER plugin_words_delete AFTER DELETE ON plugins BEGIN
        {FORGET};
        DELETE FROM plugin_word_rows WHERE source_id = old.source_id AND plugin_id = old.plugin_id;
    END""",  # noqa: S608
    f"CREATE TRIGGER plugin_words_slug_insert AFTER INSERT ON slugs BEGIN {SPEAK}; END",
    f"CREATE TRIGGER plugin_words_slug_update AFTER UPDATE ON slugs BEGIN {SILENCE}; {SPEAK}; END",
    f"CREATE TRIGGER plugin_words_slug_delete AFTER DELETE ON slugs BEGIN {SILENCE}; END",
)
# The words stay where they are: their rows keep their numbers.
STEPS = (
    *(f"DROP TRIGGER plugin_words_{change}" for change in ("insert", "update", "delete")),
    "ALTER TABLE plugin_word_rows RENAME TO plugin_word_rows_before",
    TABLE,
    f"""INSERT INTO plugin_word_rows(id, {NAMES}, since)
        SELECT id, {NAMES}, (SELECT since FROM slugs WHERE slug = plugin_id AND slugs.source_id = plugins.source_id)
        FROM plugin_word_rows_before JOIN plugins USING (source_id, plugin_id) ORDER BY id""",  # noqa: S608
    "DROP TABLE plugin_word_rows_before",
    *TRIGGERS,
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for statement in STEPS:
        op.execute(statement)
