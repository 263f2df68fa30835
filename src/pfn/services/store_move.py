"""Move a node's rows, zips or both elsewhere: SQLite to PostgreSQL and back, files to a bucket and back.

Zips first, by digest, and where that is interrupted it goes on; then all rows in one transaction, so that the target
has all of them or none; then the whole log is looked over there, and log and state held against the source's. The
source keeps everything, but its log is halted: two nodes that go on from one log would fork it. Nobody may be on the
node meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import make_url

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.note import VerifierKey
from pfn.services.backup import Holding
from pfn.services.blob_copy import CopiedBlobs, Report, copy_blobs
from pfn.services.log import read_mark
from pfn.services.log_check import check_log
from pfn.services.state import StateService
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import Database
from pfn.storage.folder_lock import hold_alone
from pfn.storage.identity import LOG_MARK_NAME, RESTORED_NAME
from pfn.storage.log import halt_log, read_head
from pfn.storage.row_move import move_rows, require_movable


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rows of a node say it has: its log's tree, and the digest over what it holds."""

    log: TreeHead
    state_digest: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What is in its new place: the zips and the number of rows, where these were moved; and what the rows say."""

    blobs: CopiedBlobs | None
    rows: int | None
    standing: Standing


async def move_store(
    node: Holding, key: VerifierKey, url: str | None, blobs: BlobStore | None, now: int, report: Report
) -> Moved:
    """Move rows to the database at ``url``, zips to ``blobs``; what is None stays. Doing it again changes nothing.

    Raises PfnError: ``wrong_state`` where somebody is on the node, it was restored and waits for its peers, the target
    has other rows, or a schema is another; ``schema_newer``, ``storage_full``, ``storage_unavailable``; SecurityError
    as ``check_log``.
    """
    with hold_alone(node.data, f"A process runs on {node.data}. Stop every pfn serve and pfn work first."):
        if (node.data / RESTORED_NAME).exists():
            raise PfnError(
                Code.WRONG_STATE,
                "The node was restored from a backup and has not found out yet what it logged since. Start it where it "
                "is, and see: pfn doctor",
            )
        await asyncio.to_thread(require_movable, node.url, url)
        copied = rows = None
        async with _opened(node.url) as database:
            if blobs is not None:
                copied = await copy_blobs(database, node.blobs, blobs, report)
            standing = await _stand(database)
        if url is not None:
            rows = await asyncio.to_thread(move_rows, node.url, url, partial(report, "rows"))
            await _check(node, key, url, standing, report)
            await _leave(node.url, url, now)
    return Moved(copied, rows, standing)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def _stand(database: Database) -> Standing:
    async with database.read() as connection:
        head = await read_head(connection)
    return Standing(head, (await StateService(database).held()).digest)


async def _check(node: Holding, key: VerifierKey, url: str, before: Standing, report: Report) -> None:
    """Raise unless the rows in their new place say what they said, down to each entry of the log."""
    async with _opened(url) as database:
        await check_log(database, key, read_mark(node.data / LOG_MARK_NAME), partial(report, "log"))
        if await _stand(database) != before:
            raise SecurityError(Code.LOG_CONSISTENCY, "The rows in the new database say something else than the old.")


async def _leave(source: str, target: str, now: int) -> None:
    """Halt the log that stays behind."""
    place = make_url(target).render_as_string(hide_password=True)
    reason = (
        f"The node's rows were moved to {place}; it goes on there. Here they are as they were left: pfn log resume "
        "only where the move was given up, for two nodes with one log would fork it."
    )
    async with _opened(source) as database, database.write() as connection:
        await halt_log(connection, reason, now)
