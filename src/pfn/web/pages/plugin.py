"""One plugin of one source: what it says of itself, what vouches for it, how to install it, and every version.

And a fresh look at one version. What the readme says is the author's, made harmless; its pictures are not shown.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup

from pfn.protocol.errors import Code, PfnError
from pfn.storage.plugin import PluginQuery
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.pages.install import list_ways
from pfn.web.pages.template import render
from pfn.web.pages.text import neutralize
from pfn.web.pages.viewer import Reading

router = APIRouter(include_in_schema=False)

_VERSIONS = 10


@router.get("/plugins/{source_id}/{slug}")
async def show_plugin(
    source_id: str,
    slug: str,
    request: Request,
    node: Node,
    viewer: Reading,
    versions: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show a plugin. Raises PfnError: ``source_unknown``, ``source_suspended``, ``plugin_unknown``."""
    keep_hot(request.scope)
    try:
        source, newest = await node.releases.find(source_id, slug)
    except PfnError as error:
        if error.code is not Code.RELEASE_YANKED:
            raise
        shown = {"source_id": source_id, "slug": slug, "sentence": error.detail}
        return render(request, viewer, "plugin_withdrawn.html", error.code.status, **shown)
    page, found = await node.releases.list_versions(PluginQuery(source=source_id, plugin=slug, limit=1))
    header, readme = (newest.facts.get(name) or {} for name in ("header", "readme"))
    sections = await node.directory.render_readme(newest)
    usage = await node.usage.totals([(source_id, slug)])
    return render(
        request,
        viewer,
        "plugin.html",
        source=source,
        plugin=page.plugins[0],
        header=header,
        readme=readme,
        # They are clean HTML; what hides or reorders is still in it.
        sections={name: Markup(neutralize(html)) for name, html in sections.items() if html},  # noqa: S704
        usage=usage[source_id, slug],
        ways=await list_ways(node, newest),
        releases=found[source_id, slug],
        shown=found[source_id, slug][: None if versions == "all" else _VERSIONS],
        log=await node.log.standing(),
    )


@router.get("/plugins/{source_id}/{slug}/verify")
async def verify_plugin(
    source_id: str,
    slug: str,
    request: Request,
    node: Node,
    viewer: Reading,
    version: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """Check the stored bytes and signature now. Raises PfnError as above, and ``release_unknown``."""
    verdict = await node.releases.verify(source_id, slug, version)
    failed = {check.name for check in verdict.checks if not check.passed}
    only_yanked = failed == {"yank"}
    return render(
        request, viewer, "plugin_verify.html", verdict=verdict, release=verdict.release, only_yanked=only_yanked
    )
