"""Feeds: the activity as JSON Feed 1.1 and as Atom (RFC 4287), for the readers people have already.

Answers for documents that are valid whatever strangers wrote into a name: control characters and what else XML has no
place for are left out, everything else is escaped by the writers. Does not choose the events or know where pages are.

An entry's id is a tag URI (RFC 4151) of the node's origin and the event's number. It never changes, and no two nodes
share one.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

ATOM = "http://www.w3.org/2005/Atom"
JSON_FEED = "https://jsonfeed.org/version/1.1"

_LONGEST_TITLE = 140
# A tag names when its authority was whose it is; any day that is past will do, but it must stay the same.
_TAG_DATE = "2026"
# Controls but tab and newline, overrides of direction, lone surrogates, and the two code points XML forbids.
_NOT_TEXT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: its number, where people read on, when it was (Unix seconds), what was said, words to sort it by.

    ``row`` is for programs; JSON Feed alone carries it.
    """

    seq: int
    url: str
    timestamp: int
    sentence: str
    tags: tuple[str, ...]
    row: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Feed:
    """Entries, newest first. ``address`` is the node's, ``page`` where people read the same, ``url`` the feed's own."""

    title: str
    address: str
    page: str
    url: str
    entries: Sequence[Entry]

    @property
    def updated(self) -> int:
        """When something was last said (Unix seconds); 0 where nothing was."""
        return max((entry.timestamp for entry in self.entries), default=0)


def make_tag(address: str, specific: str) -> str:
    """Make a tag URI of a node's origin and a name that is unique on it."""
    origin = urlsplit(address)
    host = origin.hostname or "localhost"
    if ":" in host:
        # The authority is a domain name by its grammar; an IPv6 address is written so that it fits.
        host = ipaddress.IPv6Address(host.partition("%")[0]).exploded.replace(":", "-")
    port = f":{origin.port}" if origin.port else ""
    return f"tag:{host},{_TAG_DATE}:pfn{port}/{specific}"


def write_json_feed(feed: Feed) -> dict[str, object]:
    """Give a JSON Feed 1.1 document; the whole row of an event is under ``_pfn``."""
    return {
        "version": JSON_FEED,
        "title": _clean(feed.title),
        "home_page_url": feed.page,
        "feed_url": feed.url,
        "language": "en",
        "authors": [{"name": _host(feed.address), "url": feed.address}],
        "items": [
            {
                "id": make_tag(feed.address, f"events/{entry.seq}"),
                "url": entry.url,
                "title": _title(entry.sentence),
                "content_text": _clean(entry.sentence),
                "date_published": _moment(entry.timestamp),
                "tags": list(entry.tags),
                "_pfn": entry.row,
            }
            for entry in feed.entries
        ],
    }


def write_atom(feed: Feed) -> bytes:
    """Give an Atom document in UTF-8."""
    root = ET.Element("feed", {"xmlns": ATOM, "{http://www.w3.org/XML/1998/namespace}lang": "en"})
    path = urlsplit(feed.url)
    _add(root, "id", make_tag(feed.address, path.path.lstrip("/") + (f"?{path.query}" if path.query else "")))
    _add(root, "title", feed.title)
    _add(root, "updated", _moment(feed.updated))
    ET.SubElement(root, "link", rel="self", type="application/atom+xml", href=feed.url)
    ET.SubElement(root, "link", rel="alternate", type="text/html", href=feed.page)
    author = ET.SubElement(root, "author")
    _add(author, "name", _host(feed.address))
    _add(author, "uri", feed.address)
    for entry in feed.entries:
        element = ET.SubElement(root, "entry")
        _add(element, "id", make_tag(feed.address, f"events/{entry.seq}"))
        _add(element, "title", _title(entry.sentence))
        _add(element, "updated", _moment(entry.timestamp))
        _add(element, "published", _moment(entry.timestamp))
        ET.SubElement(element, "link", rel="alternate", type="text/html", href=entry.url)
        for tag in entry.tags:
            ET.SubElement(element, "category", term=tag)
        _add(element, "content", entry.sentence)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _clean(text)


def _clean(text: str) -> str:
    return _NOT_TEXT.sub("", text)


def _title(sentence: str) -> str:
    line = " ".join(_clean(sentence).split())
    return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1].rstrip() + "…"


def _host(address: str) -> str:
    return address.partition("://")[2]


def _moment(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
