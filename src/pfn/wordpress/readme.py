"""What a plugin's ``readme.txt`` says: the fields and sections that update answers and plugin pages show.

Answers for reading any text at all into a ``Readme``, in time linear in its length. It does not render:
section texts are the author's raw markup and must be rendered and sanitised before a browser sees them. It
does not judge; WordPress believes the PHP header, not this file, for the versions a plugin requires.

The rules (facts: client contracts 7.2): a title line ``=== Name ===`` (or ``# Name``), then ``Field:
value`` lines, then a short description, then sections ``== Title ==`` (or ``## Title``) with sub-headings
``= Title =`` (or ``### Title``). Blank lines among the fields are forgiven, an unknown field after one
begins the short description. Sections WordPress does not know are put at the end of the description, under
their title.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from pfn.wordpress.version import is_version

SHORT_DESCRIPTION_CHARACTERS: Final = 150
UPGRADE_NOTICE_CHARACTERS: Final = 300

_FIELDS: Final = frozenset(
    {
        "contributors",
        "donate link",
        "tags",
        "requires at least",
        "tested up to",
        "requires php",
        "stable tag",
        "license",
        "license uri",
    }
)
_SECTIONS: Final = {
    "description": "description",
    "installation": "installation",
    "faq": "faq",
    "frequently asked questions": "faq",
    "screenshots": "screenshots",
    "screenshot": "screenshots",
    "changelog": "changelog",
    "change log": "changelog",
    "upgrade notice": "upgrade_notice",
    "other notes": "other_notes",
}
_SECTION_MARKS: Final = ("==", "##")
_SUBSECTION_MARKS: Final = ("=", "###")
_EMPHASIS: Final = " \t*"
_FIELD_MARKS: Final = " \t*-"
_FIELD_CHARACTERS: Final = 64
_DOTTED_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")


@dataclass(frozen=True, slots=True)
class Readme:
    """A parsed ``readme.txt``; what is not there is empty.

    ``sections`` maps description, installation, faq, screenshots, changelog, upgrade_notice and
    other_notes, in the order they first appear, to raw markup; none is empty. ``upgrade_notices`` maps a
    version to its notice in one line. ``requires_at_least``, ``tested_up_to`` and ``requires_php`` are bare
    numbers such as ``6.1``.
    """

    name: str
    contributors: tuple[str, ...]
    donate_link: str
    tags: tuple[str, ...]
    requires_at_least: str
    tested_up_to: str
    requires_php: str
    stable_tag: str
    license: str
    license_uri: str
    short_description: str
    sections: Mapping[str, str]
    upgrade_notices: Mapping[str, str]


def parse_readme(text: str) -> Readme:
    """Read any text as a ``readme.txt``: nothing is refused, nothing raised."""
    lines = text.removeprefix("\N{BYTE ORDER MARK}").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start, name = _read_name(lines)
    start, fields = _read_fields(lines, start)
    introduction, sections = _read_sections(lines[start:])
    return Readme(
        name=name,
        contributors=_listed(fields.get("contributors", "")),
        donate_link=fields.get("donate link", ""),
        tags=_listed(fields.get("tags", "")),
        requires_at_least=_number(fields.get("requires at least", "")),
        tested_up_to=_number(fields.get("tested up to", "")),
        requires_php=_number(fields.get("requires php", "")),
        stable_tag=fields.get("stable tag", ""),
        license=fields.get("license", ""),
        license_uri=fields.get("license uri", ""),
        short_description=_short_description(introduction, sections.get("description", "")),
        sections=sections,
        upgrade_notices=_read_notices(sections.get("upgrade_notice", "").split("\n")),
    )


def _read_name(lines: list[str]) -> tuple[int, str]:
    """Return the index of the line after the title, and the title; a first line that is none stays."""
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    if first < len(lines) and lines[first].lstrip().startswith(("=", "#")):
        section = _heading(lines[first], *_SECTION_MARKS)
        if section is None or section.lower() not in _SECTIONS:
            return first + 1, lines[first].strip().strip("=#").strip()
    return first, ""


def _read_fields(lines: list[str], start: int) -> tuple[int, dict[str, str]]:
    """Return the index of the first line after the fields, and the known fields by name in lower case."""
    fields: dict[str, str] = {}
    after_blank = False
    for at in range(start, len(lines)):
        name, colon, value = lines[at].partition(":")
        name = name.strip(_FIELD_MARKS).lower()
        if colon and name in _FIELDS:
            fields[name] = value.strip(_EMPHASIS)
            after_blank = False
        elif not lines[at].strip():
            after_blank = True
        elif not colon or after_blank or _heading(lines[at], *_SECTION_MARKS):
            return at, fields
    return len(lines), fields


def _read_sections(lines: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Return what stands before the first section, and the sections that are not empty by their key."""
    introduction: list[str] = []
    known: dict[str, list[str]] = {}
    unknown: list[str] = []
    current = introduction
    for line in lines:
        title = _heading(line, *_SECTION_MARKS)
        if title is None:
            current.append(line)
        elif key := _SECTIONS.get(title.lower()):
            current = known.setdefault(key, [])
            current.append("")
        else:
            current = unknown
            current += ["", f"= {title} ="]
    if unknown:
        known.setdefault("description", []).extend(unknown)
    sections = {key: joined for key, body in known.items() if (joined := "\n".join(body).strip())}
    return introduction, sections


def _read_notices(lines: Iterable[str]) -> dict[str, str]:
    """Return the first notice of each version, in one line; ``= Version 1.2 =`` heads one as well."""
    notices: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        title = _heading(line, *_SUBSECTION_MARKS)
        if title is None:
            current.append(line)
            continue
        current = []
        words = (word.removeprefix("v") for word in title.split())
        version = next((word for word in words if word[:1].isdigit() and is_version(word)), None)
        if version:
            notices.setdefault(version, current)
    shortened = {version: _shorten(body, UPGRADE_NOTICE_CHARACTERS) for version, body in notices.items()}
    return {version: notice for version, notice in shortened.items() if notice}


def _heading(line: str, *marks: str) -> str | None:
    """Return the title of a line that starts with exactly one of the marks, or None."""
    line = line.strip()
    for mark in marks:
        if line.startswith(mark) and not line.startswith(mark + mark[0]):
            return line.strip(mark[0]).strip() or None
    return None


def _short_description(introduction: list[str], description: str) -> str:
    """Return the text before the sections or, where there is none, the first paragraph of the description."""
    if not any(line.strip() for line in introduction):
        introduction = list(takewhile(str.strip, description.split("\n")))
    return _shorten(introduction, SHORT_DESCRIPTION_CHARACTERS)


def _shorten(lines: Iterable[str], limit: int) -> str:
    """Join lines into one of at most ``limit`` characters, cut between words where it can be."""
    text = " ".join(word for line in lines for word in line.split())
    if len(text) <= limit:
        return text
    head, space, _ = text[:limit].rpartition(" ")
    return f"{head if space else text[: limit - 1]}…"


def _number(value: str) -> str:
    """Return the first dotted number in ``value``: people write ``6.1 or higher`` and ``WordPress 6.1``."""
    found = _DOTTED_NUMBER.search(value[:_FIELD_CHARACTERS])
    return found[0] if found else ""


def _listed(value: str) -> tuple[str, ...]:
    """Split at commas: trimmed, none empty, none twice, in their order."""
    return tuple(dict.fromkeys(entry for part in value.split(",") if (entry := part.strip())))
