import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signed import (
    NOW,
    RELEASE,
    RELEASE_2,
    ROOT,
    SLUG,
    STRANGER,
    catalog,
    listing,
    publisher,
    release_key,
    revoked,
    sign_document,
    sign_statement,
    statement,
    statement_row,
)

from pfn.protocol.document import Head
from pfn.protocol.dsse import Envelope, key_id, parse_envelope, sign_envelope, write_envelope
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.release_statement import (
    PAYLOAD_TYPE,
    ReleaseStatement,
    read_statement,
    verify_statement,
    verify_statement_chain,
    write_statement,
)

ROW = statement_row(["1.0", "1.1", "2.0", "2.1"])
HEADS = [Head(number, envelope.payload_hash) for number, envelope in enumerate(ROW, start=1)]
OTHER_ROW = statement_row(["1.0", "1.2", "1.3"])


def verify(envelope, known=None, *, version="1.0", who=None, **options):
    settings = {"slug": SLUG, "version": version, "known": known, "now": NOW} | options
    return verify_statement(envelope, who or publisher(), **settings)


def walk(envelopes, known=None, *, who=None, **options):
    settings = {"slug": SLUG, "known": known, "now": NOW} | options
    return verify_statement_chain(envelopes, who or publisher(), **settings)


def code_of(call, *arguments, **options):
    with pytest.raises(PfnError) as refused:
        call(*arguments, **options)
    return refused.value.code


def with_members(**changes):
    payload = json.loads(write_statement(statement()))
    predicate = changes.pop("predicate", {})
    payload |= changes
    payload["predicate"] |= predicate
    return sign_envelope(PAYLOAD_TYPE, json.dumps(payload).encode(), [RELEASE])


class TestReading:
    def test_the_payload_is_an_in_toto_statement(self):
        payload = json.loads(write_statement(statement()))
        assert payload["_type"] == "https://in-toto.io/Statement/v1"
        assert payload["predicateType"] == "urn:pfn:release:v1"
        assert payload["subject"] == [
            {"name": "hello-world-1.0.zip", "digest": {"sha256": "aa" * 32, "sha384": "bb" * 48}}
        ]
        assert payload["predicate"]["sequence"] == 1
        assert not {"sha256", "sha384", "previous", "tested"} & set(payload["predicate"])

    @given(
        st.builds(
            statement,
            name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=200),
            description=st.text(st.characters(codec="utf-8"), max_size=300),
            version=st.from_regex(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}", fullmatch=True).filter(
                lambda text: ".." not in text
            ),
            length=st.integers(0, 2**53 - 1),
            tested=st.none() | st.text(st.characters(codec="utf-8"), max_size=32),
            tags=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=5).map(tuple),
        )
    )
    def test_what_is_signed_reads_back_and_verifies(self, document):
        envelope = parse_envelope(write_envelope(sign_statement(document)))
        verified = verify(envelope, version=document.version)
        assert verified.statement == document
        assert verified.payload_hash == envelope.payload_hash
        assert verified.key == RELEASE.public_key
        assert verified.head == Head(1, envelope.payload_hash)

    def test_unknown_members_and_digests_are_ignored(self):
        digest = {"sha256": "aa" * 32, "sha384": "bb" * 48, "blake3": "dd"}
        subject = [{"name": "hello-world-1.0.zip", "digest": digest, "uri": "u"}]
        envelope = with_members(subject=subject, extra=1, predicate={"provenance": {"sha256": "00"}, "sha256": "x"})
        assert verify(envelope).statement == statement()

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"_type": "https://in-toto.io/Statement/v0.1"}, Code.DOCUMENT_TYPE),
            ({"_type": None}, Code.DOCUMENT_TYPE),
            ({"predicateType": "https://slsa.dev/provenance/v1"}, Code.DOCUMENT_TYPE),
            ({"predicateType": "urn:pfn:release:v2"}, Code.DOCUMENT_TYPE),
            ({"subject": []}, Code.PUBLISHER_DOCUMENT),
            ({"subject": [{"name": "hello-world-1.0.zip", "digest": {"sha256": "aa" * 32}}]}, Code.PUBLISHER_DOCUMENT),
            ({"subject": json.loads(write_statement(statement()))["subject"] * 2}, Code.PUBLISHER_DOCUMENT),
            (
                {"subject": [{"name": "hello-world-1.1.zip", "digest": {"sha256": "aa" * 32, "sha384": "bb" * 48}}]},
                Code.STATEMENT_MISMATCH,
            ),
            ({"predicate": {"sequence": 0}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"sequence": 2**31}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"sequence": 2}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"previous": "00" * 32}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"length": 1234.0}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"length": -1}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"version": "1.0/../2"}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"slug": "Hello"}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"manifest": None}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"tags": "greeting"}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"name": ""}}, Code.PUBLISHER_DOCUMENT),
            ({"predicate": {"source": "bob@plugins.example.com"}}, Code.STATEMENT_MISMATCH),
            ({"predicate": {"publisher_version": 2}}, Code.DOCUMENT_GAP),
        ],
    )
    def test_what_says_something_else_is_refused(self, changes, code):
        assert code_of(verify, with_members(**changes)) is code

    @pytest.mark.parametrize("asked", [{"slug": "other"}, {"version": "1.1"}])
    def test_a_statement_is_good_for_one_release(self, asked):
        assert code_of(verify, ROW[0], **asked) is Code.STATEMENT_MISMATCH

    def test_a_key_document_of_the_same_keys_is_no_statement(self):
        envelope = sign_document(publisher().document, RELEASE)
        assert code_of(verify, envelope) is Code.DOCUMENT_TYPE
        assert code_of(read_statement, envelope) is Code.DOCUMENT_TYPE

    def test_a_catalogue_signed_by_the_same_key_is_no_statement(self):
        assert code_of(verify, sign_document(catalog(), RELEASE)) is Code.DOCUMENT_TYPE


