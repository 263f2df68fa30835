"""Find out what a bucket really does, by trying it once: services that call themselves S3 differ.

Three small objects are written, read, listed and deleted below ``probe/``. What is missing has a way around it; without
the rights to write, read, list and delete there is none.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from pfn.protocol.errors import Code, PfnError
from pfn.storage.bucket_client import BucketClient, BucketRefusedError

_FOLDER = "probe"
_CONTENT, _OTHER = b"abcdef", b"ghijkl"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a bucket does: refuses to write over an object, gives a part of one, lists them in the order of keys."""

    creates: bool
    ranges: bool
    ordered: bool

    def shortcomings(self) -> Sequence[str]:
        """Tell what it does not do, and what the node does instead."""
        lacking = []
        if not self.creates:
            lacking.append(
                "The bucket ignores If-None-Match, so a zip is looked for before it is written; two processes that "
                "write one at the same moment write the same bytes."
            )
        if not self.ranges:
            lacking.append("The bucket ignores ranges, so it sends the whole zip for a part of it.")
        if not self.ordered:
            lacking.append("The bucket lists in no order, so its list is read in 256 parts that are sorted here.")
        return lacking


async def probe_bucket(client: BucketClient) -> Abilities:
    """Try a bucket.

    Raises PfnError: ``config_invalid`` where it is not there, refuses, or does not give back what it took;
    ``storage_unavailable`` where it does not answer.
    """
    folder = f"{_FOLDER}/{secrets.token_hex(8)}"
    keys = [f"{folder}/{name}" for name in ("a", "b", "c")]
    try:
        await client.put(keys[0], _CONTENT, create=True)
        try:
            return await _try(client, folder, keys)
        finally:
            for key in keys:
                await client.delete(key)
    except BucketRefusedError as error:
        raise PfnError(
            Code.CONFIG_INVALID,
            f"blobs_url: {client.address}: {error.detail} See docs/storage.md for the rights it needs.",
            internal=error.internal,
        ) from error


async def _try(client: BucketClient, folder: str, keys: Sequence[str]) -> Abilities:
    first, *others = keys
    creates = not await client.put(first, _OTHER, create=True)
    for key in reversed(others):
        await client.put(key, b"x", create=False)
    content = _CONTENT if creates else _OTHER
    if b"".join([piece async for piece in client.get(first)]) != content:
        raise PfnError(
            Code.CONFIG_INVALID, f"blobs_url: {client.address}: it does not give back what was written to it."
        )
    listed = [one.key async for one in client.list(folder)]
    later = [one.key async for one in client.list(folder, first)]
    return Abilities(creates, await _gives_ranges(client, first, content), listed == keys and later == others)


async def _gives_ranges(client: BucketClient, key: str, content: bytes) -> bool:
    try:
        return await client.get_range(key, 2, 3) == (content[2:5], len(content))
    except BucketRefusedError:
        raise
    except PfnError:
        # It just read the whole of it.
        return False
