"""Sync a source now, or compare all its zips with what it has now."""

from fastapi import APIRouter, Response

from pfn.domain.sync import Sync
from pfn.services.background import Background
from pfn.services.node import Services
from pfn.services.sync import SyncOutcome
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.submission import ToMirror
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)


@router.post("/sources/{source_id}/sync")
async def sync_source(source_id: str, node: Node, tasks: Tasks, form: ToMirror) -> Response:
    """Begin a sync. Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``."""
    del form
    return await _sync(source_id, node, tasks, recheck=False)


@router.post("/sources/{source_id}/compare")
async def compare_zips(source_id: str, node: Node, tasks: Tasks, form: ToMirror) -> Response:
    """Sync, with every known zip fetched again and compared, and what failed tried at once.

    Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``, ``sync_running``.
    """
    del form
    return await _sync(source_id, node, tasks, recheck=True)


async def _sync(source_id: str, node: Services, tasks: Background, *, recheck: bool) -> Response:
    begun = await node.syncs.begin(source_id, recheck=recheck)
    if begun.lease is None:
        note = gettext("A sync is running already; this page shows how far it is.")
        return go_to(source_path(source_id), node, note)
    work = node.syncs.run(begun.sync, begun.lease, recheck=recheck)
    outcome = await wait_briefly(tasks, f"sync {source_id}", work)
    return go_to(source_path(source_id), node, describe_sync(outcome))


def describe_sync(outcome: SyncOutcome | None) -> str:
    """Say what a sync did."""
    return gettext("The sync is running; this page shows how far it is.") if outcome is None else _sum_up(outcome.sync)


def _sum_up(sync: Sync) -> str:
    if sync.code is not None:
        return gettext("The sync failed: %(why)s", why=sync.detail)
    done = gettext(
        "Synced: %(mirrored)s of %(total)s listed plugins are newly mirrored.", mirrored=sync.mirrored, total=sync.total
    )
    if not sync.failed:
        return done
    held = ngettext(
        "%(num)s was not taken; the reason is below.", "%(num)s were not taken; the reasons are below.", sync.failed
    )
    return f"{done} {held}"
