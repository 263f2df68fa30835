"""One plugin of a v2 publisher, two versions of it: every document, to be changed before it is shown."""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.signed import (
    DAY,
    NOW,
    RELEASE,
    ROOT,
    SLUG,
    catalog,
    key_document,
    listing,
    release_key,
    sign_document,
    sign_statement,
    statement,
)

from pfn.client import Documents
from pfn.protocol.artifact import sign_artifact
from pfn.protocol.catalog import Catalog
from pfn.protocol.dsse import Envelope, write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.testing.plugin import plugin_zip

OLD, NEW = "1.0", "1.1"


def digests(data: bytes) -> dict[str, Any]:
    return {
        "length": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "sha384": hashlib.sha384(data).hexdigest(),
    }


@dataclass
class Published:
    """What the publisher shows; ``now`` is when. Version 1.1 is the newest, 1.0 came before."""

    now: int = NOW
    slug: str = SLUG
    member: dict[str, Any] = field(default_factory=dict)  # of every document: source and instance URL

    def __post_init__(self) -> None:
        self.zips = {version: plugin_zip(self.slug, version) for version in (OLD, NEW)}
        self.chain = [self.sign_keys()]
        self.statements = {OLD: sign_statement(self.statement(OLD))}
        self.statements[NEW] = sign_statement(self.statement(NEW))
        self.catalog: Envelope | None = self.sign_catalog()

    def sign_keys(self, *signers: SigningKey, **changes: Any) -> Envelope:
        members = {"expires": self.now + 365 * DAY, "release_keys": (release_key(RELEASE),), **self.member} | changes
        document = key_document(instance_url=members.pop("instance_url", "https://plugins.example.com"), **members)
        return sign_document(document, *(signers or [ROOT]))

    def add_keys(self, *signers: SigningKey, **changes: Any) -> None:
        version, previous = len(self.chain) + 1, self.chain[-1].payload_hash
        self.chain.append(self.sign_keys(*signers, **{"version": version, "previous": previous} | changes))

    def statement(self, version: str, **changes: Any) -> Any:
        members = {"slug": self.slug, "version": version, "released_at": self.now - DAY, **digests(self.zips[version])}
        source = {name: value for name, value in self.member.items() if name == "source"}
        if version == NEW:
            members |= {"sequence": 2, "previous": self.statements[OLD].payload_hash}
        return statement(**members | source | changes)

    def sign_catalog(self, *signers: SigningKey, newest: str | None = NEW, **changes: Any) -> Envelope:
        releases = ()
        if newest is not None:
            sequence = [OLD, NEW].index(newest) + 1
            listed = listing(self.statements[newest], slug=self.slug, version=newest, sequence=sequence)
            releases = (listed,)
        source = {name: value for name, value in self.member.items() if name == "source"}
        times = {"issued": self.now - DAY, "expires": self.now + 13 * DAY}
        document: Catalog = catalog(**{"releases": releases} | times | source | changes)
        return sign_document(document, *(signers or [RELEASE]))

    def signature(self, version: str = NEW, key: SigningKey = RELEASE) -> str:
        sha384 = hashlib.sha384(self.zips[version]).digest()
        return base64.b64encode(sign_artifact(key, sha384)).decode()

    def documents(self, version: str = NEW, **changes: Any) -> Documents:
        members: dict[str, Any] = {
            "chain": tuple(write_envelope(one) for one in self.chain),
            "catalog": write_envelope(self.catalog) if self.catalog else None,
            "statement": write_envelope(self.statements[version]),
            "signature": self.signature(version),
        }
        return Documents(**members | changes)

    def write(self, folder: Path) -> Path:
        """Lay everything out as under ``/.well-known/pfn``."""
        files = {f"publisher/{number}.json": envelope for number, envelope in enumerate(self.chain[:-1], start=1)}
        files["publisher.json"] = self.chain[-1]
        if self.catalog:
            files["catalog.json"] = self.catalog
        for version, envelope in self.statements.items():
            files[f"releases/{self.slug}/{version}.json"] = envelope
        for path, envelope in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(write_envelope(envelope))
        return folder
