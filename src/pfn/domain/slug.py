"""Who speaks for a slug: WordPress knows plugins by the name of their folder alone, and two sources may use one name.

Answers for which source is heard under the bare slug. The source that brought a slug first holds it; whoever comes
later with the same one is held back there, reported, and served under its own source's name only. Nothing but an
operator's decision moves a slug from one source to another, so no site is ever switched to other hands unseen: neither
by a newcomer with a higher trust score, nor by the holder's being away (facts: threats, dependency confusion).

Where several sources had a slug before anyone held it, the most trusted of the verified ones is elected, once.
"""

from collections.abc import Iterable
from dataclasses import dataclass

HELD, REFUSED = "held", "refused"
"""A contest waits for the operator's word, or has had it. Neither is heard under the bare slug."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A source that has a plugin of this slug. ``since`` is when it was first mirrored, in Unix seconds."""

    source_id: str
    verified: bool
    trust: float
    since: int


@dataclass(frozen=True, slots=True)
class Holder:
    """One row of ``slugs``: who speaks for it, whether an operator said so, since when."""

    slug: str
    source_id: str
    pinned: bool
    since: int
    decided_by: str

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it."""
        return {
            "slug": self.slug,
            "source_id": self.source_id,
            "pinned": self.pinned,
            "since": self.since,
            "decided_by": self.decided_by,
        }


@dataclass(frozen=True, slots=True)
class Contest:
    """One row of ``slug_contests``: a source that came later with a slug another holds."""

    slug: str
    source_id: str
    found_at: int
    state: str

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it."""
        return {"slug": self.slug, "source_id": self.source_id, "found_at": self.found_at, "state": self.state}


def elect(claims: Iterable[Claim]) -> Claim | None:
    """Choose who speaks for a slug nobody holds: the most trusted verified source, of equals the first there was."""
    verified = [claim for claim in claims if claim.verified]
    return min(verified, key=lambda claim: (-claim.trust, claim.since, claim.source_id), default=None)
