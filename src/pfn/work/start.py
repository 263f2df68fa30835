"""What a starting process clears up first: leases and syncs that a kill left behind."""

import structlog

from pfn.services.node import Services

log = structlog.get_logger()


async def pick_up(services: Services, *, alone: bool) -> None:
    """Close the books on what was interrupted.

    Who knows itself to be ``alone`` on the rows frees every lease, for nobody lives who holds one; otherwise those of
    the dead run out by themselves.
    """
    freed = await services.leases.free_all() if alone else 0
    interrupted = await services.syncs.recover()
    if freed or interrupted:
        log.warning("work_interrupted", leases=freed, syncs=interrupted)
