"""A peer in a process of its own: ``python -m bench.peer RELEASES``, until its input ends.

Its log has so many releases of the sources of ``bench.store``. Prints how it describes itself, as JSON on one line.
"""

import asyncio
import hashlib
import json
import sys
from functools import cache

import uvloop

from bench.store import VERSION, slug, source_id
from pfn.protocol.log.entry import ReleaseLeaf, write_leaf
from pfn.testing.peer import FakePeer

BEGAN = 1_750_000_000


@cache
def entry(number: int) -> bytes:
    """Give the entry of release ``number``."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    leaf = ReleaseLeaf(
        at=BEGAN + number,
        source=source_id(number),
        slug=slug(number),
        version=VERSION,
        length=50_000,
        sha256=digest,
        statement=digest,
        signature=None,
        manifest=digest,
    )
    return write_leaf(leaf)


async def serve(count: int) -> None:
    """Serve until the input ends."""
    async with FakePeer() as peer:
        peer.entries = [entry(number) for number in range(count)]
        peer.note()
        print(json.dumps(peer.description.to_json()), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
