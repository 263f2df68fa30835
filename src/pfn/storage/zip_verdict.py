"""Verdicts on zips, kept with what they are about: mirrored blobs and quarantined bytes."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.zip_verdict import RULES, ZipVerdict, from_json
from pfn.storage.schema import blobs, quarantine


async def find_verdict(connection: AsyncConnection, sha256: str) -> ZipVerdict | None:
    """Find the verdict on a digest, if one was given under today's rules."""
    stored = select(blobs.c.report, blobs.c.manifest).where(blobs.c.sha256 == sha256, blobs.c.rules == RULES)
    row = (await connection.execute(stored)).first()
    if row is not None and row[0] is not None:
        return from_json(row[0], row[1])
    held = select(quarantine.c.report).where(quarantine.c.sha256 == sha256, quarantine.c.rules == RULES).limit(1)
    row = (await connection.execute(held)).first()
    # Bytes without a fault wait in quarantine for other reasons; their manifest is not kept there.
    if row is not None and row[0] is not None and row[0]["faults"]:
        return from_json(row[0], ())
    return None
