"""Send a stored file: whole or one range, conditionally, byte for byte (RFC 9110 sections 13 and 14).

Reads happen in threads in large pieces, never on the event loop; a small file is one read and one message, and one that
was sent a short while ago no read at all, for going to a thread and back costs more than all the rest.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pfn.protocol.errors import Code
from pfn.web.problem import to_problem
from pfn.web.validator import not_modified

_CHUNK = 512 * 1024
_LARGEST_HOT = 128 * 1024
_MOST_HOT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1


class HotFiles:
    """Small files that were sent a short while ago, by their strong ETag, which is their SHA-256 in quotes.

    Bytes that are damaged on the disk are never kept, so that mending them there mends them here.
    """

    def __init__(self, most_bytes: int = _MOST_HOT) -> None:
        self._left = most_bytes
        self._files: OrderedDict[str, bytes] = OrderedDict()

    def get(self, etag: str) -> bytes | None:
        """Give the file."""
        content = self._files.get(etag)
        if content is not None:
            self._files.move_to_end(etag)
        return content

    def keep(self, etag: str, content: bytes) -> None:
        """Remember a file, and forget those that were not asked for the longest."""
        if len(content) > _LARGEST_HOT or etag in self._files or etag != f'"{hashlib.sha256(content).hexdigest()}"':
            return
        self._files[etag] = content
        self._left -= len(content)
        while self._left < 0:
            self._left += len(self._files.popitem(last=False)[1])


class FileSender(Response):
    """An answer whose body is part of a file; ``locate`` finds it, in a thread, before the answer begins."""

    def __init__(
        self,
        hot: HotFiles,
        locate: Callable[[], Path],
        size: int,
        part: ByteRange | None,
        headers: Mapping[str, str],
    ) -> None:
        self._hot = hot
        self._locate = locate
        self._size = size
        self._part = part or ByteRange(0, size - 1)
        more = {"Content-Length": str(self._part.length)}
        if part is not None:
            more["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
        super().__init__(status_code=200 if part is None else 206, headers={**headers, **more})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then, unless only the head was asked for, the bytes."""
        del receive
        if scope["method"] == "HEAD" or self._part.length == 0:
            await self._start(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        etag = self.headers["etag"]
        content = self._hot.get(etag)
        if content is not None:
            await self._start(send)
            piece = content[self._part.first : self._part.last + 1]
            await send({"type": "http.response.body", "body": piece, "more_body": False})
            return
        file, piece = await asyncio.to_thread(self._open)
        if len(piece) == self._size:
            self._hot.keep(etag, piece)
        try:
            await self._start(send)
            await self._send_body(file, piece, send)
        finally:
            file.close()

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    def _open(self) -> tuple[FileIO, bytes]:
        file = FileIO(self._locate())
        try:
            file.seek(self._part.first)
            return file, file.read(min(self._part.length, _CHUNK))
        except BaseException:
            file.close()
            raise

    async def _send_body(self, file: FileIO, piece: bytes, send: Send) -> None:
        left = self._part.length - len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
        while left > 0:
            piece = await asyncio.to_thread(file.read, min(left, _CHUNK))
            if not piece:
                # The file shrank under us: breaking off is the only way to say so now.
                raise OSError(f"{file.name} ended {left} bytes early")
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": left > 0})


def send_file(
    request: Request, hot: HotFiles, locate: Callable[[], Path], size: int, headers: Mapping[str, str]
) -> Response:
    """Answer a request for a file of ``size`` bytes, which ``locate`` finds or raises PfnError.

    ``headers`` carry its strong ETag, and ``Last-Modified`` where that says as much: bytes that never change.
    """
    etag = headers["ETag"]
    headers = {**headers, "Accept-Ranges": "bytes"}
    if not_modified(request, etag, headers.get("Last-Modified")):
        return Response(status_code=304, headers=dict(headers))
    asked = request.headers.get("range")
    # Either validator must be the very same (RFC 9110 section 13.1.5); a weak ETag never is.
    same = request.headers.get("if-range", etag) in {etag, headers.get("Last-Modified")}
    part = read_range(asked, size) if asked is not None and request.method == "GET" and same else None
    if part is not None and part.first >= size:
        return to_problem(
            Code.RANGE_NOT_SATISFIABLE,
            f"The file has {size} bytes; ask for a range within them.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return FileSender(hot, locate, size, part, headers)


def read_range(text: str, size: int) -> ByteRange | None:
    """Read a Range header. None where it is to be ignored: another unit, several ranges, malformed.

    A range that begins past the end is given back as it is, for the caller to refuse.
    """
    unit, _, spec = text.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not all(part.isascii() for part in (first, last)):
        return None
    if first == "" and last.isdigit():
        length = min(int(last), size)
        return ByteRange(size - length, size - 1) if length else ByteRange(size, size)
    if not first.isdigit() or not (last == "" or last.isdigit()):
        return None
    end = size - 1 if last == "" else min(int(last), size - 1)
    if last and int(last) < int(first):
        return None
    return ByteRange(int(first), end)
