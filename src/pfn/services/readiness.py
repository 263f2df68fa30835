"""Readiness: can the node serve now? What a load balancer and a person with a worry ask.

A check that ``failed`` means that it cannot; one that is ``degraded`` means that it serves what it has but takes in
nothing new, as with a full disk or a halted log. The sentences are for anybody, so they name no path, address or error
text; the log has those. Whoever asks all the time gets the answer of a moment ago.
"""

import asyncio
import errno
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pfn.protocol.errors import PfnError
from pfn.services.clock import Clock
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import Database
from pfn.storage.log import read_halt
from pfn.storage.migrate import newest_schema, read_schema

log = structlog.get_logger()

FRESH_S = 1
PATIENCE_S = 3


class State(StrEnum):
    """How a check, or the node, stands."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    sentence: str

    def to_json(self) -> dict[str, str]:
        """Give the check for programs."""
        return {"name": self.name, "state": self.state.value, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Every check; the node stands as the worst of them does."""

    checks: Sequence[Check]

    @property
    def serves(self) -> bool:
        """Whether the node can serve."""
        return all(check.state is not State.FAILED for check in self.checks)

    @property
    def state(self) -> str:
        """Tell ``ready``, ``degraded`` or ``not_ready``."""
        if not self.serves:
            return "not_ready"
        return "degraded" if any(check.state is State.DEGRADED for check in self.checks) else "ready"


class ReadinessService:
    """Looks at what one node needs; ``blobs`` is the folder of the stored bytes, ``bucket`` what has them instead."""

    def __init__(
        self, database: Database, clock: Clock, blobs: Path, *, min_free_bytes: int, bucket: BlobStore | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._blobs = blobs
        self._min_free_bytes = min_free_bytes
        self._bucket = bucket
        self._one = asyncio.Lock()
        self._needed: str | None = None
        self._last: tuple[float, Readiness] | None = None

    async def check(self) -> Readiness:
        """Tell whether the node can serve."""
        async with self._one:
            now = self._clock()
            if self._last is None or not 0 <= now - self._last[0] < FRESH_S:
                rows = await self._check_rows()
                disk = await asyncio.to_thread(self._check_disk)
                self._last = (now, Readiness([*rows, *disk, *await self._check_bucket()]))
            return self._last[1]

    async def _check_rows(self) -> Sequence[Check]:
        if self._needed is None:
            self._needed = await asyncio.to_thread(newest_schema)
        try:
            async with asyncio.timeout(PATIENCE_S), self._database.read() as connection:
                present = await read_schema(connection)
                # Only of the one schema is it known that there is such a table.
                halted = await read_halt(connection) if present == self._needed else None
        except (SQLAlchemyError, PfnError, OSError, TimeoutError) as error:
            log.warning("database_away", error=str(error))
            return [Check("database", State.FAILED, "The database does not answer.")]
        answers = Check("database", State.OK, "The database answers.")
        if present != self._needed:
            log.warning("schema_differs", present=present, needed=self._needed)
            sentence = "The database has another schema than this version needs; restart the node with one version."
            return [answers, Check("schema", State.FAILED, sentence)]
        takes = Check("log", State.OK, "The log takes new entries.")
        if halted is not None:
            sentence = "The log is halted: what is mirrored is served, nothing new is mirrored. See: pfn log show"
            takes = Check("log", State.DEGRADED, sentence)
        return [answers, Check("schema", State.OK, "The schema is the one this version needs."), takes]

    async def _check_bucket(self) -> Sequence[Check]:
        if self._bucket is None:
            return []
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._bucket.ping()
        except (PfnError, TimeoutError) as error:
            log.warning("bucket_away", error=str(error), internal=getattr(error, "internal", None))
            # Other nodes of a load balancer have no other bucket, and the rest of what is here is served.
            sentence = "The bucket of the zips does not answer: no zip can be sent, and nothing new is mirrored."
            return [Check("bucket", State.DEGRADED, sentence)]
        return [Check("bucket", State.OK, "The bucket of the zips answers.")]

    def _check_disk(self) -> Sequence[Check]:
        try:
            free = shutil.disk_usage(self._blobs).free
        except OSError as error:
            log.warning("blobs_away", error=str(error))
            return [Check("blobs", State.FAILED, "The folder of the stored zips cannot be reached.")]
        low = free < self._min_free_bytes
        space = "The disk is as good as full: what is mirrored is served, nothing new is mirrored."
        return [
            self._check_writing(),
            Check("space", State.DEGRADED, space) if low else Check("space", State.OK, "There is room on the disk."),
        ]

    def _check_writing(self) -> Check:
        path = self._blobs / "tmp" / f"ready-{secrets.token_hex(8)}"
        try:
            try:
                # A full disk has names left, but no room for a byte.
                path.write_bytes(b"x")
            finally:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("blobs_not_writable", error=str(error))
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            why = "the disk is full" if full else "it cannot be written to"
            sentence = f"Nothing new is kept in the folder of the stored zips: {why}. What is there is served."
            return Check("blobs", State.DEGRADED, sentence)
        return Check("blobs", State.OK, "The folder of the stored zips can be written to.")
