"""Backs a node up, and moves what it has: what the settings say of where that is."""

import time
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from pfn.app.prepare import bucket_address, database_url, no_node
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.note import NoteSigner
from pfn.services.backup import Backup, Holding, back_up
from pfn.services.backup_manifest import ROWS_NAME
from pfn.services.blob_copy import Report
from pfn.services.store_move import Moved, move_store
from pfn.settings import Settings
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import sqlite_url
from pfn.storage.identity import LOG_KEY_NAME, LOG_ORIGIN_NAME, load_key, require_keys
from pfn.storage.open_blobs import open_blobs

_DRIVERS = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite+aiosqlite"}


async def back_up_node(settings: Settings, folder: Path, report: Report) -> Backup:
    """Back a node up into a folder (``pfn backup``). Raises as ``back_up``; PfnError (``data_missing``)."""
    return await back_up(await _hold(settings), folder, time.time, report)


async def move_node(settings: Settings, database: str | None, blobs: str | None, report: Report) -> Moved:
    """Move a node's rows to a database, its zips to a folder or ``s3://bucket/prefix`` (``pfn store migrate``).

    A bucket is reached as the settings say. Raises as ``move_store``; PfnError: ``data_missing``, ``config_invalid``.
    """
    node = await _hold(settings)
    key = NoteSigner(_read_origin(node.keys), load_key(node.keys / LOG_KEY_NAME)).verifier_key
    url = None if database is None else read_database(database)
    target = None if blobs is None else await _open_place(settings, blobs)
    return await move_store(node, key, url, target, int(time.time()), report)


def read_database(given: str) -> str:
    """Give the URL of a database: one with its driver, without it, or the path of a SQLite file.

    Raises PfnError (``config_invalid``).
    """
    if "://" not in given:
        return sqlite_url(Path(given))
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:
        raise PfnError(Code.CONFIG_INVALID, "That is no database's URL.") from error
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise PfnError(Code.CONFIG_INVALID, "Rows are kept in SQLite or PostgreSQL.")
    return url.set(drivername=driver).render_as_string(hide_password=False)


async def _hold(settings: Settings) -> Holding:
    data, keys = settings.data, settings.keys_folder
    if not data.is_dir() or (settings.database_url is None and not (data / ROWS_NAME).is_file()):
        raise no_node(settings)
    require_keys(keys)
    blobs = await open_blobs(data / "blobs", bucket_address(settings))
    return Holding(data, keys, database_url(settings), blobs)


async def _open_place(settings: Settings, blobs: str) -> BlobStore:
    if not blobs.startswith("s3://"):
        return await open_blobs(Path(blobs), None)
    address = bucket_address(settings.model_copy(update={"blobs_url": blobs}))
    return await open_blobs(settings.data / "blobs", address)


def _read_origin(keys: Path) -> str:
    return (keys / LOG_ORIGIN_NAME).read_text(encoding="utf-8").strip()
