"""Say whether a source's unsigned plugins are mirrored."""

from fastapi import APIRouter, Response

from pfn.protocol.errors import Code, PfnError
from pfn.web.access import Node
from pfn.web.links import source_path
from pfn.web.pages.language import N_, gettext
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)

_CHOICES: dict[str, tuple[bool | None, str]] = {
    "follow": (None, N_("Unsigned plugins of %(source)s follow the node's setting.")),
    "accept": (True, N_("Unsigned plugins of %(source)s are accepted.")),
    "hold": (False, N_("Unsigned plugins of %(source)s are held back.")),
}


@router.post("/sources/{source_id}/policy")
async def change_policy(source_id: str, node: Node, form: ToWrite) -> Response:
    """Keep the choice. Raises PfnError: ``source_unknown``, ``invalid_field``."""
    choice = _CHOICES.get(form.text("allow_unsigned"))
    if choice is None:
        raise PfnError(Code.INVALID_FIELD, f"allow_unsigned: choose one of {', '.join(_CHOICES)}.")
    allow, said = choice
    await node.sources.allow_unsigned(form.grant.key_id, source_id, allow)
    return go_to(source_path(source_id), node, gettext(said, source=source_id))
