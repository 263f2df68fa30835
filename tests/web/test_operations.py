"""Probes, metrics and the status of a node, as its operator and a stranger see them."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.peers import make_key, make_peer
from tests.support.problem import assert_problem
from tests.support.records import ANN, BOB
from tests.support.rows import database_for
from tests.support.site import Site, open_site
from tests.support.troubled import HOUR, add_trouble

from pfn.domain.peer import PeerState
from pfn.protocol.errors import Code
from pfn.protocol.log.policy import DEFAULT_MAX_AGE
from pfn.services.measure import FRESH_S
from pfn.services.readiness import FRESH_S as READY_FRESH_S
from pfn.storage.database import Database
from pfn.storage.peer import add_peer

Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path / "node", allow_unsigned=True) as site:
        yield site


async def add_rows(site: Site) -> None:
    database = Database(database_for(site.data))
    async with database.write() as connection:
        await add_trouble(connection, int(site.clock.now))
    await database.close()
    site.clock.now += FRESH_S


def read(answer: httpx.Response) -> Samples:
    """Give every sample by its name and its labels' values, labels in the order of their names."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, tuple(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def scrape(site: Site) -> Samples:
    return read(await (await site.client(site.key)).get("/metrics"))


async def test_a_living_process_says_so_to_anybody(site: Site) -> None:
    answer = await (await site.client()).get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"state": "alive"})
    assert answer.headers["cache-control"] == "no-store"


async def test_a_node_that_can_serve_says_so_check_by_check(site: Site) -> None:
    answer = await (await site.client()).get("/readyz")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["state"] == "ready"
    assert [check["name"] for check in answer.json()["checks"]] == ["database", "schema", "log", "blobs", "space"]


async def test_a_node_that_cannot_serve_is_a_problem_without_paths(site: Site) -> None:
    (site.data / "blobs").rename(site.data / "elsewhere")
    site.clock.now += READY_FRESH_S
    answer = await (await site.client()).get("/readyz")
    problem = assert_problem(answer, Code.NOT_READY)
    assert answer.headers["cache-control"] == "no-store"
    assert problem["state"] == "not_ready"
    assert str(site.data) not in answer.text
    assert (await (await site.client()).get("/livez")).status_code == 200


async def test_a_full_disk_degrades_and_goes_on_serving(tmp_path: Path) -> None:
    async with open_site(tmp_path / "full", min_free_bytes=2**62) as site:
        answer = await (await site.client()).get("/readyz")
        assert (answer.status_code, answer.json()["state"]) == (200, "degraded")
        assert (await (await site.client()).get("/federation/plugins")).status_code == 200


async def test_a_halted_log_degrades_and_goes_on_serving(site: Site) -> None:
    await site.app.state.services.log.halt("The database was set back.")
    site.clock.now += FRESH_S
    answer = await (await site.client()).get("/readyz")
    assert (answer.status_code, answer.json()["state"]) == (200, "degraded")
    assert (await (await site.client()).get("/federation/plugins")).status_code == 200
    assert (await scrape(site))[("pfn_log_halted", ())] == 1
    status = (await (await site.client(site.key)).get("/federation/status")).json()
    assert status["log"]["halted"] == "The database was set back."


async def add_peers(site: Site) -> None:
    """Three that are read, two of them of one operator, and others that are not."""
    now = int(site.clock.now)
    database = Database(database_for(site.data))
    async with database.write() as connection:
        for number, state, values in (
            (1, PeerState.ACTIVE, {"size": 70, "read_to": 58, "equal": False, "cosigned_at": now}),
            (2, PeerState.ACTIVE, {"size": 9, "read_to": 9, "cosigned_at": now - DEFAULT_MAX_AGE - 1}),
            (3, PeerState.ACTIVE, {"equal": True, "cosigned_at": now, "operator": "Society 1"}),
            (4, PeerState.FAULTY, {"size": 5, "equal": False, "cosigned_at": now}),
            (5, PeerState.PROPOSED, {}),
            (6, PeerState.REMOVED, {"size": 5}),
        ):
            await add_peer(connection, replace(make_peer(number, state), **values))
    await database.close()
    site.clock.now += FRESH_S


