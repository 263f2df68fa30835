"""Zips by their digest: what peers fetch, and anybody may. Only the bytes of releases that are served."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from pfn.web.access import Node
from pfn.web.api.release import PUBLIC
from pfn.web.file import send_file

router = APIRouter(prefix="/blobs", tags=["Plugins"])

Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


@router.head("/sha256/{sha256}", include_in_schema=False)
@router.get("/sha256/{sha256}", response_class=Response)
async def get_blob(sha256: Sha256, request: Request, node: Node) -> Response:
    """Give the zip with this SHA-256, whoever published it. Takes ``Range``."""
    blob, path = await node.releases.open_blob(sha256)
    headers = {
        **PUBLIC,
        "ETag": f'"{blob.sha256}"',
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{blob.sha256}.zip"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    return await send_file(request, path, blob.size, headers)
