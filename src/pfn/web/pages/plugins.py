"""The catalogue: every plugin that is offered, searched, narrowed down, ordered, page by page.

``fragment=list`` gives the list alone, for a search while one types. How many there are is said where the page holds
them all; counting the rest would read every row.
"""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator

from pfn.domain.release import SignatureLevel
from pfn.storage.plugin import PluginPage, PluginQuery, PluginSort
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.pages import words
from pfn.web.pages.language import N_, Words, gettext, ngettext
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Reading

router = APIRouter(include_in_schema=False)

_PAGE = 24
_NAMES = Words(
    {
        "q": N_("Words:"),
        "tag": N_("Tag:"),
        "author": N_("Author:"),
        "source": N_("Source:"),
        "level": N_("Signed at least:"),
    }
)
# A form sends its empty fields too.
Level = Annotated[SignatureLevel | None, BeforeValidator(lambda given: given or None)]
Text = Annotated[str, Query(max_length=400)]


@dataclass(frozen=True, slots=True)
class Chip:
    """One thing that is asked for, and the address without it."""

    label: str
    value: str
    without: str


@router.get("/plugins")
async def show_plugins(
    request: Request,
    node: Node,
    viewer: Reading,
    q: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=200)] = "",
    author: Text = "",
    source: Text = "",
    level: Level = None,
    sort: PluginSort = PluginSort.UPDATED,
    cursor: Annotated[str | None, Query(max_length=8_000)] = None,
    fragment: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show a page of the catalogue. Raises PfnError: ``key_required`` where it is closed, ``invalid_field``."""
    keep_hot(request.scope)
    page = await node.releases.list_plugins(
        PluginQuery(q=q, tag=tag, author=author, source=source, level=level, sort=sort, limit=_PAGE, cursor=cursor)
    )
    given = {"q": q, "tag": tag, "author": author, "source": source, "level": level.value if level else ""}
    order = {} if sort is PluginSort.UPDATED else {"sort": sort.value}
    asked = {name: value for name, value in given.items() if value} | order
    return render(
        request,
        viewer,
        "_plugin_page.html" if fragment == "list" else "plugins.html",
        page=page,
        asked={**given, "sort": sort},
        cursor=cursor,
        chips=_chips(given, order),
        said=_say(page, cursor),
        first=_address(asked) if cursor else None,
        next=_address(asked | {"cursor": page.next}) if page.next else None,
    )


def _chips(given: dict[str, str], order: dict[str, str]) -> list[Chip]:
    asked = {name: value for name, value in given.items() if value}
    shown = asked | ({"level": words.SIGNATURE[SignatureLevel(asked["level"])]} if "level" in asked else {})
    return [
        Chip(_NAMES[name], shown[name], _address({one: value for one, value in asked.items() if one != name} | order))
        for name in asked
    ]


def _say(page: PluginPage, cursor: str | None) -> str:
    """Say how many there are, as far as this page tells."""
    many = len(page.plugins)
    if cursor is None and page.next is None:
        return ngettext("%(num)s plugin", "%(num)s plugins", many)
    if page.next is None:
        return ngettext("The last %(num)s plugin", "The last %(num)s plugins", many)
    return gettext("%(many)s plugins on this page, and there are more", many=many)


def _address(query: dict[str, str]) -> str:
    return f"/plugins?{urlencode(query)}" if query else "/plugins"
