"""Answers that a client may hold already, and zips as bytes: conditional requests (RFC 9110 section 13) and sending.

A zip is sent with the length that was signed or not at all; one that is cut short while it is sent breaks the
connection off rather than pass for whole.
"""

import asyncio
import os
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO, Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pfn.protocol.release_statement import ReleaseStatement

_CHUNK: Final = 256 << 10


def is_unchanged(headers: Headers, etag: str, last_modified: str | None = None) -> bool:
    """Tell whether the client says that it holds this very answer. A date counts only where it is the exact one."""
    if (given := headers.get("if-none-match")) is not None:
        return given.strip() == "*" or etag in {one.strip().removeprefix("W/") for one in given.split(",")}
    return last_modified is not None and headers.get("if-modified-since") == last_modified


def describe_zip(statement: ReleaseStatement) -> dict[str, str]:
    """Give the headers by which a zip is known."""
    return {
        "ETag": f'"{statement.sha256}"',
        "Last-Modified": formatdate(statement.released_at, usegmt=True),
    }


def open_zip(path: Path, length: int) -> BinaryIO | None:
    """Open the file of a release; None where it is not there or not of this length."""
    try:
        file = path.open("rb")
    except OSError:
        return None
    if os.fstat(file.fileno()).st_size != length:
        file.close()
        return None
    return file


class ZipAnswer(Response):
    """An answer that sends an open file of known size, and closes it."""

    media_type = "application/zip"

    def __init__(self, file: BinaryIO, size: int, headers: Mapping[str, str]) -> None:
        super().__init__(headers=dict(headers))
        self.headers["content-length"] = str(size)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then, unless only the head was asked for, the bytes."""
        del receive
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                while chunk := await asyncio.to_thread(self._file.read, _CHUNK):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._file.close()
