"""For whoever watches the node: does it run, can it serve, how does it stand, in numbers and at one glance."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from pfn.domain.access import Scope
from pfn.protocol.errors import Code
from pfn.web.access import Node, Reader, need
from pfn.web.api.answers import Json
from pfn.web.metrics import HttpMetrics
from pfn.web.problem import ProblemResponse, to_problem

_NO_STORE = {"Cache-Control": "no-store"}


def make_router(metrics: HttpMetrics, *, open_metrics: bool) -> APIRouter:
    """Make the routes; with ``open_metrics`` the numbers need no key."""
    router = APIRouter(tags=["Operations"])

    @router.get("/livez")
    async def tell_alive(response: Response) -> Json:
        """Tell that the process runs. It looks at nothing else."""
        response.headers.update(_NO_STORE)
        return {"state": "alive"}

    @router.get("/readyz", response_model=None)
    async def tell_ready(node: Node, response: Response) -> Json | ProblemResponse:
        """Tell whether the node can serve: `ready`, or `degraded` where it serves but takes in nothing new.

        Where it cannot serve, the answer is the problem `not_ready`, with the same checks in it.
        """
        readiness = await node.readiness.check()
        checks = [check.to_json() for check in readiness.checks]
        if not readiness.serves:
            failed = " ".join(check.sentence for check in readiness.checks if check.state == "failed")
            return to_problem(Code.NOT_READY, failed, state=readiness.state, checks=checks)
        response.headers.update(_NO_STORE)
        return {"state": readiness.state, "checks": checks}

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        dependencies=[] if open_metrics else [Depends(need(Scope.SOURCES_READ))],
    )
    async def show_metrics(request: Request, node: Node) -> Response:
        """Give every number of the node in Prometheus' text format."""
        worker = getattr(request.app.state, "worker", None)
        text = metrics.write(await node.measures.measure(), None if worker is None else worker.status())
        return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, **_NO_STORE})

    @router.get("/federation/status")
    async def show_status(grant: Reader, node: Node) -> Json:
        """Give how the node stands: its sources, what is mirrored, what is due, what fails, what to look at."""
        del grant
        return {**(await node.measures.measure()).to_json(), "warnings": list(node.warnings)}

    return router
