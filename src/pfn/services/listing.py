"""What a source lists: asked conditionally, compared with what it listed before, kept where it differs.

One request tells that nothing changed. What did change becomes rows of the snapshot, and only that; a plan can be made
of the snapshot without asking again. A catalogue that lost most of its plugins is not believed at once
(``pfn.domain.listing``). A v1 catalogue says everything itself (protocol.md section 2); of a v2 catalogue the
statements of changed entries are read first (section 3.4), a batch at a time, so that a crash repeats little.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import describe, source_event
from pfn.domain.listing import Loss, LossVerdict, date_listing, find_changes, is_believed, judge_loss
from pfn.domain.source import AuthorInfo, Source
from pfn.domain.sync import Listing, SyncFailure, waits
from pfn.outbound.conditional import UNKNOWN, Validators
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_v1 import AuthorData, ListedPlugin, read_author_data
from pfn.services.arrival import Refusal
from pfn.services.catalog import CatalogService, Known
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.signed_listing import SignedListingService, bare_listing
from pfn.services.sync_progress import SyncProgress
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.listing import (
    ListingState,
    change_listing_state,
    count_listed,
    list_listings,
    listed_statements,
    mark_unlisted,
    put_listings,
)

BATCH = 64
# So many statements stay at hand from reading to mirroring; each takes some kilobytes. More are read again.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Heard:
    """What a publisher answered. Without ``data`` (v1) and ``known`` (v2) nothing changed.

    ``max_age`` is for how many seconds the publisher says so.
    """

    max_age: int | None
    data: AuthorData | None = None
    known: Known | None = None
    validators: Validators = UNKNOWN
    body_sha256: str | None = None

    @property
    def changed(self) -> bool:
        """Whether it is another catalogue than before, whatever in it is new."""
        return self.data is not None or self.known is not None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an answer: the plugins that changed, the entries that could not be read, how many are listed.

    ``listed`` are (slug, version) of all entries, None where nobody looked; ``shrank_at`` is since when most of the
    catalogue is missing; ``read`` are listings with their statements, the first of those that had to be read.
    """

    slugs: frozenset[str]
    refusals: Sequence[Refusal]
    total: int
    known: Known | None = None
    listed: frozenset[tuple[str, str]] | None = None
    shrank_at: int | None = None
    read: Mapping[tuple[str, str | None], Listing] = field(default_factory=dict)


