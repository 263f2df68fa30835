"""Slugs: who speaks for which, and the operator's word about it (docs/decisions/010)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import NODE, Activity, describe, source_event
from pfn.domain.offer import Offered
from pfn.domain.slug import HELD, Contest, Holder, elect
from pfn.domain.source import Source, SourceStatus
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.verification import unknown_source
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.offer import find_offered_of, list_without_offer
from pfn.storage.plugin import PluginQuery, list_plugins
from pfn.storage.release import refresh_newest
from pfn.storage.slug import (
    claim_slugs,
    find_holders,
    get_holder,
    list_contests,
    list_holders,
    list_unheld_claims,
    pin_slug,
    refuse_contest,
)
from pfn.storage.source import get_source

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class SlugReport:
    """Who speaks for a slug, and who else has it.

    ``offered`` says what each of them offers under its own name; who offers nothing is not in it, nor is anybody in a
    list of slugs.
    """

    holder: Holder
    contests: Sequence[Contest]
    offered: Mapping[str, Offered] = field(default_factory=dict)

    @property
    def waiting(self) -> Sequence[Contest]:
        """The contests that nobody has refused."""
        return [contest for contest in self.contests if contest.state == HELD]


async def claim_new_slugs(
    connection: AsyncConnection, source: Source, slugs: Sequence[str], now: int
) -> list[Activity]:
    """Let a source hold slugs as it brings them; give the events of those another source holds.

    Within the transaction that lists the plugins; its caller records the events.
    """
    events = []
    for contest, holder in await claim_slugs(connection, source.id, slugs, now, decided_by=NODE):
        sentence = (
            f"{source.id} has a plugin {contest.slug!r}, for which {holder} speaks already. It is held back where only "
            f"slugs are known. To let it speak instead: pfn slug pin {contest.slug} {source.id}"
        )
        details = describe("slug_contested", sentence, holder=holder)
        events.append(source_event(source, now, details, plugin_id=contest.slug))
    return events


class SlugService:
    """Knows who speaks for a slug."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def fill(self) -> int:
        """Elect who speaks for the slugs nobody holds, in a database from before; give how many were elected.

        What such a database says of newest releases is completed too.
        """
        now = int(self._clock())
        while await self._fill_offers():
            pass
        async with self._database.write() as connection:
            claims = await list_unheld_claims(connection)
            elected = {slug: elect(of_slug) for slug, of_slug in claims.items()}
            for slug, winner in elected.items():
                if winner is not None:
                    await claim_slugs(connection, winner.source_id, [slug], now, decided_by=NODE)
                    for other in claims[slug]:
                        await claim_slugs(connection, other.source_id, [slug], now, decided_by=NODE)
        return sum(winner is not None for winner in elected.values())

    async def _fill_offers(self) -> int:
        async with self._database.write() as connection:
            missing = await list_without_offer(connection, _AT_ONCE)
            for source_id, slug in missing:
                await refresh_newest(connection, source_id, slug)
        return len(missing)

    async def show(self, slug: str) -> SlugReport:
        """Give who speaks for a slug. Raises PfnError (``plugin_unknown``)."""
        async with self._database.read() as connection:
            holder = await get_holder(connection, slug)
            if holder is None:
                raise PfnError(Code.PLUGIN_UNKNOWN, f"No source has a plugin {slug!r} here.")
            contests = await list_contests(connection, slug)
            offered = {}
            for source_id in (holder.source_id, *(contest.source_id for contest in contests)):
                found = await find_offered_of(connection, source_id, slug)
                if found is not None:
                    offered[source_id] = found
        return SlugReport(holder, contests, offered)

    async def list(self, *, contested: bool = False, source_id: str | None = None) -> Sequence[SlugReport]:
        """Give who speaks for which slug: all that are pinned or contested, or those a source holds or contests.

        ``contested`` leaves only those that wait for the operator's word: somebody contests them and is not refused.
        """
        by_slug: dict[str, list[Contest]] = {}
        async with self._database.read() as connection:
            for contest in await list_contests(connection):
                by_slug.setdefault(contest.slug, []).append(contest)
            found = [*await find_holders(connection, by_slug)]
            if not contested:
                pinned = None if source_id is not None else True
                found += await list_holders(connection, source_id=source_id, pinned=pinned)
        reports = {holder.slug: SlugReport(holder, by_slug.get(holder.slug, [])) for holder in found}
        return [
            report
            for _, report in sorted(reports.items())
            if (report.waiting or not contested)
            and source_id in {None, report.holder.source_id, *(contest.source_id for contest in report.contests)}
        ]

    async def refuse(self, actor: str, slug: str, source_id: str) -> SlugReport:
        """Say that a source shall not speak for a slug: its contest waits for nobody any more. Pinning undoes it.

        Raises PfnError (``wrong_state``) where the source contests no such slug.
        """
        now = int(self._clock())
        async with self._database.write() as connection:
            holder = await get_holder(connection, slug)
            source = await get_source(connection, source_id)
            if holder is None or source is None or not await refuse_contest(connection, slug, source_id):
                raise PfnError(Code.WRONG_STATE, f"{source_id} does not contest the slug {slug!r}.")
            sentence = f"{source_id} shall not speak for {slug!r} by the operator's word; {holder.source_id} does."
            details = describe("slug_refused", sentence, holder=holder.source_id)
            await add_activities(connection, [source_event(source, now, details, actor=actor, plugin_id=slug)])
        return await self.show(slug)

    async def pin(self, actor: str, slug: str, source_id: str) -> SlugReport:
        """Let a source speak for a slug from now on, whoever did before.

        Raises PfnError: ``source_unknown``; ``plugin_unknown`` where the source has no such plugin.
        """
        now = int(self._clock())
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is None or source.status is SourceStatus.REMOVED:
                raise unknown_source(source_id)
            found = await list_plugins(connection, PluginQuery(source=source_id, plugin=slug, limit=1))
            if not found.plugins:
                raise PfnError(Code.PLUGIN_UNKNOWN, f"{source_id} has no mirrored plugin {slug!r}.")
            before = await get_holder(connection, slug)
            await pin_slug(connection, slug, source_id, now, decided_by=actor)
            was = f", not {before.source_id} any more" if before and before.source_id != source_id else ""
            sentence = f"{source_id} speaks for {slug!r} by the operator's word{was}."
            details = describe("slug_pinned", sentence, before=before.source_id if before else None)
            await add_activities(connection, [source_event(source, now, details, actor=actor, plugin_id=slug)])
        return await self.show(slug)
