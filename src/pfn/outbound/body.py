"""Bodies from strangers: read while being counted, decoded while being counted.

Answers for what may be kept of a body: never more than the limit in memory or on disk, nothing that ends
before its declared length, nothing in an encoding nobody asked for (facts: fetch and zip safety, fetching
rule 6). What the bytes mean is for others.
"""

import hashlib
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from aiohttp import ClientResponse

from pfn.outbound.budget import Deadline
from pfn.protocol.errors import Code, PfnError

MAX_DRAINED = 16 * 1024

# zlib's window sizes; what HTTP calls deflate is zlib's frame.
_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


class Refused(Exception):  # noqa: N818
    """An answer that cannot be used. Its text is for the operator."""


class Writer(Protocol):
    """Where a download goes: anything with ``write``, whose errors are not the publisher's and pass."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""


@dataclass(frozen=True, slots=True)
class Digests:
    """What a body was: its size in bytes and its digests in lower-case hex."""

    size: int
    sha256: str
    sha1: str
    sha384: str


async def read_document(response: ClientResponse, deadline: Deadline, max_bytes: int) -> bytes:
    """Return the decoded body, of at most ``max_bytes`` both before and after decoding.

    Raises ``PfnError(Code.PUBLISHER_TOO_LARGE)``, or Refused when the encoding is unknown or broken.
    """
    encoding = _encoding_of(response)
    if encoding == "identity":
        return b"".join([chunk async for chunk in _read(response, deadline, max_bytes)])
    if encoding not in _WINDOW_BITS:
        raise Refused(f"it is encoded as {encoding[:40]!r}, which was not asked for")
    return await _decode(response, deadline, max_bytes, _WINDOW_BITS[encoding])


async def save_body(response: ClientResponse, deadline: Deadline, max_bytes: int, target: Writer) -> Digests:
    """Write the body to ``target`` as it comes, hashing it; only the identity encoding is taken.

    Raises ``PfnError(Code.PUBLISHER_TOO_LARGE)``, Refused, or whatever ``target.write`` raises. On any
    error what was written is a torso.
    """
    encoding = _encoding_of(response)
    if encoding != "identity":
        raise Refused(f"it is encoded as {encoding[:40]!r}, but the bytes as they are were asked for")
    hashes = (hashlib.sha256(), hashlib.sha1(usedforsecurity=False), hashlib.sha384())
    size = 0
    async for chunk in _read(response, deadline, max_bytes):
        size += len(chunk)
        target.write(chunk)
        for digest in hashes:
            digest.update(chunk)
    sha256, sha1, sha384 = (digest.hexdigest() for digest in hashes)
    return Digests(size, sha256, sha1, sha384)


async def drain(response: ClientResponse, deadline: Deadline) -> None:
    """Read away a short body nobody wants, so that its connection can be used again; leave a long one."""
    if response.content_length is not None and response.content_length <= MAX_DRAINED:
        async for _ in _read(response, deadline, MAX_DRAINED):
            pass


async def _read(response: ClientResponse, deadline: Deadline, max_bytes: int) -> AsyncIterator[bytes]:
    declared = response.content_length
    if declared is not None and declared > max_bytes:
        raise _too_large(max_bytes)
    deadline.receive(0)
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        deadline.receive(len(chunk))
        yield chunk


async def _decode(response: ClientResponse, deadline: Deadline, max_bytes: int, window_bits: int) -> bytes:
    decoded = bytearray()
    decoder = zlib.decompressobj(window_bits)
    empty = True
    async for chunk in _read(response, deadline, max_bytes):
        empty = False
        try:
            # Asking for one byte more than may be kept is what stops a bomb: the rest is never inflated.
            decoded += decoder.decompress(chunk, max_bytes + 1 - len(decoded))
        except zlib.error as error:
            raise Refused(f"its compression is broken: {error}") from error
        if len(decoded) > max_bytes:
            raise _too_large(max_bytes)
    if not empty and (not decoder.eof or decoder.unused_data):
        raise Refused("its compressed body ends too early or too late")
    return bytes(decoded)


def _encoding_of(response: ClientResponse) -> str:
    return ",".join(response.headers.getall("Content-Encoding", [])).strip().lower() or "identity"


def _too_large(max_bytes: int) -> PfnError:
    return PfnError(Code.PUBLISHER_TOO_LARGE, f"The publisher sent more than the {max_bytes} bytes allowed here.")
