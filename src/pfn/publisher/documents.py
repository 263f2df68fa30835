"""The v1 documents of a publisher (protocol.md section 2), and which challenge is signed with which key.

Answers for what each document says and which bytes a signature covers. It knows no HTTP and no files: a document is a
JSON value, time is an argument.

Rules: what v1 wants signed, plugin metadata, plugin data and a strict UUID, is signed with the v1 key, which signs
nothing of v2 but its own hand-over; a v2 challenge that names this publisher is signed with the ownership key; nothing
else is signed. Without the v1 key the same is served unsigned. The key shown is the one to register: a root key.
Numbers that this publisher does not count (ratings, installs, downloads) are 0 or left out.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pfn.protocol.ed25519 import PublicKey, SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.js_json import metadata_message, plugin_data_message, stringify
from pfn.protocol.naming_scheme import asset_url
from pfn.protocol.ownership import OWNERSHIP_FEATURE, ChallengeKind, judge_challenge
from pfn.protocol.source_id import source_id
from pfn.protocol.strict_json import JsonValue
from pfn.publisher.profile import Profile
from pfn.publisher.release import Release

VERSION: Final = "1.0.0"
V1_FEATURES: Final = ("plugin-sync", "key-verification", "signature-verification", "plugin-mirroring")
V2_FEATURE: Final = "pfn-v2"
NAMING_SCHEME: Final = "plugins/{author}/{slug}/{slug}.{version}.zip"

Document = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes, at which instance URL (normalised), which key to register, and the online keys at hand."""

    profile: Profile
    url: str
    shown_key: PublicKey
    v1_key: SigningKey | None
    ownership_key: SigningKey | None
    naming_scheme: str = NAMING_SCHEME

    @property
    def username(self) -> str:
        """The author's name in every address."""
        return self.profile.username

    @property
    def source_id(self) -> str:
        """What a node calls this publisher."""
        return source_id(self.url, self.username)

    def zip_url(self, slug: str, version: str) -> str:
        """Where a release's zip is."""
        return asset_url(self.url, self.naming_scheme, author=self.username, slug=slug, version=version)

    def sign_v1(self, message: bytes) -> Document:
        """The member ``signature`` over ``message``, in base64; none without the v1 key."""
        return {} if self.v1_key is None else {"signature": _sign(self.v1_key, message)}


def list_features(publisher: Publisher, *, answers: bool) -> tuple[str, ...]:
    """List what this publisher can do with the keys at hand; static files do not answer challenges."""
    can = {
        "signature-verification": publisher.v1_key is not None,
        "key-verification": answers and publisher.v1_key is not None,
        OWNERSHIP_FEATURE: answers and publisher.ownership_key is not None,
    }
    return tuple(feature for feature in (*V1_FEATURES, V2_FEATURE, OWNERSHIP_FEATURE) if can.get(feature, True))


def encode_document(document: Document) -> bytes:
    """Write a document as JavaScript would, so that a signed member reads back as the signed bytes."""
    return stringify(document).encode()


def make_federation_info(
    publisher: Publisher,
    newest: Sequence[Release],
    *,
    features: Sequence[str],
    releases: int,
    now_ms: int,
    uptime_s: int,
) -> Document:
    """Make ``/federation-info``."""
    return {
        "version": VERSION,
        "nodeId": publisher.source_id,
        "nodeUrl": publisher.url,
        "features": list(features),
        "publicKey": publisher.shown_key.pem,
        **({} if publisher.v1_key is None else {"v1PublicKey": publisher.v1_key.public_key.pem}),
        "stats": {
            "plugins": {"total": len(newest)},
            "releases": {"total": releases},
            "authors": {"total": 1},
            "tags": {"total": len({tag for release in newest for tag in release.tags})},
        },
        "health": {"status": "healthy", "lastCheck": now_ms, "uptime": uptime_s},
        "assetInfo": {"domain": publisher.url, "namingScheme": publisher.naming_scheme},
        "timestamp": now_ms,
    }


def prove_ownership(publisher: Publisher, request: JsonValue, *, now_ms: int) -> Document:
    """Answer ``POST /verify-ownership``.

    Raises PfnError: ``invalid_field`` for what is no request, ``source_unknown`` for another username,
    ``ownership_challenge`` for what must not be signed, or cannot be because the key is not here.
    """
    if not isinstance(request, dict):
        raise PfnError(Code.INVALID_FIELD, "Send a JSON object with username and challenge.")
    username, challenge = request.get("username"), request.get("challenge")
    if not isinstance(username, str) or not isinstance(challenge, str):
        raise PfnError(Code.INVALID_FIELD, "The username and the challenge must be strings.")
    if username != publisher.username:
        raise PfnError(Code.SOURCE_UNKNOWN, "No such author here.")
    kind = judge_challenge(challenge, instance_urls=(publisher.url,), username=username, now=now_ms // 1000)
    key = publisher.ownership_key if kind is ChallengeKind.V2 else publisher.v1_key
    if key is None:
        raise PfnError(Code.OWNERSHIP_CHALLENGE, f"This publisher has no key for {kind.value} challenges.")
    return {"signature": _sign(key, challenge.encode()), "timestamp": now_ms}


def list_plugin(publisher: Publisher, release: Release) -> Document:
    """Make one entry of ``/author-data``, with the metadata signature."""
    message = metadata_message(release.slug, release.name, release.version, release.description)
    return {
        "slug": release.slug,
        "name": release.name,
        "version": release.version,
        "short_description": release.description,
        "tags": _tags(release),
        "icons": {},
        "rating": 0,
        "active_installs": 0,
        **publisher.sign_v1(message),
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
            "author": publisher.username,
            "homepage": publisher.profile.website or "",
            "requires": newest.requires,
            "tested": newest.tested,
            "requires_php": newest.requires_php,
            "last_updated": f"{_at(newest.released_at):%Y-%m-%d %H:%M} GMT",
            "added": f"{_at(min(release.released_at for release in releases)):%Y-%m-%d}",
            "short_description": newest.description,
            "description": newest.description,
            "tags": _tags(newest),
            "icons": {},
            "download_link": publisher.zip_url(newest.slug, newest.version),
            "versions": {release.version: publisher.zip_url(release.slug, release.version) for release in releases},
        }
    ]
    return {
        "data": data,
        **publisher.sign_v1(plugin_data_message(data)),
        "nodeId": publisher.source_id,
        "timestamp": now_ms,
    }


def _sign(key: SigningKey, message: bytes) -> str:
    return base64.b64encode(key.sign(message)).decode("ascii")


def _tags(release: Release) -> Document:
    return {tag: tag for tag in release.tags}


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
