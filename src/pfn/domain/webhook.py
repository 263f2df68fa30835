"""A webhook: who is told of what happens, and of how much of it.

Answers for its life cycle and for which events it wants and from when on. How its messages fare is
``pfn.domain.delivery``.

Rules: nobody is told more than he may see: an owner that is no operator hears only of sources he subscribes to, of
plugins only what his filters take, and of nothing private. What happened before a webhook was made is not for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from pfn.domain.activity import NODE, Activity, ActivityType, describe
from pfn.domain.life_cycle import LifeCycle, Transition
from pfn.domain.subscription import Candidate, Filters
from pfn.protocol.webhook import WebhookKeys

OLD_KEYS_LIVE_S: Final = 86_400
GONE, GIVEN_UP = "its receiver answers 410", "given up, and nothing delivered for five days"
ENABLE, REMOVE = "its owner enables it", "its owner removes it"

# What a filter says of a plugin rather than of one version: enough for events that are no version.
_OF_PLUGIN: Final = frozenset({"slug", "tag", "author"})


class WebhookState(StrEnum):
    """Where a webhook is in its life."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVED = "removed"


WEBHOOK_LIFE_CYCLE = LifeCycle(
    name="webhook",
    initial=WebhookState.ACTIVE,
    states=tuple(WebhookState),
    transitions=(
        Transition(WebhookState.ACTIVE, WebhookState.DISABLED, GONE),
        Transition(WebhookState.ACTIVE, WebhookState.DISABLED, GIVEN_UP),
        Transition(WebhookState.DISABLED, WebhookState.ACTIVE, ENABLE),
        Transition(WebhookState.ACTIVE, WebhookState.REMOVED, REMOVE),
        Transition(WebhookState.DISABLED, WebhookState.REMOVED, REMOVE),
    ),
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One row of ``webhooks``. Without ``kinds`` or ``sources`` it wants all its owner may see.

    ``everything`` is for operators: all sources, and private events too. ``old_keys`` sign until ``old_until``.
    Times are Unix seconds.
    """

    id: int
    owner: str
    url: str
    created_at: int
    keys: WebhookKeys = field(repr=False)
    description: str = ""
    kinds: tuple[ActivityType, ...] = ()
    sources: tuple[str, ...] = ()
    everything: bool = False
    old_keys: WebhookKeys | None = field(default=None, repr=False)
    old_until: int | None = None
    state: WebhookState = WebhookState.ACTIVE
    state_detail: str | None = None
    failing_since: int | None = None
    rest_until: int | None = None

    @property
    def host(self) -> str:
        """Whom it tells. The rest of its URL may be a password."""
        return urlsplit(self.url).netloc

    def living_keys(self, now: float) -> Sequence[WebhookKeys]:
        """Give the keys that sign now, newest first."""
        if self.old_keys is None or self.old_until is None or now >= self.old_until:
            return [self.keys]
        return [self.keys, self.old_keys]

    def asks_for(self, activity: Activity) -> bool:
        """Tell whether an event is of a kind and a source it asks for, and not hidden from it.

        It hears of what happens from its making on.
        """
        return (
            activity.timestamp >= self.created_at
            and (self.everything or not activity.private)
            and (not self.kinds or activity.type in self.kinds)
            and (not self.sources or activity.source_id in self.sources)
        )

    def disable(self, event: str, reason: str) -> "Webhook":
        """Give it as it is after ``event`` disabled it; one that is not active stays as it is."""
        if self.state is not WebhookState.ACTIVE:
            return self
        state = WebhookState(WEBHOOK_LIFE_CYCLE.next(self.state, event))
        return replace(self, state=state, state_detail=reason, rest_until=None)

    def to_json(self, now: float) -> dict[str, object]:
        """Give what may be shown: everything but what it signs with."""
        return {
            "id": self.id,
            "owner": self.owner,
            "url": self.url,
            "description": self.description,
            "kinds": [kind.value for kind in self.kinds],
            "sources": list(self.sources),
            "everything": self.everything,
            "public_key": self.keys.public_text,
            "old_keys_until": self.old_until if len(self.living_keys(now)) > 1 else None,
            "state": self.state.value,
            "state_detail": self.state_detail,
            "created_at": self.created_at,
            "failing_since": self.failing_since,
            "rest_until": self.rest_until if self.rest_until is not None and self.rest_until > now else None,
        }


def wanted_from(activity: Activity, filters: Filters, candidate: Candidate | None, now: int) -> int | None:
    """Give from when on (Unix seconds) a subscriber wants to hear of an event of a source; None for never.

    ``candidate`` is what is known of the plugin that the event is about. A release that a filter holds back for a while
    is told of when that while is over.
    """
    if activity.plugin_id is None or candidate is None:
        return now
    skips = filters.judge(candidate, now)
    if activity.type is not ActivityType.VERSION_UPDATE:
        skips = tuple(skip for skip in skips if skip.name in _OF_PLUGIN)
    if any(skip.until is None for skip in skips):
        return None
    return max([now, *(skip.until for skip in skips if skip.until is not None)])


def webhook_event(webhook: Webhook, now: int, action: str, done: str, *, actor: str = NODE) -> Activity:
    """Make the event that something was ``done`` about a webhook, told to operators alone."""
    sentence = f"Webhook {webhook.id} of {webhook.owner} ({webhook.host}) {done}."
    return Activity(
        type=ActivityType.FEDERATION_EVENT,
        timestamp=now,
        actor=actor,
        details=describe(action, sentence, webhook_id=webhook.id, owner=webhook.owner),
        private=True,
    )
