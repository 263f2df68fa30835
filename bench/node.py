"""A node on a fresh folder, and sources that proved themselves: rows made straight, for files prove nothing."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sqlalchemy import insert

from bench.static_publisher import USERNAME, StaticPublisher
from pfn.app import database_url, prepare
from pfn.domain.access import OPERATOR
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.source_id import source_id
from pfn.publisher import paths
from pfn.publisher.documents import NAMING_SCHEME
from pfn.settings import Settings
from pfn.storage.database import Database
from pfn.storage.schema import publisher_documents, sources, subscriptions

CONCURRENCY: Final = 32
"""As many connections to a publisher as curl is told to have. A node's default is a polite 4."""
_LONG_S: Final = 7 * 86_400


def node_settings(data: Path) -> Settings:
    """Give the settings of a measured node: nothing is due by itself, and publishers on this machine are reached."""
    return Settings(
        data=data,
        allow_loopback=True,
        sync_concurrency=CONCURRENCY,
        work_concurrency=CONCURRENCY,
        probe_every=_LONG_S,
        verify_every=_LONG_S,
        recheck_every=_LONG_S,
    )


def make_node(data: Path, publisher: StaticPublisher, generation: int) -> str:
    """Make a node that follows a publisher as one of this generation of the protocol; give the source's id."""
    prepare(node_settings(data))
    return asyncio.run(_follow(data, publisher, generation))


async def _follow(data: Path, publisher: StaticPublisher, generation: int) -> str:
    now = int(time.time())
    key = publisher.v1_key if generation == 1 else publisher.root_key
    row = source_row(publisher.url, USERNAME, key.public_key.pem, now) | {"generation": generation}
    envelope = (publisher.folder / paths.PUBLISHER).read_bytes()
    document = {
        "source_id": row["id"],
        "version": 1,
        "payload_sha256": parse_envelope(envelope).payload_hash,
        "envelope": envelope,
        "received_at": now,
    }
    database = Database(database_url(node_settings(data)))
    try:
        async with database.write() as connection:
            await connection.execute(insert(sources).values(row))
            if generation > 1:
                await connection.execute(insert(publisher_documents).values(document))
            await connection.execute(insert(subscriptions), subscribe([str(row["id"])], now))
    finally:
        await database.close()
    return str(row["id"])


def source_row(url: str, username: str, pem: str, now: int) -> dict[str, object]:
    """Give the row of a verified source."""
    return {
        "id": source_id(url, username),
        "instance_url": url,
        "username": username,
        "public_key": pem,
        "status": "verified",
        "trust_score": 0.5,
        "created_at": now,
        "verified_since": now,
        "asset_domain": url,
        "asset_naming_scheme": NAMING_SCHEME,
    }


def subscribe(ids: Iterable[str], now: int) -> list[dict[str, object]]:
    """Give the rows of subscriptions to all that these sources have."""
    return [{"source_id": one, "subscriber": OPERATOR, "created_at": now} for one in ids]
