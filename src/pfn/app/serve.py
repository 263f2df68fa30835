"""A wired node as an ASGI application and a worker."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from pfn.app.prepare import Prepared
from pfn.app.wiring import open_services
from pfn.app.work_process import HEAVY, WorkProcess, work_elsewhere
from pfn.domain.schedule import Outcome
from pfn.services.background import Background
from pfn.services.clock import Clock
from pfn.services.lease import Lease
from pfn.services.node import Services
from pfn.settings import Settings
from pfn.tracing import trace_to
from pfn.web.forwarded import TrustedProxies
from pfn.web.limit import Limits
from pfn.web.site import build_site
from pfn.web.zip import Outlet
from pfn.work.dispatch import do_work
from pfn.work.worker import Worker

DRAIN_S = 10.0


def make_outlet(settings: Settings) -> Outlet:
    """Give the ways zips go out."""
    return Outlet(
        redirect=settings.download_redirect.rstrip("/") if settings.download_redirect else None,
        presigned=settings.download_presigned,
        offload=settings.download_offload,
        prefix=settings.download_offload_prefix.rstrip("/") + "/",
    )


def make_worker(services: Services, settings: Settings, elsewhere: WorkProcess | None = None) -> Worker:
    """Make the worker of this process; it does nothing until it is told to.

    ``elsewhere`` is where heavy work is done.
    """

    async def do(lease: Lease) -> Outcome:
        if elsewhere is not None and lease.due.kind in HEAVY:
            return await elsewhere.do(lease)
        return await do_work(services, lease)

    return Worker(
        services.leases,
        services.schedule,
        services.clock,
        do,
        services.webhooks.has_news,
        concurrency=settings.work_concurrency,
    )


def make_routes_ready(app: FastAPI) -> None:
    """Have every route look at a request: the framework makes a route when it is first looked at, 60 ms for all."""
    nowhere = {"type": "http", "method": "GET", "path": "/-", "root_path": "", "headers": []}
    for route in app.routes:
        route.matches(dict(nowhere))


async def begin_stop(app: FastAPI) -> None:
    """Have a running application claim no more work and end the answers that would go on for ever."""
    if app.state.worker is not None:
        app.state.worker.stop()
    await app.state.services.live.stop()


def build_app(
    prepared: Prepared,
    *,
    clock: Clock = time.time,
    on_ready: Callable[[], None] | None = None,
    work_command: Sequence[str] = (),
) -> FastAPI:
    """Make the node's ASGI application; it is wired when it starts and taken apart when it stops.

    Where the settings say so it does the due work too; ``worker`` on its state is None otherwise. Heavy work is done in
    a process of its own where ``work_command`` says how one is started.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        background = Background()
        tracing = trace_to(settings.tracing, settings.address)
        async with (
            tracing,
            work_elsewhere(prepared, work_command) as elsewhere,
            open_services(prepared, clock, elsewhere=elsewhere) as services,
            services.usage.flushing(),
        ):
            worker = make_worker(services, settings, elsewhere) if settings.work else None
            app.state.services = services
            site.hot.changes = services.changes
            app.state.background = background
            app.state.worker = worker
            if worker is not None:
                await services.cosigning.look_back()
                await services.schedule.fill()
                worker.start()
                background.spawn("settle", services.recovery.settle())
            make_routes_ready(app)
            if on_ready is not None:
                on_ready()
            yield
            await asyncio.gather(background.drain(DRAIN_S), *([worker.drain(DRAIN_S)] if worker else []))

    settings = prepared.settings
    site = build_site(
        lifespan,
        clock,
        max_body_bytes=settings.max_body_bytes,
        limits=Limits(address=settings.address_limit, key=settings.key_limit),
        proxies=TrustedProxies(settings.trusted_proxies),
        https=settings.address.startswith("https://"),
        open_metrics=settings.open_metrics,
        outlet=make_outlet(settings),
    )
    return site
