"""What happened: the kinds of events in the one growing history, and how to ask for some of them.

``seq`` grows with every event and is never reused; the activity feed reads it backwards, live readers forwards. An
event that only the operator should see (keys, sessions, who subscribed) is ``private``.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from pfn.domain.source import Source

NODE = "node"
"""The actor of what the node does by itself."""


class ActivityType(StrEnum):
    """The four kinds of protocol.md section 1."""

    VERSION_UPDATE = "version_update"
    SOURCE_VERIFICATION = "source_verification"
    FEDERATION_EVENT = "federation_event"
    HEALTH_CHANGE = "health_change"


@dataclass(frozen=True, slots=True)
class Activity:
    """One event. ``details`` always has an ``action`` and a ``sentence``; ``actor`` is a key's id or ``node``.

    ``notified`` is there for version updates alone: whether every notice of it was delivered.
    """

    type: ActivityType
    timestamp: int
    actor: str
    details: dict[str, object]
    seq: int = 0
    source_id: str | None = None
    source_username: str | None = None
    plugin_id: str | None = None
    plugin_name: str | None = None
    old_version: str | None = None
    new_version: str | None = None
    private: bool = field(default=False)
    notified: bool | None = None

    @property
    def action(self) -> str:
        """The stable word for what was done."""
        return str(self.details["action"])

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        return str(self.details["sentence"])

    def to_json(self) -> dict[str, object]:
        """Give the row shape of protocol.md section 1, for who has a key of this node."""
        return {**self.to_public_json(), "actor": self.actor, "private": self.private, "notified": self.notified}

    def to_public_json(self) -> dict[str, object]:
        """Give the row without what is between the node and its key holders: which key acted, who was told."""
        return {
            "type": self.type.value,
            "plugin_id": self.plugin_id,
            "source_id": self.source_id,
            "old_version": self.old_version,
            "new_version": self.new_version,
            "timestamp": self.timestamp,
            "plugin_name": self.plugin_name,
            "source_username": self.source_username,
            "seq": self.seq,
            "details": self.details,
        }


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Which events are wanted: all of those that meet every condition that is set.

    ``since`` is included and ``until`` is not, both in Unix seconds. ``private`` True wants private events alone, False
    none of them. ``by_people`` wants what somebody did with a key; ``actor`` is the id of one.
    """

    kinds: frozenset[ActivityType] = frozenset()
    actions: frozenset[str] = frozenset()
    actor: str | None = None
    by_people: bool = False
    source_id: str | None = None
    plugin_id: str | None = None
    since: int | None = None
    until: int | None = None
    private: bool | None = None

    def match(self, activity: Activity) -> bool:
        """Tell whether an event is wanted."""
        return (
            (not self.kinds or activity.type in self.kinds)
            and (not self.actions or activity.action in self.actions)
            and self.actor in {None, activity.actor}
            and (not self.by_people or activity.actor != NODE)
            and self.source_id in {None, activity.source_id}
            and self.plugin_id in {None, activity.plugin_id}
            and (self.since is None or activity.timestamp >= self.since)
            and (self.until is None or activity.timestamp < self.until)
            and self.private in {None, activity.private}
        )


EVERYTHING = ActivityFilter()


def describe(action: str, sentence: str, **more: object) -> dict[str, object]:
    """Give the ``details`` of an event: a stable action word, a sentence for people, and facts."""
    return {"action": action, "sentence": sentence, **more}


def source_event(
    source: Source,
    now: int,
    details: dict[str, object],
    *,
    actor: str = NODE,
    plugin_id: str | None = None,
    plugin_name: str | None = None,
    new_version: str | None = None,
    private: bool = False,
) -> Activity:
    """Make a federation event about a source, or about a release of it."""
    return Activity(
        type=ActivityType.FEDERATION_EVENT,
        timestamp=now,
        actor=actor,
        source_id=source.id,
        source_username=source.username,
        plugin_id=plugin_id,
        plugin_name=plugin_name,
        new_version=new_version,
        details=details,
        private=private,
    )
