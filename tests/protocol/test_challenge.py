"""The v1 challenge is a UUID of version 4 in one spelling."""

import secrets
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.challenge import is_strict_uuid, new_challenge


@given(st.binary(min_size=16, max_size=16))
def test_every_new_challenge_is_a_strict_uuid(randomness: bytes):
    challenge = new_challenge(lambda length: randomness[:length])
    assert is_strict_uuid(challenge)
    assert uuid.UUID(challenge).version == 4
    assert str(uuid.UUID(challenge)) == challenge


def test_challenges_differ():
    assert new_challenge(secrets.token_bytes) != new_challenge(secrets.token_bytes)


@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ("9b2c4a8e-1f3d-4c5b-8a7e-0123456789ab", True),
        ("9b2c4a8e-1f3d-4c5b-ba7e-0123456789ab", True),
        ("9B2C4A8E-1F3D-4C5B-8A7E-0123456789AB", False),
        ("9b2c4a8e-1f3d-1c5b-8a7e-0123456789ab", False),
        ("9b2c4a8e-1f3d-4c5b-ca7e-0123456789ab", False),
        ("9b2c4a8e-1f3d-4c5b-7a7e-0123456789ab", False),
        ("9b2c4a8e1f3d4c5b8a7e0123456789ab", False),
        ("{9b2c4a8e-1f3d-4c5b-8a7e-0123456789ab}", False),
        ("urn:uuid:9b2c4a8e-1f3d-4c5b-8a7e-0123456789ab", False),
        ("9b2c4a8e-1f3d-4c5b-8a7e-0123456789ab\n", False),
        ("９b2c4a8e-1f3d-4c5b-8a7e-0123456789ab", False),
        ("pfn-oracle-probe 123", False),
        ('{"id":"a","name":"A","version":"1"}', False),
        ("", False),
    ],
)
def test_is_strict_uuid(text: str, strict: bool):
    assert is_strict_uuid(text) is strict
