"""What the node holds, in one digest: so that another can tell whether it holds the same. For everyone."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from pfn.web.access import Node
from pfn.web.api.release import Text
from pfn.web.headers import PUBLIC
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Peers"], route_class=StrictRoute)


@router.get("/state")
async def get_state(node: Node, source: Text = None) -> JSONResponse:
    """Give the SHA-256 over what is served of one source, or of all, how many releases that are, and the log's size."""
    held = await node.state.held(source)
    return JSONResponse(held.model_dump(mode="json"), headers={**PUBLIC, "Cache-Control": "no-cache"})
