"""A node whose syncs a test drives: as a person or as a worker would, with every changed row told."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import event
from tests.support.rows import open_rows
from tests.support.site import Time, open_site
from tests.web.api.conftest import Api

from pfn.domain.schedule import Due, Outcome, Work
from pfn.services.node import Services
from pfn.storage.schema import metadata

Rows = dict[str, Counter[str]]


class SyncNode(Api):
    """The node's API with its master key, its services, its time and its rows."""

    def __init__(self, http: httpx.AsyncClient, services: Services, clock: Time, data: Path) -> None:
        super().__init__(http)
        self.services = services
        self.clock = clock
        self.data = data

    async def subscribe(self, source_id: str, **filters: Any) -> dict[str, Any]:
        """Subscribe and give what the sync did."""
        answer = await self.post("subscribe", sourceId=source_id, filters=filters)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["syncResult"]
        return result

    async def work(self, source_id: str) -> Outcome:
        """Do the sync of a source as a worker does when it is due."""
        lease = await self.services.leases.claim(Work.SYNC, source_id)
        assert lease is not None
        async with self.services.leases.keep(lease):
            outcome = await self.services.syncs.run_due(lease)
        assert await self.services.schedule.finish(lease, outcome)
        return outcome

    async def due(self, source_id: str) -> Due:
        """Give the row that says when the next sync is due."""
        due = await self.services.schedule.find(Work.SYNC, source_id)
        assert due is not None
        return due

    async def status(self, source_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.get("source-status", sourceId=source_id)
        return found

    async def actions(self) -> Counter[str]:
        """Count the events there are, by what happened."""
        feed = await self.get("activity", limit=200)
        return Counter(row["details"]["action"] for row in feed["activities"])

    @contextmanager
    def writes(self) -> Iterator[Counter[str]]:
        """Count the rows that are written in the block, also those that stay the same, by the kind of statement."""
        counts: Counter[str] = Counter()
        engine = self.services.syncs._database.engine.sync_engine  # rows are not for services to hand out

        def count(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
            word = statement.split(maxsplit=1)[0].upper()
            if word in {"INSERT", "UPDATE", "DELETE"}:
                counts[word] += max(cursor.rowcount, 0)

        event.listen(engine, "after_cursor_execute", count)
        try:
            yield counts
        finally:
            event.remove(engine, "after_cursor_execute", count)

    @contextmanager
    def statements(self) -> Iterator[Counter[str]]:
        """Count the statements of the block, by their kind, however many rows each writes."""
        counts: Counter[str] = Counter()
        engine = self.services.syncs._database.engine.sync_engine

        def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            counts[statement.split(maxsplit=1)[0].upper()] += 1

        event.listen(engine, "after_cursor_execute", count)
        try:
            yield counts
        finally:
            event.remove(engine, "after_cursor_execute", count)

    def rows(self) -> Rows:
        """Give every row of every table."""
        with open_rows(self.data) as database:
            return {name: Counter(map(repr, database.execute(f"SELECT * FROM {name}"))) for name in metadata.tables}

    def changed(self, before: Rows) -> dict[str, int]:
        """Count the rows that are new or other than before, by table."""
        counts = {name: sum((rows - before[name]).values()) for name, rows in self.rows().items()}
        return {name: count for name, count in counts.items() if count}


@asynccontextmanager
async def open_sync_node(data: Path, **settings: Any) -> AsyncIterator[SyncNode]:
    """Run a node that syncs only when it is told to."""
    async with open_site(data, allow_loopback=True, **settings) as site:
        client = await site.client(site.key)
        client.timeout = httpx.Timeout(300)
        yield SyncNode(client, site.app.state.services, site.clock, data)
