"""The node's log as static files would have it: ``/log/checkpoint`` and ``/log/tile/…`` (C2SP tlog-tiles).

Byte for byte the formats of ``pfn.protocol.log``, for anybody from anywhere. What is full never changes and may be kept
for ever; the checkpoint, and a tile that still grows, for moments.
"""

import hashlib

from fastapi import APIRouter, Request, Response

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.tile import parse_tile_path
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.validator import not_modified

router = APIRouter(prefix="/log", tags=["Log"])

_PUBLIC = {"Access-Control-Allow-Origin": "*"}
_MOMENTS = "public, max-age=5"
_FOR_EVER = "public, max-age=31536000, immutable"


@router.head("/checkpoint", include_in_schema=False)
@router.get("/checkpoint", response_class=Response)
async def get_checkpoint(request: Request, node: Node) -> Response:
    """Give the newest signed tree of the node's log, with the signatures of its witnesses, as a signed note."""
    return _send(request, await node.log.checkpoint(), "text/plain; charset=utf-8", _MOMENTS)


@router.head("/tile/{path:path}", include_in_schema=False)
@router.get("/tile/{path:path}", response_class=Response)
async def get_tile(path: str, request: Request, node: Node) -> Response:
    """Give a tile of the tree, or of the entries themselves: `LEVEL/NUMBER` or `entries/NUMBER`, or the first `.p/W`.

    Numbers are in groups of three digits, all but the last with an `x` before it.
    """
    try:
        tile = parse_tile_path(f"tile/{path}")
    except PfnError as error:
        raise PfnError(Code.NOT_FOUND, error.detail) from error
    data = await node.log.read_tile(tile)
    return _send(request, data, "application/octet-stream", _FOR_EVER if tile.is_full else _MOMENTS)


def _send(request: Request, data: bytes, media_type: str, caching: str) -> Response:
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {**_PUBLIC, "ETag": etag, "Cache-Control": caching, "Content-Type": media_type}
    keep_hot(request.scope)
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers)
