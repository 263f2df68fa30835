"""The audit trail: what people did here, newest first, and with which key; what the node did by itself is activity."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from pfn.domain.access import Scope
from pfn.domain.activity import ActivityFilter
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.pages.activity import Filled, begin_day, keep_set
from pfn.web.pages.language import N_, Words
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

Actor = Filled[Annotated[str, Field(max_length=100)]]
Kind = Filled[Annotated[str, Field(max_length=40)]]

ACTIONS: Final[Mapping[str, frozenset[str]]] = {
    "keys": frozenset({"key_created", "key_revoked"}),
    "sessions": frozenset({"signed_in", "signed_out"}),
    "sources": frozenset(
        {
            *("source_added", "source_updated", "source_removed", "source_purged", "source_suspended"),
            *("source_resumed", "source_policy", "source_quota", "custody_reset", "gates_lifted"),
            *("verification_succeeded", "verification_failed"),
        }
    ),
    "subscriptions": frozenset({"subscribed", "unsubscribed", "subscription_changed"}),
    "webhooks": frozenset(
        {"webhook_added", "webhook_changed", "webhook_keys_rotated", "webhook_enabled", "webhook_removed"}
    ),
    "quarantine": frozenset({"quarantine_released", "quarantine_dropped"}),
    "slugs": frozenset({"slug_pinned", "slug_refused"}),
    "peers": frozenset(
        {
            *("peer_added", "peer_accepted", "peer_refused", "peer_changed"),
            *("peer_suspended", "peer_resumed", "peer_forgiven"),
            *("peer_removed", "proposal_refused"),
        }
    ),
    "log": frozenset({"log_recovered", "log_resumed"}),
}
_KINDS = Words(
    {
        "keys": N_("Keys made and revoked"),
        "sessions": N_("Signed in and out"),
        "sources": N_("Sources"),
        "subscriptions": N_("Subscriptions"),
        "webhooks": N_("Webhooks"),
        "quarantine": N_("Quarantine"),
        "slugs": N_("Slugs"),
        "peers": N_("Peers"),
        "log": N_("Log"),
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the trail is wanted, and how an address says so."""

    wanted: ActivityFilter
    query: dict[str, str]


def read_asked(actor: Actor = None, kind: Kind = None, first: Filled[date] = None, last: Filled[date] = None) -> Asked:
    """Read it; ``first`` and ``last`` are days, in UTC, both included; an unknown ``kind`` is all."""
    wanted = ActivityFilter(
        actions=ACTIONS.get(kind or "", frozenset()),
        actor=actor,
        by_people=True,
        since=begin_day(first),
        until=begin_day(last, days_later=1),
    )
    given = {"actor": actor, "kind": kind if kind in ACTIONS else None, "first": first, "last": last}
    return Asked(wanted, keep_set(given))


OfTrail = Annotated[Asked, Depends(read_asked)]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.get("/audit")
async def show_audit(request: Request, node: Node, viewer: Seen, asked: OfTrail, before: Before = None) -> Response:
    """Show a page of it. Raises PfnError: ``key_required``, ``scope_missing``."""
    grant = require_viewer(viewer)
    require(grant, Scope.SOURCES_WRITE)
    return render(
        request,
        viewer,
        "audit.html",
        page=await node.activities.list(grant, asked.wanted, before=before),
        kinds=_KINDS,
        before=before,
        asked=asked.query,
    )
