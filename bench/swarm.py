"""Publishers in a process of their own: ``python -m bench.swarm SOURCES PLUGINS``, until its input ends.

Prints where they are, their names and their keys, as JSON on one line; only those that do nothing wrong.
"""

import asyncio
import json
import sys

import uvloop

from pfn.testing.swarm import PublisherSwarm


async def serve(sources: int, plugins: int) -> None:
    """Serve until the input ends."""
    # One in ten misbehaves: there are as many more.
    async with PublisherSwarm(sources * 10 // 9 + 10, plugins * 10 // 9 + 10) as swarm:
        honest = [member.publisher for member in swarm.honest][:sources]
        print(json.dumps([(one.url, one.username, one.shown_key.pem) for one in honest]), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
