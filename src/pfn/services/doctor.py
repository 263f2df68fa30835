"""Examine a node, running or at rest: its folder, its rows, its bytes, its work, its settings.

Looks only, changes nothing; every finding that is not ``ok`` says what to do.
"""

import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.schedule import Work
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.policy import DEFAULT_MAX_AGE
from pfn.services.leaf import DIVERGED
from pfn.services.witnesses import list_witnesses
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import Database
from pfn.storage.identity import IDENTITY_NAME, load_identity
from pfn.storage.log import count_leaves, read_halt
from pfn.storage.measure import count_webhooks, measure_blobs, measure_sources, measure_work
from pfn.storage.release import newest_blobs
from pfn.storage.schedule import list_due

_SAMPLE = 50
_OVERDUE_S = 3600
_NAMED = 5
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


async def examine_node(
    data: Path,
    database: Database,
    blobs: BlobStore,
    warnings: Sequence[str],
    now: float,
    *,
    min_free_bytes: int,
    keys: Path | None = None,
) -> list[Finding]:
    """Look at everything that can go wrong; ``now`` is in Unix seconds, ``keys`` a folder of their own for the keys."""
    return [
        _examine_folder(data),
        _examine_identity(keys or data),
        _examine_space(data, min_free_bytes),
        await _examine_store(blobs),
        *await _examine_rows(database, blobs, now),
        *(Finding("settings", "warning", warning) for warning in warnings),
    ]


def _examine_folder(data: Path) -> Finding:
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o077:
        return Finding("folder", "warning", f"Others on this machine may look into {data}; close it: chmod 700 {data}")
    return Finding("folder", "ok", f"{data} is the node's alone.")


def _examine_identity(keys: Path) -> Finding:
    if not (keys / IDENTITY_NAME).exists():
        return Finding("identity", "wrong", "The node's key is missing; restore identity.key from a backup.")
    try:
        key = load_identity(keys).public_key
    except PfnError as error:
        return Finding("identity", "wrong", f"The node's key cannot be read. {error.detail}")
    return Finding("identity", "ok", f"The node's key is {key.fingerprint}.")


def _examine_space(data: Path, min_free_bytes: int) -> Finding:
    usage = shutil.disk_usage(data)
    free = f"{usage.free / 1e9:.1f} GB free"
    if usage.free < min_free_bytes:
        reserve = f"{min_free_bytes / 1e9:.1f} GB"
        return Finding(
            "space",
            "wrong",
            f"The disk is as good as full: {free}, less than the {reserve} kept in reserve (min_free_bytes). "
            "Nothing new is mirrored; make room.",
        )
    if usage.free < usage.total * _LEAST_FREE:
        return Finding("space", "warning", f"The disk is nearly full: {free}.")
    return Finding("space", "ok", f"{free}.")


async def _examine_store(blobs: BlobStore) -> Finding:
    try:
        await blobs.ping()
    except PfnError as error:
        why = f" ({error.internal})" if error.internal else ""
        return Finding("blobs", "wrong", f"{blobs.describe()} {error.detail}{why} See: docs/storage.md")
    lacking = blobs.shortcomings()
    return Finding("blobs", "warning" if lacking else "ok", " ".join([blobs.describe(), *lacking]))


async def _examine_rows(database: Database, blobs: BlobStore, now: float) -> list[Finding]:
    try:
        async with database.read() as connection:
            sample = await newest_blobs(connection, limit=_SAMPLE)
            running = [
                await _examine_bytes(connection),
                *await _examine_work(connection, now),
                await _examine_sources(connection),
                await _examine_webhooks(connection),
                await _examine_log(connection),
                await _examine_witnesses(connection, now),
            ]
    except (SQLAlchemyError, PfnError) as error:
        return [Finding("rows", "wrong", f"The database cannot be read: {error}")]
    broken: list[str] = []
    for blob in sample:
        try:
            await blobs.require(blob)
        except PfnError as error:
            if error.code is Code.STORAGE_UNAVAILABLE:
                zips = Finding("zips", "wrong", f"Whether the zips are in their places is not known: {error.detail}")
                return [Finding("rows", "ok", "The database answers."), zips, *running]
            broken.append(f"{blob.sha256}: {error.detail}")
    zips = Finding("zips", "ok", f"The newest {len(sample)} zips are in their places.")
    if broken:
        zips = Finding("zips", "wrong", f"{len(broken)} of the newest {len(sample)} zips are damaged; {broken[0]}")
    return [Finding("rows", "ok", "The database answers."), zips, *running]


