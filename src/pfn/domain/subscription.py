"""A subscription: who wants what of a source.

Answers for whether one listed release is wanted, and with every reason where it is not. Takes no decision about what is
mirrored already: a release that nobody wants any more stays.

An empty filter wants everything. Every condition that is set must hold; of the values of one condition one is enough.
Words compare without regard to case, for publishers write them as they like. Adding a condition never takes more.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Self

from pfn.domain.release import SignatureLevel
from pfn.domain.version_range import ANY_VERSION, VersionRange
from pfn.protocol.errors import Code, PfnError

_DAY_S: Final = 86_400
_LONGEST_AGE_DAYS: Final = 3650
_LEVELS: Final = tuple(SignatureLevel)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listed release, as a filter sees it.

    ``level`` is what the publisher's key covers of what is listed; ``first_seen`` when this node first saw the version
    listed (Unix seconds); ``trust`` that of the source, now.
    """

    slug: str
    version: str
    tags: tuple[str, ...]
    author: str
    level: SignatureLevel
    first_seen: int
    trust: float


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a release is not taken: a stable word, a sentence, and when the reason ends by itself (Unix seconds).

    The words: ``slug``, ``tag``, ``author``, ``trust``, ``level``, ``version``, ``age``. Only ``age`` ends by itself.
    """

    name: str
    sentence: str
    until: int | None = None

    def to_json(self) -> dict[str, object]:
        """Give it as the API shows it."""
        return {"name": self.name, "sentence": self.sentence, "until": self.until}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a subscription takes. An empty or missing condition asks for nothing.

    ``minimum_trust`` lies between 0 and 1; ``minimum_age_days`` is the cool-down counted from when this node first saw
    the version. Raises PfnError (``invalid_field``) for numbers that make no sense.
    """

    tags: tuple[str, ...] = ()
    slugs: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    minimum_trust: float | None = None
    minimum_level: SignatureLevel | None = None
    versions: VersionRange = ANY_VERSION
    minimum_age_days: float = 0

    def __post_init__(self) -> None:
        if self.minimum_trust is not None and not 0 <= self.minimum_trust <= 1:
            raise PfnError(Code.INVALID_FIELD, "minimum_trust: must lie between 0 and 1.")
        if not 0 <= self.minimum_age_days <= _LONGEST_AGE_DAYS:
            raise PfnError(Code.INVALID_FIELD, f"minimum_age_days: must lie between 0 and {_LONGEST_AGE_DAYS}.")

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` gave, of this version or of one that knew tags alone."""
        level = stored.get("minimum_level")
        return cls(
            tags=tuple(stored.get("tags", ())),
            slugs=tuple(stored.get("slugs", ())),
            authors=tuple(stored.get("authors", ())),
            minimum_trust=stored.get("minimum_trust"),
            minimum_level=None if level is None else SignatureLevel(level),
            versions=VersionRange.parse(stored.get("versions", "")),
            minimum_age_days=stored.get("minimum_age_days", 0),
        )

    def to_json(self) -> dict[str, object]:
        """Give the wire shape (protocol.md section 1): the conditions that are set, always in the same order."""
        conditions: dict[str, object] = {
            "tags": list(self.tags),
            "slugs": list(self.slugs),
            "authors": list(self.authors),
            "minimum_trust": self.minimum_trust,
            "minimum_level": None if self.minimum_level is None else self.minimum_level.value,
            "versions": str(self.versions),
            "minimum_age_days": self.minimum_age_days or None,
        }
        return {name: value for name, value in conditions.items() if value is not None and value not in ([], "")}

    def judge(self, candidate: Candidate, now: float) -> tuple[Skip, ...]:
        """Give every reason not to take a release; none where it is wanted. ``now`` is in Unix seconds.

        The answer changes without a new listing: at a skip's ``until``, and with the source's trust.
        """
        skips: list[Skip] = []
        if self.slugs and candidate.slug.casefold() not in _fold_once(self.slugs):
            skips.append(Skip("slug", f"{candidate.slug} is not among the plugins asked for."))
        if self.tags and _fold_once(self.tags).isdisjoint(_fold(candidate.tags)):
            skips.append(Skip("tag", f"It has none of the tags: {', '.join(self.tags)}."))
        if self.authors and candidate.author.casefold() not in _fold_once(self.authors):
            skips.append(Skip("author", f"Its author {candidate.author} is not among: {', '.join(self.authors)}."))
        if self.minimum_trust is not None and candidate.trust < self.minimum_trust:
            skips.append(Skip("trust", f"Its source has trust {candidate.trust:.2f}, below {self.minimum_trust:g}."))
        if self.minimum_level is not None and _LEVELS.index(candidate.level) < _LEVELS.index(self.minimum_level):
            skips.append(Skip("level", f"Its signature level is {candidate.level}, below {self.minimum_level}."))
        if candidate.version not in self.versions:
            skips.append(Skip("version", f"Its version {candidate.version} is outside {self.versions}."))
        ripe_at = candidate.first_seen + math.ceil(self.minimum_age_days * _DAY_S)
        if self.minimum_age_days and now < ripe_at:
            when = datetime.fromtimestamp(ripe_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
            skips.append(
                Skip("age", f"It is listed for less than {_days(self.minimum_age_days)}: wait until {when}.", ripe_at)
            )
        return tuple(skips)

    def describe(self) -> str:
        """Give the filter in words."""
        said = []
        if self.slugs:
            said.append(f"plugins {_either(self.slugs)}")
        if self.tags:
            said.append(f"tagged {_either(self.tags)}")
        if self.authors:
            said.append(f"by {_either(self.authors)}")
        if self.minimum_trust is not None:
            said.append(f"trust {self.minimum_trust:g} or more")
        if self.minimum_level is not None:
            said.append(f"signature level {self.minimum_level} or better")
        if self.versions.conditions:
            said.append(f"versions {self.versions}")
        if self.minimum_age_days:
            said.append(f"listed for {_days(self.minimum_age_days)} or longer")
        return "; ".join(said) or "everything"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One row of ``subscriptions``; ``subscriber`` is the owner of the key that made it."""

    id: int
    source_id: str
    subscriber: str
    filters: Filters
    created_at: int
    ended_at: int | None = None

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it."""
        return {
            "id": self.id,
            "source_id": self.source_id,
            "subscriber": self.subscriber,
            "filters": self.filters.to_json(),
            "created_at": self.created_at,
            "ended_at": self.ended_at,
        }


def _fold(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.casefold() for word in words)


# A filter's own words: the same for each of the many releases it judges.
_fold_once = lru_cache(maxsize=256)(_fold)


def _either(words: Sequence[str]) -> str:
    return " or ".join(words)


def _days(number: float) -> str:
    return f"{number:g} day{'' if number == 1 else 's'}"
