"""Mixed reads on a real node while its sources change and are synced: no error, no growth of memory, latencies.

``pfn serve`` in a process of its own, on SQLite or where PFN_DATABASE_URL and PFN_BLOBS_URL say; publishers and clients
here. A request begins when its time has come, whether those before it were answered or not, and its latency counts from
then. Memory is the node's with its children's: the median of the last third of the time is held against that of the
second, for a node warms up in the first. Exits 1 where something does not hold.
"""

import argparse
import asyncio
import json
import os
import random
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from pfn.protocol.source_id import source_id
from pfn.testing.publisher import FakePublisher
from pfn.web.links import plugin_path, source_path

PFN = str(Path(sys.executable).with_name("pfn"))
SETTINGS = {
    "COLUMNS": "300",
    "PFN_ALLOW_LOOPBACK": "true",
    "PFN_ALLOW_UNSIGNED": "true",
    "PFN_ADDRESS_LIMIT": "0",
    "PFN_KEY_LIMIT": "0",
    # As often as it adapts to: a source that changes is asked again after a quarter of this.
    "PFN_SYNC_EVERY": "8",
    "PFN_LOG_FORMAT": "json",
    "PFN_LOG_LEVEL": "warning",
}
SOURCES, PLUGINS = 3, 40
CHANGES_A_SECOND = 1.0
CONNECTIONS = 64
LATE_S = 30.0
STOP_S = 40
# What two medians of the same memory differ by anyway.
GROWTH, GROWTH_KIB = 1.05, 4096


@dataclass
class Findings:
    """What was seen: latencies in milliseconds by kind of request, memory in KiB second by second, what went wrong."""

    latencies: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    syncs: int = 0
    mirrored: int = 0

    def thirds(self) -> list[float]:
        """Give the median memory of each third of the time, in KiB."""
        count = len(self.memory) // 3
        return [statistics.median(self.memory[i * count : (i + 1) * count]) for i in range(3)]

    def complaints(self) -> list[str]:
        """Say what does not hold."""
        said = [f"{len(self.errors)} errors, the first: {self.errors[0]}"] if self.errors else []
        _, second, last = self.thirds()
        if last > second * GROWTH + GROWTH_KIB:
            said.append(f"memory grew from {second:.0f} to {last:.0f} KiB")
        if self.mirrored == 0:
            said.append("nothing was mirrored meanwhile")
        return said


@dataclass(frozen=True, slots=True)
class Node:
    """A running node and its operator's key."""

    url: str
    pid: int
    key: str


@contextmanager
def serve_node(data: Path) -> Iterator[Node]:
    """Run ``pfn serve`` until the block ends."""
    key = secrets.token_urlsafe(32)
    log = data.parent / "node.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [PFN, "serve", "--data", str(data), "--port", "0"],
            env={**os.environ, **SETTINGS, "PFN_MASTER_KEY": key},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        found = next(filter(None, (re.match(r"Listening on (\S+)", line) for line in process.stdout)), None)
        if found is None:
            raise RuntimeError(f"the node did not start: {log.read_text()[-2000:]}")
        yield Node(found[1], process.pid, key)
    finally:
        process.terminate()
        process.wait(STOP_S)
        process.stdout.close()


@asynccontextmanager
async def open_publishers() -> AsyncIterator[list[FakePublisher]]:
    """Serve publishers with some plugins each."""
    async with AsyncExitStack() as stack:
        publishers = [await stack.enter_async_context(FakePublisher(f"author-{i}")) for i in range(SOURCES)]
        for publisher in publishers:
            for number in range(PLUGINS):
                publisher.add_plugin(slug(publisher, number), "1.0.0", files=padding(number))
        yield publishers


def slug(publisher: FakePublisher, number: int) -> str:
    """Name a plugin; each slug is of one source."""
    return f"{publisher.username}-tool-{number}"


def padding(number: int) -> dict[str, bytes]:
    """Make zips of 10 to 90 KB, incompressible as pictures are."""
    return {"picture.bin": random.Random(number).randbytes(10_000 + number * 2000)}  # noqa: S311


def name_of(publisher: FakePublisher) -> str:
    """Give a publisher's id at the node."""
    return source_id(publisher.url, publisher.username)


def choose(dice: random.Random, publishers: Sequence[FakePublisher]) -> tuple[str, str, bytes | None]:
    """Give a request: its kind, its path, its body where it is a POST."""
    publisher = dice.choice(publishers)
    source, plugin = name_of(publisher), slug(publisher, dice.randrange(PLUGINS))
    zips = f"/dl{source_path(source).removeprefix('/sources')}/{plugin}/{plugin}.1.0.0.zip"
    file = f"{plugin}/{plugin}.php"
    asked = json.dumps({"plugins": {file: {"Name": "x", "Version": "0.9"}}, "active": [file]})
    kinds: list[tuple[str, str, bytes | None]] = [
        ("download", zips, None),
        ("update check", "/plugins/update-check/1.1/", aiohttp.FormData({"plugins": asked})().decode().encode()),
        ("plugin information", f"/plugins/info/1.2/?action=plugin_information&request%5Bslug%5D={plugin}", None),
        ("list", f"/federation/plugins?limit=20&source={source}", None),
        ("search", f"/plugins?q={plugin.rpartition('-')[0]}", None),
        ("page", plugin_path(source, plugin), None),
        ("page", "/", None),
        ("feed", "/federation/activity.atom", None),
        ("log", "/log/checkpoint", None),
        ("composer", "/composer/packages.json", None),
    ]
    weights = (20, 20, 15, 10, 5, 5, 5, 5, 10, 5)
    return dice.choices(kinds, weights)[0]


