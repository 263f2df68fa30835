"""Evidence: what holds is named for what it is, and nothing else holds."""

import base64
import json

import pytest
from tests.support.signed import (
    NOW,
    RELEASE,
    RELEASE_2,
    ROOT,
    ROOT_2,
    STRANGER,
    catalog,
    key_document,
    next_document,
    release_key,
    revoked,
    sign_document,
    sign_statement,
    statement,
)

from pfn.protocol.dsse import Envelope, write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.evidence import EvidenceNotice, check_log_evidence, check_source_evidence, read_evidence
from pfn.protocol.log.checkpoint import Checkpoint, sign_checkpoint
from pfn.protocol.log.note import NoteSigner, write_note

FIRST = sign_document(key_document(), ROOT)
CHAIN = [FIRST]
ORIGIN = "node.example.org/pfn"
LOG = NoteSigner(ORIGIN, SigningKey(b"\x07" * 32))


def bytes_of(envelope: Envelope) -> bytes:
    return write_envelope(envelope)


ONE = sign_statement(statement())
OTHER_ZIP = sign_statement(statement(sha256="dd" * 32, sequence=2, previous="00" * 32))
SAME_NUMBER = sign_statement(statement(version="1.1"))
CATALOG = sign_document(catalog(), RELEASE)
OTHER_CATALOG = sign_document(catalog(issued=NOW - 5), RELEASE)
SECOND = next_document(FIRST, ROOT)
OTHER_SECOND = next_document(FIRST, ROOT, release_keys=(release_key(RELEASE_2),))


@pytest.mark.parametrize(
    ("kind", "first", "second", "code"),
    [
        ("release_conflict", ONE, OTHER_ZIP, Code.RELEASE_CONFLICT),
        ("statement_fork", ONE, SAME_NUMBER, Code.STATEMENT_FORK),
        # What it is is told by the documents, not by who brings them.
        ("statement_fork", ONE, OTHER_ZIP, Code.RELEASE_CONFLICT),
        ("catalog_fork", CATALOG, OTHER_CATALOG, Code.CATALOG_FORK),
        ("document_fork", SECOND, OTHER_SECOND, Code.DOCUMENT_FORK),
    ],
)
@pytest.mark.parametrize("swap", [False, True])
def test_what_holds(kind: str, first: Envelope, second: Envelope, code: Code, swap: bool):
    sides = (bytes_of(second), bytes_of(first)) if swap else (bytes_of(first), bytes_of(second))
    error = check_source_evidence(kind, *sides, CHAIN)
    assert error.code is code
    assert len(error.detail) > 20


def test_two_key_documents_are_held_against_the_known_one():
    for chain in (CHAIN, [FIRST, SECOND], [FIRST, OTHER_SECOND]):
        error = check_source_evidence("document_fork", bytes_of(SECOND), bytes_of(OTHER_SECOND), chain)
        assert error.code is Code.DOCUMENT_FORK


REVOKED = next_document(FIRST, ROOT, release_keys=(release_key(RELEASE_2),), revoked=(revoked(RELEASE, NOW - 100),))
RETIRED = next_document(FIRST, ROOT, release_keys=(release_key(RELEASE_2),))
LIMITED = sign_document(key_document(release_keys=(release_key(RELEASE, slugs=("other",)),)), ROOT)


def test_a_retired_key_still_accuses():
    chain = [FIRST, RETIRED]
    assert check_source_evidence("statement_fork", bytes_of(ONE), bytes_of(SAME_NUMBER), chain)


