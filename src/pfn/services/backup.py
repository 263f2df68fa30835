"""Back a node up while it runs: its rows as they were at one moment, its keys, and every zip those rows name.

Rows first, then zips: what the rows of a moment name was stored before it, and garbage is collected only days after
nobody names it. What was let go in between all the same has the rows taken once more. A folder holds one backup, of one
node: the next one copies only zips that are new, and replaces the rest when it is whole, by one manifest in place of
another. Killed anywhere, the folder still holds the last backup, and the zips that were copied are not copied again.

The settings go along to be read, not to be used: they may name a database that is not this one.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pfn import __version__
from pfn.protocol.errors import Code, PfnError
from pfn.services.backup_manifest import (
    BLOBS_NAME,
    LIST_NAME,
    MANIFEST_NAME,
    ROWS_NAME,
    Manifest,
    ManifestFile,
    Zips,
    read_lines,
    read_manifest,
    write_line,
)
from pfn.services.blob_copy import CopiedBlobs, Report, copy_blobs
from pfn.services.clock import Clock
from pfn.services.state import StateService
from pfn.storage.blob_store import BlobStore, flush_folder, storage_errors
from pfn.storage.database import Database, sqlite_url
from pfn.storage.file_blobs import FileBlobStore
from pfn.storage.folder_lock import LOCK_NAME, hold_alone
from pfn.storage.identity import (
    IDENTITY_NAME,
    LOG_KEY_NAME,
    LOG_MARK_NAME,
    LOG_ORIGIN_NAME,
    MASTER_NAME,
    WITNESS_KEY_NAME,
    write_file,
)
from pfn.storage.log import newest_head, read_head
from pfn.storage.migrate import newest_schema
from pfn.storage.named_blob import list_named_blobs, list_named_quarantine
from pfn.storage.row_copy import snapshot_rows

SETTINGS_NAME = "pfn.toml"
KEY_NAMES = (IDENTITY_NAME, LOG_KEY_NAME, LOG_ORIGIN_NAME, WITNESS_KEY_NAME)
_OURS = {MANIFEST_NAME, BLOBS_NAME, LOCK_NAME}


@dataclass(frozen=True, slots=True)
class Holding:
    """Where a node has what it has: its settings, its keys, its rows, its zips."""

    data: Path
    keys: Path
    url: str
    blobs: BlobStore


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup, and how many of its zips were copied just now."""

    manifest: Manifest
    copied: int


async def back_up(node: Holding, folder: Path, clock: Clock, report: Report) -> Backup:
    """Back up into a folder, made where it is not there.

    Raises PfnError: ``wrong_state`` where the folder is another node's, holds other things, or is being written to, or
    the database has another schema; ``storage_full``, ``storage_unavailable``.
    """
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    with hold_alone(folder, f"Another backup is being written to {folder}."):
        await asyncio.to_thread(_require_own, folder, (node.keys / LOG_ORIGIN_NAME).read_text(encoding="utf-8").strip())
        state = folder / f"state-{secrets.token_hex(8)}"
        state.mkdir(mode=0o700)
        blobs = FileBlobStore(folder / BLOBS_NAME)
        taken_at, zips = await _take(node, state, blobs, clock, report)
        manifest = await _describe(node, state, taken_at, zips)
        await asyncio.to_thread(write_file, folder / MANIFEST_NAME, manifest.model_dump_json(indent=1) + "\n")
        await _drop_the_rest(folder, state, blobs)
    return Backup(manifest, zips.copied)


def _require_own(folder: Path, origin: str) -> None:
    """Raise unless the folder is empty but for earlier backups of this very node."""
    manifest = read_manifest(folder)
    if manifest is not None and manifest.origin != origin:
        raise PfnError(Code.WRONG_STATE, f"{folder} holds a backup of another node, {manifest.origin}.")
    others = sorted(path.name for path in folder.iterdir() if path.name not in _OURS and not _is_state(path))
    if others:
        raise PfnError(Code.WRONG_STATE, f"{folder} holds other things than a backup: {others[0]}.")


async def _take(
    node: Holding, state: Path, blobs: FileBlobStore, clock: Clock, report: Report
) -> tuple[int, CopiedBlobs]:
    """Take the rows and then their zips, and tell when; rows that name something lost are taken once more."""
    taken_at = int(clock())
    await _snapshot(node.url, state, report)
    zips = await _copy(state, node.blobs, blobs, report)
    if not zips.lost:
        return taken_at, zips
    first, taken_at = zips.copied, int(clock())
    await _snapshot(node.url, state, report)
    zips = await _copy(state, node.blobs, blobs, report)
    return taken_at, replace(zips, copied=first + zips.copied)


