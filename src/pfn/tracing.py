"""Where the time goes: spans for OpenTelemetry, for those who installed the extra ``tracing`` and named a collector.

``span`` names a stretch of work, in any layer that does I/O; it costs next to nothing while nobody records. One
recorder serves the process, as logging does. What a span says is of the node and of what is public: no address of a
client, no query, no path of a URL, no text of an error, for all of these may hold what is nobody's business. Nothing
is sent to those the node fetches from.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol

from structlog.contextvars import bound_contextvars, get_contextvars

from pfn import __version__
from pfn.protocol.errors import Code, PfnError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Attribute = str | bool | int | float
Kind = Literal["internal", "server", "client"]

_SEND_S = 3.0


class Span(Protocol):
    """A stretch of work that goes on."""

    def set_attribute(self, key: str, value: Attribute) -> None:
        """Note something about it that was not known when it began."""

    def update_name(self, name: str) -> None:
        """Call it something else."""


class _Nothing:
    """The span nobody records; one is enough for all."""

    __slots__ = ()

    def set_attribute(self, key: str, value: Attribute) -> None:
        pass

    def update_name(self, name: str) -> None:
        pass

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Recorder:
    """Records spans with a provider of the SDK's."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.context import attach, detach
        from opentelemetry.trace import SpanKind, StatusCode, get_current_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer("pfn", __version__)
        self._kinds = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
        self._error = StatusCode.ERROR
        self._current = get_current_span
        self._propagator = TraceContextTextMapPropagator()
        self._attach, self._detach = attach, detach

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Attribute], kind: Kind) -> Iterator[Span]:
        """Record a stretch; one that an error ended says which, by its code alone."""
        with self._tracer.start_as_current_span(
            name,
            kind=self._kinds[kind],
            attributes=dict(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute(
                    "error.type", error.code.slug if isinstance(error, PfnError) else type(error).__name__
                )
                span.set_status(self._error)
                raise

    def write(self) -> dict[str, str]:
        """Give what is under way as another process of the node can go on with it."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    @contextmanager
    def go_on(self, carrier: Mapping[str, str]) -> Iterator[None]:
        """Have the block's spans be of what is under way in another process."""
        token = self._attach(self._propagator.extract(carrier))
        try:
            yield
        finally:
            self._detach(token)

    def ids(self) -> dict[str, str]:
        """Give the ids of the trace and the span that are under way, as logs name them; none outside of any."""
        context = self._current().get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


@dataclass(frozen=True, slots=True)
class Trail:
    """What work is known by, in logs and in traces, when it goes from one process of the node to another."""

    log: Mapping[str, object]
    trace: Mapping[str, str]


_NOTHING = _Nothing()
_recorder: Recorder | None = None


def span(
    name: str, attributes: Mapping[str, Attribute] | None = None, kind: Kind = "internal"
) -> AbstractContextManager[Span]:
    """Name the stretch of work that the block is."""
    return _NOTHING if _recorder is None else _recorder.span(name, attributes or {}, kind)


def trace_ids() -> dict[str, str]:
    """Give ``trace_id`` and ``span_id`` of what is under way, where it is recorded."""
    return {} if _recorder is None else _recorder.ids()


def leave_trail() -> Trail:
    """Give what this work is known by."""
    return Trail(get_contextvars(), {} if _recorder is None else _recorder.write())


@contextmanager
def follow_trail(trail: Trail) -> Iterator[None]:
    """Have all that the block logs and records be known by that too."""
    with bound_contextvars(**trail.log), nullcontext() if _recorder is None else _recorder.go_on(trail.trace):
        yield


@contextmanager
def record_with(provider: "TracerProvider") -> Iterator[None]:
    """Record with a provider until the block ends."""
    global _recorder  # noqa: PLW0603  # one of the process, as logging is
    before, _recorder = _recorder, Recorder(provider)
    try:
        yield
    finally:
        _recorder = before


@asynccontextmanager
async def trace_to(endpoint: str | None, node: str) -> AsyncIterator[None]:
    """Send spans to a collector (OTLP over HTTP, ``endpoint`` is its base URL) until the block ends; None for nothing.

    What is under way then is sent; a collector that is away loses spans and holds up nothing. ``OTEL_`` variables of
    the environment set headers, sampling and batches. Raises PfnError (``config_invalid``) without the extra.
    """
    if endpoint is None:
        yield
        return
    provider = _open_provider(endpoint, node)
    try:
        with record_with(provider):
            yield
    finally:
        await asyncio.to_thread(provider.shutdown)


def _open_provider(endpoint: str, node: str) -> "TracerProvider":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise PfnError(
            Code.CONFIG_INVALID, "tracing: it needs the extra of that name; install it with: pip install 'pfn[tracing]'"
        ) from error
    resource = Resource.create({"service.name": "pfn", "service.version": __version__, "service.instance.id": node})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces", timeout=_SEND_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
