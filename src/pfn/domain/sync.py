"""A sync: what a publisher lists against what is known, and the plan that follows.

Pure: the catalogue, the known releases, the subscriptions and the failures go in, a plan comes out. It fetches
only what is new, wanted and not waiting for a retry; a second run that finds nothing new plans nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pfn.domain.subscription import Filters
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
    """One row of ``syncs``: ``total`` listed, ``wanted`` to fetch, of which ``done`` = ``mirrored`` + ``failed``."""

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
    """One plugin as the publisher's catalogue announces it; of v2 with the hash of the ``statement`` it names."""

    slug: str
    name: str
    version: str
    description: str | None
    tags: tuple[str, ...] = ()
    signature: str | None = None
    signed: "SignedListing | None" = None
    statement: str | None = None


@dataclass(frozen=True, slots=True)
class SignedListing:
    """What a v2 publisher signed about a listed release: its verified statement, as it came, and the zip's URL."""

    verified: VerifiedStatement
    envelope: bytes
    url: str


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What to fetch, and how many of the listed plugins are known, unwanted or waiting for their retry."""

    fetch: tuple[Listing, ...]
    known: int
    unwanted: int
    waiting: int


def plan_sync(
    listings: Sequence[Listing],
    known: Collection[tuple[str, str]],
    wanted: Sequence[Filters],
    failures: Mapping[tuple[str, str], SyncFailure],
    now: float,
    *,
    allow_unsigned: bool = False,
    recheck: bool = False,
) -> SyncPlan:
    """Decide what to fetch. ``known`` and ``failures`` are keyed by (slug, version).

    With ``recheck`` the bytes of known releases are fetched again and compared, and no failure waits.
    """
    fetch: list[Listing] = []
    counts = {"known": 0, "unwanted": 0, "waiting": 0}
    for listing in listings:
        key = (listing.slug, listing.version)
        if not any(filters.match(listing.tags) for filters in wanted):
            counts["unwanted"] += 1
        elif key in known and not recheck:
            counts["known"] += 1
        elif not recheck and waits(failures.get(key), listing, now, allow_unsigned=allow_unsigned):
            counts["waiting"] += 1
        else:
            fetch.append(listing)
    return SyncPlan(tuple(fetch), **counts)


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

    A security fault is never retried by itself (None): only a person may look again.
    """
    if code.fault is Fault.SECURITY:
        return None
    wait: int = FIRST_RETRY_S << min(retry_count, 20)
    return int(now) + min(wait, LONGEST_RETRY_S)
