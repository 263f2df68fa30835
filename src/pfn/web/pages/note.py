"""A note for the next page: what an action did, said once after the redirect that follows it.

It rides in a cookie for a minute, and may lead on to a page of this site, as the way back from what was done. Whoever
could forge one could say something false to one reader, no more: the page escapes it like all text.
"""

import base64
import binascii
import re
from dataclasses import dataclass

from fastapi import Request, Response

from pfn.services.node import Services
from pfn.web.pages.viewer import cookie_name, set_cookie

_NAME = "pfn-note"
_LIFE_S = 60
_LONGEST = 1_000
_LONGEST_PATH = 1_200
# Of this site: a path that no browser takes for another host's.
_OWN_PATH = re.compile(r"/[A-Za-z0-9_@:.~%-][A-Za-z0-9_@:.~%/?&=+-]*")


@dataclass(frozen=True, slots=True)
class Note:
    """What is said, and where it leads: a ``path`` of this site with what the link says, or neither."""

    sentence: str
    path: str = ""
    label: str = ""


def leave_note(response: Response, node: Services, note: Note) -> None:
    """Say something on the next page. A way back that is too long for a cookie is left out."""
    sentence = note.sentence if len(note.sentence) <= _LONGEST else f"{note.sentence[:_LONGEST]}…"
    lines = [sentence.replace("\n", " ")]
    if note.path and len(note.path) <= _LONGEST_PATH:
        lines += [note.path, note.label]
    text = base64.urlsafe_b64encode("\n".join(lines).encode(errors="replace")).decode()
    set_cookie(response, node, _NAME, text, max_age=_LIFE_S)


def read_note(request: Request, node: Services) -> Note | None:
    """Give what the last action left to say."""
    given = request.cookies.get(cookie_name(node, _NAME))
    if not given:
        return None
    try:
        sentence, *link = base64.urlsafe_b64decode(given).decode().split("\n")
    except (binascii.Error, ValueError):
        return None
    note = Note(sentence[: _LONGEST + 1])
    match link:
        case [path, label] if _OWN_PATH.fullmatch(path):
            return Note(note.sentence, path, label)
    return note


def drop_note(response: Response, node: Services) -> None:
    """Forget a note that was read."""
    set_cookie(response, node, _NAME, "", max_age=0)
