"""API keys: make one, shown once; see which there are and when they were used; end one.

The text of a new key is in the answer to the form and nowhere else: it goes through no redirect and no cookie.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from pfn.domain.access import ADMIN_SCOPES, DEFAULT_LIFE_DAYS, LONGEST_LIFE_DAYS, SUBSCRIBER_SCOPES, Scope
from pfn.protocol.api_key import Prefix
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import NewKey, require
from pfn.services.node import Services
from pfn.web.access import Node
from pfn.web.pages.language import gettext
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import Submission, ToKeepKeys
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen, Viewer

router = APIRouter(include_in_schema=False)

KeyId = Annotated[str, Path(max_length=100)]
_SOON_DAYS = 14
_KINDS = {"admin": Prefix.ADMIN, "subscriber": Prefix.SUBSCRIBER}
_EMPTY = {"description": "", "kind": "subscriber", "owner": "", "days": str(DEFAULT_LIFE_DAYS)}


@router.get("/keys")
async def show_keys(request: Request, node: Node, viewer: Seen) -> Response:
    """Show every key but the master key. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.KEYS_ADMIN)
    return await _show(request, node, viewer, _EMPTY, frozenset())


@router.post("/keys")
async def create_key(request: Request, node: Node, form: ToKeepKeys) -> Response:
    """Make a key and show it, this once; where something cannot be used, show the form with what was typed.

    Without any scope chosen it has the usual ones of its kind.
    """
    given = {name: form.text(name) for name in _EMPTY}
    chosen = frozenset(scope for scope in Scope if form.text(f"scope:{scope.value}"))
    try:
        made = await _create(node, form, given, chosen)
    except PfnError as error:
        if error.code not in {Code.INVALID_FIELD, Code.SCOPE_MISSING}:
            raise
        return await _show(request, node, form.viewer, given, chosen, error)
    return render(request, form.viewer, "key_made.html", text=made.text, key=made.key)


@router.get("/keys/{key_id}/revoke")
async def show_revoke_key(key_id: KeyId, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask. Raises PfnError: ``key_required``, ``scope_missing``, ``api_key_unknown``, ``wrong_state``."""
    key = await node.access.find(require_viewer(viewer), key_id)
    if key.revoked_at is not None:
        raise PfnError(Code.WRONG_STATE, f"The key {key_id} is revoked already.")
    return render(request, viewer, "key_revoke.html", key=key, own=_is_own(viewer, key_id))


@router.post("/keys/{key_id}/revoke")
async def revoke_key(key_id: KeyId, node: Node, form: ToKeepKeys) -> Response:
    """End a key and the sessions it opened. Raises PfnError (``api_key_unknown``)."""
    key = await node.access.revoke(form.grant, key_id)
    note = gettext("The key %(key)s (%(about)s) is revoked.", key=key.id, about=key.description)
    return go_to("/sign-in" if _is_own(form.viewer, key_id) else "/keys", node, note)


async def _create(node: Services, form: Submission, given: dict[str, str], chosen: frozenset[Scope]) -> NewKey:
    if not given["description"]:
        raise PfnError(Code.INVALID_FIELD, "description: say what the key is for.")
    for name in ("description", "owner"):
        if not given[name].isprintable():
            raise PfnError(Code.INVALID_FIELD, f"{name}: may have no line ends or other control characters.")
    kind = _KINDS.get(given["kind"])
    if kind is None:
        raise PfnError(Code.INVALID_FIELD, f"kind: choose one of {', '.join(_KINDS)}.")
    days = given["days"]
    return await node.access.create(
        form.grant,
        given["description"],
        kind=kind,
        scopes=chosen or None,
        expires_in_days=int(days) if days.isascii() and days.isdecimal() and len(days) <= len("365") else 0,
        owner=given["owner"] or None,
    )


async def _show(
    request: Request,
    node: Services,
    viewer: Viewer,
    given: dict[str, str],
    chosen: frozenset[Scope],
    error: PfnError | None = None,
) -> Response:
    now = node.clock()
    keys = await node.access.list(require_viewer(viewer))
    field = error.detail.partition(":")[0] if error and error.code is Code.INVALID_FIELD else None
    return render(
        request,
        viewer,
        "keys.html",
        error.code.status if error else 200,
        active=[key for key in keys if key.state(now) == "active"],
        ended=[key for key in keys if key.state(now) != "active"],
        soon=now + _SOON_DAYS * 86_400,
        given=given,
        chosen=chosen,
        kinds={"subscriber": SUBSCRIBER_SCOPES, "admin": ADMIN_SCOPES},
        # Nobody gives away what they lack.
        given_away=require_viewer(viewer).scopes,
        longest=LONGEST_LIFE_DAYS,
        error=error.detail if error else None,
        field="days" if field == "expires_in_days" else field,
    )


def _is_own(viewer: Viewer, key_id: str) -> bool:
    return viewer.grant is not None and viewer.grant.key_id == key_id
