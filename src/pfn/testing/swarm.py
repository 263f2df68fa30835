"""A thousand v1 publishers at one loopback address, to see what many sources cost a node.

Each publisher has a username, an Ed25519 key, an instance URL (a path of the one server) and plugins whose zips are
made up when they are asked for, always the same bytes for a version. The documents are the publisher kit's (protocol.md
section 2), the catalogue has an ETag. Every request and every body byte is counted by what it was for.

One publisher in ten misbehaves, always the same ones in the same way (``Misbehaviour``); the others are always honest.
It is no server for anything else: no TLS, no limits, no range requests. A publisher that does not answer is one that
hangs up here: silence would only make a simulation wait.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from itertools import cycle
from types import MappingProxyType, TracebackType
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import PfnError
from pfn.protocol.js_json import metadata_message
from pfn.protocol.strict_json import parse_json
from pfn.publisher.documents import (
    V1_FEATURES,
    Document,
    Publisher,
    encode_document,
    make_author_data,
    make_federation_info,
    prove_ownership,
)
from pfn.publisher.profile import Profile
from pfn.testing.connection import Connection
from pfn.testing.faults import Answer
from pfn.testing.plugin import plugin_zip

RETRY_AFTER_S: Final = 4 * 3600
_ONE_IN: Final = 10
_MEMBER_SINCE: Final = date(2020, 1, 2)
_NOW_MS: Final = 1_700_000_000_000
_TAGS: Final = ("forms", "seo", "privacy", "gallery", "cache")


class Misbehaviour(StrEnum):
    """What a publisher does wrong, always. All of them prove their keys."""

    ERROR = "answers 500 for its catalogue"
    HANG_UP = "closes the connection without a catalogue"
    NO_JSON = "sends a page for its catalogue"
    BUSY = "answers 429 with Retry-After for its catalogue"
    WRONG_SIGNATURE = "signs with a key that is not its own"
    TORN_ZIP = "sends the first half of each zip"
    NO_ZIP = "has no zip of what it lists"
    EMPTIED = "lists nothing any more after the first change"


class Kind(StrEnum):
    """What a request was for, or, of a catalogue, that it had not changed."""

    INFO = "federation-info"
    PROOF = "verify-ownership"
    CATALOGUE = "author-data"
    UNCHANGED = "author-data, unchanged"
    ZIP = "zip"
    OTHER = "other"


@dataclass(slots=True)
class Traffic:
    """How many requests came, and how many bytes of bodies went out, by kind."""

    requests: Counter[Kind] = field(default_factory=Counter)
    body_bytes: Counter[Kind] = field(default_factory=Counter)

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.requests + other.requests, self.body_bytes + other.body_bytes)

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(self.requests - earlier.requests, self.body_bytes - earlier.body_bytes)


@dataclass(frozen=True, slots=True)
class Change:
    """A plugin that got a new version."""

    member: "Member"
    slug: str
    version: str


@dataclass(slots=True)
class Member:
    """One publisher of the swarm. ``plugins`` maps a slug to how often it was changed."""

    publisher: Publisher
    plugins: dict[str, int]
    misbehaviour: Misbehaviour | None
    traffic: Traffic = field(default_factory=Traffic)
    revision: int = 0

    @property
    def source_id(self) -> str:
        """What a node calls it."""
        return self.publisher.source_id

    @property
    def path(self) -> str:
        """The path of its instance URL."""
        return urlsplit(self.publisher.url).path

    def version(self, slug: str) -> str:
        """The version that is listed."""
        return f"1.0.{self.plugins[slug]}"


class PublisherSwarm:
    """The publishers, listening while it is entered. ``sources`` and ``plugins`` are how many there are in all."""

    def __init__(self, sources: int, plugins: int, *, seed: int = 1) -> None:
        self._dice = random.Random(seed)  # noqa: S311  # the same swarm each time, not a secret
        self._counts = [plugins // sources + (number < plugins % sources) for number in range(sources)]
        self._members: dict[str, Member] = {}
        self._unchanged: list[tuple[Member, str]] = []
        self._connections: set[Connection] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._answer, self._connections), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        faults = cycle(Misbehaviour)
        first = 0
        for number, count in enumerate(self._counts):
            fault = next(faults) if number % _ONE_IN == _ONE_IN - 1 else None
            member = self._make_member(number, range(first, first + count), fault)
            self._members[member.path] = member
            first += count
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        await self._server.wait_closed()

    @property
    def members(self) -> Sequence[Member]:
        """Every publisher, in a fixed order."""
        return tuple(self._members.values())

    @property
    def honest(self) -> Sequence[Member]:
        """The publishers that do nothing wrong."""
        return tuple(member for member in self.members if member.misbehaviour is None)

    def traffic(self, members: Iterable[Member] | None = None) -> Traffic:
        """Add up what went over the wire until now, with all publishers or with these."""
        return sum((member.traffic for member in members or self.members), Traffic())

    def change(self, count: int) -> Sequence[Change]:
        """Give so many plugins a new version; none gets a second one before each has got its next."""
        changes = []
        for _ in range(count):
            if not self._unchanged:
                self._unchanged = [(member, slug) for member in self.members for slug in member.plugins]
                self._dice.shuffle(self._unchanged)
            member, slug = self._unchanged.pop()
            member.plugins[slug] += 1
            changes.append(Change(member, slug, member.version(slug)))
        changed = {change.member.path for change in changes}
        for member in self.members:
            if member.path in changed or (member.misbehaviour is Misbehaviour.EMPTIED and member.revision == 0):
                member.revision += 1
        return changes

    def _make_member(self, number: int, plugins: Iterable[int], misbehaviour: Misbehaviour | None) -> Member:
        name = f"author-{number:04}"
        key = SigningKey.generate()
        profile = Profile(username=name, member_since=_MEMBER_SINCE, public_url=f"{self.url}/{name}")
        publisher = Publisher(profile, profile.public_url, key.public_key, key, None)
        return Member(publisher, {f"plugin-{one:05}": 0 for one in plugins}, misbehaviour)

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """Answer one request and count it; None is to hang up."""
        path = unquote(target.partition("?")[0])
        name, _, rest = path[1:].partition("/")
        member = self._members.get(f"/{name}")
        if member is None:
            return _say(404, {"error": "There is nobody here."})
        kind, answer = _route(member, method, rest, headers, body)
        member.traffic.requests[kind] += 1
        member.traffic.body_bytes[kind] += len(answer.body) if answer else 0
        return answer


def _route(
    member: Member, method: str, rest: str, headers: Mapping[str, str], body: bytes
) -> tuple[Kind, Answer | None]:
    match method, rest:
        case "GET", "federation-info":
            info = make_federation_info(
                member.publisher, [], features=V1_FEATURES, releases=len(member.plugins), now_ms=_NOW_MS, uptime_s=1
            )
            return Kind.INFO, _say(200, info)
        case "POST", "verify-ownership":
            return Kind.PROOF, _prove(member, body)
        case "GET", "author-data":
            answer = _list(member, headers.get("if-none-match"))
            unchanged = answer is not None and answer.status == 304
            return Kind.UNCHANGED if unchanged else Kind.CATALOGUE, answer
        case "GET", path if path.endswith(".zip"):
            return Kind.ZIP, _zip(member, path)
    return Kind.OTHER, _say(404, {"error": "There is nothing here."})


def _prove(member: Member, body: bytes) -> Answer:
    try:
        return _say(200, prove_ownership(member.publisher, parse_json(body), now_ms=_NOW_MS))
    except PfnError as error:
        return _say(400, {"error": error.detail})


def _list(member: Member, known: str | None) -> Answer | None:
    match member.misbehaviour:
        case Misbehaviour.ERROR:
            return _say(500, {"error": "Something is wrong."})
        case Misbehaviour.HANG_UP:
            return None
        case Misbehaviour.NO_JSON:
            return Answer(200, {"Content-Type": "text/html"}, b"<!doctype html><title>Parked</title>")
        case Misbehaviour.BUSY:
            return _say(429, {"error": "Too many requests."}, {"Retry-After": str(RETRY_AFTER_S)})
    etag = f'"{member.revision}"'
    if known == etag:
        return Answer(304, {"ETag": etag})
    emptied = member.misbehaviour is Misbehaviour.EMPTIED and member.revision > 0
    signer = SigningKey.generate() if member.misbehaviour is Misbehaviour.WRONG_SIGNATURE else member.publisher.v1_key
    entries = () if emptied else [_entry(member, slug, signer) for slug in member.plugins]
    return _say(200, make_author_data(member.publisher, entries), {"ETag": etag})


def _entry(member: Member, slug: str, signer: SigningKey | None) -> Document:
    name, description = _texts(slug)
    version = member.version(slug)
    tag = _tag(slug)
    return {
        "slug": slug,
        "name": name,
        "version": version,
        "short_description": description,
        "tags": {tag: tag},
        **replace(member.publisher, v1_key=signer).sign_v1(metadata_message(slug, name, version, description)),
    }


def _zip(member: Member, path: str) -> Answer:
    slug, _, version = path.rpartition("/")[2].removesuffix(".zip").partition(".")
    listed = slug in member.plugins and version == member.version(slug)
    if not listed or member.misbehaviour is Misbehaviour.NO_ZIP:
        return _say(404, {"error": "There is no such zip."})
    name, description = _texts(slug)
    content = plugin_zip(slug, version, name=name, description=description, tags=(_tag(slug),))
    if member.misbehaviour is Misbehaviour.TORN_ZIP:
        content = content[: len(content) // 2]
    return Answer(200, {"Content-Type": "application/zip"}, content)


def _texts(slug: str) -> tuple[str, str]:
    return slug.replace("-", " ").title(), f"Does what {slug} does."


def _tag(slug: str) -> str:
    return _TAGS[int(slug[-1]) % len(_TAGS)]


def _say(status: int, document: Document, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
    return Answer(status, {"Content-Type": "application/json", **headers}, encode_document(document))
