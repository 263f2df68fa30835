"""Releases in the node's log: each has its leaf, in the transaction that makes the release, and one alone.

The log never forgets: a release that comes back, after a purge or from a peer after its rows were lost, keeps the leaf
it had, and other bytes for a version that was logged are a conflict though no row of it is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.release import Release
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import ReleaseLeaf, parse_leaf
from pfn.services.leaf import append, release_leaf
from pfn.storage.database import Database
from pfn.storage.log import find_leaves, point_to_leaves, read_halt

log = structlog.get_logger()

_BATCH = 500

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A release to be logged, the files in its zip, and the hash of the statement that covers it, if one does."""

    release: Release
    manifest: Sequence[Mapping[str, object]]
    statement: str | None


async def require_log(database: Database) -> None:
    """Raise PfnError (``log_halted``) where nothing could be written down, before anything is fetched for it."""
    async with database.read() as connection:
        reason = await read_halt(connection)
    if reason is not None:
        raise PfnError(Code.LOG_HALTED, f"The node's log is halted, so nothing new is taken in. {reason}")


async def logged_among(connection: AsyncConnection, source_id: str, keys: Sequence[Key]) -> dict[Key, str]:
    """Map those of these (slug, version) that were ever logged to the SHA-256 they were logged with first."""
    found = await _find(connection, source_id, [slug for slug, _ in keys])
    return {key: found[key][0][1].sha256 for key in keys if key in found}


async def log_releases(connection: AsyncConnection, source_id: str, entries: Sequence[Entry], now: int) -> None:
    """Give releases of one source, whose rows are there, their places in the log; what has none is appended.

    Raises PfnError (``log_halted``).
    """
    known = await _find(connection, source_id, [one.release.plugin_id for one in entries])
    places: dict[Key, int] = {}
    fresh: dict[Key, ReleaseLeaf] = {}
    for one in entries:
        key = (one.release.plugin_id, one.release.version)
        same = [
            index
            for index, leaf in known.get(key, ())
            if (leaf.sha256, leaf.statement) == (one.release.blob.sha256, one.statement)
        ]
        if same:
            places[key] = same[-1]
        else:
            fresh[key] = release_leaf(one.release, one.manifest, one.statement, now)
    if fresh:
        first = await append(connection, list(fresh.values()), now)
        places |= {key: first + number for number, key in enumerate(fresh)}
    await point_to_leaves(connection, source_id, places)


async def _find(
    connection: AsyncConnection, source_id: str, slugs: Sequence[str]
) -> dict[Key, list[tuple[int, ReleaseLeaf]]]:
    found: dict[Key, list[tuple[int, ReleaseLeaf]]] = {}
    for kept in await find_leaves(connection, ReleaseLeaf.kind, source_id, set(slugs)):
        leaf = parse_leaf(kept.leaf)
        assert isinstance(leaf, ReleaseLeaf)  # the kind was asked for
        found.setdefault((leaf.slug, leaf.version), []).append((kept.index, leaf))
    return found