class TestPlaceInTheRow:
    @pytest.mark.parametrize(
        ("envelope", "known", "code"),
        [
            pytest.param(ROW[0], None, None, id="the first"),
            pytest.param(ROW[2], None, None, id="any, when nothing is known"),
            pytest.param(ROW[1], HEADS[0], None, id="the next"),
            pytest.param(ROW[1], HEADS[1], None, id="the same"),
            pytest.param(ROW[2], HEADS[0], Code.STATEMENT_GAP, id="one left out"),
            pytest.param(ROW[0], HEADS[1], Code.STATEMENT_ROLLBACK, id="rollback"),
            pytest.param(OTHER_ROW[1], HEADS[1], Code.STATEMENT_FORK, id="fork"),
            pytest.param(OTHER_ROW[2], HEADS[1], Code.STATEMENT_CHAIN, id="the next of another row"),
        ],
    )
    def test_what_may_follow(self, envelope, known, code):
        version = read_statement(envelope).version
        if code is None:
            assert verify(envelope, known, version=version).statement.version == version
        else:
            assert code_of(verify, envelope, known, version=version) is code

    def test_a_strangers_statement_is_no_fork(self):
        forged = sign_statement(statement(description="other"), STRANGER)
        assert code_of(verify, forged, HEADS[0]) is Code.RELEASE_KEY_UNKNOWN

    def test_fast_forward_is_a_gap(self):
        far = sign_statement(statement(sequence=2**31 - 1, previous="00" * 32))
        assert code_of(verify, far, HEADS[0]) is Code.STATEMENT_GAP


class TestKeys:
    def test_nothing_is_believed_under_an_expired_key_document(self):
        assert code_of(verify, ROW[0], who=publisher(expires=NOW)) is Code.DOCUMENT_EXPIRED
        assert code_of(walk, ROW, who=publisher(expires=NOW)) is Code.DOCUMENT_EXPIRED

    @pytest.mark.parametrize("key", [ROOT, STRANGER])
    def test_only_release_keys_sign(self, key):
        assert code_of(verify, sign_statement(statement(), key)) is Code.RELEASE_KEY_UNKNOWN

    @pytest.mark.parametrize(
        ("logged_at", "code"), [(None, Code.RELEASE_KEY_TIME), (99, None), (100, Code.RELEASE_KEY_TIME)]
    )
    def test_a_retired_keys_statement_is_good_if_it_was_logged_in_time(self, logged_at, code):
        who = publisher(release_keys=(release_key(RELEASE, not_after=100),))
        if code is None:
            verify(ROW[0], who=who, logged_at=logged_at)
        else:
            assert code_of(verify, ROW[0], who=who, logged_at=logged_at) is code

    def test_a_retired_keys_statement_is_good_if_the_catalogue_names_it(self):
        who = publisher(release_keys=(release_key(RELEASE, not_after=100), release_key(RELEASE_2)))
        named = catalog(releases=(listing(ROW[0]),))
        assert verify(ROW[0], who=who, endorsed_by=named).key == RELEASE.public_key
        for other in (
            catalog(),
            catalog(releases=(listing(ROW[1], slug="other"),)),
            catalog(releases=(listing(ROW[1]),)),
        ):
            assert code_of(verify, ROW[0], who=who, endorsed_by=other) is Code.RELEASE_KEY_TIME

    @pytest.mark.parametrize(("logged_at", "blocked"), [(None, True), (499, False), (500, True)])
    def test_a_revoked_keys_statement_is_good_only_if_it_was_logged_before(self, logged_at, blocked):
        who = publisher(revoked=(revoked(RELEASE, 500),))
        named = catalog(releases=(listing(ROW[0]),))
        if blocked:
            refused = code_of(verify, ROW[0], who=who, logged_at=logged_at, endorsed_by=named)
            assert refused is Code.RELEASE_KEY_REVOKED
        else:
            verify(ROW[0], who=who, logged_at=logged_at)


