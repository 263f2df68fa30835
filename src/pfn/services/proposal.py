"""Sources that peers mirror and this node does not know: they wait for the operator, unless a setting lets them in.

A proposal is a peer's word: an address, a name, and the key the peer knows it by. Approved, it becomes a source like
any other, which must prove that key to this node; until its publisher answers it is pending, and what its key signed
may come through peers. Where peers name different keys nobody is let in without a person's choice.
"""

from collections.abc import Sequence

import structlog

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.source import Source
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.source import SourceService
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.peer import Proposal, decide_proposals, list_proposals
from pfn.storage.source import count_unproven

log = structlog.get_logger()


class ProposalService:
    """Decides on proposals; ``automatic`` says that nobody needs to.

    Not even then are sources let in while ``most_unproven`` have not proven their key here: a peer can make up any
    number of them.
    """

    def __init__(
        self, database: Database, sources: SourceService, clock: Clock, *, automatic: bool, most_unproven: int
    ) -> None:
        self._database = database
        self._sources = sources
        self._clock = clock
        self._most_unproven = most_unproven
        self.automatic = automatic

    async def list(self) -> Sequence[Proposal]:
        """Give what waits for an answer, oldest first."""
        async with self._database.read() as connection:
            return await list_proposals(connection)

    async def find(self, source_id: str) -> Sequence[Proposal]:
        """Give what waits about one source, of every peer that names it. Raises PfnError (``proposal_unknown``)."""
        return await self._find(source_id)

    async def approve(self, actor: str, source_id: str, *, peer_id: int | None = None) -> Source:
        """Register a proposed source with the key that was proposed, or the one that this peer proposed.

        Raises PfnError: ``proposal_unknown``; ``wrong_state`` where peers name different keys and none is chosen; what
        ``SourceService.add`` raises.
        """
        found = [one for one in await self._find(source_id) if peer_id in {None, one.peer_id}]
        if not found:
            raise _unknown(source_id)
        if len({one.public_key for one in found}) > 1:
            named = ", ".join(str(one.peer_id) for one in found)
            raise PfnError(
                Code.WRONG_STATE,
                f"The peers {named} know {source_id} by different keys. Compare them with its publisher, then say "
                "whose is right: --peer ID",
            )
        chosen = found[0]
        source = await self._sources.add(actor, chosen.instance_url, chosen.username, chosen.public_key)
        async with self._database.write() as connection:
            await decide_proposals(connection, source_id, "accepted")
        return source

    async def refuse(self, actor: str, source_id: str) -> None:
        """Take no proposal of this source any more, from whichever peer. Raises PfnError (``proposal_unknown``)."""
        await self._find(source_id)
        sentence = f"{source_id}, which peers mirror, was refused."
        event = Activity(
            ActivityType.FEDERATION_EVENT,
            int(self._clock()),
            actor,
            describe("proposal_refused", sentence, source=source_id),
            private=True,
        )
        async with self._database.write() as connection:
            await decide_proposals(connection, source_id, "refused")
            await add_activities(connection, [event])

    async def approve_all(self, actor: str) -> int:
        """Let in what waits and is undisputed, as long as there is room; tell how many that were."""
        approved = 0
        async with self._database.read() as connection:
            room = self._most_unproven - await count_unproven(connection)
        for source_id in dict.fromkeys(one.source_id for one in await self.list()):
            if approved >= room:
                log.warning("proposals_wait", unproven=self._most_unproven)
                break
            try:
                await self.approve(actor, source_id)
            except PfnError as error:
                log.info("proposal_waits", source=source_id, code=error.code.slug, detail=error.detail)
            else:
                approved += 1
        return approved

    async def _find(self, source_id: str) -> Sequence[Proposal]:
        async with self._database.read() as connection:
            found = await list_proposals(connection, source_id=source_id)
        if not found:
            raise _unknown(source_id)
        return found


def _unknown(source_id: str) -> PfnError:
    return PfnError(Code.PROPOSAL_UNKNOWN, f"No proposal of {source_id!r} waits; see: pfn peer proposals")
