"""Look a backup over, or make a node of it.

Looking over hashes every file and zip again, opens the rows, looks over the whole log and makes the state's digest
anew: what holds then is what the manifest says. Restoring does the same with the copy it makes, into an empty folder,
and goes on where it was killed.

A restored node is of the past: what it logged since, others may have seen, and logging something else in its place
would be a fork. So a note beside the log's mark keeps the log halted until its peers were asked
(``pfn.services.recovery``), or an operator says that there is nothing to ask for. Its settings come back under another
name: they may lead to a database that is not the restored one.
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.note import NoteSigner
from pfn.services.backup import SETTINGS_NAME, open_snapshot
from pfn.services.backup_manifest import (
    LIST_NAME,
    ROWS_NAME,
    Manifest,
    read_lines,
    read_manifest,
)
from pfn.services.blob_copy import Report
from pfn.services.log import read_mark
from pfn.services.log_check import check_log
from pfn.services.state import StateService
from pfn.storage.blob_store import flush_folder, storage_errors
from pfn.storage.database import sqlite_url
from pfn.storage.digest import hash_file
from pfn.storage.folder_lock import LOCK_NAME, hold_alone
from pfn.storage.identity import (
    LOG_KEY_NAME,
    LOG_MARK_NAME,
    LOG_ORIGIN_NAME,
    RESTORED_NAME,
    UNFINISHED_NAME,
    load_key,
    write_file,
)
from pfn.storage.log import read_head
from pfn.storage.migrate import migrate

_CHUNK = 1024 * 1024


async def verify_backup(folder: Path, report: Report) -> Manifest:
    """Look over a backup, and change nothing in it.

    Raises PfnError: ``data_missing`` where there is none, ``wrong_state`` where it is not whole, ``blob_corrupt`` where
    bytes are others, ``schema_newer``; SecurityError as ``check_log``.
    """
    manifest = await asyncio.to_thread(_require_manifest, folder)
    await asyncio.to_thread(_check_files, folder, manifest, report)
    with tempfile.TemporaryDirectory(prefix="pfn-backup-") as scratch:
        await asyncio.to_thread(_take_rows, folder / manifest.state, Path(scratch))
        await _check_rows(Path(scratch), manifest, report)
    return manifest


async def restore_backup(folder: Path, data: Path, report: Report) -> Manifest:
    """Make a node's data folder of a backup, everything looked over on its way.

    Raises PfnError as ``verify_backup``, ``wrong_state`` where the data folder is not empty, ``storage_full``.
    """
    manifest = await asyncio.to_thread(_require_manifest, folder)
    await asyncio.to_thread(data.mkdir, mode=0o700, parents=True, exist_ok=True)
    with hold_alone(data, f"{data} is in use."):
        await asyncio.to_thread(_begin, data)
        await asyncio.to_thread(_copy_files, folder, manifest, data, report)
        await _check_rows(data, manifest, report)
        taken = datetime.fromtimestamp(manifest.taken_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        await asyncio.to_thread(write_file, data / RESTORED_NAME, f"{taken}\n")
        await asyncio.to_thread(_end, data)
    return manifest


def _require_manifest(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        raise PfnError(Code.DATA_MISSING, f"There is no finished backup in {folder}.")
    names = [one.name for one in manifest.files]
    if len(set(names)) != len(names) or not {ROWS_NAME, LIST_NAME, LOG_KEY_NAME, LOG_ORIGIN_NAME} <= set(names):
        raise PfnError(Code.WRONG_STATE, f"The manifest of {folder} does not name what a backup has.")
    return manifest


def _check_files(folder: Path, manifest: Manifest, report: Report) -> None:
    state = folder / manifest.state
    for one in manifest.files:
        _require(_digest(state / one.name), one.sha256, state / one.name)
    report("zips", 0, manifest.zips.count)
    for number, (sha256, path) in enumerate(_zips(state, manifest), 1):
        _require(_digest(folder / path), sha256, folder / path)
        report("zips", min(number, manifest.zips.count), manifest.zips.count)


def _copy_files(folder: Path, manifest: Manifest, data: Path, report: Report) -> None:
    state = folder / manifest.state
    report("zips", 0, manifest.zips.count)
    for number, (sha256, path) in enumerate(_zips(state, manifest), 1):
        _copy(folder / path, data / path, sha256)
        report("zips", min(number, manifest.zips.count), manifest.zips.count)
    for one in manifest.files:
        if one.name != LIST_NAME:
            name = f"{SETTINGS_NAME}.backup" if one.name == SETTINGS_NAME else one.name
            # Rows that were begun with are begun with again: what their engine left beside them would be mixed in.
            _copy(state / one.name, data / name, one.sha256, again=True)
            (data / name).chmod(0o600)


def _zips(state: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Give the zips that the list names, which must be as many as the manifest says."""
    releases = 0
    for sha256, path in read_lines(state / LIST_NAME):
        releases += path.startswith("blobs/sha256/")
        yield sha256, path
    if releases != manifest.zips.count - len(manifest.zips.lost):
        raise PfnError(Code.WRONG_STATE, f"{state / LIST_NAME} does not name all zips.")


