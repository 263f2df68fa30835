"""Subscriptions: which there are, and the end of one: first a page that says what follows, then the deed."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from pfn.domain.access import Scope
from pfn.domain.subscription import Subscription
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.pages.filter_form import write_fields
from pfn.web.pages.language import gettext
from pfn.web.pages.note import Note
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToSubscribe
from pfn.web.pages.subscribe import SubscriptionId
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)


@router.get("/subscriptions")
async def show_subscriptions(
    request: Request,
    node: Node,
    viewer: Seen,
    source: Annotated[str, Query(max_length=400)] = "",
    whose: Annotated[str, Query(max_length=20)] = "",
    ended: Annotated[str, Query(max_length=20)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Show the viewer's subscriptions, to an operator everybody's; ``whose=mine`` leaves his own, ``ended=too`` adds
    those that ended.

    Raises PfnError: ``key_required``, ``scope_missing``.
    """
    grant = require_viewer(viewer)
    require(grant, Scope.SOURCES_READ)
    page = await node.subscriptions.page(
        grant, source_id=source or None, own=whose == "mine", ended=ended == "too", before=before
    )
    asked = {"source": source, "whose": whose if whose == "mine" else "", "ended": ended if ended == "too" else ""}
    return render(
        request,
        viewer,
        "subscriptions.html",
        page=page,
        asked=asked,
        address=lambda **changes: _address(asked | changes),
        before=before,
        again=_again,
    )


@router.get("/subscriptions/{subscription_id}/end")
async def show_end_subscription(
    subscription_id: SubscriptionId, request: Request, node: Node, viewer: Seen
) -> Response:
    """Ask. Raises PfnError: ``key_required``, ``scope_missing``, ``subscription_unknown``."""
    grant = require_viewer(viewer)
    found = await node.subscriptions.get(grant, subscription_id)
    overview = await node.source_reports.overview(found.source_id)
    return render(
        request,
        viewer,
        "subscription_end.html",
        subscription=found,
        others=max(0, overview.subscriber_count - (found.ended_at is None)),
        plugins=overview.plugin_count,
        own=found.subscriber == grant.owner,
    )


@router.post("/subscriptions/{subscription_id}/end")
async def end_subscription(subscription_id: SubscriptionId, node: Node, form: ToSubscribe) -> Response:
    """End it; the note leads to the form that would make it again. Raises PfnError (``subscription_unknown``)."""
    ended = await node.subscriptions.end(form.grant, subscription_id)
    said = gettext(
        "The subscription of %(subscriber)s to %(source)s has ended. What it brought stays mirrored.",
        subscriber=ended.subscriber,
        source=ended.source_id,
    )
    if ended.subscriber != form.grant.owner:
        return go_to("/subscriptions", node, said)
    return go_to("/subscriptions", node, Note(said, _again(ended), gettext("Undo: subscribe again as it was")))


def _address(asked: Mapping[str, object]) -> str:
    given = {name: value for name, value in asked.items() if value}
    return f"/subscriptions?{urlencode(given)}" if given else "/subscriptions"


def _again(ended: Subscription) -> str:
    """Give the address of the form that has an ended subscription's filters in it."""
    typed = {name: value for name, value in write_fields(ended.filters).items() if value}
    return f"/subscriptions/new?{urlencode({'source': ended.source_id, **typed})}"