async def _examine_bytes(connection: AsyncConnection) -> Finding:
    stored = await measure_blobs(connection)
    if stored.corrupt:
        return Finding(
            "bytes",
            "wrong",
            f"{stored.corrupt} of {stored.count} zips no longer match their digest and are not served. Look after the "
            "disk, then run pfn scrub: it fetches them from their publisher or a peer; else restore a backup.",
        )
    return Finding("bytes", "ok", f"No stored zip is known to be damaged, of {stored.count}.")


async def _examine_work(connection: AsyncConnection, now: float) -> list[Finding]:
    found = []
    stands = await measure_work(connection, now)
    oldest = min((work.oldest_due_at for work in stands.values() if work.oldest_due_at is not None), default=now)
    if now - oldest > _OVERDUE_S:
        due = sum(work.due for work in stands.values())
        found.append(
            Finding(
                "work",
                "warning",
                f"{due} pieces of work are due, the oldest for {(now - oldest) / 3600:.0f} hours: nobody does them. "
                "Start pfn serve, or pfn work beside it.",
            )
        )
    abandoned = sum(work.abandoned for work in stands.values())
    if abandoned:
        sentence = f"{abandoned} pieces of work were left by a worker that died; the next worker takes them over."
        found.append(Finding("leases", "warning", f"{sentence} Start pfn serve, or pfn work beside it."))
    return found or [Finding("work", "ok", "No work is overdue.")]


async def _examine_sources(connection: AsyncConnection) -> Finding:
    down = [source.id for source in await measure_sources(connection) if source.health == "down"]
    if down:
        return Finding(
            "sources",
            "warning",
            f"{len(down)} sources are down: {_name(down)}. What is mirrored is served; ask their publishers, "
            "and see: pfn source show SOURCE",
        )
    return Finding("sources", "ok", "No source is down.")


async def _examine_log(connection: AsyncConnection) -> Finding:
    reason = await read_halt(connection)
    if reason is not None:
        return Finding("log", "wrong", f"The log is halted, so nothing new is taken in. {reason}")
    return Finding("log", "ok", f"The log has {await count_leaves(connection)} entries.")


async def _examine_witnesses(connection: AsyncConnection, now: float) -> Finding:
    witnesses = await list_witnesses(connection)
    outcomes = {due.subject: due.outcome for due in await list_due(connection) if due.kind is Work.WITNESS}
    diverged = [peer.url for peer in witnesses if outcomes.get(str(peer.id)) == DIVERGED]
    if diverged:
        sentence = f"{_name(diverged)} knows another tree of this node's log: one of the two was changed."
        return Finding("witnesses", "wrong", f"{sentence} Ask its operator, and see: pfn log check")
    stale = [peer.url for peer in witnesses if (peer.cosigned_at or 0) < now - DEFAULT_MAX_AGE]
    if stale:
        sentence = f"{_name(stale)} has not signed this node's log for a day, so proofs lack that signature."
        return Finding("witnesses", "warning", f"{sentence} Ask its operator, and see: pfn log show")
    return Finding("witnesses", "ok", f"{len(witnesses)} peers witness the log.")


def _name(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")


async def _examine_webhooks(connection: AsyncConnection) -> Finding:
    disabled = (await count_webhooks(connection)).get("disabled", 0)
    if disabled:
        sentence = f"{disabled} webhooks are disabled: their receivers are gone or fail all the time."
        return Finding(
            "webhooks", "warning", f"{sentence} See: pfn webhook list; when a receiver is back: pfn webhook enable"
        )
    return Finding("webhooks", "ok", "No webhook is disabled.")
