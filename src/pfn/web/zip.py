"""A release's zip as every view sends it: one spelling of its headers, and whichever way out the operator chose.

The bytes go out of this process, or by the proxy in front of it (``download_offload``), or from a store that the client
is sent on to: a public one (``download_redirect``), or the node's own bucket by a URL that holds for minutes
(``download_presigned``). Whether they may go out at all is asked here each time, whichever the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote

from fastapi import Request, Response
from starlette.types import Scope

from pfn.domain.download import Download
from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError
from pfn.services.node import Services
from pfn.services.usage import UsageService
from pfn.web.file import FileSender, HotFiles, read_range, send_file
from pfn.web.headers import PUBLIC
from pfn.web.hot import keep_hot
from pfn.web.validator import not_modified

# Who has a zip may keep it. A cache that many share asks again in moments, or it would go on after a takedown.
IMMUTABLE = "public, max-age=31536000, s-maxage=5, immutable"
SHORT = "public, max-age=300, s-maxage=5"

# Long enough to begin a download, too short to be passed around.
PRESIGNED_S = 300
_SENT = frozenset({200, 206, 302})


@dataclass(frozen=True, slots=True)
class Outlet:
    """The ways out, as the operator set them.

    ``redirect`` is the base URL of a public store; below it, and below ``prefix`` at the proxy, a zip is at
    ``sha256/ab/cdef…``. With ``presigned`` downloads are sent on to the node's bucket.
    """

    redirect: str | None
    presigned: bool
    offload: Literal["none", "x-accel-redirect", "x-sendfile"]
    prefix: str
    hot: HotFiles = field(default_factory=HotFiles)


async def send_release(request: Request, node: Services, download: Download, *, named: bool, moves: bool) -> Response:
    """Answer with a release's zip, and count it where it is sent from its beginning.

    ``named`` says that the address names the version, and so never gives another one; ``moves`` that clients of this
    view follow redirects. Raises PfnError: ``blob_missing``, ``blob_corrupt``.
    """
    headers = {
        **describe_zip(download.blob, download.slug),
        "Last-Modified": formatdate(download.mirror_date, usegmt=True),
        "X-Pfn-Version": download.version,
        "X-Pfn-Signature-Level": download.level.value,
        "Cache-Control": IMMUTABLE if named else SHORT,
    }
    if download.signature is not None:
        headers["X-Content-Signature"] = download.signature
    if download.yank_reason is not None:
        headers["X-Pfn-Yanked"] = quote(download.yank_reason, safe=" ,.;:()'-")
    answer = await send_zip(request, node, download.blob, headers, moves=moves)
    count = partial(_count, node.usage, download)
    if answer.status_code in _SENT and _from_beginning(request, download.blob.size):
        count(request.scope)
    if named and request.method == "GET" and answer.status_code == HTTPStatus.OK:
        if isinstance(answer, FileSender):
            answer.keep(count)
        else:
            keep_hot(request.scope, count)
    return answer


def _count(usage: UsageService, download: Download, scope: Scope) -> None:
    """Count a download; Composer reports what it installs by itself, from its cache as well (``web.composer``)."""
    if not any(name == b"user-agent" and value.startswith(b"Composer/") for name, value in scope["headers"]):
        usage.count_download(download.source_id, download.slug, download.version)


def describe_zip(blob: Blob, name: str) -> dict[str, str]:
    """Give the headers that any answer with these bytes has.

    WordPress names the folder of a zip that has none after the file, so the file is ``name`` without a version.
    """
    return {
        **PUBLIC,
        "ETag": f'"{blob.sha256}"',
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{name}.zip"',
        "X-Content-Type-Options": "nosniff",
    }


async def send_zip(
    request: Request, node: Services, blob: Blob, headers: Mapping[str, str], *, moves: bool = False
) -> Response:
    """Answer with stored bytes by the way that is set. Raises PfnError as ``send_release`` does."""
    outlet = request.app.state.outlet
    assert isinstance(outlet, Outlet)  # the site was built with it
    if blob.corrupt:
        raise PfnError(Code.BLOB_CORRUPT, "The stored bytes of this release are damaged; they are not served.")
    if moves and outlet.redirect is not None:
        # Where it leads may change, though the bytes do not.
        location = f"{outlet.redirect}/{blob.local_path}"
        return Response(status_code=302, headers={**headers, "Location": location, "Cache-Control": SHORT})
    if moves and outlet.presigned and request.method == "GET":
        # The signature is good for a GET alone; what a HEAD asks is known here.
        if not_modified(request, headers["ETag"], headers.get("Last-Modified")):
            return Response(status_code=304, headers=dict(headers))
        url = await node.releases.sign(blob, PRESIGNED_S, _file_name(headers))
        if url is not None:
            return Response(status_code=302, headers={**headers, "Location": url, "Cache-Control": "no-store"})
    path = node.releases.local(blob)
    if outlet.offload == "none" or path is None:
        return send_file(request, outlet.hot, node.releases, blob, headers)
    if not_modified(request, headers["ETag"], headers.get("Last-Modified")):
        return Response(status_code=304, headers=dict(headers))
    # Ranges are the proxy's, which knows the file.
    where = (
        {"X-Accel-Redirect": outlet.prefix + blob.local_path}
        if outlet.offload == "x-accel-redirect"
        else {"X-Sendfile": str(path.absolute())}
    )
    return Response(headers={**headers, **where})


def _file_name(headers: Mapping[str, str]) -> str:
    """Give the name that the zip is saved under, as ``describe_zip`` put it."""
    return headers["Content-Disposition"].partition('filename="')[2].rstrip('"')


def _from_beginning(request: Request, size: int) -> bool:
    """Tell whether a download begins: parts that follow belong to one that was counted."""
    if request.method != "GET":
        return False
    part = read_range(request.headers.get("range", ""), size)
    return part is None or part.first == 0
