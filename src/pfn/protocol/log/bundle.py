"""The offline bundle: everything that proves one release, in one JSON document (``GET /federation/proof``).

Answers for: reading and writing it. A bundle may lack a piece and still be read; what is missing is named where it is
needed (``bundle_verification``).

The members, after ``format``: ``sha256`` of the zip in hex; ``publisher``, the envelopes of the key documents from
version 1 on; ``statement`` and ``catalog``, envelopes; ``signature``, the publisher's signature beside the zip with the
``message`` it is over, in base64: of v2 the zip's SHA-384, of v1 its name, version and description; ``release_entry``
and ``catalog_entry``, each ``{leaf, proof}`` with the leaf's text and the text of its ``.tlog-proof``; ``notices``, a
list of such entries: what the log says against the source or the release. All entries are proven under one checkpoint.

Does not answer for: the zip, which travels by itself.
"""

import json
import re
from dataclasses import dataclass

from pfn.protocol.dsse import Envelope, parse_envelope, write_envelope
from pfn.protocol.errors import Code
from pfn.protocol.log.line import malformed, read_base64, write_base64
from pfn.protocol.log.proof import TlogProof, parse_proof, write_proof
from pfn.protocol.strict_json import JsonValue, parse_json

FORMAT = "pfn-bundle-v1"
MAX_BUNDLE_BYTES = 32 * 1024 * 1024
MAX_DOCUMENTS = 1000
MAX_NOTICES = 100

_MEMBERS = {"sha256", "publisher", "statement", "catalog", "signature", "release_entry", "catalog_entry", "notices"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """A leaf's bytes and the proof that a log has it."""

    leaf: bytes
    proof: TlogProof


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A bare signature of the publisher's key, and the exact bytes it is over."""

    message: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a node has to show for one release; nothing is verified. ``sha256`` is the zip's, in hex."""

    sha256: str
    publisher: tuple[Envelope, ...] = ()
    statement: Envelope | None = None
    catalog: Envelope | None = None
    signature: SignedMessage | None = None
    release_entry: LoggedEntry | None = None
    catalog_entry: LoggedEntry | None = None
    notices: tuple[LoggedEntry, ...] = ()


def write_bundle(bundle: Bundle) -> bytes:
    """The JSON of a bundle; members that are None are left out."""
    members = {
        "format": FORMAT,
        "sha256": bundle.sha256,
        "publisher": [_show(envelope) for envelope in bundle.publisher],
        "statement": bundle.statement and _show(bundle.statement),
        "catalog": bundle.catalog and _show(bundle.catalog),
        "signature": bundle.signature and _show_signature(bundle.signature),
        "release_entry": bundle.release_entry and _show_entry(bundle.release_entry),
        "catalog_entry": bundle.catalog_entry and _show_entry(bundle.catalog_entry),
        "notices": [_show_entry(entry) for entry in bundle.notices],
    }
    shown = {name: value for name, value in members.items() if value is not None}
    return json.dumps(shown, ensure_ascii=False, indent=1).encode() + b"\n"


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle. Raises PfnError: ``log_malformed``; ``publisher_document`` for an envelope that is none."""
    members = parse_json(data, max_bytes=MAX_BUNDLE_BYTES, code=Code.LOG_MALFORMED)
    if not isinstance(members, dict) or members.pop("format", None) != FORMAT or not members.keys() <= _MEMBERS:
        raise malformed(f"A bundle is a JSON object of the format {FORMAT}, with members that it names.")
    sha256 = members.get("sha256")
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        raise malformed("The bundle's sha256 is not 64 lower-case hex digits.")
    return Bundle(
        sha256=sha256,
        publisher=tuple(map(_read_envelope, _read_list(members, "publisher", MAX_DOCUMENTS))),
        statement=_read_envelope(members["statement"]) if "statement" in members else None,
        catalog=_read_envelope(members["catalog"]) if "catalog" in members else None,
        signature=_read_signature(members["signature"]) if "signature" in members else None,
        release_entry=_read_entry(members["release_entry"]) if "release_entry" in members else None,
        catalog_entry=_read_entry(members["catalog_entry"]) if "catalog_entry" in members else None,
        notices=tuple(map(_read_entry, _read_list(members, "notices", MAX_NOTICES))),
    )


def _show(envelope: Envelope) -> object:
    return json.loads(write_envelope(envelope))


def _show_entry(entry: LoggedEntry) -> dict[str, str]:
    return {"leaf": entry.leaf.decode(), "proof": write_proof(entry.proof).decode()}


def _show_signature(signed: SignedMessage) -> dict[str, str]:
    return {"message": write_base64(signed.message), "signature": write_base64(signed.signature)}


def _read_signature(value: JsonValue) -> SignedMessage:
    if not isinstance(value, dict) or value.keys() != {"message", "signature"}:
        raise malformed("The signature in a bundle is an object of message and signature.")
    message, signature = value["message"], value["signature"]
    if not isinstance(message, str) or not isinstance(signature, str):
        raise malformed("The message and the signature in a bundle are texts.")
    return SignedMessage(
        read_base64(message, "The message in the bundle"), read_base64(signature, "The signature in the bundle")
    )


def _read_list(members: dict[str, JsonValue], name: str, most: int) -> list[JsonValue]:
    value = members.get(name, [])
    if not isinstance(value, list) or len(value) > most:
        raise malformed(f"The bundle's {name} is a list of at most {most}.")
    return value


def _read_envelope(value: JsonValue) -> Envelope:
    # Its parts are base64 and names, so nothing is lost when it is written once more for the one reader of envelopes.
    return parse_envelope(json.dumps(value).encode(), max_bytes=MAX_BUNDLE_BYTES)


def _read_entry(value: JsonValue) -> LoggedEntry:
    if not isinstance(value, dict) or value.keys() != {"leaf", "proof"}:
        raise malformed("An entry in a bundle is an object of leaf and proof.")
    leaf, proof = value["leaf"], value["proof"]
    if not isinstance(leaf, str) or not isinstance(proof, str):
        raise malformed("The leaf and the proof of an entry in a bundle are texts.")
    return LoggedEntry(leaf.encode(), parse_proof(proof.encode()))
