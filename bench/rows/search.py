"""Row 7: a search for two words, as a site's install screen asks, beside a bare FTS5 query over the same texts."""

import asyncio
import random
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from bench.harness import Goal, Place, Round, Row
from bench.store import WORDS, open_store
from pfn.app import database_url
from pfn.services.directory import DirectoryService
from pfn.settings import Settings
from pfn.storage.database import Database
from pfn.storage.directory import DirectoryQuery

_PLUGINS: Final = 60_000
_PER_PAGE: Final = 24


def _measure(place: Place) -> Iterator[Round]:
    data = open_store(place, 2_000 if place.quick else _PLUGINS)
    asked = 10 if place.quick else 60
    dice = random.Random(7)  # noqa: S311
    bare = _index(data, place.make("bare") / "words.db")
    with place.pinned(), closing(sqlite3.connect(bare)) as words:
        for _ in range(place.rounds):
            texts = [" ".join(dice.sample(WORDS, 2)) for _ in range(asked)]
            ours, found = asyncio.run(_search(data, texts))
            note = f"{statistics.median(found):.0f} plugins found in the median: a page of {_PER_PAGE}, and the count"
            yield Round(ours, _search_bare(words, texts), note)


def _index(data: Path, path: Path) -> Path:
    """Put the same texts into an index as the manual shows it."""
    with closing(sqlite3.connect(path)) as made, closing(sqlite3.connect(data / "node.db")) as stored:
        made.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
        made.executemany("INSERT INTO words VALUES (?)", stored.execute("SELECT search_text FROM plugins"))
        made.execute("INSERT INTO words(words) VALUES ('optimize')")
        made.commit()
    return path


async def _search(data: Path, texts: list[str]) -> tuple[float, list[int]]:
    database = Database(database_url(Settings(data=data)))
    directory = DirectoryService(database)
    times, found = [], []
    try:
        await directory.list(DirectoryQuery(words="nothing-yet", per_page=_PER_PAGE))
        for text in texts:
            began = time.perf_counter()
            found.append((await directory.list(DirectoryQuery(words=text, per_page=_PER_PAGE))).total)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        await database.close()
    return statistics.median(times), found


def _search_bare(words: sqlite3.Connection, texts: list[str]) -> float:
    times = []
    for text in texts:
        began = time.perf_counter()
        words.execute(
            "SELECT rowid, text FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (text, _PER_PAGE)
        ).fetchall()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


ROWS: Final = (
    Row(
        number=7,
        name="search",
        what=f"search for two words, {_PLUGINS:,} plugins stored, p50",
        anchor="bare FTS5 query",
        unit="ms",
        goals=(Goal("<=", 1.5),),
        measure=_measure,
    ),
)