@pytest.mark.parametrize(
    ("kind", "first", "second", "chain"),
    [
        ("release_conflict", ONE, ONE, CHAIN),
        ("release_conflict", ONE, sign_statement(statement(), STRANGER), CHAIN),
        ("release_conflict", ONE, sign_statement(statement(sha256="dd" * 32), STRANGER), CHAIN),
        ("release_conflict", ONE, sign_statement(statement(version="2.0", sequence=2, previous="00" * 32)), CHAIN),
        ("release_conflict", ONE, sign_statement(statement(slug="other", sha256="dd" * 32)), CHAIN),
        ("release_conflict", ONE, sign_statement(statement(source="eve@example.org", sha256="dd" * 32)), CHAIN),
        ("release_conflict", ONE, OTHER_ZIP, []),
        # A thief could have signed either side.
        ("release_conflict", ONE, OTHER_ZIP, [FIRST, REVOKED]),
        ("release_conflict", ONE, OTHER_ZIP, [LIMITED]),
        ("release_conflict", ONE, CATALOG, CHAIN),
        ("catalog_fork", CATALOG, CATALOG, CHAIN),
        ("catalog_fork", CATALOG, sign_document(catalog(sequence=2), RELEASE), CHAIN),
        ("catalog_fork", CATALOG, sign_document(catalog(issued=NOW - 5), STRANGER), CHAIN),
        ("catalog_fork", CATALOG, sign_document(catalog(issued=NOW - 5, source="eve@example.org"), RELEASE), CHAIN),
        ("catalog_fork", CATALOG, OTHER_CATALOG, [LIMITED]),
        ("document_fork", SECOND, SECOND, CHAIN),
        ("document_fork", FIRST, SECOND, CHAIN),
        ("document_fork", SECOND, next_document(FIRST, ROOT_2, expires=NOW + 9), CHAIN),
        ("document_fork", SECOND, next_document(FIRST, ROOT_2, expires=NOW + 9), [FIRST, SECOND]),
        ("log_fork", ONE, SAME_NUMBER, CHAIN),
        ("first_seen_conflict", ONE, OTHER_ZIP, CHAIN),
    ],
)
def test_what_does_not_hold(kind: str, first: Envelope, second: Envelope, chain: list[Envelope]):
    for sides in ((first, second), (second, first)):
        with pytest.raises(PfnError) as raised:
            check_source_evidence(kind, *map(bytes_of, sides), chain)
        assert raised.value.code is Code.EVIDENCE_INVALID


def test_no_documents_are_no_evidence():
    for sides in ((b"", b""), (b"SHA-256 aa\n", b"SHA-256 bb\n"), (bytes_of(ONE), b"{}")):
        with pytest.raises(PfnError) as raised:
            check_source_evidence("release_conflict", *sides, CHAIN)
        assert raised.value.code is Code.EVIDENCE_INVALID


def note(size: int, root: bytes, signer: NoteSigner = LOG) -> bytes:
    return write_note(sign_checkpoint(Checkpoint(signer.name, size, root * 32), signer))


def test_two_trees_of_one_size_are_a_fork():
    error = check_log_evidence("log_fork", note(5, b"a"), note(5, b"b"), LOG.verifier_key)
    assert error.code is Code.LOG_FORK


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("log_fork", note(5, b"a"), note(5, b"a")),
        ("log_fork", note(5, b"a"), note(6, b"b")),
        ("log_fork", note(5, b"a"), note(5, b"b", NoteSigner(ORIGIN, SigningKey(b"\x08" * 32)))),
        ("log_fork", note(5, b"a"), note(5, b"b", NoteSigner("other/pfn", SigningKey(b"\x07" * 32)))),
        ("log_fork", note(5, b"a"), b"no note"),
        ("log_consistency", note(5, b"a"), note(5, b"b")),
    ],
)
def test_everything_else_is_none(kind: str, first: bytes, second: bytes):
    with pytest.raises(PfnError) as raised:
        check_log_evidence(kind, first, second, LOG.verifier_key)
    assert raised.value.code is Code.EVIDENCE_INVALID


def test_what_is_sent_is_what_was_read():
    row = {"kind": "log_fork", "subject": ORIGIN, "first": "— é\n", "second": "b", "found_at": 7}
    (notice,) = read_evidence(json.dumps([row]).encode())
    assert notice == EvidenceNotice(kind="log_fork", subject=ORIGIN, first="— é\n", second="b")
    sent = notice.to_json()
    assert (base64.b64decode(str(sent["first"])), base64.b64decode(str(sent["second"]))) == notice.sides
    for body in (b"{}", b'[{"kind": "x"}]', b"[1]", b"no", b'[{"kind":"A B","subject":"x","first":"","second":""}]'):
        with pytest.raises(PfnError) as raised:
            read_evidence(body)
        assert raised.value.code is Code.PEER_ANSWER
