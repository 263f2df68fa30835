"""The HTTP side of a node: every route, error handler and middleware in one place."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from pfn import __version__
from pfn.protocol.errors import PfnError
from pfn.services.clock import Clock
from pfn.web import composer, download, events, feed, log, operations, problem, update_checker
from pfn.web.api import (
    access,
    activity,
    blob,
    care,
    evidence,
    health,
    peer,
    proof,
    proposal,
    quarantine,
    release,
    schedule,
    slug,
    source,
    state,
    subscription,
    usage,
    webhook,
    witness,
)
from pfn.web.body_limit import BodyLimit
from pfn.web.bucket import Buckets
from pfn.web.forwarded import Forwarded, TrustedProxies
from pfn.web.headers import SecurityHeaders
from pfn.web.hot import HotAnswers
from pfn.web.incident import LastResort
from pfn.web.limit import Limits, RateLimit
from pfn.web.metrics import CountRequests, HttpMetrics
from pfn.web.pages import docs, site_pages
from pfn.web.pages.error import for_browsers
from pfn.web.pages.language import ChooseLanguage
from pfn.web.plain_query import PlainQuery
from pfn.web.request_log import RequestLog
from pfn.web.wordpress import info, site_helper, update_check
from pfn.web.zip import Outlet

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

DESCRIPTION = """
A node of the Plugin Federation Network: it registers publishers, proves that they hold their keys, mirrors and
verifies their plugins, and serves them.

Send an API key as `Authorization: Bearer KEY`. Errors are `application/problem+json` with a stable `code`.
Times are Unix seconds unless said otherwise.
""".strip()


class Site(FastAPI):
    """The application; what it answered a moment ago it need not find out again."""

    def __init__(self, hot: HotAnswers, **arguments: Any) -> None:  # noqa: ANN401  # as the base class takes them
        super().__init__(**arguments)
        self.hot = hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self.hot.may_keep(scope):
            if await self.hot.answer(scope, send):
                return
            send = self.hot.watch(scope, send)
        await super().__call__(scope, receive, send)


def build_site(
    lifespan: Lifespan,
    clock: Clock,
    *,
    max_body_bytes: int,
    limits: Limits,
    proxies: TrustedProxies,
    https: bool,
    open_metrics: bool,
    outlet: Outlet,
) -> Site:
    """Make the ASGI application; ``lifespan`` must put ``services`` and ``background`` on its state.

    From then on ``hot.changes`` may tell whether the rows are what they were.
    """
    metrics = HttpMetrics()
    of_addresses, of_keys = Buckets(clock, limits.address), Buckets(clock, limits.key)
    site = Site(
        HotAnswers(clock, metrics=metrics, limit=of_addresses, proxies=proxies),
        title="Plugin Federation Network",
        description=DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        openapi_url="/openapi.json",
        # The framework's pages load scripts from a CDN; ours is `pages.docs`.
        docs_url=None,
        redoc_url=None,
    )
    site.state.outlet = outlet
    apis = (
        download.router,
        source.router,
        health.router,
        schedule.router,
        subscription.router,
        release.router,
        update_checker.router,
        usage.router,
        composer.router,
        site_helper.router,
        blob.router,
        quarantine.router,
        care.router,
        slug.router,
        activity.router,
        feed.router,
        events.router,
        webhook.router,
        log.router,
        proof.router,
        witness.router,
        peer.router,
        proposal.router,
        state.router,
        evidence.router,
        access.router,
        operations.make_router(metrics, open_metrics=open_metrics),
    )
    # Routes are tried one after the other: first what is asked for the most, and pages last, for a plugin's page takes
    # any two words after /plugins/.
    site.router.routes.extend(update_check.ROUTES)
    for router in (download.router, info.router, *apis[1:]):
        site.include_router(router)
    site.include_router(docs.make_router(apis))
    site_pages.mount(site)
    site.add_exception_handler(PfnError, for_browsers(problem.handle_pfn_error))
    site.add_exception_handler(RequestValidationError, for_browsers(problem.handle_invalid))
    site.add_exception_handler(HTTPException, for_browsers(problem.handle_http))
    # From the innermost to the outermost.
    site.add_middleware(BodyLimit, limit=max_body_bytes)
    site.add_middleware(PlainQuery)
    site.add_middleware(RateLimit, of_addresses=of_addresses, of_keys=of_keys)
    site.add_middleware(CountRequests, metrics=metrics)
    site.add_middleware(LastResort, answer=for_browsers(problem.handle_unexpected))
    site.add_middleware(ChooseLanguage)
    site.add_middleware(RequestLog)
    site.add_middleware(Forwarded, proxies=proxies)
    site.add_middleware(SecurityHeaders, https=https)
    return site
