"""Examine a node at rest: its folder, its rows, its bytes, its settings. Looks only, changes nothing."""

import asyncio
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from pfn.protocol.errors import PfnError
from pfn.storage.blob_store import FileBlobStore
from pfn.storage.database import Database
from pfn.storage.identity import IDENTITY_NAME, load_identity
from pfn.storage.release import newest_blobs

_SAMPLE = 50
_LEAST_FREE = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ``ok``, a ``warning``, or ``wrong``."""

    name: str
    severity: Literal["ok", "warning", "wrong"]
    sentence: str

    def to_json(self) -> dict[str, str]:
        """Give the finding for programs."""
        return {"name": self.name, "severity": self.severity, "sentence": self.sentence}


async def examine_node(data: Path, database: Database, blobs: FileBlobStore, warnings: Sequence[str]) -> list[Finding]:
    """Look at everything that can go wrong at rest."""
    return [
        _examine_folder(data),
        _examine_identity(data),
        _examine_space(data),
        *await _examine_rows(database, blobs),
        *(Finding("settings", "warning", warning) for warning in warnings),
    ]


def _examine_folder(data: Path) -> Finding:
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o077:
        return Finding("folder", "warning", f"Others on this machine may look into {data}; close it: chmod 700 {data}")
    return Finding("folder", "ok", f"{data} is the node's alone.")


def _examine_identity(data: Path) -> Finding:
    if not (data / IDENTITY_NAME).exists():
        return Finding("identity", "wrong", "The node's key is missing; restore identity.key from a backup.")
    try:
        key = load_identity(data).public_key
    except PfnError as error:
        return Finding("identity", "wrong", f"The node's key cannot be read. {error.detail}")
    return Finding("identity", "ok", f"The node's key is {key.fingerprint}.")


def _examine_space(data: Path) -> Finding:
    usage = shutil.disk_usage(data)
    free = f"{usage.free / 1e9:.1f} GB free"
    if usage.free < usage.total * _LEAST_FREE:
        return Finding("space", "warning", f"The disk is nearly full: {free}.")
    return Finding("space", "ok", f"{free}.")


async def _examine_rows(database: Database, blobs: FileBlobStore) -> list[Finding]:
    try:
        async with database.read() as connection:
            sample = await newest_blobs(connection, limit=_SAMPLE)
    except SQLAlchemyError as error:
        return [Finding("rows", "wrong", f"The database cannot be read: {error}")]
    broken: list[str] = []
    for blob in sample:
        try:
            await asyncio.to_thread(blobs.open, blob)
        except PfnError as error:
            broken.append(f"{blob.sha256}: {error.detail}")
    if broken:
        return [
            Finding("rows", "ok", "The database answers."),
            Finding("zips", "wrong", f"{len(broken)} of the newest {len(sample)} zips are damaged; {broken[0]}"),
        ]
    return [
        Finding("rows", "ok", "The database answers."),
        Finding("zips", "ok", f"The newest {len(sample)} zips are in their places."),
    ]
