"""A subscription: who wants what of a source.

An empty filter wants everything. Tags compare without regard to case, for publishers write them as they like.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Filters:
    """What a subscription takes: plugins with at least one of the tags, or all where no tag is named."""

    tags: tuple[str, ...] = ()

    def match(self, tags: Iterable[str]) -> bool:
        """Tell whether a plugin with these tags is wanted."""
        if not self.tags:
            return True
        wanted = {tag.casefold() for tag in self.tags}
        return any(tag.casefold() in wanted for tag in tags)

    def to_json(self) -> dict[str, object]:
        """Give the wire shape of protocol.md section 1."""
        return {"tags": list(self.tags)} if self.tags else {}


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
