"""A source: one publisher on one instance, and the life it leads on this node.

Answers for what a source is and which status follows which event. It does not know rows, requests or clocks.

A proof that fails (security fault) makes a source ``error``; a publisher that merely cannot be reached keeps the
status it had, for silence proves nothing about its key. Only a fresh proof leads to ``verified``.
"""

from dataclasses import dataclass
from enum import StrEnum

from pfn.domain.life_cycle import LifeCycle, Transition
from pfn.protocol.errors import Fault


class SourceStatus(StrEnum):
    """Where a source stands (the seed's ``sources.status``)."""

    PENDING = "pending"
    VERIFIED = "verified"
    ERROR = "error"
    SUSPENDED = "suspended"
    REMOVED = "removed"

    @property
    def serves(self) -> bool:
        """Whether mirrored releases are offered: a failed proof stops new mirroring, not what was proven."""
        return self not in {SourceStatus.SUSPENDED, SourceStatus.REMOVED}


LIFE_CYCLE = LifeCycle(
    name="source",
    initial=SourceStatus.PENDING,
    states=tuple(SourceStatus),
    transitions=(
        Transition("pending", "verified", "verification succeeded"),
        Transition("pending", "error", "verification failed"),
        Transition("verified", "verified", "verification succeeded"),
        Transition("verified", "error", "verification failed"),
        Transition("error", "verified", "verification succeeded"),
        Transition("error", "error", "verification failed"),
        Transition("pending", "suspended", "operator suspends"),
        Transition("verified", "suspended", "operator suspends"),
        Transition("error", "suspended", "operator suspends"),
        Transition("suspended", "pending", "operator resumes"),
        Transition("pending", "removed", "operator removes"),
        Transition("verified", "removed", "operator removes"),
        Transition("error", "removed", "operator removes"),
        Transition("suspended", "removed", "operator removes"),
        Transition("removed", "pending", "operator adds again"),
    ),
)


@dataclass(frozen=True, slots=True)
class AuthorInfo:
    """What a publisher says of itself in ``/author-data``; its e-mail address is never kept."""

    username: str
    member_since: str | None = None
    website: str | None = None
    github: str | None = None
    twitter: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One row of ``sources``. Times are Unix seconds; ``public_key`` is canonical PEM (SPKI).

    ``generation`` is the protocol's it was last seen to speak, 1 or 2, and never falls; ``gates`` name findings that
    only an operator lifts.
    """

    id: str
    instance_url: str
    username: str
    public_key: str
    status: SourceStatus
    trust_score: float
    created_at: int
    last_sync: int | None = None
    asset_domain: str | None = None
    asset_naming_scheme: str | None = None
    status_code: str | None = None
    status_detail: str | None = None
    features: tuple[str, ...] = ()
    allow_unsigned: bool | None = None
    verified_since: int | None = None
    author: AuthorInfo | None = None
    generation: int = 1
    signing_oracle: bool = False
    oracle_probed_at: int | None = None
    gates: tuple[str, ...] = ()
    cool_down_until: int | None = None
    quota_plugins: int | None = None
    quota_bytes: int | None = None

    @property
    def serves(self) -> bool:
        """Whether its mirrored releases are offered."""
        return self.status.serves


def status_after_failure(status: SourceStatus, fault: Fault) -> SourceStatus:
    """Decide the status after a verification failed through ``fault``.

    Only a failed proof condemns; an unreachable or confused publisher stays what it was, and so does a source that
    an operator suspended or removed meanwhile.
    """
    if fault is Fault.SECURITY and status.serves:
        return SourceStatus(LIFE_CYCLE.next(status, "verification failed"))
    return status