class TestRows:
    def test_a_row_from_the_start(self):
        row = walk(ROW)
        assert [verified.statement.version for verified in row.believed] == ["1.0", "1.1", "2.0", "2.1"]
        assert row.newest.head == HEADS[3]
        assert row.left_out == ()

    @pytest.mark.parametrize(
        ("envelopes", "known", "code"),
        [
            pytest.param(ROW[2:], None, None, id="joining late"),
            pytest.param(ROW[1:], HEADS[0], None, id="after what is known"),
            pytest.param(ROW[1:], HEADS[1], None, id="from what is known"),
            pytest.param(ROW[3:], HEADS[3], None, id="nothing new"),
            pytest.param([ROW[0], ROW[2]], None, Code.STATEMENT_GAP, id="one left out"),
            pytest.param([ROW[1], ROW[0]], None, Code.STATEMENT_ROLLBACK, id="in the wrong order"),
            pytest.param(ROW[2:], HEADS[0], Code.STATEMENT_GAP, id="too late a start"),
            pytest.param(ROW, HEADS[1], Code.STATEMENT_ROLLBACK, id="too early a start"),
            pytest.param([ROW[0], OTHER_ROW[1], ROW[2]], None, Code.STATEMENT_CHAIN, id="a link of another row"),
            pytest.param(OTHER_ROW[1:], HEADS[1], Code.STATEMENT_FORK, id="another row"),
            pytest.param([ROW[0], OTHER_ROW[0]], None, None, id="the same twice, signatures aside"),
        ],
    )
    def test_what_is_a_row(self, envelopes, known, code):
        if code is None:
            walk(envelopes, known)
        else:
            assert code_of(walk, envelopes, known) is code

    def test_a_link_about_another_plugin_is_refused(self):
        assert code_of(walk, [sign_statement(statement(slug="other")), ROW[1]]) is Code.STATEMENT_MISMATCH

    def test_the_last_must_be_signed_by_a_key_that_may(self):
        assert code_of(walk, [*ROW[:3], Envelope(PAYLOAD_TYPE, ROW[3].payload, ())]) is Code.RELEASE_KEY_UNKNOWN

    def test_links_by_a_retired_key_are_believed_for_the_last(self):
        rotated = statement_row(["1.0", "1.1"], keys=[RELEASE, RELEASE_2])
        who = publisher(release_keys=(release_key(RELEASE, not_after=100), release_key(RELEASE_2)))
        assert [verified.key for verified in walk(rotated, who=who).believed] == [
            RELEASE.public_key,
            RELEASE_2.public_key,
        ]

    @pytest.mark.parametrize(
        ("who", "code"),
        [
            (publisher(release_keys=(release_key(RELEASE_2),)), Code.RELEASE_KEY_UNKNOWN),
            (
                publisher(
                    release_keys=(release_key(RELEASE), release_key(RELEASE_2)), revoked=(revoked(RELEASE, NOW),)
                ),
                Code.RELEASE_KEY_REVOKED,
            ),
        ],
    )
    def test_links_by_a_key_that_is_gone_or_revoked_are_walked_and_left_out(self, who, code):
        row = walk(statement_row(["1.0", "1.1"], keys=[RELEASE, RELEASE_2]), who=who)
        assert [verified.statement.version for verified in row.believed] == ["1.1"]
        assert [(left.version, reason.code) for left, reason in row.left_out] == [("1.0", code)]

    def test_after_a_theft_the_publisher_goes_on_from_the_last_good_statement(self):
        good = ROW[0]
        stolen = sign_statement(statement(version="6.6.6", sequence=2, previous=good.payload_hash))
        mended = sign_statement(statement(version="1.1", sequence=2, previous=good.payload_hash), RELEASE_2)
        who = publisher(
            release_keys=(release_key(RELEASE), release_key(RELEASE_2)), revoked=(revoked(RELEASE, NOW - 10),)
        )
        assert code_of(verify, stolen, HEADS[0], who=who, version="6.6.6") is Code.RELEASE_KEY_REVOKED
        assert verify(mended, HEADS[0], who=who, version="1.1").head.sequence == 2


@given(data=st.data())
def test_whatever_byte_is_changed_the_statement_is_refused_or_the_same(data):
    written = bytearray(write_envelope(ROW[1]))
    written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    try:
        verified = verify(parse_envelope(bytes(written)), HEADS[0], version="1.1")
    except PfnError:
        return
    assert verified == verify(ROW[1], HEADS[0], version="1.1")


def test_the_signer_is_named_as_the_key_document_does():
    assert key_id(verify(ROW[0]).key) == publisher().document.release_keys[0].id
    assert isinstance(verify(ROW[0]).statement, ReleaseStatement)
