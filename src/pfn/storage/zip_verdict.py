"""Verdicts on zips, kept with what they are about: mirrored blobs and quarantined bytes."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.zip_verdict import RULES, ZipVerdict, from_json
from pfn.storage.schema import blobs, quarantine


async def find_verdicts(connection: AsyncConnection, digests: Collection[str]) -> dict[str, ZipVerdict]:
    """Map those of these SHA-256 on which a verdict was given under today's rules to it."""
    held = select(quarantine.c.sha256, quarantine.c.report).where(
        quarantine.c.sha256.in_(digests), quarantine.c.rules == RULES
    )
    # Bytes without a fault wait in quarantine for other reasons; their manifest is not kept there.
    found = {
        row.sha256: from_json(row.report, ())
        for row in await connection.execute(held)
        if row.report is not None and row.report["faults"]
    }
    stored = select(blobs.c.sha256, blobs.c.report, blobs.c.manifest).where(
        blobs.c.sha256.in_(digests), blobs.c.rules == RULES
    )
    rows = await connection.execute(stored)
    return found | {row.sha256: from_json(row.report, row.manifest) for row in rows if row.report is not None}
