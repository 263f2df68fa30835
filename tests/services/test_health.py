"""Probes: one cheap request, its outcome in words and numbers, and an event only where a state changed."""

import asyncio

import pytest
from tests.services.conftest import Proving

from pfn.domain.activity import ActivityType
from pfn.domain.health import HealthState
from pfn.domain.schedule import Result, Work
from pfn.domain.trust import HOUR
from pfn.outbound.publisher import TimedInfo
from pfn.protocol.errors import Code, PfnError
from pfn.testing import faults
from pfn.testing.faults import Answer
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

INFO = "/federation-info"
KEY_DOCUMENT = "/.well-known/pfn/publisher.json"


async def busy(honest: Answer, writer: asyncio.StreamWriter) -> None:
    """Answer 503 and ask for four minutes of peace."""
    del honest
    writer.write(Answer(503, {"Retry-After": "240", "Connection": "close"}).head())
    await writer.drain()


async def probe(proving: Proving, source_id: str, times: int = 1) -> None:
    for _ in range(times):
        await proving.health.probe(source_id)
        proving.clock.now += 120


async def test_a_probe_is_one_request_and_one_row(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    outcome = await proving.health.probe(source_id)
    assert outcome.result is Result.UNCHANGED
    assert [(one.method, one.path) for one in publisher.requests] == [("GET", INFO)]
    report = await proving.health.report(source_id)
    health = report.summary.health
    assert health is not None
    assert health.state is HealthState.HEALTHY
    assert health.last_seen == health.checked_at == proving.clock.now
    assert report.p95_ms == report.average_ms == health.response_ms
    assert [(hour.hour, hour.probes, hour.failed, hour.worst) for hour in report.hours] == [
        (proving.clock.now // HOUR, 1, 0, 1)
    ]
    assert (report.summary.uptime.day, report.summary.uptime.week, report.summary.uptime.month) == (1, 1, 1)
    due = await proving.due(Work.PROBE, source_id)
    assert due is not None
    assert report.summary.next_check == due.due_at
    assert await proving.events(source_id) == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.hang_up(), "source_unreachable"),
        (faults.status(500), "publisher_status"),
        (faults.html(), "not_a_publisher"),
    ],
)
async def test_a_failing_publisher_is_an_outcome_and_no_error(
    proving: Proving, publisher: FakePublisher, fault: faults.Fault, code: str
) -> None:
    source_id = await proving.register(publisher)
    publisher.faults[INFO] = fault
    outcome = await proving.health.probe(source_id)
    assert (outcome.result, outcome.detail) == (Result.FAILED, code)
    report = await proving.health.report(source_id)
    assert report.summary.health is not None
    assert report.summary.health.last_code == code
    assert report.summary.health.last_error_at == proving.clock.now
    assert report.summary.uptime.day == 0
    assert report.p95_ms is None


