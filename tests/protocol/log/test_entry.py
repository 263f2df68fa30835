"""Leaves: every kind, in exactly one spelling."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.protocol.log.trees import ORIGIN
from tests.support.signed import NOW, ROOT, SOURCE, URL
from tests.support.tools import needs_module

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import (
    KINDS,
    CatalogLeaf,
    CustodyLeaf,
    EvidenceLeaf,
    PeerLeaf,
    PublisherLeaf,
    ReleaseLeaf,
    RevocationLeaf,
    SourceLeaf,
    VerificationLeaf,
    YankLeaf,
    parse_leaf,
    write_leaf,
)
from pfn.protocol.log.entry_bundle import MAX_ENTRY_BYTES

HASHES = [f"{digit}" * 64 for digit in "0123456789abcdef"]
RELEASE = ReleaseLeaf(
    at=NOW, source=SOURCE, slug="hello-world", version="1.0", length=1234, sha256=HASHES[1], statement=HASHES[2]
)
LEAVES = [
    SourceLeaf(at=NOW, source=SOURCE, instance_url=URL, key=ROOT.public_key, state="registered"),
    VerificationLeaf(at=NOW, source=SOURCE, key=HASHES[0], method="ownership-v1", result="success", proof=HASHES[3]),
    VerificationLeaf(
        at=NOW, source=SOURCE, key=HASHES[0], method="ownership-v2", result="failure", code="ownership_signature"
    ),
    PublisherLeaf(at=NOW, source=SOURCE, version=3, document=HASHES[4]),
    RELEASE,
    ReleaseLeaf(**RELEASE.model_dump() | {"statement": None, "signature": HASHES[5], "manifest": HASHES[6]}),
    CatalogLeaf(at=NOW, source=SOURCE, sequence=7, catalog=HASHES[7]),
    YankLeaf(at=NOW, source=SOURCE, slug="hello-world", version="1.0", catalog=HASHES[7]),
    RevocationLeaf(at=NOW, source=SOURCE, key=HASHES[8], since=0, document=HASHES[9]),
    CustodyLeaf(at=NOW, source=SOURCE, previous=HASHES[0], key=HASHES[10], until=NOW + 7 * 86_400),
    EvidenceLeaf(at=NOW, about="document_fork", subject=SOURCE, first=HASHES[11], second=HASHES[12]),
    EvidenceLeaf(
        at=NOW,
        about="release_conflict",
        subject=SOURCE,
        slug="hello-world",
        version="1.0",
        first=HASHES[11],
        second=HASHES[12],
    ),
    EvidenceLeaf(at=NOW, about="log_fork", subject=ORIGIN, first=HASHES[11], second=HASHES[12]),
    PeerLeaf(at=NOW, origin=ORIGIN, key=HASHES[13], state="active"),
]
IDS = [f"{leaf.kind}-{number}" for number, leaf in enumerate(LEAVES)]


def refused(data: bytes) -> Code:
    with pytest.raises(PfnError) as caught:
        parse_leaf(data)
    return caught.value.code


def test_every_kind_of_the_contract_has_its_leaf():
    assert {leaf.kind for leaf in LEAVES} == KINDS
    contract = "source, verification, publisher, release, catalog, yank, revocation, custody, evidence, peer"
    assert ", ".join(dict.fromkeys(leaf.kind for leaf in LEAVES)) == contract


def test_the_bytes_of_a_release():
    assert write_leaf(RELEASE) == (
        b'{"t":"release","v":{"at":1800000000,"length":1234,"sha256":"' + HASHES[1].encode() + b'","slug":"hello-world"'
        b',"source":"alice@plugins.example.com","statement":"' + HASHES[2].encode() + b'","version":"1.0"}}'
    )


@pytest.mark.parametrize("leaf", LEAVES, ids=IDS)
def test_what_was_written_is_read(leaf):
    data = write_leaf(leaf)
    assert data.startswith(f'{{"t":"{leaf.kind}","v":{{"a'.encode())
    assert parse_leaf(data) == leaf
    assert type(parse_leaf(data)) is type(leaf)
    assert len(data) < 1000


@needs_module("rfc8785")
@pytest.mark.parametrize("leaf", LEAVES, ids=IDS)
def test_it_is_canonical_json_of_rfc_8785(leaf):
    import rfc8785

    data = write_leaf(leaf)
    assert rfc8785.dumps(json.loads(data)) == data


@pytest.mark.parametrize("leaf", LEAVES, ids=IDS)
def test_every_other_spelling_is_refused(leaf):
    data = write_leaf(leaf)
    members = json.loads(data)
    others = [
        data + b"\n",
        b" " + data,
        data.replace(b'"at":', b'"at": '),
        data.replace(f'"at":{NOW}'.encode(), f'"at":{NOW}.0'.encode()),
        data.replace(f'"at":{NOW}'.encode(), b'"at":18e8'),
        data.replace(f'"at":{NOW}'.encode(), f'"at":"{NOW}"'.encode()),
        data.replace(b'"t"', b'"\\u0074"'),
        data.replace(b'"v":{', b'"v":{"extra":1,'),
        data.replace(b'"v":{', b'"v":{"at":1,'),
        data[:-1] + b',"w":1}',
        json.dumps({"v": members["v"], "t": members["t"]}, separators=(",", ":")).encode(),
        json.dumps({"t": members["t"], "v": dict(reversed(members["v"].items()))}, separators=(",", ":")).encode(),
        *(write({**members, "v": {**members["v"], name: None}}) for name in ("code", "statement", "slug", "at")),
        *(write({**members, "v": {k: v for k, v in members["v"].items() if k != name}}) for name in members["v"]),
    ]
    for other in others:
        if other != data and not is_another_leaf(leaf, other):
            assert refused(other) is Code.LOG_MALFORMED, other


def write(members) -> bytes:
    return json.dumps(members, separators=(",", ":"), sort_keys=True).encode()


def is_another_leaf(leaf, data: bytes) -> bool:
    """Leaving a member out that need not be there gives another good leaf."""
    optional = {name for name, member in type(leaf).model_fields.items() if not member.is_required()}
    left = set(json.loads(write_leaf(leaf))["v"]) - set(json.loads(data)["v"])
    return bool(left) and left <= optional


@pytest.mark.parametrize(
    ("index", "member", "value"),
    [
        (4, "source", "alice@Plugins.example.com"),
        (4, "source", "alice@plugins.example.com:0443"),
        (4, "source", "alice@plugins.example.com/path"),
        (4, "source", "alice"),
        (4, "source", "@plugins.example.com"),
        (4, "source", "a b@plugins.example.com"),
        (4, "source", "write to alice@plugins.example.com"),
        (4, "source", "alice@plugins.example.com?"),
        (4, "slug", "Hello"),
        (4, "slug", "../x"),
        (4, "slug", "x" * 64),
        (4, "version", "1..0"),
        (4, "version", "free text"),
        (4, "version", "1.0\n"),
        (4, "length", -1),
        (4, "length", 2**53),
        (4, "length", True),
        (4, "sha256", HASHES[10].upper()),
        (4, "sha256", "a" * 63),
        (4, "at", -1),
        (4, "at", 10**12),
        (0, "state", "happy"),
        (0, "key", "AAAA"),
        (0, "key", "A" * 43 + "="),
        (0, "instance_url", "https://plugins.example.com/"),
        (0, "instance_url", "https://elsewhere.example.com"),
        (1, "method", "trust me"),
        (2, "code", "It was refused."),
        (3, "version", 0),
        (3, "version", 2**31),
        (10, "about", "a" * 65),
        (10, "subject", "no body"),
        (10, "subject", ""),
        (13, "origin", "a+b"),
        (13, "origin", "größe.example/pfn"),
        (13, "origin", "a" * 256),
    ],
)
def test_a_member_that_is_wrong(index, member, value):
    members = json.loads(write_leaf(LEAVES[index]))
    assert member in members["v"]
    members["v"][member] = value
    data = json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()
    assert refused(data) is Code.LOG_MALFORMED


@pytest.mark.parametrize(
    "source",
    ["a@h", "alice@plugins.example.com:8443", "a@plugins.example.com:443", "a@h:80", "a@[::1]:99", "a@127.0.0.1"],
)
def test_sources_in_their_one_spelling(source):
    leaf = PublisherLeaf(at=NOW, source=source, version=1, document=HASHES[0])
    assert parse_leaf(write_leaf(leaf)) == leaf


def test_a_leaf_is_made_of_its_own_members_alone():
    with pytest.raises(ValidationError):
        ReleaseLeaf(**RELEASE.model_dump(), note="hello")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"t":1,"v":{}}', b'{"t":"release"}', b"\xff"])
def test_what_is_no_leaf(data):
    assert refused(data) is Code.LOG_MALFORMED


def test_a_kind_of_a_later_version_may_be_passed_over():
    assert refused(b'{"t":"advisory","v":{}}') is Code.LEAF_UNKNOWN


def test_one_that_is_too_long():
    assert refused(b'{"t":"later","v":{"x":"' + b"x" * MAX_ENTRY_BYTES + b'"}}') is Code.LOG_MALFORMED


@given(st.binary(max_size=200))
def test_nothing_else_comes_out_of_reading(data):
    with pytest.raises(PfnError):
        parse_leaf(data)
