"""Where one can go from every page: what is for everybody, and to whom is signed in the console.

A link is shown to those who may open its page; to operators it says how much waits there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pfn.domain.access import Scope
from pfn.storage.attention import Attention
from pfn.web.pages.language import N_, translate
from pfn.web.pages.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Link:
    """One place: ``current`` where the page is there or below, ``waiting`` how many things wait there."""

    path: str
    label: str
    current: bool
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the console; without a ``scope`` it is for operators."""

    path: str
    label: str
    scope: Scope | None = None
    waiting: Callable[[Attention], int] = lambda waits: 0


_PUBLIC = (
    ("/plugins", N_("Plugins")),
    ("/sources", N_("Sources")),
    ("/activity", N_("Activity")),
    ("/about", N_("About")),
)
_CONSOLE = (
    _Place("/console", N_("Overview"), waiting=lambda waits: waits.failed + waits.proposed),
    _Place("/syncs", N_("Syncs"), Scope.SOURCES_READ),
    _Place("/quarantine", N_("Quarantine"), waiting=lambda waits: waits.quarantined),
    _Place("/conflicts", N_("Conflicts"), waiting=lambda waits: waits.gated),
    _Place("/slugs", N_("Slugs"), Scope.SOURCES_READ, lambda waits: waits.contested),
    _Place("/subscriptions", N_("Subscriptions"), Scope.SOURCES_READ),
    _Place("/webhooks", N_("Webhooks"), Scope.SUBSCRIPTIONS_WRITE, lambda waits: waits.webhooks),
    _Place("/peers", N_("Peers"), Scope.SOURCES_READ, lambda waits: waits.peers),
    _Place("/keys", N_("Keys"), Scope.KEYS_ADMIN),
    _Place("/care", N_("Care")),
    _Place("/audit", N_("Audit")),
    _Place("/settings", N_("Settings")),
)


def list_public(path: str) -> Sequence[Link]:
    """Give the places that are for everybody, as seen from ``path``."""
    return [Link(place, translate(label), _is_within(path, place)) for place, label in _PUBLIC]


def list_console(path: str, viewer: Viewer) -> Sequence[Link]:
    """Give the places that a viewer may go to beyond those."""
    return [
        Link(place.path, translate(place.label), _is_within(path, place.path), place.waiting(viewer.waits))
        for place in _CONSOLE
        if (viewer.is_operator if place.scope is None else viewer.may(place.scope))
    ]


def _is_within(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")
