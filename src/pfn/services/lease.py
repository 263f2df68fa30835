"""Leases: how a piece of work is done by one worker at a time, whoever asked for it.

A lease is a token in the row of the work (``pfn.storage.schedule``). While the block of ``keep`` runs, heartbeats keep
it alive; where one finds that the lease is gone, because the process slept too long and another took over, the block is
cancelled. What it had written whole stays, and what it writes afterwards compares first.
"""

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from pfn.domain.schedule import Due, Next, Work
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.storage.database import Database
from pfn.storage.schedule import claim_due, claim_one, end_lease, free_leases, renew_lease

log = structlog.get_logger()

_ASK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Lease:
    """A row that is ours for now."""

    due: Due
    token: str


class LeaseService:
    """Claims work and gives it back.

    Nothing of it must outlast a power cut: what was forgotten by one is done again.
    """

    def __init__(self, database: Database, clock: Clock, *, seconds: int, per_host: int) -> None:
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._per_host = per_host

    async def claim_due(self, limit: int) -> Sequence[Lease]:
        """Claim what is due, up to ``limit`` of it; each must then be kept and ended."""
        token = secrets.token_hex(16)
        now = int(self._clock())
        async with self._database.write(lasting=False) as connection:
            claimed = await claim_due(
                connection, now, token=token, until=self._until(), limit=limit, per_host=self._per_host
            )
        return [Lease(due, token) for due in claimed]

    async def claim(self, kind: Work, subject: str, *, host: str = "") -> Lease | None:
        """Claim one piece of work, due or not; None where it is under way."""
        token = secrets.token_hex(16)
        now = int(self._clock())
        async with self._database.write(lasting=False) as connection:
            due = await claim_one(connection, kind, subject, now, token=token, until=self._until(), host=host)
        return None if due is None else Lease(due, token)

    async def wait_for(self, kind: Work, subject: str, *, host: str = "") -> Lease:
        """Claim one piece of work as soon as nobody else has it."""
        while True:
            lease = await self.claim(kind, subject, host=host)
            if lease is not None:
                return lease
            await asyncio.sleep(_ASK_AGAIN_S)

    async def end(self, lease: Lease, following: Next | None = None, *, outcome: str | None = None) -> bool:
        """Give a row back, due as planned; tell whether it was still ours."""
        due = lease.due
        async with self._database.write(lasting=False) as connection:
            return await end_lease(
                connection, due.kind, due.subject, token=lease.token, following=following, outcome=outcome
            )

    @asynccontextmanager
    async def keep(self, lease: Lease) -> AsyncIterator[None]:
        """Keep a lease alive while the block runs; it is not ended by this.

        Raises PfnError (``lease_lost``) where it was lost meanwhile: the block is cancelled.
        """
        lost = False
        task = asyncio.current_task()
        assert task is not None  # there is one wherever a coroutine runs

        async def beat() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self._seconds / 3)
                if not await self._renew(lease):
                    lost = True
                    task.cancel()
                    return

        heart = asyncio.create_task(beat())
        try:
            yield
        except asyncio.CancelledError:
            if not lost:
                raise
            task.uncancel()
            raise PfnError(
                Code.LEASE_LOST, f"Another worker took over the {lease.due.kind.value} of {lease.due.subject}."
            ) from None
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def free_all(self) -> int:
        """End every lease, for a process that is the only one on its data."""
        async with self._database.write(lasting=False) as connection:
            return await free_leases(connection)

    def _until(self) -> int:
        # Rounded up: a lease of one second that began late in a second must not end with it.
        return math.ceil(self._clock()) + self._seconds

    async def _renew(self, lease: Lease) -> bool:
        due = lease.due
        try:
            async with self._database.write(lasting=False) as connection:
                return await renew_lease(connection, due.kind, due.subject, token=lease.token, until=self._until())
        except Exception as error:  # noqa: BLE001  # a database that is away for a moment is no lost lease
            log.warning("heartbeat_failed", work=due.kind.value, subject=due.subject, error=str(error))
            return True
