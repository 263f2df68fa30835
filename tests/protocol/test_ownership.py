import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signed import NOW, OWNERSHIP, RELEASE, URL

from pfn.protocol.challenge import new_challenge
from pfn.protocol.dsse import pae
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.ownership import (
    ChallengeKind,
    check_ownership,
    is_probe,
    judge_challenge,
    new_ownership_challenge,
    new_probe,
    parse_ownership_challenge,
)

NODE = "https://node.example.org"


def seven(length: int) -> bytes:
    return b"\x07" * length


def challenge(**changes):
    members = {"node_origin": NODE, "instance_url": URL, "username": "alice", "now": NOW}
    return new_ownership_challenge(**members | changes, random_bytes=seven)


TEXT = challenge().text


def judge(text, *, now=NOW):
    return judge_challenge(text, instance_urls=[URL], username="alice", now=now)


def test_the_challenge_is_six_lines():
    assert TEXT == (
        "pfn-ownership-v2\n"
        "https://node.example.org\n"
        "https://plugins.example.com\n"
        "alice\n"
        "0707070707070707070707070707070707070707070707070707070707070707\n"
        "1800000000\n"
    )


def test_what_is_written_reads_back():
    assert parse_ownership_challenge(TEXT) == challenge()


@pytest.mark.parametrize("text", [TEXT, challenge(now=NOW - 300).text, challenge(now=NOW + 300).text])
def test_a_fresh_challenge_for_oneself_may_be_signed(text):
    assert judge(text) is ChallengeKind.V2


def test_a_uuid_may_be_signed():
    assert judge(new_challenge(seven)) is ChallengeKind.UUID


@pytest.mark.parametrize(
    "text",
    [
        challenge(now=NOW - 301).text,
        challenge(now=NOW + 301).text,
        challenge(username="bob").text,
        challenge(instance_url="https://other.example").text,
        challenge(instance_url="http://plugins.example.com").text,
        new_probe(seven),
        "",
        "hello",
        '{"id":"hello-world","name":"Hello","version":"1.0"}',
        "A2C1D2E3-0000-4000-8000-000000000000",
        new_challenge(seven) + "\n",
        new_challenge(seven).replace("-4", "-1"),
        pae("application/vnd.pfn.publisher+json", b"{}").decode(),
        "A" * 48,
    ],
)
def test_nothing_else_may_be_signed(text):
    with pytest.raises(SecurityError) as refused:
        judge(text)
    assert refused.value.code is Code.OWNERSHIP_CHALLENGE


@pytest.mark.parametrize(
    "text",
    [
        TEXT.rstrip("\n"),
        TEXT + "\n",
        "\n" + TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("v2", "v3"),
        TEXT.replace("07" * 32, "07" * 31),
        TEXT.replace("07" * 32, "0A" * 32),
        TEXT.replace("1800000000", "01800000000"),
        TEXT.replace("1800000000", "+1800000000"),
        TEXT.replace("1800000000", "1800000000.0"),
        TEXT.replace("1800000000", "١٨٠٠٠٠٠٠٠٠"),
        TEXT.replace("alice", ""),
        TEXT.replace("alice", "al ice"),
        TEXT.replace("alice", "<alice>"),
        TEXT.replace("plugins.example.com", "plugins.example.com/"),
        TEXT.replace("plugins.example.com", "PLUGINS.example.com"),
        TEXT.replace("node.example.org", "node.example.org/path"),
        TEXT.replace("node.example.org", "node.example.org:443"),
        TEXT.replace("https://node.example.org", "node.example.org"),
    ],
)
def test_a_challenge_has_one_spelling(text):
    assert parse_ownership_challenge(text) is None


@given(st.text() | st.integers(0, len(TEXT)).map(lambda position: TEXT[:position] + TEXT[position + 1 :]))
def test_what_reads_as_a_challenge_is_written_the_same(text):
    found = parse_ownership_challenge(text)
    assert found is None or found.text == text


def test_a_probe_is_neither():
    probe = new_probe(seven)
    assert is_probe(probe)
    assert not is_probe(TEXT)
    assert not is_probe(probe + "0")


def test_the_answer_is_signed_with_an_ownership_key():
    keys = [OWNERSHIP.public_key]
    assert check_ownership(keys, challenge=TEXT, signature=OWNERSHIP.sign(TEXT.encode())) == OWNERSHIP.public_key
    for signature in (RELEASE.sign(TEXT.encode()), OWNERSHIP.sign(b"other"), b""):
        with pytest.raises(SecurityError) as refused:
            check_ownership(keys, challenge=TEXT, signature=signature)
        assert refused.value.code is Code.OWNERSHIP_SIGNATURE
