"""Search for words on SQLite: an index of the words of each plugin, kept by the database itself.

The index holds no text, only where each word stands; its rows have numbers of their own, for those of ``plugins`` may
change when a database is tidied up.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

# Letters, digits and the signs that belong to letters make words, as `find_words` has it; two letters and three are
# looked up at once, for that is how much of a word people have typed.
WORDS = "unicode61 remove_diacritics 2 categories ''L* N* M*''"

TABLES = (
    """CREATE TABLE plugin_word_rows (
        id INTEGER PRIMARY KEY, source_id VARCHAR NOT NULL, plugin_id VARCHAR NOT NULL, UNIQUE (source_id, plugin_id)
    )""",
    f"CREATE VIRTUAL TABLE plugin_words USING fts5(search_text, content='', prefix='2 3', tokenize='{WORDS}')",
)
FORGET = """
    INSERT INTO plugin_words(plugin_words, rowid, search_text)
        SELECT 'delete', id, old.search_text FROM plugin_word_rows
        WHERE source_id = old.source_id AND plugin_id = old.plugin_id;
"""
LEARN = """
    INSERT INTO plugin_words(rowid, search_text)
        SELECT id, new.search_text FROM plugin_word_rows
        WHERE source_id = new.source_id AND plugin_id = new.plugin_id;
"""
# Put together of constants alone.
TRIGGERS = (
    f"""CREATE TRIGGER plugin_words_insert AFTER INSERT ON plugins BEGIN
        INSERT INTO plugin_word_rows(source_id, plugin_id) VALUES (new.source_id, new.plugin_id);
        {LEARN}
    END""",  # noqa: S608
    f"""CREATE TRIGGER plugin_words_update AFTER UPDATE ON plugins
        WHEN old.search_text IS NOT new.search_text
    BEGIN
        {FORGET}
        {LEARN}
    END""",
    f"""CREATE TRIGGER plugin_words_delete AFTER DELETE ON plugins BEGIN
        {FORGET}
        DELETE FROM plugin_word_rows WHERE source_id = old.source_id AND plugin_id = old.plugin_id;
    END""",  # noqa: S608
)
FILL = (
    "INSERT INTO plugin_word_rows(source_id, plugin_id) SELECT source_id, plugin_id FROM plugins",
    """INSERT INTO plugin_words(rowid, search_text)
        SELECT id, search_text FROM plugins JOIN plugin_word_rows USING (source_id, plugin_id)""",
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for statement in (*TABLES, *TRIGGERS, *FILL):
        op.execute(statement)
