"""Subscribe to a source, change what a subscription takes, and see first what that would be.

One form does it: the button says what. A form keeps what was typed where something in it cannot be used. Under the
form stands what the filters in the address would take, so that a script can renew it while somebody types
(``fragment``) and a link can bring filters along.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from pfn.domain.access import Grant, Scope
from pfn.domain.source import SourceStatus
from pfn.domain.subscription import Filters, Subscription
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.services.access import require
from pfn.services.background import Background
from pfn.services.node import Services
from pfn.services.subscription import Preview
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.filter_form import field_of, read_fields, read_query, to_filters, write_fields
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.source_sync import describe_sync
from pfn.web.pages.submission import ToSubscribe
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen, Viewer

router = APIRouter(include_in_schema=False)

SubscriptionId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Fragment = Annotated[str, Query(max_length=20)]
_NEW = "/subscriptions/new"
_NAMED = 200
_SHOWN = 200
_TOO_SLOW = PfnError(Code.SOURCE_UNREACHABLE, "The publisher takes long to answer. Try again.")


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being written: where the form goes, what was typed, and of which subscription or source."""

    action: str
    source_id: str
    typed: Mapping[str, str]
    subscription: Subscription | None = None


@router.get("/subscriptions/new")
async def show_subscribe(
    request: Request,
    node: Node,
    tasks: Tasks,
    viewer: Seen,
    source: Annotated[str, Query(max_length=400)] = "",
    fragment: Fragment = "",
) -> Response:
    """Show the form, and what its filters would take. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SUBSCRIPTIONS_WRITE)
    draft = Draft(_NEW, source, read_query(request.query_params))
    return await _show_live(request, node, tasks, viewer, draft, fragment)


@router.post("/subscriptions/new")
async def subscribe_to_any(request: Request, node: Node, tasks: Tasks, form: ToSubscribe) -> Response:
    """Subscribe to the source that is named. Raises nothing for what can be said in the form."""
    draft = Draft(_NEW, form.text("source", longest=400), read_fields(form))
    return await _act(request, node, tasks, form.viewer, draft, preview=form.text("do") == "preview")


@router.post("/sources/{source_id}/subscribe")
async def subscribe(source_id: str, request: Request, node: Node, tasks: Tasks, form: ToSubscribe) -> Response:
    """Subscribe the key's owner and mirror what the filters take, or only show what they would take.

    Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``.
    """
    draft = Draft(f"{source_path(source_id)}/subscribe", source_id, read_fields(form))
    return await _act(request, node, tasks, form.viewer, draft, preview=form.text("do") == "preview")


@router.get("/subscriptions/{subscription_id}")
async def show_subscription(
    subscription_id: SubscriptionId, request: Request, node: Node, tasks: Tasks, viewer: Seen, fragment: Fragment = ""
) -> Response:
    """Show a subscription, to be changed. Raises PfnError: ``key_required``, ``scope_missing``,
    ``subscription_unknown``.
    """
    found = await node.subscriptions.get(require_viewer(viewer), subscription_id)
    typed = read_query(request.query_params) if fragment or _is_asked(request) else write_fields(found.filters)
    draft = Draft(f"/subscriptions/{subscription_id}", found.source_id, typed, found)
    return await _show_live(request, node, tasks, viewer, draft, fragment)


@router.post("/subscriptions/{subscription_id}")
async def change_subscription(
    subscription_id: SubscriptionId, request: Request, node: Node, tasks: Tasks, form: ToSubscribe
) -> Response:
    """Change what it takes. Raises PfnError: ``subscription_unknown``, ``wrong_state`` where it has ended."""
    found = await node.subscriptions.get(form.grant, subscription_id)
    draft = Draft(f"/subscriptions/{subscription_id}", found.source_id, read_fields(form), found)
    return await _act(request, node, tasks, form.viewer, draft, preview=form.text("do") == "preview")


async def _act(
    request: Request, node: Services, tasks: Background, viewer: Viewer, draft: Draft, *, preview: bool
) -> Response:
    """Do what the button says; where something typed cannot be used, show the form again with it."""
    grant = require_viewer(viewer)
    try:
        filters = to_filters(draft.typed)
        if preview:
            return await _show(request, node, viewer, draft, await _preview(node, tasks, grant, draft, filters))
        return await _keep(node, tasks, grant, draft, filters)
    except PfnError as error:
        named = draft.action == _NEW and error.code in {Code.SOURCE_UNKNOWN, Code.SOURCE_NOT_VERIFIED}
        if field_of(error) is None and error.code.fault is Fault.CALLER and not named:
            raise
        return await _show(request, node, viewer, draft, error=error)


async def _keep(node: Services, tasks: Background, grant: Grant, draft: Draft, filters: Filters) -> Response:
    if draft.subscription is not None:
        await node.subscriptions.change(grant, draft.subscription.id, filters)
        note = gettext("Changed. The source is synced as soon as a worker is free.")
        return go_to("/subscriptions", node, note)
    work = node.subscriptions.subscribe(grant, draft.source_id, filters)
    done = await wait_briefly(tasks, f"subscribe {draft.source_id}", work)
    note = gettext("Subscribed. %(sync)s", sync=describe_sync(done.outcome if done else None))
    return go_to(source_path(draft.source_id), node, note)


async def _show_live(
    request: Request, node: Services, tasks: Background, viewer: Viewer, draft: Draft, fragment: str
) -> Response:
    """Show the form with what its filters would take; what is wrong is said there, where somebody is typing."""
    preview = error = None
    if draft.source_id:
        try:
            preview = await _preview(node, tasks, require_viewer(viewer), draft, to_filters(draft.typed))
        except PfnError as found:
            error = found
    return await _show(request, node, viewer, draft, preview, error, fragment=bool(fragment), live=True)


async def _preview(node: Services, tasks: Background, grant: Grant, draft: Draft, filters: Filters) -> Preview:
    found = await wait_briefly(
        tasks, f"preview {draft.source_id}", node.subscriptions.preview(grant, draft.source_id, filters)
    )
    if found is None:
        raise _TOO_SLOW
    return found


async def _show(
    request: Request,
    node: Services,
    viewer: Viewer,
    draft: Draft,
    preview: Preview | None = None,
    error: PfnError | None = None,
    *,
    fragment: bool = False,
    live: bool = False,
) -> Response:
    field = field_of(error) if error else None
    choose = draft.action == _NEW and not fragment
    return render(
        request,
        viewer,
        "_preview_page.html" if fragment else "subscribe.html",
        # A page that shows what an address asks for is there, whatever is wrong with what it asks for.
        200 if error is None or live else error.code.status,
        draft=draft,
        given=draft.typed,
        names=await _name_sources(node) if choose else None,
        preview=preview,
        most=_SHOWN,
        error=error.detail if error else None,
        field=field,
    )


async def _name_sources(node: Services) -> list[str]:
    """Give the sources one can subscribe to, as many as a list to choose from can hold."""
    verified = [one.source.id for one in await node.source_reports.list() if one.source.status is SourceStatus.VERIFIED]
    return sorted(verified[:_NAMED])


def _is_asked(request: Request) -> bool:
    return any(read_query(request.query_params).values())
