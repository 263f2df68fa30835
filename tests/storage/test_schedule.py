"""Rows that are due: claimed once however many ask, by hosts with their share, changed only by who holds the lease."""

import asyncio
from collections import Counter

import pytest

from pfn.domain.schedule import Due, Next, Work
from pfn.storage.database import Database
from pfn.storage.schedule import (
    claim_due,
    claim_one,
    drop_due,
    end_lease,
    free_leases,
    get_due,
    list_due,
    next_due_at,
    put_due,
    renew_lease,
)

NOW = 1_000


async def put(database: Database, kind: Work, subject: str, *, due_at: int = NOW, host: str = "") -> None:
    async with database.write() as connection:
        await put_due(connection, kind, subject, due_at=due_at, interval_s=60, host=host)


async def claim(
    database: Database, token: str, *, now: int = NOW, until: int = NOW + 60, limit: int = 100, per_host: int = 100
) -> list[Due]:
    async with database.write() as connection:
        return list(await claim_due(connection, now, token=token, until=until, limit=limit, per_host=per_host))


async def find(database: Database, kind: Work, subject: str) -> Due | None:
    async with database.read() as connection:
        return await get_due(connection, kind, subject)


async def test_nothing_is_claimed_before_it_is_due_and_the_longest_due_first(database: Database) -> None:
    for subject, due_at in (("c", NOW - 1), ("a", NOW - 9), ("b", NOW), ("later", NOW + 1)):
        await put(database, Work.PROBE, subject, due_at=due_at)
    assert [due.subject for due in await claim(database, "t", limit=2)] == ["a", "c"]
    assert [due.subject for due in await claim(database, "t")] == ["b"]
    assert await claim(database, "t") == []


async def test_two_that_claim_at_the_same_time_never_get_one_row_twice(nodes: tuple[Database, Database]) -> None:
    subjects = {f"source-{number}" for number in range(60)}
    for subject in subjects:
        await put(nodes[0], Work.SYNC, subject)
    claimed: Counter[str] = Counter()

    async def work(database: Database, token: str) -> None:
        while got := await claim(database, token, limit=3):
            claimed.update(due.subject for due in got)

    await asyncio.gather(*(work(nodes[number % 2], f"token-{number}") for number in range(6)))
    # On PostgreSQL a claim that finds all rows held by others at this moment ends early: one more look takes the rest.
    claimed.update(due.subject for due in await claim(nodes[0], "last"))
    assert claimed == Counter(dict.fromkeys(subjects, 1))


async def test_two_that_claim_one_row_at_the_same_time_get_it_once(nodes: tuple[Database, Database]) -> None:
    async def ask(database: Database, token: str) -> Due | None:
        async with database.write() as connection:
            return await claim_one(connection, Work.VERIFY, "a", NOW, token=token, until=NOW + 60)

    got = [one for one in await asyncio.gather(*(ask(nodes[n % 2], f"t{n}") for n in range(8))) if one is not None]
    assert len(got) == 1
    assert (await find(nodes[0], Work.VERIFY, "a")) == got[0]


async def test_a_host_is_asked_so_many_things_at_a_time(database: Database) -> None:
    for number in range(5):
        await put(database, Work.SYNC, f"busy-{number}", due_at=NOW - 5, host="busy.example")
        await put(database, Work.TIDY, f"own-{number}")
    await put(database, Work.SYNC, "other", host="other.example")
    first = await claim(database, "one", per_host=2)
    assert Counter(due.host for due in first) == {"busy.example": 2, "": 5, "other.example": 1}
    # Those under way count for the next who claims, until their lease has run out.
    assert await claim(database, "two", per_host=2) == []
    assert len(await claim(database, "two", per_host=3)) == 1
    assert len(await claim(database, "three", now=NOW + 60, per_host=2)) == 8


async def test_a_busy_host_does_not_hide_others_behind_it(database: Database) -> None:
    for number in range(50):
        await put(database, Work.SYNC, f"busy-{number}", due_at=NOW - 5, host="busy.example")
    await put(database, Work.SYNC, "other", host="other.example")
    assert len(await claim(database, "one", limit=2, per_host=2)) == 2
    assert [due.subject for due in await claim(database, "two", limit=2, per_host=2)] == ["other"]


async def test_a_lease_that_ran_out_is_anybodys_and_its_owner_can_change_nothing(database: Database) -> None:
    await put(database, Work.SYNC, "a")
    assert [due.owner for due in await claim(database, "dead")] == [None]
    assert await claim(database, "alive", now=NOW + 59) == []
    async with database.read() as connection:
        assert await next_due_at(connection, NOW + 59) is None
        assert await next_due_at(connection, NOW + 60) == NOW
    taken = await claim(database, "alive", now=NOW + 60, until=NOW + 120)
    assert [due.owner for due in taken] == ["dead"], "who takes over is told from whom"
    before = await find(database, Work.SYNC, "a")
    async with database.write() as connection:
        assert not await renew_lease(connection, Work.SYNC, "a", token="dead", until=NOW + 999)
        following = Next(NOW + 500, 30, 2)
        assert not await end_lease(connection, Work.SYNC, "a", token="dead", following=following, outcome="x")
    assert await find(database, Work.SYNC, "a") == before
    assert before is not None
    assert (before.owner, before.lease_until) == ("alive", NOW + 120)


