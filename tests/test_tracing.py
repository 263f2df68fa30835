"""Spans and log lines: where a sync's time goes, which lines are of one sync or request, and what is told to nobody."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError
from structlog.testing import capture_logs
from tests.support.mesh import follow, sync
from tests.support.network import serve_node
from tests.support.node import run_node
from tests.support.site import open_site
from tests.web.api.conftest import Api

from pfn.domain.schedule import Work
from pfn.protocol.errors import PfnError
from pfn.settings import Settings
from pfn.testing.faults import hang_up
from pfn.testing.publisher import FakePublisher
from pfn.tracing import record_with, span, trace_ids, trace_to
from pfn.work.dispatch import do_work
from pfn.work.runner import Runner


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with record_with(provider):
        yield exporter
    provider.shutdown()


def under(found: tuple[ReadableSpan, ...], name: str) -> list[str]:
    """Give the names of the spans right under one, in the order they began."""
    [top] = [one for one in found if one.name == name]
    inner = [one for one in found if one.parent and top.context and one.parent.span_id == top.context.span_id]
    return [one.name for one in sorted(inner, key=lambda one: one.start_time or 0)]


async def test_a_sync_is_one_trace_from_its_first_request_to_its_rows(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    async with FakePublisher("alice") as publisher, serve_node(tmp_path / "node") as node:
        source = await follow(node, publisher)
        publisher.add_plugin("hello", "1.0")
        spans.clear()
        await sync(node, source)
    found = spans.get_finished_spans()
    [run] = [one for one in found if one.name == "sync"]
    assert run.attributes is not None
    assert run.attributes["pfn.source"] == source
    assert under(found, "sync") == ["fetch", "release", "keep", "record"]
    steps = under(found, "release")
    assert (steps[0], steps[-1]) == ("fetch", "judge")
    traces = {one.context.trace_id for one in found if one.context and one.name in {"sync", "release", "judge", "keep"}}
    assert len(traces) == 1
    [release] = [dict(one.attributes or {}) for one in found if one.name == "release"]
    assert release == {"pfn.slug": "hello", "pfn.version": "1.0"}


async def test_a_proof_of_ownership_is_a_span(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    async with FakePublisher("alice") as publisher, serve_node(tmp_path / "node") as node:
        await follow(node, publisher)
    found = spans.get_finished_spans()
    assert {"fetch"} == set(under(found, "verify"))


async def test_a_request_is_named_by_its_route_and_tells_nothing_of_who_asked(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    async with open_site(tmp_path / "node", open_metrics=True) as site:
        client = await site.client(address="198.51.100.7")
        answer = await client.get("/federation/plugins", params={"q": "a secret wish"})
        await client.get("/nowhere/at-all")
        await client.get("/metrics")
    served = [one for one in spans.get_finished_spans() if one.kind.name == "SERVER"]
    assert [one.name for one in served] == ["GET /federation/plugins", "GET", "GET /metrics"]
    assert dict(served[0].attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/federation/plugins",
        "http.response.status_code": 200,
        "pfn.request_id": answer.headers["x-request-id"],
    }
    said = " ".join(one.to_json() for one in served)
    assert "198.51.100.7" not in said
    assert "wish" not in said


async def test_an_error_is_told_by_its_code_alone(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    async with FakePublisher("alice") as publisher, serve_node(tmp_path / "node") as node:
        source = await follow(node, publisher)
        publisher.faults["*"] = hang_up()
        spans.clear()
        with pytest.raises(PfnError):
            await node.services.verifications.probe(publisher.url)
        await node.services.syncs.run_now(source)
    failed = [one for one in spans.get_finished_spans() if not one.status.is_ok]
    assert {one.name for one in failed} == {"fetch"}
    assert all(one.events == () for one in failed)


async def test_every_line_of_a_sync_names_it(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    async with FakePublisher("alice") as publisher, serve_node(tmp_path / "node") as node:
        source = await follow(node, publisher)
        publisher.add_plugin("hello", "1.0")
        node.clock.now += 100_000
        services = node.services
        [lease] = [one for one in await services.leases.claim_due(50) if one.due.kind is Work.SYNC]
        runner = Runner(services.leases, services.schedule, lambda lease: do_work(services, lease))
        trace = {}

        def note(_logger: object, _name: str, event: dict[str, Any]) -> dict[str, Any]:
            trace[event["event"]] = trace_ids()
            return event

        with capture_logs(processors=[structlog.contextvars.merge_contextvars, note]) as lines:
            await runner.run(lease)
    by_event = {line["event"]: line for line in lines}
    ended, work = by_event["sync_ended"], by_event["work_ended"]
    assert ended["source"] == work["subject"] == source
    assert ended["mirrored"] == 1
    assert ended["run_id"] == work["run_id"]
    assert isinstance(ended["sync_id"], int)
    assert trace["sync_ended"]["trace_id"] == trace["work_ended"]["trace_id"]
    assert trace["sync_ended"]["span_id"] != trace["work_ended"]["span_id"]


async def test_a_sync_that_a_request_began_has_its_id(tmp_path: Path) -> None:
    async with FakePublisher("alice") as publisher, serve_node(tmp_path / "node") as node:
        source = await follow(node, publisher)
        publisher.add_plugin("hello", "1.0")
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            answer = await node.post("sync", sourceId=source)
            assert answer.status_code == 202, answer.text
            await sync(node, source)
    [first, *_] = [line for line in lines if line["event"] == "sync_ended"]
    assert first["request_id"] == answer.headers["x-request-id"]


async def test_nothing_is_recorded_and_no_library_loaded_unless_asked_for() -> None:
    with span("work", {"a": 1}) as one, span("work") as other:
        one.set_attribute("b", 2)
        one.update_name("rest")
        assert one is other
    assert trace_ids() == {}
    async with trace_to(None, "node"):
        assert span("work") is one


async def test_without_the_extra_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(PfnError, match=r"pip install 'pfn\[tracing\]'"):
        async with trace_to("http://127.0.0.1:4318", "node"):
            pass


def test_a_collectors_address_holds_no_password() -> None:
    """The console shows it; what a collector wants to know goes into OTEL_EXPORTER_OTLP_HEADERS."""
    with pytest.raises(ValidationError):
        Settings(tracing="http://user:password@127.0.0.1:4318")


class Collector(HTTPServer):
    """A collector that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.taken: list[tuple[str, bytes]] = []


