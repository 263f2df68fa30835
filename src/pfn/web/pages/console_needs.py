"""What needs the operator now: each thing as one sentence, with the page where something can be done about it.

Answers for the order, what has stopped before what merely waits, and for the words. What it looks at was measured
before; it asks nobody. A few sources and keys are named, and of more there is the number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pfn.domain.access import ApiKey
from pfn.domain.source import SourceStatus
from pfn.domain.sync import SyncState
from pfn.services.measure import Measurement
from pfn.services.readiness import Readiness, State
from pfn.web.links import source_path
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.text import ago
from pfn.web.pages.viewer import Viewer

OVERDUE_S = 3600
_NAMED = 3
_HEALTH = "#health"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing: ``bad`` where something stopped, else ``wait``; ``why`` is a stored sentence that says more."""

    kind: Literal["bad", "wait"]
    sentence: str
    path: str
    label: str
    why: str = ""


def list_needs(
    viewer: Viewer,
    measured: Measurement,
    readiness: Readiness,
    expiring: Sequence[ApiKey],
    warnings: Sequence[str],
    now: float,
) -> Sequence[Need]:
    """Give all of it, the worst first."""
    found = [
        *_of_the_node(viewer, measured, readiness, now),
        *_of_sources(viewer, measured),
        *_of_others(viewer, measured),
        *_of_keys(viewer, expiring, now),
    ]
    found += [Need("wait", warning, "/settings", gettext("Settings")) for warning in warnings]
    return sorted(found, key=lambda need: need.kind != "bad")


def _of_the_node(viewer: Viewer, measured: Measurement, readiness: Readiness, now: float) -> Iterator[Need]:
    label = gettext("Health of the node")
    if viewer.halted is not None:
        yield Need("bad", gettext("The log is halted: nothing new is taken in."), _HEALTH, label, viewer.halted)
    for check in readiness.checks:
        if check.state is not State.OK and check.name != "log":
            yield Need("bad", gettext("The node does not stand as it should."), _HEALTH, label, check.sentence)
    if measured.blobs.corrupt:
        sentence = ngettext(
            "%(num)s stored zip no longer matches its digest and is not served.",
            "%(num)s stored zips no longer match their digests and are not served.",
            measured.blobs.corrupt,
        )
        yield Need("bad", sentence, "/activity", gettext("Activity"))
    oldest = measured.oldest_due_at
    if oldest is not None and now - oldest > OVERDUE_S:
        sentence = gettext("Work was due %(when)s and nobody does it. Is a worker running?", when=ago(oldest, now))
        yield Need("bad", sentence, _HEALTH, label)


def _of_sources(viewer: Viewer, measured: Measurement) -> Iterator[Need]:
    waits = viewer.waits
    if waits.gated:
        sentence = ngettext(
            "%(num)s source contradicted itself: look at the evidence and decide.",
            "%(num)s sources contradicted themselves: look at the evidence and decide.",
            waits.gated,
        )
        yield Need("bad", sentence, "/conflicts", gettext("See the evidence"))
    failed = [one.id for one in measured.sources if one.status is SourceStatus.ERROR]
    for one in failed[:_NAMED]:
        sentence = gettext("%(source)s did not prove that it holds its key; nothing new is taken from it.", source=one)
        yield Need("bad", sentence, source_path(one), gettext("See why"))
    if len(failed) > _NAMED:
        rest = len(failed) - _NAMED
        sentence = ngettext("So did %(num)s other source.", "So did %(num)s other sources.", rest)
        yield Need("bad", sentence, "/sources?status=error", gettext("See them"))
    down = [one.id for one in measured.sources if one.health == "down"]
    for one in down[:_NAMED]:
        sentence = gettext("%(source)s does not answer; what was mirrored is still offered.", source=one)
        yield Need("wait", sentence, source_path(one), gettext("See since when"))
    if len(down) > _NAMED:
        rest = len(down) - _NAMED
        sentence = ngettext("Nor does %(num)s other source.", "Nor do %(num)s other sources.", rest)
        yield Need("wait", sentence, "/sources", gettext("See them"))
    if waits.quarantined:
        sentence = ngettext(
            "%(num)s release is in quarantine: it failed a check and is not served.",
            "%(num)s releases are in quarantine: they failed a check and are not served.",
            waits.quarantined,
        )
        yield Need("wait", sentence, "/quarantine", gettext("Look at it"))
    broken = sum(one.last_state is SyncState.FAILED for one in measured.sources)
    if broken:
        sentence = ngettext(
            "The last sync of %(num)s source failed.", "The last syncs of %(num)s sources failed.", broken
        )
        yield Need("wait", sentence, "/syncs", gettext("See the syncs"))
    held = sum(measured.failures.values())
    if held:
        sentence = ngettext(
            "%(num)s thing that was listed did not come through.",
            "%(num)s things that were listed did not come through.",
            held,
        )
        yield Need("wait", sentence, "/syncs#failures", gettext("See why"))


def _of_others(viewer: Viewer, measured: Measurement) -> Iterator[Need]:
    waits = viewer.waits
    if waits.contested:
        sentence = ngettext(
            "%(num)s slug is claimed by more than one source.",
            "%(num)s slugs are claimed by more than one source.",
            waits.contested,
        )
        yield Need("wait", sentence, "/slugs", gettext("Decide"))
    if waits.proposed:
        sentence = ngettext(
            "%(num)s source that peers mirror waits for your answer.",
            "%(num)s sources that peers mirror wait for your answer.",
            waits.proposed,
        )
        yield Need("wait", sentence, "/peers", gettext("Answer"))
    if waits.peers:
        sentence = ngettext(
            "%(num)s peer waits for you, or contradicted itself.",
            "%(num)s peers wait for you, or contradicted themselves.",
            waits.peers,
        )
        yield Need("wait", sentence, "/peers", gettext("See the peers"))
    if waits.webhooks:
        sentence = ngettext(
            "%(num)s webhook is disabled or has messages that could not be delivered.",
            "%(num)s webhooks are disabled or have messages that could not be delivered.",
            waits.webhooks,
        )
        yield Need("wait", sentence, "/webhooks", gettext("See the webhooks"))
    stale = [one for one in measured.active_peers if one.is_witness]
    if stale and not measured.witnessing_operators:
        sentence = gettext("No witness has signed the log for a day, so new proofs lack their signatures.")
        yield Need("wait", sentence, _HEALTH, gettext("See the witnesses"))


def _of_keys(viewer: Viewer, expiring: Sequence[ApiKey], now: float) -> Iterator[Need]:
    own = viewer.grant.key_id if viewer.grant else None
    for key in expiring[:_NAMED]:
        when = ago(key.expires_at, now)
        if key.id == own:
            sentence = gettext("The key you are signed in with ends %(when)s.", when=when)
        else:
            sentence = gettext(
                "The key %(key)s (%(about)s) ends %(when)s.", key=key.id, about=key.description, when=when
            )
        yield Need("wait", sentence, "/keys", gettext("See the keys"))
    if len(expiring) > _NAMED:
        rest = len(expiring) - _NAMED
        sentence = ngettext("%(num)s other key ends soon.", "%(num)s other keys end soon.", rest)
        yield Need("wait", sentence, "/keys", gettext("See the keys"))
