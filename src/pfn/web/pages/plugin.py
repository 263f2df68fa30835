"""One plugin of one source: every version with its digests and what its signature covers; and a fresh look at one."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pfn.protocol.errors import Code, PfnError
from pfn.storage.plugin import PluginQuery
from pfn.web.access import Node
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)


@router.get("/plugins/{source_id}/{slug}")
async def show_plugin(source_id: str, slug: str, request: Request, node: Node, viewer: Seen) -> Response:
    """Show a plugin. Raises PfnError: ``source_unknown``, ``source_suspended``, ``plugin_unknown``."""
    try:
        source, newest = await node.releases.find(source_id, slug)
    except PfnError as error:
        if error.code is not Code.RELEASE_YANKED:
            raise
        shown = {"source_id": source_id, "slug": slug, "sentence": error.detail}
        return render(request, viewer, "plugin_withdrawn.html", error.code.status, **shown)
    page = await node.releases.list_plugins(PluginQuery(source=source_id, plugin=slug, limit=1))
    header, readme = (newest.facts.get(name) or {} for name in ("header", "readme"))
    return render(
        request,
        viewer,
        "plugin.html",
        source=source,
        plugin=page.plugins[0],
        header=header,
        readme=readme,
        log=await node.log.standing(),
    )


@router.get("/plugins/{source_id}/{slug}/verify")
async def verify_plugin(
    source_id: str,
    slug: str,
    request: Request,
    node: Node,
    viewer: Seen,
    version: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """Check the stored bytes and signature now. Raises PfnError as above, and ``release_unknown``."""
    verdict = await node.releases.verify(source_id, slug, version)
    failed = {check.name for check in verdict.checks if not check.passed}
    only_yanked = failed == {"yank"}
    return render(
        request, viewer, "plugin_verify.html", verdict=verdict, release=verdict.release, only_yanked=only_yanked
    )
