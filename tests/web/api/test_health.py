"""Health over HTTP: a row for every source, one source with its hours, and what the other answers say of it."""

from tests.support.node import RunningNode
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api

from pfn.protocol.errors import Code
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher

SUMMARY = {
    *("state", "since", "last_seen", "response_time_ms", "uptime_24h", "uptime_7d", "uptime_30d"),
    *("last_error", "next_check"),
}
TIMES = {"response_time_avg", "response_time_p95"}


async def test_one_source_with_its_hours(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    health = await api.get("health", sourceId=source_id, days=1)
    assert health.keys() == {"source_id", "days", "hours"} | SUMMARY | TIMES
    assert (health["source_id"], health["state"], health["days"]) == (source_id, "healthy", 1)
    assert health["uptime_24h"] == health["uptime_7d"] == health["uptime_30d"] == 1
    assert health["last_error"] is None
    assert health["next_check"] is not None
    [hour] = health["hours"]
    assert hour["at"] % 3600 == 0
    assert (hour["probes"], hour["failed"], hour["worst"], hour["triggered"]) == (1, 0, 1, False)
    assert hour["response_time_avg"] == hour["response_time_max"] == health["response_time_p95"]


async def test_every_source_has_a_row_and_its_state_in_the_list(api: Api, publisher: FakePublisher) -> None:
    publisher.faults["/federation-info"] = faults.status(500)
    source_id = await api.add(publisher)
    found = (await api.get("health"))["sources"]
    [row] = [one for one in found if one["source_id"] == source_id]
    assert row.keys() == {"source_id"} | SUMMARY
    assert (row["state"], row["uptime_24h"], row["last_seen"]) == ("degraded", 0, None)
    assert row["last_error"]["code"] == "publisher_status"
    assert "status 500" in row["last_error"]["sentence"]
    [row] = [one for one in await api.get("sources") if one["id"] == source_id]
    assert row["health"] == "degraded"


async def test_source_status_tells_health_beside_the_status(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    status = await api.get("source-status", sourceId=source_id)
    assert status["health"].keys() == {"status", "reason"} | SUMMARY | TIMES
    assert (status["health"]["status"], status["health"]["state"]) == ("verified", "healthy")
    for term in status["trust"]["terms"]:
        assert term.keys() == {"name", "value", "weight", "n", "good", "bad", "uncertainty", "sentence"}


async def test_what_cannot_be_told(api: Api, node: RunningNode) -> None:
    answer = await api.http.get("/federation/health", params={"sourceId": "nobody@nowhere.example"})
    assert_problem(answer, Code.SOURCE_UNKNOWN)
    for days in ("0", "41", "x"):
        assert_problem(await api.http.get("/federation/health", params={"days": days}), Code.INVALID_FIELD)
    async with node.async_client("") as stranger:
        assert_problem(await stranger.get("/federation/health"), Code.KEY_REQUIRED)
