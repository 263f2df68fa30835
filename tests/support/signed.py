"""A v2 publisher of fixed keys, for tests of what it signs: small makers with sensible defaults, and the clock."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from pfn.protocol.catalog import Catalog, ListedRelease
from pfn.protocol.document import DocumentKey, write_payload
from pfn.protocol.dsse import Envelope, key_id, sign_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.publisher_chain import TrustedPublisher, restore_trust
from pfn.protocol.publisher_document import PublisherDocument, ReleaseKey, RevokedKey
from pfn.protocol.release_statement import PAYLOAD_TYPE, ReleaseStatement, write_statement

NOW = 1_800_000_000
DAY = 24 * 3600
URL = "https://plugins.example.com"
SOURCE = "alice@plugins.example.com"
SLUG = "hello-world"


def key(name: str) -> SigningKey:
    """The key of that name, the same every time."""
    return SigningKey(hashlib.sha256(name.encode()).digest())


ROOT, ROOT_2, ROOT_3, RELEASE, RELEASE_2, OWNERSHIP, STRANGER = (
    key(name) for name in ("root", "root 2", "root 3", "release", "release 2", "ownership", "stranger")
)


def listed(key: SigningKey) -> DocumentKey:
    return DocumentKey(id=key_id(key.public_key), key=key.public_key)


def release_key(key: SigningKey, *, not_before: int = 0, **limits: Any) -> ReleaseKey:
    return ReleaseKey(id=key_id(key.public_key), key=key.public_key, not_before=not_before, **limits)


def revoked(key: SigningKey, since: int, reason: str = "The build machine was broken into.") -> RevokedKey:
    return RevokedKey(id=key_id(key.public_key), reason=reason, compromised_since=since)


def key_document(**changes: Any) -> PublisherDocument:
    """Version 1 with one root, release and ownership key, valid for a year; ``roots`` gives other root keys."""
    roots = changes.pop("roots", [ROOT])
    members: dict[str, Any] = {
        "source": SOURCE,
        "instance_url": URL,
        "version": 1,
        "root_keys": tuple(listed(root) for root in roots),
        "threshold": 1,
        "release_keys": (release_key(RELEASE),),
        "ownership_keys": (listed(OWNERSHIP),),
        "expires": NOW + 365 * DAY,
    }
    return PublisherDocument(**members | changes)


def sign_document(document: PublisherDocument | Catalog, *keys: SigningKey) -> Envelope:
    return sign_envelope(document.payload_type, write_payload(document), keys)


def next_document(before: Envelope, *keys: SigningKey, **changes: Any) -> Envelope:
    """The version after ``before``, signed by ``keys``."""
    version = restore_trust(before).document.version + 1
    return sign_document(key_document(**{"version": version, "previous": before.payload_hash} | changes), *keys)


def publisher(**changes: Any) -> TrustedPublisher:
    """A publisher whose first key document is believed already."""
    return restore_trust(sign_document(key_document(**changes), ROOT))


def statement(**changes: Any) -> ReleaseStatement:
    members: dict[str, Any] = {
        "source": SOURCE,
        "slug": SLUG,
        "name": "Hello World",
        "version": "1.0",
        "description": "Greets.",
        "length": 1234,
        "sha256": "aa" * 32,
        "sha384": "bb" * 48,
        "sequence": 1,
        "publisher_version": 1,
        "released_at": NOW - DAY,
        "requires": "6.0",
        "tags": ("greeting",),
        "manifest": "cc" * 32,
    }
    return ReleaseStatement(**members | changes)


def sign_statement(document: ReleaseStatement, *keys: SigningKey) -> Envelope:
    return sign_envelope(PAYLOAD_TYPE, write_statement(document), keys or [RELEASE])


def statement_row(versions: Sequence[str], *, keys: Iterable[SigningKey] | None = None) -> list[Envelope]:
    """Statements of these versions, each following the one before, each signed by its key."""
    row: list[Envelope] = []
    signing = list(keys or [RELEASE] * len(versions))
    for number, version in enumerate(versions, start=1):
        previous = row[-1].payload_hash if row else None
        document = statement(version=version, sequence=number, previous=previous)
        row.append(sign_statement(document, signing[number - 1]))
    return row


def listing(envelope: Envelope, **changes: Any) -> ListedRelease:
    """How a catalogue lists the statement in ``envelope``, by default as 1.0 at sequence 1."""
    members: dict[str, Any] = {
        "slug": SLUG,
        "version": "1.0",
        "statement": envelope.payload_hash,
        "sequence": 1,
        "url": f"{URL}/zips/{SLUG}-1.0.zip",
    }
    return ListedRelease(**members | changes)


def catalog(**changes: Any) -> Catalog:
    members: dict[str, Any] = {
        "source": SOURCE,
        "sequence": 1,
        "publisher_version": 1,
        "issued": NOW - DAY,
        "expires": NOW + 13 * DAY,
        "releases": (),
    }
    return Catalog(**members | changes)
