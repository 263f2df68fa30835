"""What a source lists against what it listed before: which plugins changed, which are gone, whether that is believed.

Pure: both lists and the time go in, the difference comes out. A catalogue that suddenly lacks most of its plugins is
more often a broken publisher than a decision, so its losses are not believed until it has looked like that for a week.
What is new in it is taken meanwhile. Nothing here says that a mirrored release goes away: it stays, listed or not.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pfn.domain.sync import Listing

FEWEST_PLUGINS = 10
BELIEVED_AFTER_S = 7 * 86_400


class LossVerdict(StrEnum):
    """What a look at a shrunken catalogue, or at one that was, leads to."""

    SUSPECTED = "suspected"
    ACCEPTED = "accepted"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Loss:
    """The plugins to mark as listed no more, since when most are missing, and what is new about that.

    ``missing`` are all that were listed before and are not now, believed or not.
    """

    gone: frozenset[str]
    missing: int
    shrank_at: int | None
    verdict: LossVerdict | None = None


def find_changes(known: Mapping[str, Listing], listed: Iterable[Listing], now: int) -> tuple[Listing, ...]:
    """Give what is listed otherwise than it is known, dated; ``known`` is keyed by slug, unlisted plugins too."""
    dated = (date_listing(known.get(listing.slug), listing, now) for listing in listed)
    return tuple(listing for listing in dated if listing != known.get(listing.slug))


def date_listing(before: Listing | None, listing: Listing, now: int) -> Listing:
    """Say since when this very version, and of v2 this very statement, is listed."""
    same = before is not None and (before.version, before.statement) == (listing.version, listing.statement)
    return replace(listing, signed=None, first_seen=before.first_seen if before and same else now, unlisted_at=None)


def judge_loss(known: Collection[str], listed: Collection[str], shrank_at: int | None, now: int) -> Loss:
    """Tell which of the ``known`` plugins are gone, unless too many are missing to be believed at once.

    ``known`` are the slugs listed so far, ``listed`` those listed now; ``shrank_at`` is what the last look said.
    """
    missing = frozenset(known) - frozenset(listed)
    if len(known) < FEWEST_PLUGINS or 2 * (len(known) - len(missing)) >= len(known):
        return Loss(missing, len(missing), None, LossVerdict.RECOVERED if shrank_at is not None else None)
    if shrank_at is None:
        return Loss(frozenset(), len(missing), now, LossVerdict.SUSPECTED)
    if is_believed(shrank_at, now):
        return Loss(missing, len(missing), None, LossVerdict.ACCEPTED)
    return Loss(frozenset(), len(missing), shrank_at)


def is_believed(shrank_at: int | None, now: float) -> bool:
    """Tell whether a catalogue has lacked most of its plugins for so long that it is meant."""
    return shrank_at is not None and now >= shrank_at + BELIEVED_AFTER_S
