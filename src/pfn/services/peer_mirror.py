"""Take what is wanted of a peer: newest first, a batch at a time, each release proven by its publisher's signatures.

A want is a row until the release is here or is not to come: a crash, a peer that is away, a full disk lose nothing.
What failed waits, ever longer; what was proven wrong waits for other keys or for a person. A failure is the want's own
and never the source's: it says something about the peer's word only. Where it contradicts its own log, or sends other
bytes than its address names, the peer is given up on.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from pfn.domain.activity import describe, source_event
from pfn.domain.peer import Peer, PeerState
from pfn.domain.release import SignatureLevel
from pfn.domain.source import Source, SourceStatus
from pfn.domain.sync import FIRST_RETRY_S, plan_retry
from pfn.domain.trust import Gate
from pfn.outbound.fetch import Download
from pfn.outbound.peer import PeerClient
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.catalog import Catalog
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.protocol.log.bundle import Bundle
from pfn.protocol.naming_scheme import asset_url
from pfn.services.blob_search import Accuse, BlobSearch
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.dispute import record_dispute
from pfn.services.evidence import record_evidence
from pfn.services.mirror import MirrorService, Offer
from pfn.services.peer_document import PeerDocuments
from pfn.services.peer_offer import ContradictionError, PeerOffers, Proven, Shelf, Standing, prove
from pfn.services.quota import QuotaService
from pfn.services.room import Room
from pfn.services.schedule import host_of
from pfn.services.sync_progress import SyncProgress
from pfn.storage.activity import add_activities
from pfn.storage.blob_store import Temporary
from pfn.storage.database import Database
from pfn.storage.peer import NEVER, Want, drop_want, list_due_wants, list_peers, put_want
from pfn.storage.release import releases_among
from pfn.storage.signed_document import add_statements
from pfn.storage.source import get_source

log = structlog.get_logger()

BATCH = 64
_DAY = 86_400
# A peer that contradicts what its own log signed.
_OWN_FAULT = frozenset({Code.LOG_SIGNATURE, Code.LOG_INCLUSION, Code.LEAF_MISMATCH})


class PeerMirrorService:
    """Takes releases from peers.

    Of a source that has not proven its key to this node, ``take_unproven`` says whether v1 releases are taken too.
    """

    def __init__(
        self,
        database: Database,
        client: PeerClient,
        publishers: PublisherClient,
        documents: PeerDocuments,
        mirror: MirrorService,
        quotas: QuotaService,
        room: Room,
        clock: Clock,
        *,
        take_unproven: bool,
        max_zip_bytes: int,
        concurrency: int,
    ) -> None:
        self._database = database
        self._client = client
        self._publishers = publishers
        self._documents = documents
        self._offers = PeerOffers(database, client)
        self._mirror = mirror
        self._quotas = quotas
        self._room = room
        self._clock = clock
        self._take_unproven = take_unproven
        self._max_zip_bytes = max_zip_bytes
        self._concurrency = concurrency

    async def search(self, peer: Peer, accuse: Accuse) -> BlobSearch:
        """Begin a search for the zips that are wanted of a peer; ``accuse`` is told who sent other bytes."""
        async with self._database.read() as connection:
            active = await list_peers(connection, state=PeerState.ACTIVE)
        peers = [peer, *(one for one in active if one.id != peer.id)]
        return BlobSearch(
            self._publishers, self._client, peers, accuse, first=peer.policy.first, max_bytes=self._max_zip_bytes
        )

    async def take_batch(self, peer: Peer, search: BlobSearch) -> int | None:
        """Try the newest wants of a peer that are due; tell how many releases came of it, None where nothing is due.

        Raises PfnError: ``peer_unreachable``, ``storage_full``, ``log_halted``; SecurityError where the peer
        contradicts its own log: ``log_signature``, ``log_inclusion``, ``leaf_mismatch``.
        """
        now = int(self._clock())
        async with self._database.read() as connection:
            due = await list_due_wants(connection, peer.id, now, limit=BATCH)
        if not due:
            return None
        await self._room.require()
        taken = 0
        for source_id in dict.fromkeys(want.source_id for want in due):
            wants = [want for want in due if want.source_id == source_id]
            async with self._database.read() as connection:
                source = await get_source(connection, source_id)
            taken += await self._take(peer, source, wants, search)
        return taken

    async def _take(self, peer: Peer, source: Source | None, wants: Sequence[Want], search: BlobSearch) -> int:
        if source is None or source.status is SourceStatus.REMOVED:
            await self._forget(wants)
            return 0
        held = self._hold_back(source, peer)
        if held is not None:
            await self._fail([(want, held) for want in wants], source)
            return 0
        standing = await self._stand(peer, source, wants)
        shelf = await self._offers.load(peer, standing, wants)
        turns = asyncio.Semaphore(self._concurrency)

        async def fetch(want: Want) -> Bundle | PfnError:
            async with turns:
                try:
                    return await self._offers.fetch(peer, want)
                except PfnError as error:
                    return error

        bundles = await asyncio.gather(*(fetch(want) for want in wants))
        outcomes = [
            bundle if isinstance(bundle, PfnError) else await self._prove(peer, standing, want, bundle, shelf)
            for want, bundle in zip(wants, bundles, strict=True)
        ]
        for error in outcomes:
            if isinstance(error, PfnError) and _ends_the_run(error):
                raise error
        failed = [(w, e) for w, e in zip(wants, outcomes, strict=True) if isinstance(e, PfnError)]
        proven = [one for one in outcomes if isinstance(one, Proven)]
        proven = await self._choose(peer, standing.source, proven)
        taken, refused = await self._mirror_proven(standing, proven, search)
        await self._fail([*failed, *refused], source)
        return taken

    async def _stand(self, peer: Peer, source: Source, wants: Sequence[Want]) -> Standing:
        """Give what is known of a source; where that is nothing, or nothing of what is wanted, the peer is asked."""
        standing = await self._documents.standing(source)
        if standing.publisher is None or (source.generation > 1 and not _lists(standing.catalog, wants)):
            try:
                await self._documents.learn(peer, source)
            except PfnError as error:
                if error.code is Code.PEER_UNREACHABLE:
                    raise
                log.info("documents_not_learned", source=source.id, url=peer.url, code=error.code.slug)
            async with self._database.read() as connection:
                source = await get_source(connection, source.id) or source
            standing = await self._documents.standing(source)
        return standing

    async def _prove(
        self, peer: Peer, standing: Standing, want: Want, bundle: Bundle, shelf: Shelf
    ) -> Proven | PfnError:
        now = int(self._clock())
        try:
            return prove(peer, standing, want, bundle, shelf, now)
        except ContradictionError as error:
            async with self._database.write() as connection:
                await record_evidence(
                    connection,
                    want.source_id,
                    error,
                    error.first,
                    error.second,
                    now=now,
                    plugin_id=want.plugin_id,
                    version=error.version,
                )
            return error
        except PfnError as error:
            return error

    async def _choose(self, peer: Peer, source: Source, proven: Sequence[Proven]) -> list[Proven]:
        """Leave out what the policy does not take after all, and what is here with other bytes: a dispute."""
        keys = [(one.want.plugin_id, one.want.version) for one in proven]
        async with self._database.read() as connection:
            here = await releases_among(connection, source.id, keys)
        chosen: list[Proven] = []
        done: list[Want] = []
        for one in proven:
            known = here.get((one.want.plugin_id, one.want.version))
            level = SignatureLevel.METADATA if one.statement is None else SignatureLevel.ARTIFACT
            if known is not None and known != one.want.sha256:
                await record_dispute(self._database, peer, source, one, int(self._clock()))
                done.append(one.want)
            elif known is not None or not peer.policy.wants(
                source.id, one.listing.tags if one.statement else (), level, source.trust_score
            ):
                done.append(one.want)
            else:
                chosen.append(one)
        await self._forget(done)
        return chosen

    async def _mirror_proven(
        self, standing: Standing, proven: Sequence[Proven], search: BlobSearch
    ) -> tuple[int, list[tuple[Want, PfnError]]]:
        source = standing.source
        if not proven:
            return 0, []
        async with self._database.write() as connection:
            await hold_custody(connection, source)
            stated = [one.statement for one in proven if one.statement is not None]
            await add_statements(connection, source.id, stated)
        by_listing = {id(one.listing): one.want for one in proven}
        offers = [_make_offer(standing, one, search) for one in proven]
        progress = SyncProgress(self._database, self._clock, source.id)
        mirrored = await self._mirror.take(source, offers, await self._quotas.measure(source.id), progress)
        refused = [(by_listing[id(one.listing)], one.error) for one in mirrored.refusals]
        left = {id(want) for want, _ in refused}
        await self._forget([one.want for one in proven if id(one.want) not in left])
        return progress.mirrored, refused

    def _hold_back(self, source: Source, peer: Peer) -> PfnError | None:
        """Say why nothing new of a source is taken now, as a sync would."""
        now = self._clock()
        if source.status is SourceStatus.SUSPENDED:
            return PfnError(Code.SOURCE_SUSPENDED, f"{source.id} is suspended: {source.status_detail}")
        if source.status is SourceStatus.ERROR:
            return PfnError(Code.SOURCE_NOT_VERIFIED, f"{source.id} failed to prove its key: {source.status_detail}")
        if Gate.EQUIVOCATION.value in source.gates:
            return PfnError(Code.SOURCE_GATED, f"{source.id} contradicted itself; nothing new of it is taken.")
        if source.cool_down_until is not None and now < source.cool_down_until:
            return PfnError(Code.CUSTODY_COOLDOWN, f"{source.id} changed hands; nothing new of it is taken yet.")
        if source.trust_score < peer.policy.minimum_trust:
            return PfnError(Code.SOURCE_GATED, f"{source.id} has less trust than the terms of {peer.url} want.")
        if source.status is SourceStatus.PENDING and source.generation == 1 and not self._take_unproven:
            return PfnError(Code.SOURCE_NOT_VERIFIED, f"{source.id} has not proven its key to this node.")
        return None

    async def _forget(self, wants: Sequence[Want]) -> None:
        if wants:
            async with self._database.write() as connection:
                for want in wants:
                    await drop_want(connection, want.source_id, want.plugin_id, want.version)

    async def _fail(self, failed: Sequence[tuple[Want, PfnError]], source: Source) -> None:
        """Write down how it went, and let the feed hear of what is new about it."""
        if not failed:
            return
        now = int(self._clock())
        events = []
        for want, error in failed:
            if want.code != error.code.slug and error.code.fault is Fault.SECURITY:
                sentence = f"{want.plugin_id} {want.version} of {source.id} was not taken from a peer: {error.detail}"
                details = describe("peer_release_refused", sentence, code=error.code.slug, peer=want.peer_id)
                events.append(source_event(source, now, details, plugin_id=want.plugin_id, new_version=want.version))
        async with self._database.write() as connection:
            for want, error in failed:
                await put_want(connection, _postpone(want, error, now))
            await add_activities(connection, events)


def _lists(catalog: Catalog | None, wants: Sequence[Want]) -> bool:
    """Tell whether a catalogue speaks of all that is wanted: a release it says nothing of can be proven to nobody."""
    return catalog is not None and all(
        catalog.find_release(want.plugin_id) or catalog.find_yank(want.plugin_id, want.version) for want in wants
    )


def _ends_the_run(error: PfnError) -> bool:
    """Tell whether it is the peer's, and not the release's: a lie, silence, or the wish to be left alone."""
    return error.code in _OWN_FAULT or error.code is Code.PEER_UNREACHABLE or error.retry_after is not None


def _postpone(want: Want, error: PfnError, now: int) -> Want:
    retries = want.retry_count + (want.code is not None)
    if error.code.fault is Fault.CALLER:
        at: int = now + _DAY  # the source's state, or an operator, must change first
    elif error.code is Code.RELEASE_KEY_TIME:
        at = now + FIRST_RETRY_S  # a later statement, once it is here, may vouch for it
    else:
        at = plan_retry(error.code, retries, now) or NEVER
    return replace(want, code=error.code.slug, details=error.detail, retry_count=retries, next_retry=at)


def _make_offer(standing: Standing, proven: Proven, search: BlobSearch) -> Offer:
    want, source = proven.want, standing.source
    url = proven.listing.signed.url if proven.listing.signed else None

    async def fetch(target: Temporary) -> Download:
        return await search.fetch(want.sha256, url or _guess_url(source, want), host_of(source), target)

    yank = None if standing.catalog is None else standing.catalog.find_yank(want.plugin_id, want.version)
    return Offer(proven.listing, proven.signature, fetch, yank)


def _guess_url(source: Source, want: Want) -> str | None:
    """Give where the publisher's zips are by its naming scheme, where it told this node."""
    if not source.asset_domain or not source.asset_naming_scheme:
        return None
    try:
        return asset_url(
            source.asset_domain,
            source.asset_naming_scheme,
            author=source.username,
            slug=want.plugin_id,
            version=want.version,
        )
    except PfnError:
        return None
