"""Zips by their digest: what peers fetch, and anybody may. Only the bytes of releases that are served."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from pfn.web.access import Node
from pfn.web.zip import IMMUTABLE, describe_zip, send_zip

router = APIRouter(prefix="/blobs", tags=["Plugins"])

Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


@router.head("/sha256/{sha256}", include_in_schema=False)
@router.get("/sha256/{sha256}", response_class=Response)
async def get_blob(sha256: Sha256, request: Request, node: Node) -> Response:
    """Give the zip with this SHA-256, whoever published it. Takes ``Range``."""
    blob = await node.releases.find_blob(sha256)
    return await send_zip(request, node, blob, {**describe_zip(blob, blob.sha256), "Cache-Control": IMMUTABLE})
