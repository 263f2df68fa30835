"""Subscribe to a source, see first what that would take, and end a subscription.

One form does both: the button says which. A form keeps what was typed where something in it cannot be used.
"""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from pfn.domain.subscription import Filters
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.services.node import Services
from pfn.services.subscription import Preview
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.filter_form import field_of, read_fields, to_filters
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.source_sync import describe_sync
from pfn.web.pages.submission import Submission, ToSubscribe
from pfn.web.pages.template import go_to, render

router = APIRouter(include_in_schema=False)

_TOO_SLOW = PfnError(Code.SOURCE_UNREACHABLE, "The publisher takes long to answer. Try again.")


@router.post("/sources/{source_id}/subscribe")
async def subscribe(source_id: str, request: Request, node: Node, tasks: Tasks, form: ToSubscribe) -> Response:
    """Subscribe the key's owner and mirror what the filters take, or only show what they would take.

    Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``, ``invalid_field``.
    """
    typed = read_fields(form)
    try:
        filters = to_filters(typed)
        if form.text("do") == "preview":
            found = await _preview(node, tasks, form, source_id, filters)
            return await _show(request, node, form, source_id, typed, preview=found)
    except PfnError as error:
        if field_of(error) is None and error.code.fault is Fault.CALLER:
            raise
        return await _show(request, node, form, source_id, typed, error=error)
    work = node.subscriptions.subscribe(form.grant, source_id, filters)
    done = await wait_briefly(tasks, f"subscribe {source_id}", work)
    return go_to(source_path(source_id), node, f"Subscribed. {describe_sync(done.outcome if done else None)}")


@router.post("/subscriptions/{subscription_id}/end")
async def unsubscribe(subscription_id: int, node: Node, form: ToSubscribe) -> Response:
    """End a subscription. Raises PfnError (``subscription_unknown``)."""
    ended = await node.subscriptions.end(form.grant, subscription_id)
    note = f"The subscription of {ended.subscriber} has ended. What it brought stays mirrored."
    return go_to(source_path(ended.source_id), node, note)


async def _preview(node: Services, tasks: Tasks, form: Submission, source_id: str, filters: Filters) -> Preview:
    found = await wait_briefly(
        tasks, f"preview {source_id}", node.subscriptions.preview(form.grant, source_id, filters)
    )
    if found is None:
        raise _TOO_SLOW
    return found


async def _show(
    request: Request,
    node: Services,
    form: Submission,
    source_id: str,
    typed: Mapping[str, str],
    *,
    preview: Preview | None = None,
    error: PfnError | None = None,
) -> Response:
    """Show the form again, with what its filters would take or what is wrong."""
    return render(
        request,
        form.viewer,
        "subscribe.html",
        200 if error is None else error.code.status,
        source=(await node.sources.overview(source_id)).source,
        given=typed,
        preview=preview,
        error=error.detail if error else None,
        field=field_of(error) if error else None,
    )
