"""A release's zip as every view sends it: one spelling of its headers, and whichever way out the operator chose.

The bytes go out of this process, or by the proxy in front of it (``download_offload``), or from a public store that the
client is sent on to (``download_redirect``). Whether they may go out at all is asked here each time, whichever the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from typing import Literal
from urllib.parse import quote

from fastapi import Request, Response

from pfn.domain.download import Download
from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError
from pfn.services.node import Services
from pfn.web.file import HotFiles, read_range, send_file
from pfn.web.headers import PUBLIC
from pfn.web.validator import not_modified

IMMUTABLE = "public, max-age=31536000, immutable"
SHORT = "public, max-age=300"

_SENT = frozenset({200, 206, 302})


@dataclass(frozen=True, slots=True)
class Outlet:
    """The ways out, as the operator set them.

    ``redirect`` is the base URL of a public store; below it, and below ``prefix`` at the proxy, a zip is at
    ``sha256/ab/cdef…``.
    """

    redirect: str | None
    offload: Literal["none", "x-accel-redirect", "x-sendfile"]
    prefix: str
    hot: HotFiles = field(default_factory=HotFiles)


def send_release(request: Request, node: Services, download: Download, *, named: bool, moves: bool) -> Response:
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
    answer = send_zip(request, node, download.blob, headers, moves=moves)
    # Composer reports what it installs by itself, from its cache as well (``web.composer``).
    reported = request.headers.get("user-agent", "").startswith("Composer/")
    if answer.status_code in _SENT and _from_beginning(request, download.blob.size) and not reported:
        node.usage.count_download(download.source_id, download.slug, download.version)
    return answer


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


def send_zip(
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
    if outlet.offload == "none":
        return send_file(request, outlet.hot, partial(node.releases.locate, blob), blob.size, headers)
    if not_modified(request, headers["ETag"], headers.get("Last-Modified")):
        return Response(status_code=304, headers=dict(headers))
    # Ranges are the proxy's, which knows the file.
    where = (
        {"X-Accel-Redirect": outlet.prefix + blob.local_path}
        if outlet.offload == "x-accel-redirect"
        else {"X-Sendfile": str(node.releases.path(blob))}
    )
    return Response(headers={**headers, **where})


def _from_beginning(request: Request, size: int) -> bool:
    """Tell whether a download begins: parts that follow belong to one that was counted."""
    if request.method != "GET":
        return False
    part = read_range(request.headers.get("range", ""), size)
    return part is None or part.first == 0
