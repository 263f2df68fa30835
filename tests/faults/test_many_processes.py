"""Several processes that are one node, on one PostgreSQL and one bucket: whoever asks any of them sees the same.

None of them shares a disk with another; their keys come from a folder that none may write to. One that is frozen in
the middle of a transaction holds up nobody for long, and has done no harm when it wakes.
"""

import asyncio
import re
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.bucket import Bucket, run_seaweedfs
from tests.support.log import read_log
from tests.support.processes import PUBLIC_URL, Fleet, run_fleet
from tests.support.rows import create_database

from pfn.testing.publisher import FakePublisher

pytestmark = [pytest.mark.slow, pytest.mark.grown, pytest.mark.timeout(600)]
PATIENCE_S = 90


@pytest.fixture(scope="module")
def bucket() -> Any:
    with run_seaweedfs() as bucket:
        yield bucket


@pytest.fixture
def make_fleet(tmp_path: Path, postgres: str, bucket: Bucket) -> Any:
    """Makes a node of many processes."""
    name = f"pfn_fleet_{secrets.token_hex(4)}"

    def make(**settings: object) -> Any:
        rows = create_database(postgres, name)
        return run_fleet(tmp_path, rows, bucket.under(name), **settings)

    return make


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisher]:
    async with FakePublisher(f"author-{secrets.token_hex(4)}") as publisher:
        yield publisher


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


async def add(http: httpx.AsyncClient, publisher: FakePublisher) -> str:
    """Register a publisher, wait for its first verification, subscribe to all it has, and give its id."""
    body = {
        "instance_url": publisher.url,
        "username": publisher.username,
        "public_key": publisher.public_key_pem,
    }
    answer = await http.post("/federation/add-source", json=body)
    assert answer.status_code == 200, answer.text
    source_id = answer.json()["source_id"]
    async with asyncio.timeout(PATIENCE_S):
        while not (await http.get("/federation/source-status", params={"sourceId": source_id})).json()["verifications"]:
            await asyncio.sleep(0.05)
    answer = await http.post("/federation/subscribe", json={"sourceId": source_id})
    assert answer.status_code == 200, answer.text
    return source_id


def mirrored(fleet: Fleet) -> int:
    return int(fleet.ask("SELECT count(*) FROM mirrored_plugins")[0][0])


async def assert_one_log(fleet: Fleet, *clients: httpx.AsyncClient) -> None:
    """The whole log, read through each process from outside, is one; and the node's own look finds nothing wrong."""
    logs = [await read_log(http) for http in clients]
    longest = max(logs, key=lambda log: len(log.leaves))
    assert all(longest.leaves[: len(log.leaves)] == log.leaves for log in logs)
    checked = await asyncio.to_thread(fleet.run, "log", "check", name="a")
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_whoever_is_asked_answers_the_same(make_fleet: Any, publisher: FakePublisher) -> None:
    with make_fleet() as fleet:
        # All at once: one migrates, one makes the log's first entries, the others wait.
        first, second, _ = await asyncio.gather(
            *(
                asyncio.to_thread(start, name)
                for start, name in ((fleet.serve, "a"), (fleet.serve, "b"), (fleet.work, "w"))
            )
        )
        async with fleet.http(first) as a, fleet.http(second) as b, b.stream("GET", "/federation/events") as events:
            lines = events.aiter_lines()
            publisher.add_plugin("hello", "1.0")
            source_id = await add(a, publisher)
            # b was not asked anything yet, and hears of it.
            async with asyncio.timeout(PATIENCE_S):
                while source_id not in await anext(lines):
                    pass
            await until(lambda: mirrored(fleet) == 1)
            found = [await http.get("/federation/plugins") for http in (a, b)]
            assert found[0].json() == found[1].json()
            zips = [await http.get(f"/dl/{source_id}/hello/hello.1.0.zip") for http in (a, b)]
            assert [one.status_code for one in zips] == [200, 200], zips[0].text
            assert zips[0].content == zips[1].content
            # A session of one is a session of the other, and so is its form: no sticky sessions.
            fresh = {"Origin": PUBLIC_URL}
            async with httpx.AsyncClient(headers=fresh) as browser:
                answer = await browser.post(f"{first.url}/sign-in", data={"key": fleet.key})
                assert answer.status_code == 303, answer.text
                page = await browser.get(f"{second.url}/keys")
                assert page.status_code == 200
                [csrf] = set(re.findall(r'name="csrf" value="([0-9a-f]+)"', page.text))
                assert (await browser.post(f"{first.url}/sign-out", data={"csrf": csrf})).status_code == 303
                assert (await browser.get(f"{second.url}/keys")).status_code == 401
            facts = [(await http.get("/federation/log")).json() for http in (a, b)]
            assert facts[0]["verifier_key"] == facts[1]["verifier_key"]
            await assert_one_log(fleet, a, b)


async def test_a_process_with_other_keys_is_refused(make_fleet: Any, tmp_path: Path) -> None:
    with make_fleet() as fleet:
        fleet.serve("a")
        environment = fleet.environment("stranger")
        refused = fleet.run("work", "--once", name="lost")
        assert refused.returncode == 0, refused.stderr
        fleet.root = tmp_path / "other"
        fleet.root.mkdir()
        missing = fleet.run("work", "--once", name="b")
        assert missing.returncode != 0
        assert "pfn init" in missing.stderr
        assert environment["PFN_KEYS"] != fleet.environment("b")["PFN_KEYS"]
        made = fleet.run("init", name="b")
        assert made.returncode == 0, made.stderr
        refused = fleet.run("work", "--once", name="b")
        assert refused.returncode != 0
        assert "another key" in refused.stderr
        fleet.root = tmp_path


async def test_a_frozen_writer_holds_up_nobody_and_forks_nothing(make_fleet: Any, publisher: FakePublisher) -> None:
    rounds, plugins = 4, 10
    with make_fleet(lease_seconds=4) as fleet:
        first, second = fleet.serve("a"), fleet.serve("b")
        workers = [fleet.work("w1"), fleet.work("w2")]
        async with fleet.http(first) as a, fleet.http(second) as b, FakePublisher("bystander") as other:
            await add(a, publisher)
            for number in range(rounds):
                for one in range(plugins):
                    publisher.add_plugin(f"plugin-{number}-{one}", "1.0")
                size = (await read_log(b)).checkpoint.size
                sleeper = await asyncio.to_thread(
                    fleet.freeze_in_transaction, workers, PATIENCE_S, lambda: make_due(fleet)
                )
                assert sleeper is not None, fleet.ask("SELECT kind, owner, due_at, outcome FROM schedule")
                # Another process appends meanwhile: it waits until the server has taken the sleeper's work back.
                body = {
                    "instance_url": other.url,
                    "username": f"bystander-{number}",
                    "public_key": other.public_key_pem,
                }
                answer = await b.post("/federation/add-source", json=body)
                assert answer.status_code == 200, answer.text
                assert (await read_log(a)).checkpoint.size > size
                assert mirrored(fleet) == number * plugins, "what was never committed is there"
                sleeper.send(signal.SIGCONT)
                # It, or the other worker, does the work again.
                await until(lambda wanted=(number + 1) * plugins: make_due(fleet) or mirrored(fleet) == wanted)
            assert [worker.popen.poll() for worker in workers] == [None, None]
            await assert_one_log(fleet, a, b)


def make_due(fleet: Fleet) -> None:
    """Have syncs done at once, also those that failed a moment ago."""
    fleet.ask("UPDATE schedule SET due_at = 0 WHERE kind = 'sync' AND owner IS NULL")
