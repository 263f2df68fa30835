"""Write tests/vectors/v2: signed documents of fixed keys, and what a verifier must say of them.

They are for implementers in any language (docs/protocol/publisher-documents.md) and for the tests, which also check
that this script still writes the same bytes. Usage: make_vectors.py [FOLDER].
"""

import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pfn.protocol.artifact import manifest_hash, sign_artifact
from pfn.protocol.catalog import Catalog
from pfn.protocol.document import Document, write_payload
from pfn.protocol.dsse import Envelope, key_id, pae, sign_envelope, write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.ownership import OwnershipChallenge
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_statement import PAYLOAD_TYPE, ReleaseStatement, write_statement

NOW = 1_800_000_000
DAY = 24 * 3600
URL = "https://plugins.example.com"
SOURCE = "alice@plugins.example.com"
SLUG = "hello-world"
ZIP = b"These bytes stand for a zip."
FILES = [
    ("hello-world/readme.txt", 5, hashlib.sha256(b"hello").hexdigest()),
    ("hello-world/hello-world.php", 0, "e3" * 32),
]

KEYS = {
    name: SigningKey(hashlib.sha256(name.encode()).digest())
    for name in ("root", "root 2", "release", "release 2", "ownership", "stranger")
}


def main() -> None:
    """Write every file of the set."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "tests" / "vectors" / "v2"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("keys", describe_keys()),
        ("envelope", describe_envelope()),
        ("publisher", describe_publisher()),
        ("statement", describe_statement()),
        ("catalog", describe_catalog()),
        ("artifact", describe_artifact()),
        ("ownership", describe_ownership()),
    ):
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def listed(name: str, **limits: Any) -> dict[str, Any]:
    """A key as documents list it."""
    key = KEYS[name].public_key
    return {"id": key_id(key), "key": key.raw_base64, **limits}


def sign(payload_type: str, payload: bytes, *names: str) -> Envelope:
    """An envelope signed by the keys of these names."""
    return sign_envelope(payload_type, payload, [KEYS[name] for name in names])


def sign_document(document: Document, *names: str) -> Envelope:
    """A key document or catalogue in its envelope."""
    return sign(document.payload_type, write_payload(document), *names)


def key_document(*names: str, after: Envelope | None = None, **changes: Any) -> Envelope:
    """Version 1, or the version after, signed by the keys of these names."""
    members: dict[str, Any] = {
        "source": SOURCE,
        "instance_url": URL,
        "version": json.loads(after.payload)["version"] + 1 if after else 1,
        "previous": after.payload_hash if after else None,
        "root_keys": [listed("root")],
        "threshold": 1,
        "release_keys": [listed("release", not_before=NOW - 300 * DAY)],
        "ownership_keys": [listed("ownership")],
        "expires": NOW + 365 * DAY,
    }
    return sign_document(PublisherDocument.model_validate(members | changes), *names)


def statement(*names: str, after: Envelope | None = None, **changes: Any) -> Envelope:
    """The first statement of the plugin, or the one after, signed by the keys of these names."""
    sequence = json.loads(after.payload)["predicate"]["sequence"] + 1 if after else 1
    members: dict[str, Any] = {
        "source": SOURCE,
        "slug": SLUG,
        "name": "Hello World",
        "version": f"1.{sequence - 1}",
        "description": "Greets visitors — politely.",
        "length": len(ZIP),
        "sha256": hashlib.sha256(ZIP).hexdigest(),
        "sha384": hashlib.sha384(ZIP).hexdigest(),
        "sequence": sequence,
        "previous": after.payload_hash if after else None,
        "publisher_version": 1,
        "released_at": NOW - 10 * DAY + sequence,
        "requires": "6.0",
        "tested": "6.8",
        "requires_php": "7.4",
        "tags": ["greeting"],
        "manifest": manifest_hash(FILES),
    }
    document = ReleaseStatement.model_validate(members | changes)
    return sign(PAYLOAD_TYPE, write_statement(document), *(names or ["release"]))


def catalog(*names: str, newest: Envelope, **changes: Any) -> Envelope:
    """A catalogue that lists one statement, signed by the keys of these names."""
    predicate = json.loads(newest.payload)["predicate"]
    version = predicate["version"]
    release = {
        "slug": SLUG,
        "version": version,
        "statement": newest.payload_hash,
        "sequence": predicate["sequence"],
        "url": f"{URL}/zips/{SLUG}-{version}.zip",
    }
    members: dict[str, Any] = {
        "source": SOURCE,
        "sequence": 7,
        "publisher_version": 1,
        "issued": NOW - DAY,
        "expires": NOW + 13 * DAY,
        "releases": [release],
        "yanked": [{"slug": SLUG, "version": "0.9", "reason": "Loses settings.", "at": NOW - 2 * DAY}],
    }
    return sign_document(Catalog.model_validate(members | changes), *(names or ["release"]))


def show(envelopes: dict[str, Envelope]) -> dict[str, str]:
    """The exact text of each envelope."""
    return {name: write_envelope(envelope).decode() for name, envelope in envelopes.items()}


def describe_keys() -> dict[str, Any]:
    """Seed, public key and id of each key; the seed is the SHA-256 of its name."""
    return {name: {"seed": key.seed.hex(), **listed(name)} for name, key in KEYS.items()}


def describe_envelope() -> dict[str, Any]:
    """One envelope, what is signed, and texts that are none."""
    payload_type, payload = "application/vnd.pfn.catalog+json", '{"é":"a?>?"}'
    envelope = sign(payload_type, payload.encode(), "release", "stranger")
    text = write_envelope(envelope).decode()
    entry = json.dumps(json.loads(text)["signatures"][0], separators=(",", ":"))
    refused = {
        "payload twice": text.replace("{", '{"payload":"e30=",', 1),
        "payload without padding": text.replace("fQ==", "fQ", 1),
        "payload with stray bits": text.replace("fQ==", "fR==", 1),
        "payload in base64url": text.replace("E/Pj", "E_Pj", 1),
        "one keyid twice": text.replace('"signatures":[', f'"signatures":[{entry},'),
        "no signatures": text[: text.index('"signatures":[')] + '"signatures":[]}',
    }
    if text in refused.values():
        raise AssertionError("a text that is to be refused is the good one")
    return {
        "payload_type": payload_type,
        "payload": payload,
        "pae": pae(payload_type, payload.encode()).hex(),
        "envelope": text,
        "signers": ["release", "stranger"],
        "refused": refused,
    }


def describe_publisher() -> dict[str, Any]:
    """Key documents, and chains of them with the key that is pinned."""
    one = key_document("root")
    two = key_document("root", "root 2", after=one, root_keys=[listed("root"), listed("root 2")], threshold=2)
    stolen = {
        "id": listed("release")["id"],
        "reason": "The build machine was broken into.",
        "compromised_since": NOW - DAY,
    }
    new_keys = {"root_keys": [listed("root 2")], "release_keys": [listed("release 2", not_before=NOW - DAY)]}
    three = key_document("root", "root 2", after=two, revoked=[stolen], **new_keys)
    documents = {
        "1": one,
        "2": two,
        "3": three,
        "1 fork": key_document("root", expires=NOW + DAY),
        "1 expired": key_document("root", expires=NOW),
        "1 pin listed, not signing": key_document("stranger", root_keys=[listed("root"), listed("stranger")]),
        "1 handed over by a v1 key": key_document("root", "root 2", root_keys=[listed("root 2")]),
        "1 of another source": key_document("root", source="bob@plugins.example.com"),
        "2 by the old roots alone": key_document("root", after=one, root_keys=[listed("root 2")]),
        "2 by the new roots alone": key_document("root 2", after=one, root_keys=[listed("root 2")]),
        "2 by the release key": key_document("release", after=one),
        "2 after something else": key_document("root", after=one, previous="00" * 32),
        "4 takes the revocation back": key_document("root 2", after=three, **new_keys),
        "statement": statement(),
    }
    cases: list[tuple[str, Sequence[str], int | str]] = [
        ("root", ["1"], 1),
        ("root", ["1", "2", "3"], 3),
        ("root 2", ["1", "2", "3"], 3),
        ("root 2", ["1"], "key_mismatch"),
        ("release", ["1", "2"], "key_mismatch"),
        ("root", ["1 pin listed, not signing"], "key_mismatch"),
        ("root", ["1 handed over by a v1 key"], 1),
        ("root", ["1 expired"], "document_expired"),
        ("root", ["1 of another source"], "document_mismatch"),
        ("root", ["statement"], "document_type"),
        ("root", ["2"], "document_gap"),
        ("root", ["1", "3"], "document_gap"),
        ("root", ["1", "2", "1"], "document_rollback"),
        ("root", ["1", "1 fork"], "document_fork"),
        ("root", ["1", "1"], 1),
        ("root", ["1", "2 by the old roots alone"], "document_threshold"),
        ("root", ["1", "2 by the new roots alone"], "document_threshold"),
        ("root", ["1", "2 by the release key"], "document_threshold"),
        ("root", ["1", "2 after something else"], "document_chain"),
        ("root", ["1", "2", "3", "4 takes the revocation back"], "document_chain"),
    ]
    return {
        "source": SOURCE,
        "instance_url": URL,
        "now": NOW,
        "envelopes": show(documents),
        "cases": [{"pin": pin, "chain": chain, "expect": expect} for pin, chain, expect in cases],
    }


def describe_statement() -> dict[str, Any]:
    """Statements, and what is said of each after another one."""
    one = statement()
    two = statement(after=one)
    three = statement(after=two)
    stolen = {"id": listed("release")["id"], "reason": "Stolen.", "compromised_since": NOW - DAY}
    release_2 = listed("release 2", not_before=0)
    retired = listed("release", not_before=0, not_after=NOW - DAY)
    statements = {
        "1": one,
        "2": two,
        "3": three,
        "2 fork": statement(after=one, description="Other words."),
        "2 of another row": statement(after=statement(description="Other words.")),
        "1 by a stranger": statement("stranger"),
        "1 by a root key": statement("root"),
        "1 under key document 2": statement(publisher_version=2),
        "1 of another source": statement(source="bob@plugins.example.com"),
        "1 as another type": sign("application/vnd.pfn.catalog+json", one.payload, "release"),
        "1 of another predicate": sign(
            PAYLOAD_TYPE, one.payload.replace(b"urn:pfn:release:v1", b"urn:other"), "release"
        ),
        "1 with another payload": Envelope(PAYLOAD_TYPE, one.payload.replace(b"Hello", b"Hullo"), one.signatures),
    }
    publishers = {
        "plain": key_document("root"),
        "limited to another plugin": key_document(
            "root", release_keys=[listed("release", not_before=0, slugs=["other"])]
        ),
        "key retired": key_document("root", release_keys=[retired, release_2]),
        "key revoked": key_document("root", revoked=[stolen]),
        "expired": key_document("root", expires=NOW),
    }
    catalogs = {"names 1": catalog("release 2", newest=one), "names 2": catalog("release 2", newest=two)}
    cases: list[dict[str, Any]] = [
        {"statement": "1"},
        {"statement": "3"},
        {"statement": "2", "known": "1"},
        {"statement": "2", "known": "2"},
        {"statement": "3", "known": "1", "expect": "statement_gap"},
        {"statement": "1", "known": "2", "expect": "statement_rollback"},
        {"statement": "2 fork", "known": "2", "expect": "statement_fork"},
        {"statement": "2 of another row", "known": "1", "expect": "statement_chain"},
        {"statement": "1", "version": "1.1", "expect": "statement_mismatch"},
        {"statement": "1", "slug": "other", "expect": "statement_mismatch"},
        {"statement": "1 of another source", "expect": "statement_mismatch"},
        {"statement": "1 by a stranger", "expect": "release_key_unknown"},
        {"statement": "1 by a root key", "expect": "release_key_unknown"},
        {"statement": "1 with another payload", "expect": "signature_invalid"},
        {"statement": "1 as another type", "expect": "document_type"},
        {"statement": "1 of another predicate", "expect": "document_type"},
        {"statement": "1 under key document 2", "expect": "document_gap"},
        {"statement": "1", "publisher": "limited to another plugin", "expect": "release_key_scope"},
        {"statement": "1", "publisher": "expired", "expect": "document_expired"},
        {"statement": "1", "publisher": "key retired", "expect": "release_key_time"},
        {"statement": "1", "publisher": "key retired", "logged_at": NOW - 2 * DAY},
        {"statement": "1", "publisher": "key retired", "catalog": "names 1"},
        {"statement": "1", "publisher": "key retired", "catalog": "names 2", "expect": "release_key_time"},
        {"statement": "1", "publisher": "key revoked", "expect": "release_key_revoked"},
        {"statement": "1", "publisher": "key revoked", "catalog": "names 1", "expect": "release_key_revoked"},
        {"statement": "1", "publisher": "key revoked", "logged_at": NOW - 2 * DAY},
    ]
    defaults = {"publisher": "plain", "slug": SLUG, "known": None, "logged_at": None, "catalog": None, "expect": "ok"}
    return {
        "now": NOW,
        "publishers": show(publishers),
        "catalogs": show(catalogs),
        "envelopes": show(statements),
        "cases": [{"version": f"1.{int(case['statement'][0]) - 1}", **defaults, **case} for case in cases],
    }


def describe_catalog() -> dict[str, Any]:
    """Catalogues, and what is said of each after another one."""
    one = statement()
    envelopes = {
        "7": catalog(newest=one),
        "7 fork": catalog(newest=one, yanked=[]),
        "8": catalog(newest=statement(after=one), sequence=8),
        "8 expired": catalog(newest=one, sequence=8, expires=NOW),
        "7 under key document 2": catalog(newest=one, publisher_version=2),
        "7 of another source": catalog(newest=one, source="bob@plugins.example.com"),
        "7 by a root key": catalog("root", newest=one),
        "statement": one,
    }
    limited = key_document("root", release_keys=[listed("release", not_before=0, slugs=[SLUG])])
    cases: list[tuple[str, str | None, int, str]] = [
        ("7", None, NOW, "ok"),
        ("7", "7", NOW, "ok"),
        ("8", "7", NOW, "ok"),
        ("7", "7", NOW + 13 * DAY, "stale"),
        ("8", "7", NOW + 13 * DAY, "catalog_expired"),
        ("8 expired", None, NOW, "catalog_expired"),
        ("7", "8", NOW, "catalog_rollback"),
        ("7 fork", "7", NOW, "catalog_fork"),
        ("7 under key document 2", None, NOW, "document_gap"),
        ("7 of another source", None, NOW, "catalog_mismatch"),
        ("7 by a root key", None, NOW, "release_key_unknown"),
        ("statement", None, NOW, "document_type"),
    ]
    described = [
        {"publisher": "plain", "catalog": name, "known": known, "now": now, "expect": expect}
        for name, known, now, expect in cases
    ]
    return {
        "publishers": show({"plain": key_document("root"), "limited to plugins": limited}),
        "envelopes": show(envelopes),
        "cases": [
            *described,
            {
                "publisher": "limited to plugins",
                "catalog": "7",
                "known": None,
                "now": NOW,
                "expect": "release_key_scope",
            },
        ],
    }


def describe_artifact() -> dict[str, Any]:
    """Bytes, their digests and signature; a manifest and its hash."""
    sha384 = hashlib.sha384(ZIP)
    return {
        "zip": base64.b64encode(ZIP).decode(),
        "length": len(ZIP),
        "sha256": hashlib.sha256(ZIP).hexdigest(),
        "sha384": sha384.hexdigest(),
        "key": "release",
        "signature": base64.b64encode(sign_artifact(KEYS["release"], sha384.digest())).decode(),
        "files": [list(file) for file in FILES],
        "manifest": manifest_hash(FILES),
    }


def describe_ownership() -> dict[str, Any]:
    """Challenges, and what a publisher answers."""
    challenge = OwnershipChallenge("https://node.example.org", URL, "alice", "07" * 32, NOW)
    text = challenge.text
    refused = "ownership_challenge"
    cases = [
        ("8c7c9a1e-3f1b-4d0a-9b1e-0f5d2c3b4a59", NOW, "v1-uuid"),
        ("8C7C9A1E-3F1B-4D0A-9B1E-0F5D2C3B4A59", NOW, refused),
        ("8c7c9a1e-3f1b-1d0a-9b1e-0f5d2c3b4a59", NOW, refused),
        (text, NOW, "v2"),
        (text, NOW + 300, "v2"),
        (text, NOW - 300, "v2"),
        (text, NOW + 301, refused),
        (text, NOW - 301, refused),
        (text.rstrip("\n"), NOW, refused),
        (text.replace("\n", "\r\n"), NOW, refused),
        (text.replace("alice", "bob"), NOW, refused),
        (text.replace(URL, "https://other.example"), NOW, refused),
        (text.replace(URL, URL + "/"), NOW, refused),
        (f"pfn-oracle-probe {'07' * 32}", NOW, refused),
        ('{"id":"hello-world","name":"Hello World","version":"1.0"}', NOW, refused),
    ]
    return {
        "instance_url": URL,
        "username": "alice",
        "key": "ownership",
        "challenge": text,
        "signature": base64.b64encode(KEYS["ownership"].sign(text.encode())).decode(),
        "cases": [{"challenge": sent, "now": now, "expect": expect} for sent, now, expect in cases],
    }


if __name__ == "__main__":
    main()
