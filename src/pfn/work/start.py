"""What a starting node picks up again: syncs a kill interrupted, sources that wait for their first verification."""

import structlog

from pfn.domain.source import SourceStatus
from pfn.domain.verification import VERIFIED_BY_NODE, VerificationType
from pfn.services.background import Background
from pfn.services.node import Services

log = structlog.get_logger()


async def pick_up(services: Services, background: Background) -> None:
    """Close interrupted syncs and begin the verifications that never ended."""
    interrupted = await services.syncs.recover()
    if interrupted:
        log.warning("syncs_interrupted", count=interrupted)
    for overview in await services.sources.list():
        source = overview.source
        if source.status is SourceStatus.PENDING and overview.verifications.last_result is None:
            verification = services.verifications.verify(source.id, VerificationType.INITIAL, VERIFIED_BY_NODE)
            background.spawn(f"verify {source.id}", verification)
