"""Numbers of use without tracking anybody: counted in memory, added to sums by day once a minute.

Sites are told apart, so that each counts once a day, by a hash of their URL under a random salt that this process makes
each day and never writes down: neither the log, the rows nor a copy of the memory from another day can tell which site
ran what. A site that asks two processes, or the same one before and after a restart, counts twice on that day; the
number that is shown is the middle of a week's days and rounded down (``domain.usage``).

What is remembered of a day is bounded. When it is full, no more sites are counted until midnight (UTC): "500+" stays
true that way, and those who invent sites by the million fill no memory. Versions that a site claims and nobody mirrored
are summed under none, so no stranger makes rows. A crash loses a minute's counts at most.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog

from pfn.domain.usage import DAY_S, SEEN_DAYS, Usage, UsageDay, estimate_installs, round_installs
from pfn.services.clock import Clock
from pfn.storage.database import Database
from pfn.storage.usage import (
    PluginKey,
    add_usage,
    find_mirrored_versions,
    list_usage,
    sum_downloads,
    sum_installs,
)

FLUSH_S = 60.0
MOST_MARKS = 500_000
"""How many (site, plugin) a day may have: some 40 MB, or 25,000 sites with 20 plugins each."""
_LONGEST_VERSION = 64

log = structlog.get_logger()


class UsageService:
    """Counts, and tells what was counted."""

    def __init__(self, database: Database, clock: Clock, *, most_marks: int = MOST_MARKS) -> None:
        self._database = database
        self._clock = clock
        self._most_marks = most_marks
        self._downloads: dict[tuple[PluginKey, str, int], int] = {}
        self._installs: dict[tuple[PluginKey, str, int], int] = {}
        self._begin_day(self._today())

    def count_download(self, source_id: str, slug: str, version: str) -> None:
        """Count one download of a release: a GET that was answered with the zip, or with its beginning."""
        key = ((source_id, slug), version, self._today())
        self._downloads[key] = self._downloads.get(key, 0) + 1

    def count_sites(self, site: str, items: Iterable[tuple[str, str, str]]) -> None:
        """Count a site, named by its URL, as one that runs these (source, slug, version).

        Only the first time on a day for each plugin: a site that updates counts under the version it had.
        """
        today = self._today()
        if today != self._day:
            self._begin_day(today)
        if not site:
            return
        mark = hashlib.blake2b(site.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=8).digest()
        for source_id, slug, version in items:
            if self._marks >= self._most_marks:
                return
            plugin = (source_id, slug)
            seen = self._seen.setdefault(plugin, set())
            if mark in seen:
                continue
            seen.add(mark)
            self._marks += 1
            key = (plugin, version if len(version) <= _LONGEST_VERSION else "", today)
            self._installs[key] = self._installs.get(key, 0) + 1

    async def flush(self) -> None:
        """Add what was counted since the last time to the sums; what cannot be written is kept for the next time."""
        downloads, self._downloads = self._downloads, {}
        installs, self._installs = self._installs, {}
        if not downloads and not installs:
            return
        try:
            async with self._database.write() as connection:
                mirrored = await find_mirrored_versions(connection, {plugin for plugin, _, _ in installs})
                sums: dict[tuple[PluginKey, str, int], list[int]] = {}
                for key, count in downloads.items():
                    sums.setdefault(key, [0, 0])[0] += count
                for (plugin, version, day), count in installs.items():
                    known = version if (plugin, version) in mirrored else ""
                    sums.setdefault((plugin, known, day), [0, 0])[1] += count
                await add_usage(
                    connection,
                    [(plugin, UsageDay(day, version, *both)) for (plugin, version, day), both in sums.items()],
                )
        except BaseException:
            for kept, lost in ((self._downloads, downloads), (self._installs, installs)):
                for key, count in lost.items():
                    kept[key] = kept.get(key, 0) + count
            raise

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[None]:
        """Flush each minute while the block runs, and once when it ends."""
        task = asyncio.create_task(self._keep_flushing(), name="flush usage")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self._flush_or_log()

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self._flush_or_log()

    async def _flush_or_log(self) -> None:
        try:
            await self.flush()
        except Exception as error:  # numbers must not stop a node
            log.exception("usage_not_written", error=str(error))

    async def totals(self, keys: Collection[PluginKey]) -> dict[PluginKey, Usage]:
        """Give the numbers of each of these (source, slug), to the minute; zeros where nothing was counted."""
        today = self._today()
        async with self._database.read() as connection:
            downloads = await sum_downloads(connection, keys)
            installs = await sum_installs(connection, keys, since=today - SEEN_DAYS)
        return {
            key: Usage(downloads.get(key, 0), round_installs(estimate_installs(installs.get(key, {}), today)))
            for key in keys
        }

    async def history(self, source_id: str, slug: str, days: int) -> Sequence[UsageDay]:
        """Give what was counted on the last ``days`` days, today among them, by version, newest first."""
        async with self._database.read() as connection:
            return await list_usage(connection, (source_id, slug), since=self._today() - days + 1)

    def _today(self) -> int:
        return int(self._clock()) // DAY_S

    def _begin_day(self, day: int) -> None:
        self._day = day
        self._salt = secrets.token_bytes(32)
        self._seen: dict[PluginKey, set[bytes]] = {}
        self._marks = 0