async def test_metrics_tell_of_peers_and_the_log(site: Site) -> None:
    before = await scrape(site)
    assert not [name for name, _ in before if name.startswith("pfn_peer")]
    assert before[("pfn_log_halted", ())] == before[("pfn_log_witnessing_operators", ())] == 0
    await add_peers(site)
    found = await scrape(site)
    one, two, three = (make_peer(number).url for number in (1, 2, 3))
    assert {key: value for key, value in found.items() if key[0].startswith("pfn_peer")} == {
        ("pfn_peers", ("active",)): 3,
        ("pfn_peers", ("faulty",)): 1,
        ("pfn_peers", ("proposed",)): 1,
        ("pfn_peer_lag_entries", (one,)): 12,
        ("pfn_peer_lag_entries", (two,)): 0,
        ("pfn_peer_lag_entries", (three,)): 0,
        # Of what is not known, nothing is said.
        ("pfn_peer_equal", (one,)): 0,
        ("pfn_peer_equal", (three,)): 1,
    }
    assert found[("pfn_log_witnessing_operators", ())] == 1
    await site.app.state.services.sources.add("test", "https://plugins.example.com", "ann", make_key(9).public_key.pem)
    site.clock.now += FRESH_S
    assert (await scrape(site))[("pfn_log_size", ())] == before[("pfn_log_size", ())] + 1
    status = (await (await site.client(site.key)).get("/federation/status")).json()
    assert status["peers"] == {"active": 3, "faulty": 1, "proposed": 1}
    assert status["log"] == {"size": found[("pfn_log_size", ())] + 1, "halted": None, "witnessing_operators": 1}


async def test_metrics_are_for_readers_unless_opened(tmp_path: Path, site: Site) -> None:
    assert_problem(await (await site.client()).get("/metrics"), Code.KEY_REQUIRED)
    other = (await site.create_key(scopes=["sources:write"]))["key"]
    assert_problem(await (await site.client(other)).get("/metrics"), Code.SCOPE_MISSING)
    reader = (await site.create_key(scopes=["sources:read"]))["key"]
    assert read(await (await site.client(reader)).get("/metrics"))
    async with open_site(tmp_path / "open", open_metrics=True) as opened:
        assert read(await (await opened.client()).get("/metrics"))


