"""What a monitoring system reads: requests as they are answered, and how the node stands, as Prometheus text.

Each application has a registry of its own. Labels come from closed lists, the operator's sources and peers aside:
routes are named by their template, whatever matches none shares one label, and so do methods nobody defined, so that no
stranger makes a series; a node that introduces itself is counted, and has none of its own before the operator takes it.
Requests and work are this process's own; everything else is of the whole node.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pfn import __version__
from pfn.domain.schedule import Work, WorkStatus
from pfn.domain.source import SourceStatus
from pfn.protocol.errors import Code, Fault
from pfn.services.measure import Measurement

UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_FAULTS = {code.slug: code.fault.value for code in Code}
# Only these are synced, and so can lag.
_SYNCED = frozenset({SourceStatus.VERIFIED, SourceStatus.ERROR})


class HttpMetrics:
    """Counts the requests of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pfn_http_requests",
            "Requests answered, by route template, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "pfn_http_request_seconds",
            "Seconds until the answer began.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        # To look a series up by its labels costs more than to count.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request, which the router may have matched or not."""
        self.count(getattr(scope.get("route"), "path", UNMATCHED), scope["method"], status, seconds)

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request by its route's template."""
        method = method if method in _METHODS else "other"
        key = (route, method, int(status))
        series = self._series.get(key)
        if series is None:
            series = (self._requests.labels(route, method, str(int(status))), self._seconds.labels(route, method))
            self._series[key] = series
        series[0].inc()
        series[1].observe(seconds)

    def write(self, measurement: Measurement, worker: WorkStatus | None) -> bytes:
        """Write everything that is known as Prometheus text."""
        rows = CollectorRegistry()
        rows.register(_Rows(measurement, worker))
        return generate_latest(self._registry) + generate_latest(rows)


class CountRequests:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Time a request until its answer begins; one that has none counts as a 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        noted = False

        def note(status: int) -> None:
            nonlocal noted
            if not noted:
                self._metrics.note(scope, status, time.perf_counter() - began)
            noted = True

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            note(500)


@dataclass(frozen=True, eq=False)  # registries tell collectors apart by what they are
class _Rows(Collector):
    """One measurement, as metrics."""

    at: Measurement
    worker: WorkStatus | None

    def collect(self) -> Iterable[Metric]:
        yield _gauge("pfn_build", "What runs here.", "version", {__version__: 1})
        yield from self._collect_sources()
        yield from self._collect_work()
        yield from self._collect_network()
        yield from self._collect_storage()
        if self.worker is not None:
            yield from _collect_worker(self.worker)

    def _collect_sources(self) -> Iterable[Metric]:
        at = self.at
        lags = {
            source.id: max(0.0, at.at - (source.last_sync or source.created_at))
            for source in at.sources
            if source.status in _SYNCED
        }
        trust = {source.id: source.trust_score for source in at.sources}
        yield _gauge("pfn_sources", "Sources by status.", "status", at.by_status)
        yield _gauge("pfn_sources_health", "Sources by state of health.", "state", at.by_health)
        yield _gauge("pfn_source_lag_seconds", "Seconds since a source was last synced.", "source", lags)
        yield _gauge("pfn_source_trust_score", "Trust in a source, 0 to 1.", "source", trust)
        yield _gauge("pfn_syncs", "Sources by how their newest sync stands.", "state", at.by_last_sync)
        failures = GaugeMetricFamily(
            "pfn_sync_failures", "What does not come through at present.", labels=("code", "fault")
        )
        for code, count in at.failures.items():
            failures.add_metric((code, _FAULTS.get(code, Fault.NODE.value)), count)
        yield failures

    def _collect_work(self) -> Iterable[Metric]:
        at, work = self.at, self.at.work
        late = {
            kind: max(0.0, at.at - one.oldest_due_at) if one.oldest_due_at is not None else 0.0
            for kind, one in work.items()
        }
        due = {kind: one.due for kind, one in work.items()}
        held = {kind: one.leased for kind, one in work.items()}
        dead = {kind: one.abandoned for kind, one in work.items()}
        yield _gauge("pfn_work_due", "Work that is due and not begun.", "kind", due)
        yield _gauge("pfn_work_oldest_due_seconds", "For how long the oldest due work waits.", "kind", late)
        yield _gauge("pfn_work_leases", "Work that is under way.", "kind", held)
        yield _gauge("pfn_work_leases_dead", "Work that a dead worker left, to be taken over.", "kind", dead)
        yield _gauge("pfn_deliveries", "Deliveries to webhooks by state, of those kept.", "state", at.deliveries)
        yield _gauge("pfn_webhooks", "Webhooks by state.", "state", at.webhooks)

    def _collect_network(self) -> Iterable[Metric]:
        at = self.at
        lags = {peer.url: float(peer.lag) for peer in at.active_peers}
        equal = {peer.url: float(peer.equal) for peer in at.active_peers if peer.equal is not None}
        yield _gauge("pfn_peers", "Peers by state.", "state", at.peers_by_state)
        yield _gauge("pfn_peer_lag_entries", "Entries of a peer's log that were not taken in yet.", "peer", lags)
        yield _gauge("pfn_peer_equal", "1 where a peer holds the same as this node, 0 where not.", "peer", equal)
        for name, help_text, value in (
            ("pfn_log_size", "Entries of the node's log.", at.log_size),
            ("pfn_log_halted", "1 while the log is halted: nothing new is taken in.", at.log_halt is not None),
            (
                "pfn_log_witnessing_operators",
                "Operators whose witnesses signed the log within a day.",
                at.witnessing_operators,
            ),
        ):
            yield GaugeMetricFamily(name, help_text, value=value)

    def _collect_storage(self) -> Iterable[Metric]:
        at = self.at
        for name, help_text, value in (
            ("pfn_plugins", "Plugins mirrored.", at.plugins),
            ("pfn_releases", "Releases mirrored.", at.releases),
            ("pfn_blobs", "Zips stored.", at.blobs.count),
            ("pfn_blobs_bytes", "Bytes of the stored zips.", at.blobs.size),
            ("pfn_blobs_corrupt", "Stored zips whose bytes no longer match their digest.", at.blobs.corrupt),
            ("pfn_events_last_seq", "The number of the newest event.", at.last_event),
            ("pfn_disk_free_bytes", "Free bytes on the disk of the data folder.", at.free_bytes),
        ):
            yield GaugeMetricFamily(name, help_text, value=value)


def _collect_worker(worker: WorkStatus) -> Iterable[Metric]:
    for name, help_text, counts in (
        ("pfn_worker_runs", "Work this process ended.", worker.runs),
        ("pfn_worker_failures", "Work of this process that failed.", worker.failures),
    ):
        family = CounterMetricFamily(name, help_text, labels=("kind",))
        for kind in Work:
            family.add_metric((kind.value,), counts.get(kind, 0))
        yield family
    running = {kind: worker.running.get(kind, 0) for kind in Work}
    yield _gauge("pfn_worker_running", "Work under way in this process.", "kind", running)


def _gauge(name: str, help_text: str, label: str, values: Mapping[str, float] | Mapping[Work, float]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=(label,))
    for of, value in values.items():
        family.add_metric((str(of),), value)
    return family
