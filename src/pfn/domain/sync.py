"""A sync: what a publisher lists against what is known, and the plan that follows.

Pure: the catalogue, the known releases, the wishes and the failures go in, a plan comes out. It fetches only what is
new, wanted and not waiting for a retry; a second run that finds nothing new plans nothing, and need not even look while
nothing it depends on has changed.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Candidate, Filters
from pfn.protocol.errors import Code, Fault
from pfn.protocol.release_statement import VerifiedStatement

FIRST_RETRY_S = 15 * 60
LONGEST_RETRY_S = 24 * 3600


class SyncState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Sync:
    """One row of ``syncs``: ``total`` listed, ``wanted`` to fetch, of which ``done`` were fetched and judged.

    ``mirrored`` are new and stored, ``failed`` came to nothing, also where not even what is listed could be read.
    """

    id: int
    source_id: str
    state: SyncState
    started_at: int
    finished_at: int | None = None
    total: int = 0
    wanted: int = 0
    done: int = 0
    mirrored: int = 0
    failed: int = 0
    code: str | None = None
    detail: str | None = None

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it."""
        return {
            "id": self.id,
            "source_id": self.source_id,
            "state": self.state.value,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "total": self.total,
            "wanted": self.wanted,
            "done": self.done,
            "mirrored": self.mirrored,
            "failed": self.failed,
            "code": self.code,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class SyncFailure:
    """One row of ``sync_failures``: why a release (or, without a plugin, the source itself) did not come through."""

    source_id: str
    plugin_id: str
    version: str
    code: str
    details: str
    first_failed: int
    last_failed: int
    retry_count: int = 0
    next_retry: int | None = None
    sha256: str | None = None
    statement: str | None = None

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it."""
        return {
            "plugin_id": self.plugin_id or None,
            "version": self.version or None,
            "code": self.code,
            "details": self.details,
            "first_failed": self.first_failed,
            "last_failed": self.last_failed,
            "retry_count": self.retry_count,
            "next_retry": self.next_retry,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """One plugin as the publisher's catalogue announces it; of v2 with the hash of the ``statement`` it names.

    ``first_seen`` is when this node first saw this version listed, ``unlisted_at`` since when it is listed no more
    (Unix seconds); both are the node's own knowledge and empty in what a publisher just sent.
    """

    slug: str
    name: str
    version: str
    description: str | None
    tags: tuple[str, ...] = ()
    signature: str | None = None
    signed: "SignedListing | None" = None
    statement: str | None = None
    first_seen: int = 0
    unlisted_at: int | None = None


@dataclass(frozen=True, slots=True)
class SignedListing:
    """What a v2 publisher signed about a listed release: its verified statement, as it came, and the zip's URL."""

    verified: VerifiedStatement
    envelope: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted of a source now: the filters of all that subscribe to it, and what they look at.

    ``author`` and ``trust`` are the source's; ``held`` says why nothing new of it is taken at all, where that is so.
    ``keys`` names the state of the publisher's keys (v2): under other keys, everything is another matter.
    """

    filters: Sequence[Filters]
    author: str
    trust: float
    allow_unsigned: bool = False
    held: str | None = None
    keys: int = 0

    def judge(self, listing: Listing, now: float) -> tuple[bool, int | None]:
        """Tell whether anybody takes it, and where nobody does, from when on somebody would by time alone."""
        candidate = self.describe(listing)
        ripe: list[int] = []
        for filters in self.filters:
            ends = [skip.until for skip in filters.judge(candidate, now)]
            if not ends:
                return True, None
            known = [until for until in ends if until is not None]
            if len(known) == len(ends):
                ripe.append(max(known))
        return False, min(ripe, default=None)

    def digest(self) -> str:
        """Name everything the plan depends on beside what is listed and what failed: another digest, another look."""
        filters = sorted(
            json.dumps([one.to_json(), one.minimum_trust is None or self.trust >= one.minimum_trust], sort_keys=True)
            for one in self.filters
        )
        whole = json.dumps([filters, self.author, self.allow_unsigned, self.held is not None, self.keys])
        return hashlib.sha256(whole.encode()).hexdigest()

    def describe(self, listing: Listing) -> Candidate:
        """Give a listing as filters see it."""
        return Candidate(
            slug=listing.slug,
            version=listing.version,
            tags=listing.tags,
            author=self.author,
            level=self._level(listing),
            first_seen=listing.first_seen,
            trust=self.trust,
        )

    def _level(self, listing: Listing) -> SignatureLevel:
        """Give what the publisher's key will be proven to cover of it, should it come through.

        A v1 signature may stand elsewhere than in the catalogue; without any the release is refused, unless allowed.
        """
        if listing.statement is not None:
            return SignatureLevel.ARTIFACT
        unsigned = listing.signature is None and self.allow_unsigned
        return SignatureLevel.NONE if unsigned else SignatureLevel.METADATA


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What to fetch, and how many of the listed plugins are known, unwanted or waiting for their retry.

    ``look_again_at`` (Unix seconds) is when something that is too fresh for its subscribers now will not be any more.
    """

    fetch: tuple[Listing, ...]
    known: int
    unwanted: int
    waiting: int
    look_again_at: int | None = None


def plan_sync(
    listings: Sequence[Listing],
    known: Collection[tuple[str, str]],
    wishes: Wishes,
    failures: Mapping[tuple[str, str], SyncFailure],
    now: float,
    *,
    recheck: bool = False,
    retry_all: bool = False,
) -> SyncPlan:
    """Decide what to fetch. ``known`` and ``failures`` are keyed by (slug, version).

    With ``recheck`` the bytes of known releases are fetched again and compared; with ``retry_all`` no failure waits,
    which is for a person to say. Nothing is fetched while the source is held.
    """
    fetch: list[Listing] = []
    ripe: list[int] = []
    counts = {"known": 0, "unwanted": 0, "waiting": 0}
    for listing in listings:
        key = (listing.slug, listing.version)
        wanted, until = wishes.judge(listing, now)
        if not wanted:
            counts["unwanted"] += 1
            if until is not None and key not in known:
                ripe.append(until)
        elif key in known and not recheck:
            counts["known"] += 1
        elif wishes.held is not None or (
            not retry_all and waits(failures.get(key), listing, now, allow_unsigned=wishes.allow_unsigned)
        ):
            counts["waiting"] += 1
        else:
            fetch.append(listing)
    return SyncPlan(tuple(fetch), **counts, look_again_at=min(ripe, default=None))


def waits(failure: SyncFailure | None, listing: Listing, now: float, *, allow_unsigned: bool = False) -> bool:
    """Tell whether a failed release is left alone for now; without a next retry it waits for a person.

    A release that is listed with another statement than the one that failed is a new try.
    """
    if failure is None or (allow_unsigned and failure.code == Code.UNSIGNED.slug):
        return False
    if listing.statement is not None and listing.statement != failure.statement:
        return False
    return failure.next_retry is None or failure.next_retry > now


def plan_retry(code: Code, retry_count: int, now: float) -> int | None:
    """Give the time of the next try after ``retry_count`` earlier ones: doubling from 15 minutes up to a day.

    A security fault is never retried by itself (None): only a person may look again. Room is looked for once a day.
    """
    if code.fault is Fault.SECURITY:
        return None
    if code is Code.QUOTA_EXCEEDED:
        return int(now) + LONGEST_RETRY_S
    wait: int = FIRST_RETRY_S << min(retry_count, 20)
    return int(now) + min(wait, LONGEST_RETRY_S)


def plan_postponed(failure: SyncFailure, now: float) -> SyncFailure:
    """Put off what is due but cannot be tried now, as if it had failed again, though it did not."""
    code = next((code for code in Code if code.slug == failure.code), Code.INTERNAL)
    retries = failure.retry_count + 1
    return replace(failure, retry_count=retries, next_retry=plan_retry(code, retries, now))