def _copy(source: Path, target: Path, sha256: str, *, again: bool = False) -> None:
    """Copy a file, durable, and its digest looked at; what was copied before is only looked at."""
    if not again and target.is_file() and _digest(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    digest = hashlib.sha256()
    try:
        with source.open("rb") as file, part.open("wb") as copy, storage_errors():
            while piece := file.read(_CHUNK):
                digest.update(piece)
                copy.write(piece)
            copy.flush()
            os.fsync(copy.fileno())
    except FileNotFoundError as error:
        raise PfnError(Code.WRONG_STATE, f"{source} is missing.") from error
    _require(digest.hexdigest(), sha256, source)
    part.replace(target)
    flush_folder(target.parent)


def _digest(path: Path) -> str:
    try:
        return hash_file(path)
    except FileNotFoundError as error:
        raise PfnError(Code.WRONG_STATE, f"{path} is missing.") from error


def _require(found: str, expected: str, path: Path) -> None:
    if found != expected:
        raise SecurityError(Code.BLOB_CORRUPT, f"{path} is not what was backed up: its digest is another.")


def _take_rows(state: Path, scratch: Path) -> None:
    for path in state.iterdir():
        if path.name != LIST_NAME:
            with storage_errors():
                shutil.copyfile(path, scratch / path.name)


async def _check_rows(folder: Path, manifest: Manifest, report: Report) -> None:
    """Hold rows, upgraded to the schema of today, against the manifest; the log's key and mark lie beside them."""
    rows = folder / ROWS_NAME
    await asyncio.to_thread(migrate, sqlite_url(rows))
    origin = (folder / LOG_ORIGIN_NAME).read_text(encoding="utf-8").strip()
    key = NoteSigner(origin, load_key(folder / LOG_KEY_NAME)).verifier_key
    async with open_snapshot(rows) as database:
        await check_log(database, key, read_mark(folder / LOG_MARK_NAME), lambda done, of: report("log", done, of))
        async with database.read() as connection:
            head = await read_head(connection)
        held = await StateService(database).held()
    if (origin, head.size, head.root.hex()) != (manifest.origin, manifest.log_size, manifest.log_root):
        raise SecurityError(Code.LOG_CONSISTENCY, "The log in the backup is not the one its manifest speaks of.")
    if (held.digest, held.count) != (manifest.state_digest, manifest.state_count):
        raise SecurityError(Code.LEAF_MISMATCH, "The rows of the backup hold other releases than its manifest says.")


def _begin(data: Path) -> None:
    """Claim an empty folder, or one that an earlier try was killed in: nobody starts a node on half of one."""
    if not (data / UNFINISHED_NAME).exists():
        others = sorted(path.name for path in data.iterdir() if path.name != LOCK_NAME)
        if others:
            raise PfnError(
                Code.WRONG_STATE, f"{data} is not empty ({others[0]}); a backup is restored into an empty folder."
            )
        write_file(data / UNFINISHED_NAME, "A backup is being restored here; to go on: pfn restore\n")
    for path in data.glob(f"{ROWS_NAME}*"):
        path.unlink()


def _end(data: Path) -> None:
    (data / UNFINISHED_NAME).unlink()
    flush_folder(data)
