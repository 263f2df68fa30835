"""Send stored bytes: whole or one range, conditionally, byte for byte (RFC 9110 sections 13 and 14).

Files are read in threads in large pieces, never on the event loop; a small file is one read and one message, and one
that was sent a short while ago no read at all, for going to a thread and back costs more than all the rest. So it is
with one of up to a megabyte that was asked for twice.

Bytes that come from a bucket crossed a network and are hashed on their way: of what is sent whole, the last piece goes
out only once the digest of all is right, else the answer breaks off; what is small is hashed before any of it is sent.
A range of what is large cannot be hashed alone; whoever put it together has the digest in its ETag.
"""

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from io import FileIO

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError
from pfn.services.release import ReleaseService
from pfn.web.hot import Again, keep_hot
from pfn.web.problem import to_problem
from pfn.web.validator import not_modified

log = structlog.get_logger()

_CHUNK = 512 * 1024
_SMALL = 128 * 1024
_LARGEST_HOT = 1024 * 1024
_MOST_HOT = 16 * 1024 * 1024
_MOST_ASKED = 1_000


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
    """Files that were sent a short while ago, by their strong ETag, which is their SHA-256 in quotes.

    Bytes that are damaged on the disk are never kept, so that mending them there mends them here. Any thread may keep
    some: what is large is hashed where it was read.
    """

    def __init__(self, most_bytes: int = _MOST_HOT) -> None:
        self._left = most_bytes
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._asked: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, etag: str) -> bytes | None:
        """Give the file."""
        with self._lock:
            content = self._files.get(etag)
            if content is not None:
                self._files.move_to_end(etag)
            return content

    def wants(self, etag: str, size: int) -> bool:
        """Tell whether to keep a file that is asked for: a small one, or one that somebody asked for before."""
        if size <= _SMALL:
            return True
        if etag in self._asked:
            return size <= _LARGEST_HOT
        self._asked[etag] = None
        if len(self._asked) > _MOST_ASKED:
            self._asked.popitem(last=False)
        return False

    def keep(self, etag: str, content: bytes) -> None:
        """Remember a file, and forget those that were not asked for the longest."""
        if len(content) > _LARGEST_HOT or etag != f'"{hashlib.sha256(content).hexdigest()}"':
            return
        with self._lock:
            if etag in self._files:
                return
            self._files[etag] = content
            self._left -= len(content)
            while self._left < 0:
                self._left += len(self._files.popitem(last=False)[1])


class FileSender(Response):
    """An answer whose body is stored bytes or a part of them, which are looked for before the answer begins."""

    def __init__(
        self,
        hot: HotFiles,
        releases: ReleaseService,
        blob: Blob,
        part: ByteRange | None,
        headers: Mapping[str, str],
    ) -> None:
        self._hot = hot
        self._releases = releases
        self._blob = blob
        self._part = part or ByteRange(0, blob.size - 1)
        more = {"Content-Length": str(self._part.length)}
        if part is not None:
            more["Content-Range"] = f"bytes {part.first}-{part.last}/{blob.size}"
        self._again: Again | None = None
        super().__init__(status_code=200 if part is None else 206, headers={**headers, **more})

    def keep(self, again: Again) -> None:
        """Have the whole answer kept (``web.hot``) once its bytes are known to be right; ``again`` hears of each."""
        self._again = again

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
            if self._again is not None:
                keep_hot(scope, self._again)
            await self._send_small(content, send)
        elif self._releases.local(self._blob) is None:
            await self._send_remote(send)
        else:
            await self._send_file(send)

    async def _send_small(self, content: bytes, send: Send) -> None:
        await self._start(send)
        piece = content[self._part.first : self._part.last + 1]
        await send({"type": "http.response.body", "body": piece, "more_body": False})

    async def _send_file(self, send: Send) -> None:
        size = self._blob.size
        keep = self._part.length == size and self._hot.wants(self.headers["etag"], size)
        file, piece = await asyncio.to_thread(self._open, keep=keep)
        try:
            await self._start(send)
            await self._send_body(file, piece, send)
        finally:
            file.close()

    async def _send_remote(self, send: Send) -> None:
        blob, part = self._blob, self._part
        if blob.size <= _SMALL:
            content = b"".join([piece async for piece in _hashed(self._releases.read(blob, 0, blob.size), blob)])
            self._hot.keep(self.headers["etag"], content)
            await self._send_small(content, send)
            return
        pieces = self._releases.read(blob, part.first, part.length)
        started = False
        async for piece in _hashed(pieces, blob) if part.length == blob.size else pieces:
            # The first piece first: before it an error can still be told.
            if not started:
                await self._start(send)
                started = True
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    def _open(self, *, keep: bool) -> tuple[FileIO, bytes]:
        """Open the file and read its first piece, which is all of one to ``keep``."""
        file = self._releases.open(self._blob)
        try:
            file.seek(self._part.first)
            piece = file.read(self._part.length if keep else min(self._part.length, _CHUNK))
        except BaseException:
            file.close()
            raise
        if keep:
            self._hot.keep(self.headers["etag"], piece)
        return file, piece

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


async def _hashed(pieces: AsyncIterator[bytes], blob: Blob) -> AsyncIterator[bytes]:
    """Give a blob's pieces, each one late, and the last only where all of them have the blob's digest.

    Raises PfnError (``blob_corrupt``) in its place.
    """
    digest, held = hashlib.sha256(), b""
    async for piece in pieces:
        if held:
            yield held
        await asyncio.to_thread(digest.update, piece)
        held = piece
    if digest.hexdigest() != blob.sha256:
        log.error("blob_altered", sha256=blob.sha256)
        raise PfnError(Code.BLOB_CORRUPT, "The stored bytes of this release came back altered; they are not served.")
    yield held


def send_file(
    request: Request, hot: HotFiles, releases: ReleaseService, blob: Blob, headers: Mapping[str, str]
) -> Response:
    """Answer a request for stored bytes.

    ``headers`` carry its strong ETag, and ``Last-Modified`` where that says as much: bytes that never change.
    """
    etag, size = headers["ETag"], blob.size
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
    return FileSender(hot, releases, blob, part, headers)


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
