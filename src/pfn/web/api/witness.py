"""The node's witness, for the logs of its peers (C2SP tlog-witness): bodies are text, as the specification has them."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from pfn.protocol.log.witness import SIZE_TYPE, SizeConflictError
from pfn.web.access import Node

router = APIRouter(prefix="/witness", tags=["Witness"])

_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@router.post("/add-checkpoint", response_class=Response)
async def add_checkpoint(request: Request, node: Node) -> Response:
    """Cosign a peer's checkpoint that follows from the one cosigned last.

    Malformed is 400, an unknown log 404, a wrong signature 403, another old size 409 with the known size as the body,
    and what does not follow 422.
    """
    try:
        return Response(await node.witness.add_checkpoint(await request.body()), headers=_TEXT)
    except SizeConflictError as conflict:
        return Response(conflict.body, HTTPStatus.CONFLICT, {"Content-Type": SIZE_TYPE})


@router.get("/{name}/checkpoint", response_class=Response)
async def get_checkpoint(name: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")], node: Node) -> Response:
    """Give the newest checkpoint that was cosigned of a log; `name` is the SHA-256 of its origin in hex."""
    headers = {**_TEXT, "Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=60"}
    return Response(await node.witness.checkpoint(name), headers=headers)
