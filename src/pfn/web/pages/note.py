"""A note for the next page: what an action did, said once after the redirect that follows it.

It rides in a cookie for a minute. Whoever could forge one could say something false to one reader, no more: the page
escapes it like all text.
"""

import base64
import binascii

from fastapi import Request, Response

from pfn.services.node import Services
from pfn.web.pages.viewer import cookie_name, set_cookie

_NAME = "pfn-note"
_LIFE_S = 60
_LONGEST = 1_000


def leave_note(response: Response, node: Services, sentence: str) -> None:
    """Say something on the next page."""
    short = sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}…"
    text = base64.urlsafe_b64encode(short.encode(errors="replace")).decode()
    set_cookie(response, node, _NAME, text, max_age=_LIFE_S)


def read_note(request: Request, node: Services) -> str | None:
    """Give what the last action left to say."""
    given = request.cookies.get(cookie_name(node, _NAME))
    if not given:
        return None
    try:
        return base64.urlsafe_b64decode(given).decode()[: _LONGEST + 1]
    except (binascii.Error, ValueError):
        return None


def drop_note(response: Response, node: Services) -> None:
    """Forget a note that was read."""
    set_cookie(response, node, _NAME, "", max_age=0)
