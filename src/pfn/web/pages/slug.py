"""Slugs: who speaks for which, who came later with the same one; and the operator's word about it.

The page of one slug names what follows before it is done.
"""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.links import slug_path
from pfn.web.pages.language import gettext
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)


@router.get("/slugs")
async def show_slugs(request: Request, node: Node, viewer: Seen) -> Response:
    """Show what waits for a word and what had one. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_READ)
    reports = await node.slugs.list()
    waiting = [report for report in reports if report.waiting]
    settled = [report for report in reports if not report.waiting]
    return render(request, viewer, "slugs.html", waiting=waiting, settled=settled)


@router.get("/slugs/{slug}")
async def show_slug(slug: str, request: Request, node: Node, viewer: Seen) -> Response:
    """Show who has one slug. Raises PfnError: ``key_required``, ``scope_missing``, ``plugin_unknown``."""
    require(require_viewer(viewer), Scope.SOURCES_READ)
    return render(request, viewer, "slug.html", report=await node.slugs.show(slug))


@router.post("/slugs/{slug}/{source_id}/pin")
async def pin_slug(slug: str, source_id: str, node: Node, form: ToWrite) -> Response:
    """Let a source speak for a slug. Raises PfnError: ``source_unknown``, ``plugin_unknown``."""
    await node.slugs.pin(form.grant.key_id, slug, source_id)
    note = gettext(
        "%(source)s speaks for %(slug)s now; sites that run it are offered its releases.", source=source_id, slug=slug
    )
    return go_to(slug_path(slug), node, note)


@router.post("/slugs/{slug}/{source_id}/refuse")
async def refuse_slug(slug: str, source_id: str, node: Node, form: ToWrite) -> Response:
    """Say that a source shall not speak for a slug. Raises PfnError (``wrong_state``)."""
    report = await node.slugs.refuse(form.grant.key_id, slug, source_id)
    note = gettext(
        "%(source)s shall not speak for %(slug)s; %(holder)s does, as before.",
        source=source_id,
        slug=slug,
        holder=report.holder.source_id,
    )
    return go_to(slug_path(slug), node, note)
