"""Retention: which releases need not be kept any longer, by a policy the operator chose.

Answers for which old versions of one plugin may be retired. Does not retire them, read a clock or know what is pinned
elsewhere. What is retired is never the newest version, nor a young one, nor one of the newest that somebody's version
range takes; and only what is offered is looked at at all, for what was yanked or blocked may be evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pfn.domain.version_range import VersionRange
from pfn.protocol.errors import Code, PfnError

_DAY = 86_400
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Policy:
    """How many of the newest versions of a plugin are kept, 0 for all, and for how many days all others are.

    Raises PfnError (``invalid_field``) for numbers that make no sense.
    """

    versions: int
    days: int

    def __post_init__(self) -> None:
        if self.versions < 0:
            raise PfnError(Code.INVALID_FIELD, "versions: must be 0, for all, or more.")
        if not 0 <= self.days <= _MOST_DAYS:
            raise PfnError(Code.INVALID_FIELD, f"days: must lie between 0 and {_MOST_DAYS}.")


@dataclass(frozen=True, slots=True)
class Offered:
    """An offered release, as retention sees it; ``mirror_date`` in Unix seconds."""

    version: str
    sha256: str
    size: int
    mirror_date: int


def choose_retired(
    policy: Policy, releases: Sequence[Offered], ranges: Sequence[VersionRange], now: float
) -> tuple[Offered, ...]:
    """Give those of a plugin's releases, newest first, that need not be kept.

    ``ranges`` are those of subscriptions that take the plugin: of each as many of the newest versions are kept.
    """
    if not policy.versions:
        return ()
    kept = {one.version for one in releases[: policy.versions]}
    for versions in ranges:
        taken = [one.version for one in releases if one.version in versions]
        kept.update(taken[: policy.versions])
    old = now - policy.days * _DAY
    return tuple(one for one in releases if one.version not in kept and one.mirror_date <= old)