async def ask(session: aiohttp.ClientSession, request: tuple[str, str, bytes | None], due: float, to: Findings) -> None:
    """Send one request and note how it went."""
    kind, path, body = request
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        async with session.request("POST" if body else "GET", path, data=body, headers=headers) as answer:
            await answer.read()
            if answer.status != 200:
                to.errors.append(f"{kind} {path}: {answer.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        to.errors.append(f"{kind} {path}: {error!r}")
    to.latencies[kind].append((time.perf_counter() - due) * 1000)


async def read(node: Node, publishers: Sequence[FakePublisher], seconds: float, rate: float, to: Findings) -> None:
    """Read for so long, so many times a second."""
    dice = random.Random(8)  # noqa: S311
    limits = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=LATE_S)
    async with (
        aiohttp.ClientSession(node.url, connector=limits, timeout=timeout) as session,
        asyncio.TaskGroup() as group,
    ):
        begin = time.perf_counter()
        for number in range(int(seconds * rate)):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(ask(session, choose(dice, publishers), due, to))


async def change(publishers: Sequence[FakePublisher]) -> None:
    """Release new versions, for ever."""
    dice = random.Random(9)  # noqa: S311
    number = 0
    while True:
        await asyncio.sleep(1 / CHANGES_A_SECOND)
        number += 1
        publisher, plugin = dice.choice(publishers), dice.randrange(PLUGINS)
        publisher.add_plugin(slug(publisher, plugin), f"1.1.{number}", files=padding(plugin))


async def watch(pid: int, to: Findings) -> None:
    """Note the memory once a second, for ever."""
    while True:
        to.memory.append(await asyncio.to_thread(resident_kib, pid))
        await asyncio.sleep(1)


def resident_kib(pid: int) -> int:
    """Give the resident memory of a process and its children, in KiB."""
    shown = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    sizes: dict[int, int] = {}
    children = defaultdict(list)
    for line in shown.splitlines():
        one, parent, size = map(int, line.split())
        sizes[one] = size
        children[parent].append(one)
    family = [pid]
    for one in family:
        family.extend(children[one])
    return sum(sizes.get(one, 0) for one in family)


async def post(session: aiohttp.ClientSession, path: str, body: dict[str, object]) -> Any:
    """POST to /federation/PATH and give the answer."""
    async with session.post(f"/federation/{path}", json=body) as answer:
        if not answer.ok:
            raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
        return await answer.json()


async def count(session: aiohttp.ClientSession) -> tuple[int, int]:
    """Give how many syncs of changed sources ended, and how many releases are here."""
    async with session.get("/metrics") as answer:
        text = await answer.text()
    runs = re.search(r'^pfn_worker_runs_total\{kind="sync"\} (\S+)', text, re.MULTILINE)
    releases = re.search(r"^pfn_releases (\S+)", text, re.MULTILINE)
    return int(float(runs[1])) if runs else 0, int(float(releases[1])) if releases else 0


async def run(folder: Path, seconds: float, rate: float) -> Findings:
    """Put a node under load."""
    findings = Findings()
    with serve_node(folder / "node") as node:
        headers = {"Authorization": f"Bearer {node.key}"}
        async with open_publishers() as publishers, aiohttp.ClientSession(node.url, headers=headers) as operator:
            for publisher in publishers:
                about = {"username": publisher.username, "public_key": publisher.public_key_pem}
                await post(operator, "add-source", {"instance_url": publisher.url, **about})
                await post(operator, "verify-source", {"sourceId": name_of(publisher)})
                await post(operator, "subscribe", {"sourceId": name_of(publisher), "filters": {}})
            before = await count(operator)
            background = [asyncio.create_task(change(publishers)), asyncio.create_task(watch(node.pid, findings))]
            await read(node, publishers, seconds, rate, findings)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            after = await count(operator)
    findings.syncs, findings.mirrored = (now - then for now, then in zip(after, before, strict=True))
    return findings


def show(findings: Findings, seconds: float, rate: float) -> None:
    """Print what was found, as docs/benchmarks.md has it."""
    megabytes = " → ".join(f"{one / 1024:.0f}" for one in findings.thirds())
    print(
        f"{seconds:.0f} s, {rate:.0f} requests a second; {findings.syncs} syncs, {findings.mirrored} releases mirrored"
    )
    print(f"memory by thirds: {megabytes} MB; {len(findings.errors)} errors\n")
    print("| | requests | p50 ms | p99 ms | worst ms |\n|---|---|---|---|---|")
    everything = [one for some in findings.latencies.values() for one in some]
    for kind, some in [*sorted(findings.latencies.items()), ("all", everything)]:
        ordered = sorted(some)
        p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.99))
        print(f"| {kind} | {len(ordered)} | {p50:.1f} | {p99:.1f} | {ordered[-1]:.0f} |")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pfn-load-") as folder:
        findings = asyncio.run(run(Path(folder), given.minutes * 60, given.rate))
    show(findings, given.minutes * 60, given.rate)
    complaints = findings.complaints()
    for one in complaints:
        print(f"load: {one}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
