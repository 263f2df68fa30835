"""Search for words: the same is found on both databases, whatever the script, the case, the signs in between."""

import pytest
from sqlalchemy import select, text
from tests.support.records import ANN, add_sources, make_release

from pfn.storage.database import Database
from pfn.storage.release import point_newest
from pfn.storage.schema import plugins
from pfn.storage.search import find_words, has_words

TEXTS = {
    "host": "Made for wordpress.org and example.com/path?x=1",
    "path": "a/b-c_d.php, version 1.2.3-beta",
    "quotes": "“Smart” quotes – and dashes—too… it’s",
    "latin": "Zoë Café NAÏVE İstanbul Straße ﬁne",
    "wide": "ＡＢＣ １２３ Ⅳ",
    "greek": "Αθήνα Σίσυφος",
    "hindi": "हिन्दी भाषा",
    "korean": "한국어 플러그인",
    "numbers": "3d 1e5 0x1F 2fa -7 10th",
    "tags": "<b>bold</b> &amp; a:b & c | !d (e) 'f' *g*",
    "long": "x" * 1_500 + " end",
}
FOUND = {
    "org": {"host"},
    "wordpress.org": {"host"},
    "exam com": {"host"},
    "php": {"path"},
    "b-c": {"path", "tags"},
    "1.2": {"path", "numbers"},
    "smart quo": {"quotes"},
    "dashes": {"quotes"},
    "too": {"quotes"},
    "zoe": {"latin"},
    "ZOË CAFE": {"latin"},
    "naive": {"latin"},
    "istan": {"latin"},
    "strasse": {"latin"},
    "fine": {"latin"},
    "abc 123": {"wide"},
    "αθηνα": {"greek"},
    "ΣΊΣΥΦΟΣ": {"greek"},
    "हिन्दी": {"hindi"},
    "한국": {"korean"},
    "3d": {"numbers"},
    "1e5": {"numbers"},
    "2fa": {"numbers"},
    "10th": {"numbers"},
    "bold": {"tags"},
    "xxxx": {"long"},
    "end": {"long"},
    "' OR 1 --": {"host"},
    'bold" OR "end': set(),
    "bold & end": set(),
    "!bold": {"tags"},
    "end:*": {"long"},
    "lash": set(),
}


@pytest.fixture
async def library(database: Database) -> Database:
    async with database.write() as connection:
        await add_sources(connection, ANN)
        for slug, description in TEXTS.items():
            # No word of the slug or the name is asked for.
            await point_newest(
                connection, make_release(f"qq-{slug}", name="Qq", description=description, author="Qq", tags=())
            )
    return database


async def search(database: Database, asked: str) -> set[str]:
    async with database.read() as connection:
        rows = await connection.execute(select(plugins.c.plugin_id).where(has_words(connection, asked)))
        return {row[0].removeprefix("qq-") for row in rows}


async def test_beginnings_of_words_are_found(library: Database):
    assert {asked: await search(library, asked) for asked in FOUND} == FOUND


@pytest.mark.parametrize("asked", ["", "  "])
async def test_nothing_asked_is_everything(library: Database, asked: str):
    assert await search(library, asked) == set(TEXTS)


async def test_signs_alone_are_in_no_plugin(library: Database):
    assert await search(library, "%/- …") == set()


async def test_no_question_is_too_long_or_strange(library: Database):
    for asked in ("w" * 100_000, "a " * 10_000, "\0", "\ud800", "".join(map(chr, range(1, 3_000)))):
        assert await search(library, asked) <= set(TEXTS), asked[:20]


async def test_what_changed_is_found_as_it_is_now(library: Database):
    async with library.write() as connection:
        await point_newest(connection, make_release("qq-host", name="Qq", description="something else", author="Qq"))
    assert await search(library, "wordpress") == set()
    assert await search(library, "something") == {"host"}


async def test_the_index_is_used(database: Database):
    """Each word costs what it finds, not what there is."""
    if database.is_sqlite:
        return
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await connection.execute(
            text(
                "INSERT INTO plugins (source_id, plugin_id, name, newest_version, updated_at, search_text) "
                f"SELECT '{ANN}', 'p' || n, 'p', '1', n, 'word' || n || ' common' FROM generate_series(1, 3000) AS n"
            )
        )
    async with database.write() as connection:
        await connection.execute(text("ANALYZE plugins"))
        # So few rows are sooner read one after the other.
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        query = select(plugins.c.plugin_id).where(has_words(connection, "word77"))
        plain = str(query.compile(connection.sync_connection, compile_kwargs={"literal_binds": True}))
        plan = "\n".join((await connection.execute(text("EXPLAIN " + plain.replace(":", "\\:")))).scalars())
    assert "ix_plugins_search_words" in plan


def test_words_are_bounded():
    assert len(find_words("a " * 100)) == 16
    assert find_words("b" * 1_000) == ["b" * 100]
