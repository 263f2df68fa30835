"""Which use case does which kind of work."""

from pfn.domain.activity import NODE
from pfn.domain.schedule import Outcome, Work
from pfn.services.lease import Lease
from pfn.services.node import Services


async def do_work(services: Services, lease: Lease) -> Outcome:  # noqa: C901  # one line for each kind
    """Do what a lease is for and say how it ended. Raises whatever the use case raises."""
    subject = lease.due.subject
    match lease.due.kind:
        case Work.SYNC:
            return await services.syncs.run_due(lease)
        case Work.PROBE:
            return await services.health.probe(subject)
        case Work.VERIFY:
            return await services.verifications.run_due(subject)
        case Work.RECHECK:
            return await services.rechecks.run(subject)
        case Work.NOTIFY:
            return await services.webhooks.notify()
        case Work.DELIVER:
            return await services.webhooks.deliver(int(subject))
        case Work.TIDY:
            return await services.housekeeping.tidy()
        case Work.COLLECT:
            await services.retention.apply(NODE)
            return await services.garbage.collect_due(NODE)
        case Work.SCRUB:
            return await services.scrubs.run_due()
        case Work.PEER:
            return await services.peer_syncs.run(int(subject))
        case Work.WITNESS:
            return await services.cosigning.ask(int(subject))
