"""The site helper: a file that points a WordPress site at this node and makes it refuse what is not signed.

A site's owner names the plugins; ``*`` names all there are now, as a list that does not grow by itself. Nothing is
chosen for them: each listed plugin takes its updates from here, whoever the site had it from.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.source_id import normalize_instance_url
from pfn.services.site_helper import MOST_PLUGINS, Pinned
from pfn.storage.directory import Listed
from pfn.web.access import Node
from pfn.web.headers import PUBLIC
from pfn.web.wordpress.cards import make_card
from pfn.wordpress.php_literal import write_php
from pfn.wordpress.plugin_info import show_card
from pfn.wordpress.slug import is_slug

router = APIRouter(prefix="/wordpress", tags=["WordPress"])

TEMPLATE = Path(__file__).parents[1] / "templates" / "wordpress" / "pfn-site.php"
MOST_FALLBACKS = 4
_NODES = "const NODES = array();"
_PLUGINS = "const PLUGINS = array();"

Slugs = Annotated[
    str,
    Query(max_length=64 * MOST_PLUGINS, description="Slugs with commas between them, or `*` for all there are now."),
]


@router.get("/pfn-site.php", response_class=Response)
async def get_site_helper(
    node: Node,
    plugins: Slugs,
    fallback: Annotated[
        list[str] | None, Query(max_length=MOST_FALLBACKS, description="Nodes to ask when this one is away.")
    ] = None,
) -> Response:
    """Give the file for wp-content/mu-plugins: these plugins come from this node, as their authors signed them."""
    pinned = await (node.site_helper.pin_all() if plugins == "*" else node.site_helper.pin_named(_read_slugs(plugins)))
    nodes = [node.address, *(normalize_instance_url(url).rstrip("/") for url in fallback or ())]
    headers = {
        **PUBLIC,
        "Content-Disposition": 'attachment; filename="pfn-site.php"',
        # Pinned keys are for now; a stale copy would pin old ones.
        "Cache-Control": "no-cache",
    }
    return Response(
        make_site_helper(list(dict.fromkeys(nodes)), pinned), media_type="application/x-php", headers=headers
    )


@router.get("/pfn-site.json")
async def describe_plugins(node: Node, plugins: Slugs) -> JSONResponse:
    """Say what the site helper shows of these plugins: source, signature level, trust, keys, and a card for lists.

    What is not offered, or not signed, is left out.
    """
    pinned = await node.site_helper.pin(_read_slugs(plugins))
    usage = await node.usage.totals([(one.offered.source_id, slug) for slug, one in pinned.items()])
    shown = {}
    for slug, one in pinned.items():
        offered = one.offered
        card = make_card(Listed(offered, offered.updated_at), usage[offered.source_id, slug], node.address)
        shown[slug] = {
            "source": offered.source_id,
            "level": offered.offer.level,
            "trust": offered.trust_score,
            "keys": list(one.keys),
            "card": show_card(card),
        }
    return JSONResponse({"plugins": shown}, headers={**PUBLIC, "Cache-Control": "public, max-age=60"})


def make_site_helper(nodes: list[str], pinned: Mapping[str, Pinned]) -> str:
    """Write the file; ``nodes`` are addresses, the first to be asked first."""
    plugins = {slug: {"source": one.offered.source_id, "keys": list(one.keys)} for slug, one in pinned.items()}
    text = TEMPLATE.read_text(encoding="utf-8")
    for mark, value in ((_NODES, nodes), (_PLUGINS, plugins)):
        before, found, after = text.partition(mark)
        assert found, f"the template has no {mark}"
        text = before + mark.replace("array()", write_php(value, indent=1)) + after
    return text


def _read_slugs(text: str) -> list[str]:
    slugs = [one.strip() for one in text.split(",") if one.strip()]
    if not 0 < len(slugs) <= MOST_PLUGINS or not all(map(is_slug, slugs)):
        raise PfnError(
            Code.INVALID_FIELD,
            f"Name 1 to {MOST_PLUGINS} plugins by their slugs, as in plugins=one,two, or all there are with plugins=*",
        )
    return slugs
