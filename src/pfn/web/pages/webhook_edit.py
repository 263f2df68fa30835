"""Make a webhook, its secret shown once, and change what one is told. A form keeps what was typed.

The secret is in the answer to the form and nowhere else: it goes through no redirect and no cookie.
"""

from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.activity import ActivityType
from pfn.domain.webhook import Webhook
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.services.webhook import Wish
from pfn.web.access import Node
from pfn.web.pages.language import gettext
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import Submission, ToSubscribe
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen, Viewer
from pfn.web.pages.webhook import WebhookId

router = APIRouter(include_in_schema=False)

_FIELD_OF = {Code.INVALID_URL: "url", Code.SOURCE_UNKNOWN: "sources"}
_LONGEST_URL, _LONGEST_LIST, _MOST_SOURCES = 2_048, 20_000, 100


@dataclass(frozen=True, slots=True)
class Given:
    """What stands in the form; ``everything`` is None where that is no question."""

    url: str = ""
    description: str = ""
    sources: str = ""
    kinds: frozenset[ActivityType] = field(default_factory=frozenset)
    everything: bool | None = None

    def to_wish(self) -> Wish:
        """Give what is wished for. Raises PfnError (``invalid_field``)."""
        named = [name.strip() for name in self.sources.replace("\n", ",").split(",") if name.strip()]
        if len(named) > _MOST_SOURCES:
            raise PfnError(Code.INVALID_FIELD, f"sources: name {_MOST_SOURCES} at most.")
        if not self.description.isprintable():
            raise PfnError(Code.INVALID_FIELD, "description: may have no line ends or other control characters.")
        kinds = [kind for kind in ActivityType if kind in self.kinds]
        return Wish(self.url, self.description, kinds, named, self.everything)


@router.get("/webhooks/add")
async def show_add_webhook(request: Request, viewer: Seen) -> Response:
    """Show the form. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SUBSCRIPTIONS_WRITE)
    return _ask(request, viewer, Given(everything=True if viewer.is_operator else None))


@router.post("/webhooks/add")
async def add_webhook(request: Request, node: Node, form: ToSubscribe) -> Response:
    """Make it and show its secret, this once; where something cannot be used, show the form again."""
    given = _read(form, choose=form.viewer.is_operator)
    try:
        made = await node.webhooks.add(form.grant, given.to_wish())
    except PfnError as error:
        return _ask(request, form.viewer, given, error=error)
    return render(request, form.viewer, "webhook_made.html", webhook=made.webhook, secret=made.secret, rotated=False)


@router.get("/webhooks/{webhook_id}/change")
async def show_change_webhook(webhook_id: WebhookId, request: Request, node: Node, viewer: Seen) -> Response:
    """Show the form with what holds. Raises PfnError: ``key_required``, ``scope_missing``, ``webhook_unknown``."""
    webhook = (await node.webhooks.get(require_viewer(viewer), webhook_id)).webhook
    given = Given(
        url=webhook.url,
        description=webhook.description,
        sources=", ".join(webhook.sources),
        kinds=frozenset(webhook.kinds),
        everything=webhook.everything if _may_choose(viewer, webhook) else None,
    )
    return _ask(request, viewer, given, webhook)


@router.post("/webhooks/{webhook_id}/change")
async def change_webhook(webhook_id: WebhookId, request: Request, node: Node, form: ToSubscribe) -> Response:
    """Change it; where something cannot be used, show the form again. Raises PfnError (``webhook_unknown``)."""
    webhook = (await node.webhooks.get(form.grant, webhook_id)).webhook
    given = _read(form, choose=_may_choose(form.viewer, webhook))
    try:
        await node.webhooks.change(form.grant, webhook_id, given.to_wish())
    except PfnError as error:
        return _ask(request, form.viewer, given, webhook, error)
    return go_to(f"/webhooks/{webhook_id}", node, gettext("Changed."))


def _may_choose(viewer: Viewer, webhook: Webhook) -> bool:
    """Tell whether it may be told everything: an operator's own, for nobody else should hear of all."""
    return viewer.is_operator and viewer.grant is not None and webhook.owner == viewer.grant.owner


def _read(form: Submission, *, choose: bool) -> Given:
    return Given(
        url=form.text("url", longest=_LONGEST_URL),
        description=form.text("description"),
        sources=form.text("sources", longest=_LONGEST_LIST),
        kinds=frozenset(kind for kind in ActivityType if form.text(f"kind:{kind.value}")),
        everything=form.text("everything") == "yes" if choose else None,
    )


def _ask(
    request: Request, viewer: Viewer, given: Given, webhook: Webhook | None = None, error: PfnError | None = None
) -> Response:
    wrong = None
    if error is not None:
        named = error.detail.partition(":")[0]
        wrong = named if error.code is Code.INVALID_FIELD and named in {"sources", "description"} else None
        wrong = wrong or _FIELD_OF.get(error.code)
    return render(
        request,
        viewer,
        "webhook_edit.html",
        error.code.status if error else 200,
        given=given,
        webhook=webhook,
        kinds=tuple(ActivityType),
        error=error.detail if error else None,
        field=wrong,
    )
