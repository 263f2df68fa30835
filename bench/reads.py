"""Reads at a steady pace, as many clients make them: ``python -m bench.reads URL SECONDS A_SECOND PLUGINS``.

Each asks for something else, so no answer was given a moment ago. A request begins when its time has come, whether
those before it were answered or not, and its latency counts from then: a server that stops for a second is found out.
Prints the latencies in milliseconds, as JSON.
"""

import asyncio
import json
import random
import sys
import time
from typing import Final
from urllib.parse import quote

import aiohttp

from bench.store import SMALL, VERSION, slug, source_id
from pfn.web.links import zip_path

_CONNECTIONS: Final = 32


def choose(dice: random.Random, plugins: int) -> str:
    """Give what is asked for: lists, one plugin's details, zips, in the proportions of a quiet afternoon."""
    number = dice.randrange(plugins)
    kind = dice.random()
    if kind < 0.1:
        return f"/federation/plugins?limit=20&source={quote(source_id(number))}"
    if kind < 0.5:
        return f"/plugins/info/1.2/?action=plugin_information&request%5Bslug%5D={slug(number)}"
    if kind < 0.6:
        return f"/federation/plugins?limit=1&source={quote(source_id(number))}&q={slug(number).partition('-')[0]}"
    few = SMALL + number % 10
    return zip_path(source_id(few), slug(few), VERSION)


async def read(url: str, seconds: float, rate: float, plugins: int) -> list[float]:
    """Read for so long, so many times a second; give the latencies in milliseconds."""
    dice = random.Random(8)  # noqa: S311
    latencies: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_CONNECTIONS)) as session:

        async def one(path: str, due: float) -> None:
            async with session.get(url + path) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{path}: {answer.status}")
            latencies.append((time.perf_counter() - due) * 1000)

        begin = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * rate)):
                due = begin + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(choose(dice, plugins), due))
    return latencies


if __name__ == "__main__":
    print(json.dumps(asyncio.run(read(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))))
