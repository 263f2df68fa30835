"""Lists of plugins: what each filter keeps, each order, and cursors that meet everything exactly once."""

import base64
import json
import random
from itertools import product

import pytest
from tests.support.records import ANN, BOB, VERDICT, add_sources, make_release, make_source, offer

from pfn.domain.release import Plugin
from pfn.domain.source import SourceStatus
from pfn.protocol.errors import Code, PfnError
from pfn.storage.database import Database
from pfn.storage.plugin import PluginPage, PluginQuery, PluginSort, list_plugins
from pfn.storage.release import add_release, point_newest
from pfn.storage.source import add_source, change_source


async def ask(database: Database, **query: object) -> PluginPage:
    async with database.read() as connection:
        return await list_plugins(connection, PluginQuery(**query))  # type: ignore[arg-type]


async def find(database: Database, **query: object) -> set[str]:
    page = await ask(database, **query)
    assert page.next is None
    names = [one.plugin_id for one in page.plugins]
    assert len(set(names)) == len(names)
    return set(names)


async def walk(database: Database, **query: object) -> list[Plugin]:
    found: list[Plugin] = []
    cursor = None
    while True:
        page = await ask(database, cursor=cursor, **query)
        found += page.plugins
        cursor = page.next
        if cursor is None:
            return found
        assert len(page.plugins) == query["limit"]
        assert len(found) < 200, "the walk goes in a circle"


@pytest.fixture
async def library(database: Database) -> Database:
    """Seven plugins of two sources, each unlike the others in something."""
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await offer(
            connection,
            make_release("plain", name="Plain", description="Nothing more", author="Zoe", tags=()),
            make_release("forms", name="Contact Forms", description="A STRASSE form.", author="Zoe", tags=("Forms",)),
            make_release("sale", name="Save 100% now", description="under_score", author="Max/Moritz", tags=("SEO",)),
            make_release("street", "1.0", BOB, name="Straße", description="back\\slash", tags=("seo-tools",)),
            make_release("sale2", "1.0", BOB, name="Save 1000 now", description="underXscore", tags=("İstanbul",)),
            make_release("silent", "1.0", BOB, description=None, author=None, tags=("FORMS", "seo")),
            make_release("plain", "1.0", BOB, name="Plain too", tags=()),
        )
    return database


async def test_a_listed_plugin_has_all_there_is_to_show(database: Database):
    old = make_release(version="1.0", name="Old name")
    new = make_release(version="1.10", mirror_date=3_000, tags=("Tools",))
    between = make_release(version="1.9")
    async with database.write() as connection:
        await add_source(connection, make_source(trust_score=0.75))
        for release in (old, new):
            await add_release(connection, release, VERDICT)
            await point_newest(connection, release)
        await add_release(connection, between, VERDICT)
    plugin = Plugin(
        plugin_id="hello",
        source_id=ANN,
        name="Hello",
        description="What hello does.",
        author="Ann Author",
        tags=("Tools",),
        updated_at=3_000,
        trust_score=0.75,
        newest=new,
    )
    assert await ask(database) == PluginPage((plugin,), None)


async def test_an_empty_node_lists_nothing(database: Database):
    assert await ask(database) == PluginPage((), None)


EVERYTHING = {"plain", "forms", "sale", "street", "sale2", "silent"}
QUESTIONS = (
    ("", EVERYTHING),
    ("   ", EVERYTHING),
    ("contact", {"forms"}),
    ("FORMS", {"forms", "silent"}),
    ("form contact", {"forms"}),
    ("contact sale", set()),
    ("strasse", {"forms", "street"}),
    ("straße", {"forms", "street"}),
    ("zoe", {"plain", "forms"}),
    ("silent", {"silent"}),
    ("seo-tools", {"street"}),
    ("i̇stanbul", {"sale2"}),
    # Nothing in a question is a wildcard or an escape; signs alone are no word, and no plugin has them.
    ("%", set()),
    ("100", {"sale", "sale2"}),
    ("under_score", {"sale"}),
    ("s_le", set()),
    ("x%n", set()),
    ("max/moritz", {"sale"}),
    ("/%", set()),
    ("back\\slash", {"street"}),
    ("\\", set()),
    ("'", set()),
    ('"; DROP TABLE plugins; --', set()),
)


async def test_every_word_must_occur_somewhere_whatever_its_case(library: Database):
    for q, expected in QUESTIONS:
        page = await ask(library, q=q)
        assert {one.plugin_id for one in page.plugins} == expected, q


FILTERS = (
    ({"tag": "forms"}, {"forms", "silent"}),
    ({"tag": "SEO"}, {"sale", "silent"}),
    ({"tag": "se"}, set()),
    ({"tag": "%"}, set()),
    ({"tag": "i̇stanbul"}, {"sale2"}),
    ({"author": "Zoe"}, {"forms", "plain"}),
    ({"author": "ann"}, {"forms", "plain", "sale"}),
    ({"author": "zoe"}, set()),
    ({"source": ANN}, {"forms", "plain", "sale"}),
    ({"source": "ann"}, set()),
    ({"plugin": "forms"}, {"forms"}),
    ({"plugin": "form"}, set()),
    ({"tag": "seo", "source": BOB}, {"silent"}),
    ({"q": "save", "author": "bob"}, {"sale2"}),
)


