"""Send a stored file: whole or one range, conditionally, byte for byte (RFC 9110 sections 13 and 14).

Reads happen in threads in large pieces, never on the event loop; a small file is one read and one message.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pfn.protocol.errors import Code
from pfn.web.problem import to_problem
from pfn.web.validator import not_modified

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1


class FileSender(Response):
    """An answer whose body is part of a file."""

    def __init__(self, path: Path, part: ByteRange, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=status, headers=dict(headers))
        self.headers["content-length"] = str(part.length)
        self._path = path
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then, unless only the head was asked for, the bytes."""
        del receive
        if scope["method"] == "HEAD" or self._part.length == 0:
            await self._start(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        file = await asyncio.to_thread(self._path.open, "rb")
        try:
            await self._start(send)
            await self._send_body(file, send)
        finally:
            file.close()

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _send_body(self, file: BinaryIO, send: Send) -> None:
        left = self._part.length
        await asyncio.to_thread(file.seek, self._part.first)
        while left > 0:
            chunk = await asyncio.to_thread(file.read, min(left, _CHUNK))
            if not chunk:
                # The file shrank under us: breaking off is the only way to say so now.
                raise OSError(f"{self._path} ended {left} bytes early")
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})


async def send_file(request: Request, path: Path, size: int, headers: Mapping[str, str]) -> Response:
    """Answer a request for a file of ``size`` bytes; ``headers`` carry its strong ETag."""
    etag = headers["ETag"]
    headers = {**headers, "Accept-Ranges": "bytes"}
    if not_modified(request, etag):
        return Response(status_code=304, headers=dict(headers))
    asked = request.headers.get("range")
    if asked is None or request.method != "GET" or request.headers.get("if-range", etag) != etag:
        return FileSender(path, ByteRange(0, size - 1), 200, headers)
    part = read_range(asked, size)
    if part is None:
        return FileSender(path, ByteRange(0, size - 1), 200, headers)
    if part.first >= size:
        return to_problem(
            Code.RANGE_NOT_SATISFIABLE,
            f"The file has {size} bytes; ask for a range within them.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    return FileSender(path, part, 206, headers)


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
