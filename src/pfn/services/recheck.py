"""Look at what was mirrored once more, every day: the stored bytes, and the proofs that were kept with them.

Bytes that no longer match their digest are the fault of this node's own disk and no evidence against the source. They
are not served from then on, and whole ones are fetched (``pfn.services.blob_repair``). A proof that does not hold any
more over bytes that do match is another matter: the release is served to nobody, and it weighs on trust until somebody
found out how that came.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.release import Release, SignatureLevel
from pfn.domain.schedule import Outcome, Result
from pfn.domain.source import Source
from pfn.domain.trust import DAY
from pfn.protocol.errors import Code, PfnError
from pfn.services.blob_repair import BlobRepair, Holder
from pfn.services.clock import Clock
from pfn.services.signature import holds
from pfn.services.statement import StatementService
from pfn.services.trust import refresh_trust
from pfn.storage.activity import add_activities
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import Database
from pfn.storage.recheck import add_recheck, list_unchecked, mark_checked
from pfn.storage.release import mark_releases, refresh_newest
from pfn.storage.source import get_source

_BATCH = 100


@dataclass(frozen=True, slots=True)
class _Look:
    """What became of one blob: whether it is whole now, how many proofs were checked, and those that failed and why."""

    sha256: str
    whole: bool
    proofs: int = 0
    broken: Sequence[tuple[Release, str]] = ()


class RecheckService:
    """Checks mirrored releases again."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        repair: BlobRepair,
        statements: StatementService,
        clock: Clock,
        *,
        max_bytes: int,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._repair = repair
        self._statements = statements
        self._clock = clock
        self._max_bytes = max_bytes

    async def run(self, source_id: str) -> Outcome:
        """Look at a source's blobs, longest unchecked first, until ``max_bytes`` are read or all were looked at.

        What stays damaged makes it a failed outcome, so that it is tried again sooner.
        """
        began, read, looked, damaged = int(self._clock()), 0, 0, 0
        while read < self._max_bytes:
            async with self._database.read() as connection:
                source = await get_source(connection, source_id)
                found = await list_unchecked(connection, source_id, before=began, limit=_BATCH)
            if source is None or not source.serves or not found:
                break
            looks: list[_Look] = []
            for releases in found:
                if read >= self._max_bytes:
                    break
                looks.append(await self._look(source, releases))
                read += releases[0].blob.size
            await self._record(source_id, looks, began)
            looked += len(looks)
            damaged += sum(not look.whole for look in looks)
        if damaged:
            return Outcome(Result.FAILED, detail=f"{damaged} of {looked} blobs are damaged")
        return Outcome(Result.UNCHANGED, detail=f"{looked} blobs are whole")

    async def _look(self, source: Source, releases: tuple[Release, ...]) -> _Look:
        blob = releases[0].blob
        intact = await self._blobs.matches(blob)
        if not await self._repair.settle(blob, [Holder(source, releases)], intact=intact):
            return _Look(blob.sha256, whole=False)
        # What is served to nobody need not be proven again.
        proven = [release for release in releases if release.signature is not None and release.block_reason is None]
        reasons = [(release, await self._find_broken_proof(source, release)) for release in proven]
        broken = [(release, reason) for release, reason in reasons if reason is not None]
        return _Look(blob.sha256, True, len(proven), broken)

    async def _find_broken_proof(self, source: Source, release: Release) -> str | None:
        """Tell why a release's kept signature or statement does not hold any more; None where it does."""
        try:
            if release.signature is None or not holds(release.signature):
                return "Its kept signature does not hold over the kept message any more."
            if release.level is not SignatureLevel.ARTIFACT:
                return None
            _, checks = await self._statements.recheck(source, release)
        except PfnError as error:
            return error.detail
        return next((check.detail for check in checks if not check.passed and check.name != "yank"), None)

    async def _record(self, source_id: str, looks: Sequence[_Look], began: int) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is None:
                return
            # Even where the clock went back, or they would be looked at without end.
            await mark_checked(connection, [look.sha256 for look in looks], max(now, began))
            proofs = sum(look.proofs for look in looks)
            broken = [pair for look in looks for pair in look.broken]
            if proofs:
                await add_recheck(connection, source_id, now // DAY, checked=proofs, failed=len(broken))
            events = [await _block(connection, source, release, reason, now) for release, reason in broken]
            await refresh_trust(connection, source, now)
            await add_activities(connection, events)


async def _block(connection: AsyncConnection, source: Source, release: Release, reason: str, now: int) -> Activity:
    """Serve a release to nobody any more and give the event that says so."""
    slug, version = release.plugin_id, release.version
    await mark_releases(
        connection, source.id, slug, version, block_reason=f"Its proof does not hold any more. {reason}"
    )
    await refresh_newest(connection, source.id, slug)
    sentence = f"The kept proof of {slug} {version} of {source.id} does not hold any more; it is not served. {reason}"
    details = describe("proof_broken", sentence, code=Code.SIGNATURE_INVALID.slug, sha256=release.blob.sha256)
    return source_event(source, now, details, plugin_id=slug, plugin_name=release.name, new_version=version)
