"""The v1 documents of a publisher, signed (protocol.md section 2).

Answers for what each document says and which bytes a signature covers. It knows no HTTP and no files: a document is a
JSON value, time is an argument.

Rules: the key signs plugin metadata, plugin data, the decimal time of ``/federation-info``, and an ownership challenge
that is strictly a UUID; never a text that somebody else chose. Numbers that this publisher does not count (ratings,
installs, downloads) are 0 or left out.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pfn.protocol.challenge import is_strict_uuid
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.js_json import metadata_message, plugin_data_message, stringify
from pfn.protocol.naming_scheme import asset_url
from pfn.protocol.source_id import source_id
from pfn.protocol.strict_json import JsonValue
from pfn.publisher.profile import Profile
from pfn.publisher.release import Release

VERSION: Final = "1.0.0"
FEATURES: Final = ("plugin-sync", "key-verification", "signature-verification", "plugin-mirroring")
NAMING_SCHEME: Final = "plugins/{author}/{slug}/{slug}.{version}.zip"

Document = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes, with which key, at which instance URL (normalised), under which scheme the zips are."""

    profile: Profile
    key: SigningKey
    url: str
    naming_scheme: str = NAMING_SCHEME

    @property
    def username(self) -> str:
        """The author's name in every address."""
        return self.profile.username

    @property
    def source_id(self) -> str:
        """What a node calls this publisher."""
        return source_id(self.url, self.username)

    @property
    def node_id(self) -> str:
        """A name for this publisher that outlives its address."""
        return self.key.public_key.short_id

    def zip_url(self, slug: str, version: str) -> str:
        """Where a release's zip is."""
        return asset_url(self.url, self.naming_scheme, author=self.username, slug=slug, version=version)

    def sign(self, message: bytes) -> str:
        """Sign, in base64."""
        return base64.b64encode(self.key.sign(message)).decode("ascii")


def encode_document(document: Document) -> bytes:
    """Write a document as JavaScript would, so that a signed member reads back as the signed bytes."""
    return stringify(document).encode()


def make_federation_info(
    publisher: Publisher, newest: Sequence[Release], *, releases: int, now_ms: int, uptime_s: int
) -> Document:
    """Make ``/federation-info``. The health signature is over the decimal ``timestamp``, in milliseconds."""
    return {
        "version": VERSION,
        "nodeId": publisher.node_id,
        "nodeUrl": publisher.url,
        "features": list(FEATURES),
        "publicKey": publisher.key.public_key.pem,
        "stats": {
            "plugins": {"total": len(newest)},
            "releases": {"total": releases},
            "authors": {"total": 1},
            "tags": {"total": len({tag for release in newest for tag in release.tags})},
        },
        "health": {
            "status": "healthy",
            "lastCheck": now_ms,
            "uptime": uptime_s,
            "signature": publisher.sign(str(now_ms).encode()),
        },
        "assetInfo": {"domain": publisher.url, "namingScheme": publisher.naming_scheme},
        "timestamp": now_ms,
    }


def prove_ownership(publisher: Publisher, request: JsonValue, *, now_ms: int) -> Document:
    """Answer ``POST /verify-ownership``.

    Raises PfnError: ``invalid_field`` for what is no request or a challenge that is no lower-case version 4 UUID,
    ``source_unknown`` for another username.
    """
    if not isinstance(request, dict):
        raise PfnError(Code.INVALID_FIELD, "Send a JSON object with username and challenge.")
    username, challenge = request.get("username"), request.get("challenge")
    if not isinstance(username, str) or not isinstance(challenge, str):
        raise PfnError(Code.INVALID_FIELD, "The username and the challenge must be strings.")
    if username != publisher.username:
        raise PfnError(Code.SOURCE_UNKNOWN, "No such author here.")
    if not is_strict_uuid(challenge):
        raise PfnError(Code.INVALID_FIELD, "Only a lower-case version 4 UUID is signed, and nothing else.")
    return {"signature": publisher.sign(challenge.encode()), "timestamp": now_ms}


def list_plugin(publisher: Publisher, release: Release) -> Document:
    """Make one entry of ``/author-data``, with the metadata signature."""
    message = metadata_message(release.slug, release.name, release.version, release.short_description)
    return {
        "slug": release.slug,
        "name": release.name,
        "version": release.version,
        "short_description": release.short_description,
        "tags": _tags(release),
        "icons": {},
        "rating": 0,
        "active_installs": 0,
        "signature": publisher.sign(message),
    }


def make_author_data(publisher: Publisher, plugins: Iterable[Document]) -> Document:
    """Make ``/author-data`` from its entries."""
    profile = publisher.profile
    return {
        "username": profile.username,
        "member_since": profile.member_since.isoformat(),
        "website": profile.website or "",
        "github": profile.github or "",
        "twitter": profile.twitter or "",
        "plugins": list(plugins),
    }


def make_plugin_data(publisher: Publisher, releases: Sequence[Release], *, now_ms: int) -> Document:
    """Make ``/federated/plugin-data`` of one plugin, given its releases, oldest first and at least one.

    The signature is over ``data``: one element in the shape of WordPress's plugin information.
    """
    newest = releases[-1]
    data: JsonValue = [
        {
            "slug": newest.slug,
            "name": newest.name,
            "version": newest.version,
            "author": newest.author,
            "homepage": newest.homepage,
            "requires": newest.requires_wp,
            "tested": newest.tested_up_to,
            "requires_php": newest.requires_php,
            "last_updated": f"{_at(newest.released_at):%Y-%m-%d %H:%M} GMT",
            "added": f"{_at(min(release.released_at for release in releases)):%Y-%m-%d}",
            "short_description": newest.short_description,
            "description": newest.description,
            "tags": _tags(newest),
            "icons": {},
            "download_link": publisher.zip_url(newest.slug, newest.version),
            "versions": {release.version: publisher.zip_url(release.slug, release.version) for release in releases},
        }
    ]
    return {
        "data": data,
        "signature": publisher.sign(plugin_data_message(data)),
        "nodeId": publisher.node_id,
        "timestamp": now_ms,
    }


def _tags(release: Release) -> Document:
    return {tag: tag for tag in release.tags}


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