class _Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Collector)
        self.server.taken.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_collector_gets_what_was_recorded_when_the_node_stops(tmp_path: Path, collector: Collector) -> None:
    url = f"http://127.0.0.1:{collector.server_port}"
    async with open_site(tmp_path / "node", tracing=url) as site:
        assert (await (await site.client()).get("/federation/plugins")).status_code == 200
    assert {path for path, _ in collector.taken} == {"/v1/traces"}
    sent = [ExportTraceServiceRequest.FromString(body) for _, body in collector.taken]
    resources = [one.resource for request in sent for one in request.resource_spans]
    about = {pair.key: pair.value.string_value for pair in resources[0].attributes}
    assert about["service.name"] == "pfn"
    assert about["service.instance.id"] == "http://node.test"
    names = {
        one.name for request in sent for rows in request.resource_spans for r in rows.scope_spans for one in r.spans
    }
    assert "GET /federation/plugins" in names
    assert trace_ids() == {}


@pytest.mark.slow
async def test_a_request_is_followed_into_the_process_that_does_its_sync(tmp_path: Path, collector: Collector) -> None:
    environment = {
        "PFN_TRACING": f"http://127.0.0.1:{collector.server_port}",
        "PFN_LOG_FORMAT": "json",
        "PFN_WORK": "true",
    }
    running = run_node(tmp_path / "node", environment=environment)
    node = await asyncio.to_thread(running.__enter__)
    try:
        async with FakePublisher("alice") as publisher, node.async_client() as http:
            api = Api(http)
            source = await api.add(publisher)
            assert (await api.post("subscribe", sourceId=source)).status_code == 200
            publisher.add_plugin("hello", "1.0")
            answer = await api.post("sync", sourceId=source)
            assert answer.status_code == 202
            async with asyncio.timeout(60):
                while not (await api.get("plugins", source=source))["plugins"]:
                    await asyncio.sleep(0.1)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)
    lines = [json.loads(line) for line in (tmp_path / "node.log").read_text().splitlines() if line.startswith("{")]
    asked = answer.headers["x-request-id"]
    [ended] = [line for line in lines if line["event"] == "sync_ended" and line.get("request_id") == asked]
    assert ended["source"] == source
    [served] = [line for line in lines if line["event"] == "request" and line["request_id"] == asked]
    assert ended["trace_id"] == served["trace_id"]
    recorded = {
        one.name
        for _, body in collector.taken
        for rows in ExportTraceServiceRequest.FromString(body).resource_spans
        for some in rows.scope_spans
        for one in some.spans
        if one.trace_id.hex() == ended["trace_id"]
    }
    assert {"POST /federation/sync", "sync", "fetch", "release", "judge", "keep", "record"} <= recorded


async def test_a_collector_that_is_away_holds_nobody_up(tmp_path: Path) -> None:
    async with open_site(tmp_path / "node", tracing="http://127.0.0.1:9") as site:
        assert (await (await site.client()).get("/livez")).status_code == 200