async def _snapshot(url: str, state: Path, report: Report) -> None:
    def take() -> None:
        for path in state.glob(f"{ROWS_NAME}*"):
            path.unlink()
        with storage_errors():
            snapshot_rows(url, state / ROWS_NAME, partial(report, "rows"))

    await asyncio.to_thread(take)


async def _copy(state: Path, source: BlobStore, target: BlobStore, report: Report) -> CopiedBlobs:
    async with open_snapshot(state / ROWS_NAME) as database:
        return await copy_blobs(database, source, target, report)


async def _describe(node: Holding, state: Path, taken_at: int, zips: CopiedBlobs) -> Manifest:
    """Put beside the rows what goes with them, and say what all of it is."""
    async with open_snapshot(state / ROWS_NAME) as database:
        async with database.read() as connection:
            head, signed = await read_head(connection), await newest_head(connection)
        await _list_zips(database, state, set(zips.lost))
        held = await StateService(database).held()
    await asyncio.to_thread(_put_keys, node, state)
    if signed is not None:
        # Not the node's own mark: that one may be of a moment after these rows.
        await asyncio.to_thread(write_file, state / LOG_MARK_NAME, signed.note)
    files = await asyncio.to_thread(_close_up, state)
    return Manifest(
        pfn=__version__,
        taken_at=taken_at,
        origin=(state / LOG_ORIGIN_NAME).read_text(encoding="utf-8").strip(),
        schema_revision=newest_schema(),
        log_size=head.size,
        log_root=head.root.hex(),
        state_digest=held.digest,
        state_count=held.count,
        state=state.name,
        files=files,
        zips=Zips(count=zips.count, size=zips.size, lost=list(zips.lost)),
    )


async def _list_zips(database: Database, state: Path, lost: set[str]) -> None:
    async with database.read() as connection:
        kept = [blob async for blob in list_named_blobs(connection) if blob.sha256 not in lost]
        refused = await list_named_quarantine(connection)

    def write() -> None:
        with (state / LIST_NAME).open("x", encoding="ascii") as file:
            for blob in kept:
                file.write(write_line(blob.sha256, f"{BLOBS_NAME}/{blob.local_path}"))
            for sha256 in refused:
                if (state.parent / BLOBS_NAME / "quarantine" / sha256).is_file():
                    file.write(write_line(sha256, f"{BLOBS_NAME}/quarantine/{sha256}"))

    await asyncio.to_thread(write)


def _put_keys(node: Holding, state: Path) -> None:
    for path in (*(node.keys / name for name in (*KEY_NAMES, MASTER_NAME)), node.data / SETTINGS_NAME):
        if path.is_file():
            write_file(state / path.name, path.read_text(encoding="utf-8"))


def _close_up(state: Path) -> list[ManifestFile]:
    """Make all that is in the folder durable, and tell what it is."""
    found = []
    for path in sorted(state.iterdir()):
        path.chmod(0o600)
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(ManifestFile(name=path.name, size=path.stat().st_size, sha256=digest))
    flush_folder(state)
    flush_folder(state.parent)
    return found


async def _drop_the_rest(folder: Path, state: Path, blobs: FileBlobStore) -> None:
    """Delete what earlier backups needed and this one does not, and what interrupted ones left."""
    named = {Path(path).name: path for _, path in read_lines(state / LIST_NAME)}
    async for stored in blobs.list():
        if stored.sha256[2:] not in named:
            await blobs.delete(stored.sha256)

    def drop() -> None:
        blobs.sweep()
        for path in (folder / BLOBS_NAME / "quarantine").glob("*"):
            if path.name not in named:
                path.unlink()
        for path in folder.iterdir():
            if _is_state(path) and path != state:
                shutil.rmtree(path)

    await asyncio.to_thread(drop)


def _is_state(path: Path) -> bool:
    return path.name.startswith("state-") and path.is_dir()


@asynccontextmanager
async def open_snapshot(path: Path) -> AsyncIterator[Database]:
    """Open rows that were taken; when the block ends they are one file again, that nothing needs to be beside of."""
    database = Database(sqlite_url(path))
    try:
        yield database
    finally:
        await database.close()
        await asyncio.to_thread(_make_one_file, path)


def _make_one_file(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