class ListingService:
    """Knows what sources list."""

    def __init__(
        self,
        database: Database,
        publishers: PublisherClient,
        catalogs: CatalogService,
        statements: SignedListingService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._publishers = publishers
        self._catalogs = catalogs
        self._statements = statements
        self._clock = clock

    async def ask(self, source: Source, state: ListingState) -> Heard:
        """Ask a source what it lists, unless that is what it listed before.

        Raises PfnError where it cannot be asked or answers with no catalogue; of v2 as ``CatalogService.ask`` does.
        """
        if source.generation > 1:
            asked = await self._catalogs.ask(source)
            return Heard(asked.max_age, known=asked.known)
        # What is missing is not in the snapshot's rows: to believe it, the catalogue itself must be seen again.
        whole = is_believed(state.shrank_at, self._clock())
        validators = UNKNOWN if whole else Validators(state.etag, state.last_modified)
        fresh = await self._publishers.ask_author_data(source.instance_url, source.username, validators)
        if fresh.body is None:
            return Heard(fresh.max_age)
        digest = hashlib.sha256(fresh.body).hexdigest()
        if digest == state.body_sha256 and not whole:
            return Heard(fresh.max_age)
        data = await asyncio.to_thread(read_author_data, fresh.body)
        return Heard(fresh.max_age, data=data, validators=fresh.validators, body_sha256=digest)

    async def take_in(
        self,
        source: Source,
        heard: Heard,
        state: ListingState,
        failures: Mapping[tuple[str, str], SyncFailure],
        progress: SyncProgress,
        *,
        retry_all: bool,
    ) -> Taken:
        """Bring the snapshot up to date with an answer and tell what that changed.

        Entries of a v2 catalogue that failed wait for their time, unless for ``retry_all``. Raises PfnError:
        ``wrong_state`` where the source has another key meanwhile, ``lease_lost``.
        """
        if source.generation > 1:
            known = heard.known or await self._catalogs.restore(source)
            return await self._take_catalog(source, known, state, failures, progress, retry_all=retry_all)
        if heard.data is None:
            return await self.unchanged(source, state, failures)
        return await self._take_author_data(source, heard, heard.data, state, progress)

    async def unchanged(
        self, source: Source, state: ListingState, failures: Mapping[tuple[str, str], SyncFailure]
    ) -> Taken:
        """Tell what there is to tell of a source that lists what it listed."""
        named = {slug for slug, _ in failures} - {""}
        async with self._database.read() as connection:
            count = await count_listed(connection, source.id)
            readable = {one.slug for one in await list_listings(connection, source.id, slugs=named, unlisted=True)}
        return Taken(frozenset(), (), count + len(named - readable), shrank_at=state.shrank_at)

    async def find(self, source: Source, taken: Taken, slugs: Collection[str] | None) -> Sequence[Listing]:
        """Give what is listed of these plugins, or all of it: of v2 what the catalogue and its statements agree on."""
        async with self._database.read() as connection:
            found = await list_listings(connection, source.id, slugs=slugs)
        if taken.known is None:
            return found
        entries = {one.slug: (one.version, one.statement) for one in taken.known.catalog.releases}
        return [one for one in found if entries.get(one.slug) == (one.version, one.statement)]

    async def prepare(
        self, source: Source, taken: Taken, listings: Sequence[Listing]
    ) -> tuple[list[Listing], list[Refusal]]:
        """Give listings with all that is needed to mirror them, and those whose statements do not hold."""
        if source.generation == 1 or taken.known is None:
            return list(listings), []
        catalog = taken.known.catalog
        ready = [kept for one in listings if (kept := taken.read.get((one.slug, one.statement))) is not None]
        here = {one.slug for one in ready}
        rest = [one for one in listings if one.slug not in here]
        entries = [entry for one in rest if (entry := catalog.find_release(one.slug)) is not None]
        read, refused = _part(await self._statements.read(source, taken.known, entries) if entries else [])
        return [*ready, *read], refused

    async def _take_author_data(
        self, source: Source, heard: Heard, data: AuthorData, state: ListingState, progress: SyncProgress
    ) -> Taken:
        now = int(self._clock())
        listed = [_listing(plugin) for plugin in data.plugins]
        async with self._database.read() as connection:
            before = {one.slug: one for one in await list_listings(connection, source.id, unlisted=True)}
        changes = find_changes(before, listed, now)
        present = [slug for slug, one in before.items() if one.unlisted_at is None]
        loss = judge_loss(present, [one.slug for one in listed], state.shrank_at, now)
        total = len(data.plugins) + len(data.unreadable)
        if changes or loss.gone or loss.verdict or data.unreadable:
            await progress.open()
        values: dict[str, object] = {
            "etag": heard.validators.etag,
            "last_modified": heard.validators.last_modified,
            "body_sha256": heard.body_sha256,
            "shrank_at": loss.shrank_at,
        }
        if changes:
            # Until everything was gone through; asked again, the publisher will say that it is unchanged.
            values["wanted_digest"] = None
        async with self._database.write() as connection:
            await hold_custody(connection, source)
            await progress.write(connection, total=total)
            await put_listings(connection, source.id, changes)
            await change_listing_state(connection, source.id, **values)
            await _lose(connection, source, loss, now)
        unreadable = [
            Refusal(Listing(label, label, "", None), PfnError(Code.PUBLISHER_DOCUMENT, f"Its entry: {reason}"))
            for label, reason in data.unreadable
        ]
        named = {(one.slug, one.version) for one in listed} | {(label, "") for label, _ in data.unreadable}
        slugs = frozenset(one.slug for one in changes)
        return Taken(slugs, unreadable, total, listed=frozenset(named), shrank_at=loss.shrank_at)

    async def _take_catalog(
        self,
        source: Source,
        known: Known,
        state: ListingState,
        failures: Mapping[tuple[str, str], SyncFailure],
        progress: SyncProgress,
        *,
        retry_all: bool,
    ) -> Taken:
        now = int(self._clock())
        releases = known.catalog.releases
        async with self._database.read() as connection:
            before = await listed_statements(connection, source.id)
        entries = [
            one
            for one in releases
            if before.get(one.slug) != (one.version, one.statement)
            and (retry_all or not waits(failures.get((one.slug, one.version)), bare_listing(one), now))
        ]
        loss = judge_loss(before, {one.slug for one in releases}, state.shrank_at, now)
        if entries or loss.gone or loss.verdict:
            await progress.open()
        slugs: set[str] = set()
        refusals: list[Refusal] = []
        remembered: dict[tuple[str, str | None], Listing] = {}
        for start in range(0, len(entries), BATCH):
            outcomes = await self._statements.read(source, known, entries[start : start + BATCH])
            read, refused = _part(outcomes)
            async with self._database.write() as connection:
                await hold_custody(connection, source)
                await progress.write(connection, total=len(releases))
                earlier = await list_listings(connection, source.id, slugs=[one.slug for one in read], unlisted=True)
                dated = {one.slug: one for one in earlier}
                changes = [date_listing(dated.get(one.slug), one, now) for one in read]
                await put_listings(connection, source.id, changes)
            slugs |= {one.slug for one in read}
            if len(remembered) < _REMEMBERED:
                remembered |= {(one.slug, one.statement): one for one in read}
            refusals += refused
        if loss.gone or loss.shrank_at != state.shrank_at:
            async with self._database.write() as connection:
                await hold_custody(connection, source)
                await progress.write(connection)
                await change_listing_state(connection, source.id, shrank_at=loss.shrank_at)
                await _lose(connection, source, loss, now)
        named = frozenset((one.slug, one.version) for one in releases)
        return Taken(frozenset(slugs), refusals, len(releases), known, named, loss.shrank_at, remembered)


async def _lose(connection: AsyncConnection, source: Source, loss: Loss, now: int) -> None:
    """Mark what is gone, and say what is new about that."""
    await mark_unlisted(connection, source.id, loss.gone, now)
    if loss.verdict is None:
        return
    action, said = {
        LossVerdict.SUSPECTED: ("listing_shrank", "suddenly lists {} plugins less, most of its catalogue"),
        LossVerdict.ACCEPTED: ("listing_shrink_accepted", "has not listed {} of its plugins for seven days"),
        LossVerdict.RECOVERED: ("listing_recovered", "lists most of its plugins again; {} are still missing"),
    }[loss.verdict]
    sentence = f"{source.id} {said.format(loss.missing)}. Whatever is mirrored of it stays."
    details = describe(action, sentence, missing=loss.missing)
    await add_activities(connection, [source_event(source, now, details)])


def tell_author(source: Source, heard: Heard) -> AuthorInfo:
    """Give who a source says it is, as far as this answer tells."""
    data = heard.data
    if data is None:
        return source.author or AuthorInfo(source.username)
    return AuthorInfo(data.username, data.member_since, data.website, data.github, data.twitter)


def _part(outcomes: Sequence[Listing | Refusal]) -> tuple[list[Listing], list[Refusal]]:
    listings = [one for one in outcomes if isinstance(one, Listing)]
    return listings, [one for one in outcomes if isinstance(one, Refusal)]


def _listing(plugin: ListedPlugin) -> Listing:
    return Listing(
        slug=plugin.slug,
        name=plugin.name,
        version=plugin.version,
        description=plugin.short_description,
        tags=plugin.tags,
        signature=plugin.signature,
    )
