"""Zips under addresses that never change, and the publisher's signature beside each (facts: client contracts 3d).

WordPress core takes the signature from the header ``X-Content-Signature``, or from ``.sig`` after the zip's address.
"""

from fastapi import APIRouter, Request, Response

from pfn.protocol.errors import Code, PfnError
from pfn.web.access import Node
from pfn.web.headers import PUBLIC
from pfn.web.validator import make_etag, not_modified
from pfn.web.zip import SHORT, send_release

router = APIRouter(prefix="/dl", tags=["Plugins"])


@router.head("/{source_id}/{slug}/{file}.zip", include_in_schema=False)
@router.get("/{source_id}/{slug}/{file}.zip", response_class=Response)
async def download(source_id: str, slug: str, file: str, request: Request, node: Node) -> Response:
    """Give the publisher's exact bytes of ``{slug}.{version}.zip``, a yanked version too. Takes ``Range``."""
    found = await node.releases.find_download(source_id, slug, _version(slug, file))
    return await send_release(request, node, found, named=True, moves=True)


@router.head("/{source_id}/{slug}/{file}.zip.sig", include_in_schema=False)
@router.get("/{source_id}/{slug}/{file}.zip.sig", response_class=Response)
async def get_signature(source_id: str, slug: str, file: str, request: Request, node: Node) -> Response:
    """Give the publisher's signature over the zip's SHA-384: padded standard base64, and a newline."""
    found = await node.releases.find_download(source_id, slug, _version(slug, file))
    if found.signature is None:
        raise PfnError(
            Code.STATEMENT_UNKNOWN,
            f"No signature over the zip of {slug} {found.version} was published; its level is {found.level.value}.",
        )
    etag = make_etag(found.signature)
    headers = {**PUBLIC, "ETag": etag, "Cache-Control": SHORT}
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(f"{found.signature}\n", media_type="text/plain", headers=headers)


def _version(slug: str, file: str) -> str:
    """Take the version out of ``{slug}.{version}``. Raises PfnError (``not_found``)."""
    name, dot, version = file.partition(".")
    if name != slug or not dot or not version:
        raise PfnError(Code.NOT_FOUND, "The file must be {slug}.{version}.zip, in the folder of its slug.")
    return version
