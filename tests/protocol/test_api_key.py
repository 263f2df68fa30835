"""Keys as text: their shape, their checksum, and that no log shows one."""

import hashlib
import secrets
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.api_key import Prefix, Token, generate_token, hash_secret, parse_token, redact

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Worked out by hand from the format: the checksum of the text before it, in base62.
KNOWN_BODY = "fadmin_" + "0123456789AB" + "_" + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"


def base62(number: int) -> str:
    return (base62(number // 62) if number >= 62 else "") + ALPHABET[number % 62]


KNOWN = KNOWN_BODY + base62(zlib.crc32(KNOWN_BODY.encode())).rjust(6, "0")

tokens = st.builds(
    generate_token,
    st.sampled_from(Prefix),
    st.randoms(use_true_random=False).map(lambda dice: dice.randbytes),
)


def test_a_known_token():
    assert len(KNOWN) == 7 + 12 + 1 + 43 + 6
    token = parse_token(KNOWN)
    assert token == Token(Prefix.ADMIN, "0123456789AB", KNOWN_BODY[20:], KNOWN)
    assert hash_secret(token) == hashlib.sha256(KNOWN.encode()).hexdigest()


@given(tokens)
def test_what_is_generated_is_recognised(token: Token):
    assert parse_token(token.text) == token
    assert token.text.startswith(f"{token.prefix}{token.id}_{token.secret}")


@given(tokens, st.data())
def test_a_typing_error_is_noticed(token: Token, data: st.DataObject):
    place = data.draw(st.integers(0, len(token.text) - 1))
    character = data.draw(st.sampled_from(ALPHABET).filter(lambda drawn: drawn != token.text[place]))
    assert parse_token(token.text[:place] + character + token.text[place + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fadmin_",
        KNOWN + "\n",
        " " + KNOWN,
        KNOWN[:-1],
        KNOWN + "0",
        KNOWN.replace("fadmin", "fother"),
        "é" * 69,
    ],
)
def test_what_is_no_token(text: str):
    assert parse_token(text) is None


def test_all_randomness_comes_from_the_source_and_reaches_every_character():
    asked: list[int] = []

    def record(length: int) -> bytes:
        asked.append(length)
        return secrets.token_bytes(length)

    drawn = [generate_token(Prefix.SUBSCRIBER, record) for _ in range(500)]
    assert all(length * 8 >= 71 for length in asked)
    assert max(asked) * 8 >= 256
    assert len({token.id for token in drawn}) == len({token.secret for token in drawn}) == 500
    for place in range(43):
        assert len({token.secret[place] for token in drawn}) > 40, f"character {place} hardly varies"


def test_a_token_does_not_show_itself():
    token = parse_token(KNOWN)
    assert token is not None
    assert token.secret not in repr(token) + str(token)
    assert token.text not in repr(token) + str(token)
    assert token.id in repr(token)


@given(st.text(), tokens, st.text())
def test_no_text_around_a_token_keeps_it_from_being_masked(before: str, token: Token, after: str):
    masked = redact(before + token.text + after)
    assert token.secret not in masked
    assert token.secret[1:-1] not in masked
    assert redact(masked) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nothing here, fadmin_ or fsub_count", "nothing here, fadmin_ or fsub_count"),
        (f"Bearer {KNOWN} from", "Bearer fadmin_0123456789AB_*** from"),
        (f'{{"key":"{KNOWN}"}}', '{"key":"fadmin_0123456789AB_***"}'),
        (f"{KNOWN},{KNOWN}", "fadmin_0123456789AB_***,fadmin_0123456789AB_***"),
        (KNOWN[:30], "fadmin_0123456789AB_***"),
        (KNOWN + "_more-of-it", "fadmin_0123456789AB_***"),
        (f"x{KNOWN}", "xfadmin_0123456789AB_***"),
        ("fadmin_6f9619ff-8b86-d011-b42d-00cf4fc964ff", "fadmin_***"),
        ("fmaster_" + "a" * 30, "fmaster_***"),
        ("fadmin_fsub_" + KNOWN, "fadmin_***"),
    ],
)
def test_redact(text: str, masked: str):
    assert redact(text) == masked
