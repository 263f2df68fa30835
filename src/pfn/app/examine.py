"""Looks at a node at rest, without serving it."""

import time

from pfn.app.prepare import bucket_address, database_url, no_node, open_folder, prepare, warnings
from pfn.services.doctor import Finding, examine_node
from pfn.services.log import read_mark
from pfn.services.log_check import LogCheck, Report, check_log
from pfn.settings import Settings
from pfn.storage.database import Database
from pfn.storage.identity import LOG_MARK_NAME
from pfn.storage.migrate import migrate
from pfn.storage.open_blobs import open_blobs


async def examine(settings: Settings) -> list[Finding]:
    """Look a node over at rest (``pfn doctor``). Raises PfnError (``data_missing``) where there is none."""
    if not settings.data.is_dir():
        raise no_node(settings)
    open_folder(settings.data)
    migrate(database_url(settings))
    database = Database(database_url(settings))
    try:
        blobs = await open_blobs(settings.data / "blobs", bucket_address(settings))
        return await examine_node(
            settings.data,
            database,
            blobs,
            warnings(settings),
            time.time(),
            min_free_bytes=settings.min_free_bytes,
            keys=settings.keys,
        )
    finally:
        await database.close()


async def look_over_log(settings: Settings, report: Report) -> LogCheck:
    """Look over a node's whole log (``pfn log check``). Raises as ``check_log``; PfnError (``data_missing``)."""
    if not settings.data.is_dir():
        raise no_node(settings)
    prepared = prepare(settings)
    database = Database(database_url(settings))
    try:
        return await check_log(database, prepared.log.verifier_key, read_mark(settings.data / LOG_MARK_NAME), report)
    finally:
        await database.close()
