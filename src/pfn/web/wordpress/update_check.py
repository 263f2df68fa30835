"""Update checks of unmodified WordPress, of plugins and themes (facts: client contracts 3a and 3e).

At the paths of WordPress's own server, and below ``/wordpress``. Whatever is sent, the answer is one that the site's
admin pages survive: what cannot be read has nothing installed. Only a body too large to be read, and too many requests,
are refused, with a status; core ignores every answer but 200 and keeps what it knew.

A site that says who it is counts as one that runs what it has active; only sums are kept (``services.usage``).
"""

import asyncio
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pfn.domain.offer import PLUGIN, THEME, Offered
from pfn.services.node import Services
from pfn.web.access import get_services
from pfn.web.straight_route import StraightRoute
from pfn.web.wordpress.cards import make_update
from pfn.web.wordpress.paths import spell
from pfn.wordpress.update_check import (
    Installed,
    Item,
    read_plugins,
    read_themes,
    write_answer,
    write_plugin,
    write_theme,
)

Read: TypeAlias = Callable[[str | None], tuple[Installed, ...]]

_HEADERS = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
_MOST_FIELDS = 100
# A form's escapes are those of quoted-printable text under another sign, which the library reads at once.
_AS_QUOTED_PRINTABLE = bytes.maketrans(b"%+", b"= ")
# What takes a while to read is read off the event loop.
_LARGE = 128 * 1024
# A few kilobytes each.
_MOST_WRITTEN = 2_048
# Core's name for itself: its version, then the address of the site.
_SITE = re.compile(r"WordPress/[^;]{1,40}; (https?://\S{1,400})")


async def check_plugins(request: Request) -> Response:
    """Answer for a site's plugins."""
    return await _answer(request, PLUGIN, read_plugins)


async def check_themes(request: Request) -> Response:
    """Answer for a site's themes."""
    return await _answer(request, THEME, read_themes)


async def list_translations(request: Request) -> Response:
    """Say that there are none: a node has no language packs."""
    del request
    return JSONResponse({"translations": []}, headers=_HEADERS)


ROUTES = [
    StraightRoute(spelling, endpoint, methods=["POST"])
    for path, endpoint in (
        ("/plugins/update-check/1.1", check_plugins),
        ("/themes/update-check/1.1", check_themes),
        ("/translations/{of}/1.0", list_translations),
    )
    for spelling in spell(path)
]


async def _answer(request: Request, kind: str, read: Read) -> Response:
    node = get_services(request)
    body = await request.body()
    if len(body) > _LARGE:
        installed = await asyncio.to_thread(_read, body, kind, read)
    else:
        installed = _read(body, kind, read)
    offers = await node.update_checks.find_offers(kind, installed)
    _count(request, node, installed, offers)
    items = {key: _write(offered, node.address) for key, offered in offers.items()}
    answer = write_answer(kind, installed, items).encode("ascii")
    return Response(answer, media_type="application/json", headers=_HEADERS)


@lru_cache(_MOST_WRITTEN)  # nothing but its arguments decides, so what is kept is never out of date
def _write(offered: Offered, address: str) -> Item:
    write = write_theme if offered.kind == THEME else write_plugin
    return write(make_update(offered, address))


def _read(body: bytes, kind: str, read: Read) -> tuple[Installed, ...]:
    return read(_read_field(body, f"{kind}s"))


def _read_field(body: bytes, name: str) -> str | None:
    """Read one field of a form, the last of its name; None where there is none, or it is no form."""
    fields = body.split(b"&", _MOST_FIELDS)
    if not body.isascii() or len(fields) > _MOST_FIELDS:
        return None
    found = None
    for field in fields:
        key, _, value = field.partition(b"=")
        if value and unquote_plus(key.decode("ascii")) == name:
            found = value
    return None if found is None else _unquote(found)


def _unquote(value: bytes) -> str:
    """Decode a value of a form, as ``unquote_plus`` does in ten times the time."""
    escaped = value.replace(b"=", b"%3D")
    decoded = binascii.a2b_qp(escaped.translate(_AS_QUOTED_PRINTABLE))
    # An escape is two signs longer than what it stands for, and what was none is left with its sign. There, and at the
    # ends of lines, the two spellings differ.
    broken = b"=" in decoded and len(decoded) != len(escaped) - 2 * escaped.count(b"%")
    if broken or value.endswith(b"%") or b"\n" in value or b"\r" in value:
        return unquote_plus(value.decode("ascii"))
    return decoded.decode("utf-8", "replace")


def _count(request: Request, node: Services, installed: Sequence[Installed], offers: Mapping[str, Offered]) -> None:
    site = _SITE.fullmatch(request.headers.get("user-agent", ""))
    if site is None:
        return
    running = ((offers[one.key], one.version) for one in installed if one.active and one.key in offers)
    node.usage.count_sites(site[1], [(offered.source_id, offered.slug, version) for offered, version in running])
