"""The page for people who write clients: the API, rendered on the server from its own OpenAPI document."""

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Request, Response

from pfn.protocol.errors import Code
from pfn.web.access import Node
from pfn.web.pages.reference import read_reference, read_scopes
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen


def make_router(apis: Iterable[APIRouter]) -> APIRouter:
    """Make the route of the page that describes ``apis``."""
    router = APIRouter(include_in_schema=False)
    scopes = read_scopes(apis)

    @router.get("/docs")
    async def show_docs(request: Request, node: Node, viewer: Seen) -> Response:
        """Show every address of the API."""
        site = request.app
        assert isinstance(site, FastAPI)  # the routes hang on no other
        return render(
            request,
            viewer,
            "docs.html",
            introduction=site.description.split("\n\n"),
            version=site.version,
            reference=read_reference(site.openapi(), scopes, node.address),
            errors=list(Code),
        )

    return router