async def test_the_wait_a_publisher_asks_for_is_passed_on(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    publisher.faults[INFO] = busy
    assert (await proving.health.probe(source_id)).wait == 240


async def test_the_feed_hears_of_changes_and_of_nothing_else(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    await probe(proving, source_id, 3)
    seen = int(proving.clock.now) - 120
    publisher.faults[INFO] = faults.status(502)
    await probe(proving, source_id, 6)
    publisher.faults.clear()
    await probe(proving, source_id, 4)
    events = await proving.events(source_id)
    assert [event.details["action"] for event in events] == ["source_degraded", "source_down", "source_recovered"]
    assert {event.type for event in events} == {ActivityType.HEALTH_CHANGE}
    degraded, down, recovered = events
    assert degraded.details["sentence"] == (
        f"{source_id} answers badly. /federation-info answered with status 502 instead of 200; try again later."
    )
    assert (down.details["state"], down.details["old_state"]) == ("down", "degraded")
    assert (down.details["last_seen"], down.details["code"]) == (seen, "publisher_status")
    assert str(down.details["sentence"]).startswith(f"{source_id} has not answered since 2025-10-09 ")
    assert recovered.details["old_since"] == down.timestamp
    assert "answers well again; it was down since 2025-10-09 " in str(recovered.details["sentence"])
    assert "status 502" in str(recovered.details["sentence"])


async def test_who_never_answered_is_said_to_never_have(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    publisher.faults[INFO] = faults.hang_up()
    await probe(proving, source_id, 3)
    first, down = await proving.events(source_id)
    assert "answered its first probe badly" in str(first.details["sentence"])
    assert f"{source_id} has never answered." in str(down.details["sentence"])


async def test_slow_answers_degrade(
    proving: Proving, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_id = await proving.register(publisher)
    info = (await proving.publishers.time_info(publisher.url)).info
    times = [100, 3_000, 3_000, 9_000]

    async def time_info(instance_url: str) -> TimedInfo:
        del instance_url
        return TimedInfo(info, times.pop(0))

    monkeypatch.setattr(proving.publishers, "time_info", time_info)
    await probe(proving, source_id, 4)
    report = await proving.health.report(source_id)
    assert report.summary.health is not None
    assert report.summary.health.state is HealthState.DEGRADED
    assert report.summary.uptime.day == 1
    assert (report.p95_ms, report.average_ms) == (9_000, 3_775)
    assert report.hours[-1].worst == 0
    [event] = await proving.events(source_id)
    assert event.details["sentence"] == f"{source_id} answers badly. It took 3000 ms to answer."


async def test_a_static_publisher_is_asked_for_its_key_document(proving: Proving) -> None:
    async with FakePublisherV2("alice", now=int(proving.clock.now)) as publisher:
        publisher.faults[INFO] = faults.status(404)
        source_id = await proving.register(publisher)
        # Before it is verified nobody knows that it has nothing else.
        assert (await proving.health.probe(source_id)).result is Result.UNCHANGED
        assert [one.path for one in publisher.requests] == [INFO, KEY_DOCUMENT]
        assert (await proving.verifications.run_due(source_id)).detail == "verified"
        publisher.requests.clear()
        assert (await proving.health.probe(source_id)).result is Result.UNCHANGED
        assert [one.path for one in publisher.requests] == [KEY_DOCUMENT]
        publisher.faults[KEY_DOCUMENT] = faults.status(404)
        assert (await proving.health.probe(source_id)).detail == "not_a_publisher"


async def test_a_v1_publisher_whose_info_is_gone_is_down_whatever_else_is_there(
    proving: Proving, publisher: FakePublisher
) -> None:
    source_id = await proving.register(publisher, asset_domain=publisher.url)
    publisher.faults[INFO] = faults.status(404)
    assert (await proving.health.probe(source_id)).detail == "not_a_publisher"
    assert [one.path for one in publisher.requests] == [INFO]


@pytest.mark.parametrize("status", ["suspended", "removed"])
async def test_who_is_suspended_or_removed_is_left_alone(
    proving: Proving, publisher: FakePublisher, status: str
) -> None:
    source_id = await proving.register(publisher)
    await proving.change(source_id, status=status)
    assert (await proving.health.probe(source_id)).result is Result.UNCHANGED
    assert (await proving.health.probe("nobody@nowhere.example")).result is Result.UNCHANGED
    assert publisher.requests == []


async def test_what_the_node_may_not_ask_is_no_fault_of_the_source(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher, instance_url="http://10.0.0.7")
    outcome = await proving.health.probe(source_id)
    assert (outcome.result, outcome.detail) == (Result.FAILED, Code.INVALID_URL.slug)
    assert (await proving.health.report(source_id)).summary.health is None


async def test_the_report_looks_back_as_far_as_asked(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    for fault in (faults.hang_up(), faults.hang_up(), None, None):
        publisher.faults = {INFO: fault} if fault else {}
        await proving.health.probe(source_id)
        proving.clock.now += 9 * 86_400
    proving.clock.now -= 9 * 86_400
    report = await proving.health.report(source_id, 10)
    uptime = report.summary.uptime
    assert (uptime.day, uptime.week, uptime.month) == (1, 1, 0.5)
    assert [hour.failed for hour in report.hours] == [0, 0]
    assert len(report.days) == 10
    [summary] = await proving.health.list()
    assert summary == report.summary


async def test_a_source_that_was_never_probed_has_no_state(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    report = await proving.health.report(source_id)
    assert report.summary.health is None
    assert report.summary.uptime.day is None
    assert [summary.health for summary in await proving.health.list()] == [None]
    with pytest.raises(PfnError) as caught:
        await proving.health.report("nobody@nowhere.example")
    assert caught.value.code is Code.SOURCE_UNKNOWN