async def test_each_filter_keeps_what_it_names(library: Database):
    for query, expected in FILTERS:
        assert await find(library, **query) == expected, query


@pytest.mark.parametrize("status", list(SourceStatus))
async def test_plugins_of_suspended_and_removed_sources_are_not_offered(library: Database, status):
    async with library.write() as connection:
        await change_source(connection, ANN, status=status)
    offered = status not in {SourceStatus.SUSPENDED, SourceStatus.REMOVED}
    assert offered == make_source(status=status).serves
    assert {one.source_id for one in (await ask(library)).plugins} == ({ANN, BOB} if offered else {BOB})
    assert await find(library, source=ANN, q="plain") == ({"plain"} if offered else set())


async def _scatter(database: Database, seed: int) -> list[tuple[str, str, str, int, float]]:
    """Store plugins whose sort keys are few, so that most are equal; give (source, plugin, name, updated, trust)."""
    random_ = random.Random(seed)
    rows = []
    async with database.write() as connection:
        for number in range(5):
            source_id = f"u{number}@host{number}.example"
            trust = random_.choice([0.0, 1 / 3, 0.1 + 0.2, 1.0])
            await add_source(connection, make_source(source_id, trust_score=trust))
            for plugin_id in random_.sample([f"p{i}" for i in range(12)], random_.randint(3, 12)):
                name = random_.choice(["", "Same", "same", "Émile", "日本語", 'qu"ote\\'])
                updated = random_.choice([0, 5, 2**40])
                await offer(connection, make_release(plugin_id, "1.0", source_id, name=name, mirror_date=updated))
                rows.append((source_id, plugin_id, name, updated, trust))
    return rows


_ORDERS = {
    PluginSort.UPDATED: lambda row: (-row[3], row[0], row[1]),
    PluginSort.NAME: lambda row: (row[2].encode(), row[0], row[1]),
    PluginSort.TRUST: lambda row: (-row[4], row[0], row[1]),
}


@pytest.mark.parametrize("sort", list(PluginSort))
@pytest.mark.parametrize("seed", range(3))
async def test_a_walk_meets_everything_once_in_order_however_equal_the_keys(database: Database, sort, seed):
    rows = sorted(await _scatter(database, seed), key=_ORDERS[sort])
    expected = [row[:2] for row in rows]
    for limit in (1, 3, len(rows) - 1, len(rows), len(rows) + 1):
        found = await walk(database, sort=sort, limit=limit)
        assert [(one.source_id, one.plugin_id) for one in found] == expected
    found = await walk(database, sort=sort, limit=2, plugin="p3")
    assert [one.source_id for one in found] == [row[0] for row in rows if row[1] == "p3"]


async def test_what_is_added_during_a_walk_repeats_and_hides_nothing(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await offer(connection, *(make_release(f"p{number}", mirror_date=number) for number in range(6)))
    first = await ask(database, limit=3)
    async with database.write() as connection:
        await offer(connection, make_release("fresh", mirror_date=99))
    second = await ask(database, limit=3, cursor=first.next)
    assert [one.plugin_id for one in (*first.plugins, *second.plugins)] == ["p5", "p4", "p3", "p2", "p1", "p0"]
    assert second.next is None


def _encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


FOREIGN_CURSORS = (
    "",
    "x",
    "2",
    "not base64!",
    "日本",
    "\ud800",
    "\x00",
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    _encode(None),
    _encode(7),
    _encode("abc"),
    _encode({}),
    _encode([]),
    _encode([1, 2]),
    _encode(["updated", 1, "a", "b", "c"]),
    _encode(["updated", 1, "a", 2]),
    _encode(["updated", "text", "a", "b"]),
    _encode(["updated", True, "a", "b"]),
    _encode(["updated", None, "a", "b"]),
    _encode(["updated", [1], "a", "b"]),
    _encode(["updated", 1.5, "a", "b"]),
    _encode(["updated", 2**63, "a", "b"]),
    _encode(["updated", float("nan"), "a", "b"]),
    _encode(["updated", 1, "a\x00", "b"]),
    _encode(["updated", 1, "a", "\ud800"]),
    _encode(["other", 1, "a", "b"]),
    base64.urlsafe_b64encode(b"[" * 5_000).decode(),
    base64.urlsafe_b64encode(b"9" * 5_000).decode(),
)


async def test_a_foreign_cursor_is_refused(library: Database):
    for cursor in FOREIGN_CURSORS:
        with pytest.raises(PfnError) as caught:
            await ask(library, cursor=cursor)
        assert caught.value.code is Code.INVALID_FIELD, cursor


async def test_a_cursor_belongs_to_its_order(library: Database):
    for sort, other in product(PluginSort, repeat=2):
        cursor = (await ask(library, sort=sort, limit=2)).next
        if sort is other:
            assert len((await ask(library, sort=other, cursor=cursor)).plugins) == 5
            continue
        with pytest.raises(PfnError) as caught:
            await ask(library, sort=other, cursor=cursor)
        assert caught.value.code is Code.INVALID_FIELD, (sort, other)
