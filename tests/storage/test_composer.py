"""Vendor names are given once; a document's date stands for one state of it."""

from sqlalchemy import delete
from tests.support.records import ANN, VERDICT, make_release, make_source

from pfn.storage.composer import date_document, find_document, find_packages, find_vendors, give_vendor, list_nameless
from pfn.storage.database import Database
from pfn.storage.release import add_release, mark_releases
from pfn.storage.schema import sources
from pfn.storage.source import add_source


async def test_a_source_keeps_its_name_and_no_other_gets_it(database: Database) -> None:
    async with database.write() as connection:
        assert await give_vendor(connection, "ann@one.example") == "ann"
        assert await give_vendor(connection, "Ann@two.example") == "ann-92debca9"
        assert await give_vendor(connection, "ann@one.example") == "ann"
        # Somebody else has the name that would be the second choice.
        await give_vendor(connection, "ann-a05b453c@three.example")
        await connection.execute(delete(sources))
    async with database.write() as connection:
        assert await find_vendors(connection, ["ann@one.example", "eve@x.example"]) == {"ann@one.example": "ann"}
        assert await give_vendor(connection, "ANN@three.example") == "ann-a05b453c3be22373"


async def test_sources_of_before_are_named_in_the_order_they_came(database: Database) -> None:
    async with database.write() as connection:
        for source_id, created_at in (("ann@two.example", 2_000), (ANN, 1_000), ("eve@no.plugins", 1)):
            await add_source(connection, make_source(source_id, created_at=created_at))
        for source_id in (ANN, "ann@two.example"):
            await add_release(connection, make_release(source_id=source_id), VERDICT)
        assert await list_nameless(connection) == [ANN, "ann@two.example"]


async def test_every_state_of_a_document_has_a_date_of_its_own(nodes: tuple[Database, Database]) -> None:
    first, second = nodes
    dates = []
    for database, digest, now in (
        (first, "a", 100),
        (second, "a", 200),
        (second, "b", 300),
        (first, "a", 300),
        (first, "b", 300),
        (second, "c", 250),
        (first, "d", 400),
    ):
        async with database.write() as connection:
            dates.append(await date_document(connection, "x", digest, now))
    assert dates == [100, 100, 300, 301, 302, 303, 400]
    async with first.read() as connection:
        assert await find_document(connection, "x") == ("d", 400)
        assert await find_document(connection, "y") is None


async def test_a_package_is_read_without_its_readme(database: Database) -> None:
    facts = {
        "kind": "theme",
        "header": {"name": "Hello", "requires_php": "8.1"},
        "readme": {"license": "MIT", "sections": {"description": "Long."}},
    }
    async with database.write() as connection:
        await add_source(connection, make_source())
        await give_vendor(connection, ANN)
        for version in ("1.0", "1.10", "1.9"):
            await add_release(connection, make_release(version=version, facts=facts), VERDICT)
        await add_release(
            connection, make_release("bare", facts={"kind": "plugin", "header": None, "readme": None}), VERDICT
        )
        await mark_releases(connection, ANN, "hello", "1.9", block_reason="Its key was stolen.")
        names = [("ann", "hello"), ("ann", "bare"), ("ann", "other"), ("bob", "hello")]
        bare, hello = sorted(await find_packages(connection, names), key=lambda one: one.slug)
        (withdrawn,) = await find_packages(connection, names, withdrawn=True)
    assert [one.version for one in hello.releases] == ["1.10", "1.9", "1.0"]
    assert hello.releases[0].header == facts["header"]
    assert (hello.releases[0].kind, hello.releases[0].readme_license) == ("theme", "MIT")
    assert (bare.releases[0].header, bare.releases[0].readme_license) == ({}, "")
    assert [one.version for one in withdrawn.releases] == ["1.9"]
