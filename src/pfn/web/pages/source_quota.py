"""Say how much of this node a source may fill."""

from fastapi import APIRouter, Response

from pfn.protocol.errors import Code, PfnError
from pfn.web.access import Node
from pfn.web.links import source_path
from pfn.web.pages.language import gettext
from pfn.web.pages.submission import Submission, ToWrite
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)

MEGABYTE = 1_000_000
_MOST_DIGITS = 9


@router.post("/sources/{source_id}/quota")
async def change_quota(source_id: str, node: Node, form: ToWrite) -> Response:
    """Keep the limits: empty is the node's setting, 0 is none; what waited for room is tried by the next sync.

    Raises PfnError: ``source_unknown``, ``invalid_field``.
    """
    megabytes = _read(form, "megabytes")
    size = None if megabytes is None else megabytes * MEGABYTE
    quota = await node.quotas.set(form.grant.key_id, source_id, plugins=_read(form, "plugins"), bytes=size)
    note = gettext("Kept. %(source)s fills %(quota)s.", source=source_id, quota=quota.describe())
    return go_to(source_path(source_id), node, note)


def _read(form: Submission, name: str) -> int | None:
    given = form.text(name)
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise PfnError(Code.INVALID_FIELD, f"{name}: must be a whole number of at most 9 digits, or empty.")
    return int(given)