async def test_a_lease_is_kept_and_ended_by_its_token(database: Database) -> None:
    await put(database, Work.SYNC, "a", host="a.example")
    await claim(database, "mine")
    async with database.write() as connection:
        assert await renew_lease(connection, Work.SYNC, "a", token="mine", until=NOW + 90)
    assert await claim(database, "other", now=NOW + 89) == []
    async with database.write() as connection:
        assert await end_lease(
            connection, Work.SYNC, "a", token="mine", following=Next(NOW + 500, 30, 2), outcome="changed"
        )
        assert not await end_lease(connection, Work.SYNC, "a", token="mine", following=None, outcome=None)
    assert await find(database, Work.SYNC, "a") == Due(
        Work.SYNC, "a", "a.example", NOW + 500, 30, 2, owner=None, lease_until=None, ran_at=NOW, outcome="changed"
    )


async def test_what_is_given_back_without_a_plan_is_due_still(database: Database) -> None:
    await put(database, Work.SYNC, "a")
    await claim(database, "mine")
    async with database.write() as connection:
        assert await end_lease(connection, Work.SYNC, "a", token="mine", following=None, outcome=None)
    assert [due.subject for due in await claim(database, "other")] == ["a"]


async def test_one_row_can_be_claimed_before_it_is_due_or_known(database: Database) -> None:
    await put(database, Work.VERIFY, "a", due_at=NOW + 5_000, host="a.example")
    for subject, host in (("a", "a.example"), ("new", "new.example")):
        async with database.write() as connection:
            got = await claim_one(connection, Work.VERIFY, subject, NOW, token="t", until=NOW + 60, host=host)
            assert got is not None
            assert (got.host, got.owner, got.lease_until) == (host, "t", NOW + 60)
            again = await claim_one(connection, Work.VERIFY, subject, NOW + 59, token="u", until=NOW + 99)
            assert again is None
            late = await claim_one(connection, Work.VERIFY, subject, NOW + 60, token="u", until=NOW + 99)
            assert late is not None


@pytest.mark.parametrize(("asked", "stays"), [(NOW - 5, NOW - 5), (NOW + 5, NOW)])
async def test_putting_again_only_brings_it_forward(database: Database, asked: int, stays: int) -> None:
    await put(database, Work.SYNC, "a")
    await claim(database, "mine")
    await put(database, Work.SYNC, "a", due_at=asked)
    row = await find(database, Work.SYNC, "a")
    assert row is not None
    assert (row.due_at, row.owner) == (stays, "mine")


async def test_who_is_dropped_meanwhile_finds_that_out(database: Database) -> None:
    for kind in (Work.SYNC, Work.PROBE):
        await put(database, kind, "a")
    await put(database, Work.SYNC, "b")
    await claim(database, "mine")
    async with database.write() as connection:
        await drop_due(connection, "a", {Work.SYNC})
        assert not await renew_lease(connection, Work.SYNC, "a", token="mine", until=NOW + 90)
    async with database.read() as connection:
        left = [(due.kind, due.subject) for due in await list_due(connection)]
    assert left == [(Work.PROBE, "a"), (Work.SYNC, "b")]


async def test_all_leases_can_be_freed_at_once(database: Database) -> None:
    for subject in "abc":
        await put(database, Work.SYNC, subject)
    await claim(database, "dead", limit=2)
    async with database.write() as connection:
        assert await free_leases(connection) == 2
        assert await free_leases(connection) == 0
    assert len(await claim(database, "alive")) == 3


async def test_the_list_is_soonest_first_and_can_be_of_one(database: Database) -> None:
    await put(database, Work.SYNC, "a", due_at=NOW + 9)
    await put(database, Work.PROBE, "a", due_at=NOW + 3)
    await put(database, Work.SYNC, "b", due_at=NOW + 6)
    async with database.read() as connection:
        assert [due.due_at - NOW for due in await list_due(connection)] == [3, 6, 9]
        assert [due.kind for due in await list_due(connection, subject="a")] == [Work.PROBE, Work.SYNC]
        assert len(await list_due(connection, limit=1)) == 1
        assert await next_due_at(connection, NOW) == NOW + 3


@pytest.mark.parametrize(
    ("asked", "due_at"),
    [((), NOW + 500), ((NOW,), NOW), ((NOW + 40, NOW + 20, NOW + 30), NOW + 20), ((NOW + 900,), NOW + 500)],
)
async def test_what_is_wanted_again_while_it_is_under_way_is_done_again(
    database: Database, asked: tuple[int, ...], due_at: int
) -> None:
    await put(database, Work.SYNC, "a")
    for round_ in ("first", "second"):
        await claim(database, round_, now=NOW + 1_000)
        for at in asked if round_ == "first" else ():
            await put(database, Work.SYNC, "a", due_at=at)
        async with database.write() as connection:
            following = Next(NOW + 500, 30, 0)
            assert await end_lease(connection, Work.SYNC, "a", token=round_, following=following, outcome=None)
        due = await find(database, Work.SYNC, "a")
        assert due is not None
        assert due.due_at == (due_at if round_ == "first" else NOW + 500)