async def test_metrics_tell_how_the_node_stands(site: Site) -> None:
    await add_rows(site)
    found = await scrape(site)
    free = shutil.disk_usage(site.data).free
    assert found.pop(("pfn_disk_free_bytes", ())) == pytest.approx(free, rel=0.1)
    expected = {
        ("pfn_sources", ("verified",)): 1,
        ("pfn_sources", ("error",)): 1,
        ("pfn_sources", ("suspended",)): 1,
        ("pfn_sources_health", ("healthy",)): 1,
        ("pfn_sources_health", ("down",)): 1,
        ("pfn_sources_health", ("unknown",)): 1,
        ("pfn_source_lag_seconds", (ANN,)): 10 + FRESH_S,
        ("pfn_source_lag_seconds", (BOB,)): site.clock.now - 1_000,
        ("pfn_source_trust_score", (ANN,)): 0.75,
        ("pfn_syncs", ("finished",)): 1,
        ("pfn_syncs", ("running",)): 1,
        ("pfn_sync_failures", ("unsigned", "publisher")): 2,
        ("pfn_sync_failures", ("asset_missing", "publisher")): 1,
        ("pfn_work_due", ("sync",)): 3,
        ("pfn_work_oldest_due_seconds", ("sync",)): 2 * HOUR + FRESH_S,
        ("pfn_work_oldest_due_seconds", ("tidy",)): 0,
        ("pfn_work_leases", ("probe",)): 1,
        ("pfn_work_leases_dead", ("probe",)): 1,
        ("pfn_deliveries", ("failed",)): 2,
        ("pfn_webhooks", ("disabled",)): 1,
        ("pfn_plugins", ()): 2,
        ("pfn_releases", ()): 3,
        ("pfn_blobs", ()): 3,
        ("pfn_blobs_corrupt", ()): 1,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found[("pfn_blobs_bytes", ())] > 0
    assert ("pfn_source_lag_seconds", ("gone@four.example",)) not in found
    assert not any(name.startswith("pfn_worker") for name, _ in found)


async def test_a_node_that_works_tells_its_runs(tmp_path: Path) -> None:
    async with open_site(tmp_path / "works", work=True) as site:
        found = await scrape(site)
    kinds = {labels for name, labels in found if name == "pfn_worker_runs_total"}
    assert kinds == {labels for name, labels in found if name == "pfn_worker_failures_total"}
    assert {("sync",), ("tidy",)} <= kinds


async def test_requests_are_counted_by_template_and_each_application_by_itself(tmp_path: Path, site: Site) -> None:
    client = await site.client(site.key)
    for number in range(3):
        await client.get(f"/federation/syncs/{number + 1}")
    await client.get("/federation/add-source")
    found = await scrape(site)
    assert found[("pfn_http_requests_total", ("GET", "/federation/syncs/{sync_id}", "404"))] == 3
    assert found[("pfn_http_requests_total", ("GET", "/federation/add-source", "405"))] == 1
    assert found[("pfn_http_request_seconds_count", ("GET", "/federation/syncs/{sync_id}"))] == 3
    async with open_site(tmp_path / "other") as other:
        assert ("pfn_http_requests_total", ("GET", "/federation/add-source", "405")) not in await scrape(other)


async def test_no_stranger_makes_a_series(site: Site) -> None:
    stranger = await site.client()

    async def bother(number: int) -> None:
        await stranger.get(f"/nothing/{number}")
        await stranger.get(f"/static/{number}/x.css")
        await stranger.request(f"FOO{number}", "/federation/plugins")
        await stranger.request(f"BAR{number}", f"/nowhere/{number}", headers={"X-Forwarded-For": f"192.0.2.{number}"})
        await stranger.get("/federation/sources", headers={"Authorization": f"Bearer {number}"})

    await scrape(site)
    await bother(0)
    few = await scrape(site)
    for number in range(1, 40):
        await bother(number)
    many = await scrape(site)
    assert many.keys() == few.keys()
    assert few[("pfn_http_requests_total", ("GET", "unmatched", "404"))] == 1
    assert many[("pfn_http_requests_total", ("GET", "unmatched", "404"))] == 40
    assert many[("pfn_http_requests_total", ("other", "unmatched", "404"))] == 40


async def test_a_fault_counts_as_one(site: Site) -> None:
    async def fail() -> None:
        raise RuntimeError

    site.app.add_api_route("/broken", fail)
    await (await site.client()).get("/broken")
    assert (await scrape(site))[("pfn_http_requests_total", ("GET", "/broken", "500"))] == 1


async def test_readers_see_how_the_node_stands_at_a_glance(site: Site) -> None:
    await add_rows(site)
    assert_problem(await (await site.client()).get("/federation/status"), Code.KEY_REQUIRED)
    reader = (await site.create_key(scopes=["sources:read"]))["key"]
    status = (await (await site.client(reader)).get("/federation/status")).json()
    assert status["sources"] == {
        "total": 3,
        "by_status": {"verified": 1, "error": 1, "suspended": 1},
        "by_health": {"healthy": 1, "down": 1, "unknown": 1},
    }
    assert (status["plugins"], status["releases"], status["blobs"], status["corrupt_blobs"]) == (2, 3, 3, 1)
    assert status["work"] == {"due": 3, "oldest_due_s": 2 * HOUR + FRESH_S, "running": 1, "abandoned": 1}
    assert status["syncs"] == {"running": 1, "last": {"finished": 1, "running": 1}}
    assert status["failures"] == {"total": 3, "by_code": {"unsigned": 2, "asset_missing": 1}}
    assert status["warnings"] == ["Plugins without a signature are mirrored (allow_unsigned)."]


async def test_rows_are_counted_every_few_seconds_at_most(site: Site) -> None:
    before = (await scrape(site))[("pfn_plugins", ())]
    await add_rows(site)
    site.clock.now -= FRESH_S
    assert (await scrape(site))[("pfn_plugins", ())] == before == 0
    site.clock.now += FRESH_S
    assert (await scrape(site))[("pfn_plugins", ())] == 2
