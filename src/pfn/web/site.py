"""The HTTP side of a node: every route, error handler and middleware in one place."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pfn import __version__
from pfn.protocol.errors import PfnError
from pfn.web import problem
from pfn.web.api import access, activity, quarantine, release, source, subscription
from pfn.web.body_limit import BodyLimit
from pfn.web.headers import SecurityHeaders
from pfn.web.pages import docs, site_pages
from pfn.web.pages.error import for_browsers
from pfn.web.plain_query import PlainQuery

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

DESCRIPTION = """
A node of the Plugin Federation Network: it registers publishers, proves that they hold their keys, mirrors and
verifies their plugins, and serves them.

Send an API key as `Authorization: Bearer KEY`. Errors are `application/problem+json` with a stable `code`.
Times are Unix seconds unless said otherwise.
""".strip()


def build_site(lifespan: Lifespan, *, max_body_bytes: int, https: bool) -> FastAPI:
    """Make the ASGI application; ``lifespan`` must put ``services`` and ``background`` on its state."""
    site = FastAPI(
        title="Plugin Federation Network",
        description=DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        openapi_url="/openapi.json",
        # The framework's pages load scripts from a CDN; ours is `pages.docs`.
        docs_url=None,
        redoc_url=None,
    )
    apis = (
        source.router,
        subscription.router,
        release.router,
        quarantine.router,
        activity.router,
        access.router,
    )
    for router in apis:
        site.include_router(router)
    site.include_router(docs.make_router(apis))
    site_pages.mount(site)
    site.add_exception_handler(PfnError, for_browsers(problem.handle_pfn_error))
    site.add_exception_handler(RequestValidationError, for_browsers(problem.handle_invalid))
    site.add_exception_handler(HTTPException, for_browsers(problem.handle_http))
    site.add_exception_handler(Exception, for_browsers(problem.handle_unexpected))
    site.add_middleware(BodyLimit, limit=max_body_bytes)
    site.add_middleware(PlainQuery)
    site.add_middleware(SecurityHeaders, https=https)
    return site
