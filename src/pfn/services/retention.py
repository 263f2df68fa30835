"""Retention: what is old enough to go, shown before it goes, and brought back where that can be.

Of releases only the bytes go: their rows, log entries, statements and proofs stay for ever, so that nothing this node
signed is contradicted, and whoever asks for the bytes is told that they are kept no more (decision 013). A release is
retired at once and its bytes are garbage when it was so for the grace period; until then it comes back whole, and
later by fetching it again. Events and histories are forgotten by housekeeping; here they are only counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.retention import Offered, Policy, choose_retired
from pfn.domain.version_range import VersionRange
from pfn.services.clock import Clock
from pfn.services.verification import require_source
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.history import count_old
from pfn.storage.release import refresh_newest
from pfn.storage.retention import (
    BroughtBack,
    Key,
    Retired,
    bring_back,
    count_retired,
    list_crowded,
    list_offered_versions,
    list_retired,
    retire,
)
from pfn.storage.subscription import list_subscriptions

_DAY = 86_400
_AT_A_TIME = 100
_NAMED = 100


@dataclass(frozen=True, slots=True)
class RetiredPlugin:
    """The versions of one plugin that are retired or would be, newest first."""

    source_id: str
    plugin_id: str
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a policy retires: counts, and the first plugins by name. ``bytes`` are what it frees at most."""

    policy: Policy
    source_id: str | None
    releases: int
    bytes: int
    plugins: int
    named: tuple[RetiredPlugin, ...]

    def to_json(self) -> dict[str, object]:
        """Give it as the API shows it."""
        return asdict(self)

    def describe(self) -> str:
        """Tell it in a sentence."""
        of = f" of {self.source_id}" if self.source_id else ""
        return f"Old releases{of}: {self.releases}, of plugins: {self.plugins}; {self.bytes} bytes."


class RetentionService:
    """Keeps what is to be kept. ``versions`` and ``days`` are the node's own policy; 0 versions keep all."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        versions: int,
        days: int,
        events_keep_days: int,
        history_keep_days: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self.policy = Policy(versions, days)
        self._events_keep_days = events_keep_days
        self._history_keep_days = history_keep_days

    async def preview(self, policy: Policy | None = None, *, source_id: str | None = None) -> Plan:
        """Tell what a policy, or the node's own, would retire, of all sources or of one.

        Raises PfnError (``source_unknown``).
        """
        return await self._go_through(policy or self.policy, source_id, apply=False)

    async def apply(self, actor: str, policy: Policy | None = None, *, source_id: str | None = None) -> Plan:
        """Retire it, a few plugins in a transaction. Raises PfnError (``source_unknown``)."""
        plan = await self._go_through(policy or self.policy, source_id, apply=True)
        if plan.releases:
            event = self._event(actor, "releases_retired", f"Retired. {plan.describe()}", releases=plan.releases)
            async with self._database.write() as connection:
                await add_activities(connection, [event])
        return plan

    async def undo(self, actor: str, *, source_id: str | None = None) -> BroughtBack:
        """Bring back everything that is retired, or what of one source is. Raises PfnError (``source_unknown``)."""
        if source_id is not None:
            await require_source(self._database, source_id)
        releases = missing = 0
        while True:
            async with self._database.write() as connection:
                keys = await list_retired(connection, source_id, limit=_AT_A_TIME)
                if not keys:
                    break
                back = await bring_back(connection, keys, int(self._clock()))
                for owner, slug in keys:
                    await refresh_newest(connection, owner, slug)
            releases += back.releases
            missing += back.missing
        if releases:
            sentence = f"Retired releases brought back: {releases}; to be fetched again: {missing}."
            async with self._database.write() as connection:
                await add_activities(connection, [self._event(actor, "releases_brought_back", sentence)])
        return BroughtBack(releases, missing)

    async def standing(self) -> Retired:
        """Tell how much is retired."""
        async with self._database.read() as connection:
            return await count_retired(connection)

    async def count_history(self) -> Mapping[str, int]:
        """Count what housekeeping would forget now, by what it is; what has no end is left out."""
        now = int(self._clock())
        async with self._database.read() as connection:
            found = await count_old(
                connection,
                events_before=now - self._events_keep_days * _DAY,
                history_before=now - self._history_keep_days * _DAY,
            )
        return {name: count for name, count in found.items() if name != "events" or self._events_keep_days}

    async def _go_through(self, policy: Policy, source_id: str | None, *, apply: bool) -> Plan:
        if source_id is not None:
            await require_source(self._database, source_id)
        releases = plugins = 0
        sizes: dict[str, int] = {}
        named: list[RetiredPlugin] = []
        after: Key = ("", "")
        while policy.versions:
            async with self._database.read() as connection:
                keys = await list_crowded(
                    connection, policy.versions, source_id=source_id, after=after, limit=_AT_A_TIME
                )
            if not keys:
                break
            after = keys[-1]
            async with self._database.write() if apply else self._database.read() as connection:
                chosen = await self._choose(connection, policy, keys)
                for key, old in chosen.items():
                    if apply:
                        await retire(connection, key, [one.version for one in old], int(self._clock()))
            plugins += len(chosen)
            for (owner, slug), old in chosen.items():
                releases += len(old)
                sizes |= {one.sha256: one.size for one in old}
                if len(named) < _NAMED:
                    named.append(RetiredPlugin(owner, slug, tuple(one.version for one in old)))
        return Plan(policy, source_id, releases, sum(sizes.values()), plugins, tuple(named))

    async def _choose(
        self, connection: AsyncConnection, policy: Policy, keys: Sequence[Key]
    ) -> dict[Key, tuple[Offered, ...]]:
        pins: dict[str, list[tuple[frozenset[str], VersionRange]]] = {}
        for source_id in dict.fromkeys(source_id for source_id, _ in keys):
            pins[source_id] = [
                (frozenset(slug.casefold() for slug in one.filters.slugs), one.filters.versions)
                for one in await list_subscriptions(connection, source_id=source_id)
                if one.filters.versions.conditions
            ]
        chosen = {}
        for (source_id, slug), offered in (await list_offered_versions(connection, keys)).items():
            ranges = [versions for slugs, versions in pins[source_id] if not slugs or slug.casefold() in slugs]
            old = choose_retired(policy, offered, ranges, self._clock())
            if old:
                chosen[source_id, slug] = old
        return chosen

    def _event(self, actor: str, action: str, sentence: str, **more: object) -> Activity:
        details = describe(action, sentence, **more)
        return Activity(ActivityType.FEDERATION_EVENT, int(self._clock()), actor, details, private=True)
