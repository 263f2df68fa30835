import pytest
from tests.support.signed import (
    OWNERSHIP,
    RELEASE,
    RELEASE_2,
    ROOT,
    SLUG,
    STRANGER,
    publisher,
    release_key,
    revoked,
)

from pfn.protocol.dsse import Envelope, Signature, key_id, sign_envelope
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.release_key import find_release_signer, release_blocked

SIGNED = sign_envelope("t", b"payload", [RELEASE])
FORGED = Envelope("t", b"payload", (Signature(key_id(RELEASE.public_key), STRANGER.sign(b"payload")),))


@pytest.mark.parametrize(
    ("limits", "slug", "at", "endorsed", "outcome"),
    [
        ({}, SLUG, 0, False, None),
        ({}, None, 0, False, None),
        ({"slugs": (SLUG, "other")}, SLUG, 0, False, None),
        ({"slugs": ("other",)}, SLUG, 0, False, Code.RELEASE_KEY_SCOPE),
        ({"slugs": (SLUG,)}, None, 0, False, Code.RELEASE_KEY_SCOPE),
        ({"not_before": 100, "not_after": 200}, SLUG, 99, False, Code.RELEASE_KEY_TIME),
        ({"not_before": 100, "not_after": 200}, SLUG, 100, False, None),
        ({"not_before": 100, "not_after": 200}, SLUG, 199, False, None),
        ({"not_before": 100, "not_after": 200}, SLUG, 200, False, Code.RELEASE_KEY_TIME),
        ({"not_before": 100, "not_after": 200}, SLUG, 200, True, None),
        ({"not_before": 100, "not_after": 200}, SLUG, 99, True, Code.RELEASE_KEY_TIME),
    ],
)
def test_scope_and_time(limits, slug, at, endorsed, outcome):
    known = publisher(release_keys=(release_key(RELEASE, **limits),))
    if outcome is None:
        assert find_release_signer(SIGNED, known, slug=slug, at=at, endorsed=endorsed) == RELEASE.public_key
    else:
        with pytest.raises(SecurityError) as refused:
            find_release_signer(SIGNED, known, slug=slug, at=at, endorsed=endorsed)
        assert refused.value.code is outcome


@pytest.mark.parametrize(
    ("at", "endorsed", "blocked"), [(499, False, False), (500, False, True), (500, True, True), (900, False, True)]
)
def test_revocation_reaches_back_to_its_time_and_nothing_cures_it(at, endorsed, blocked):
    known = publisher(revoked=(revoked(RELEASE, 500),))
    reason = release_blocked(known, key_id(RELEASE.public_key), at)
    assert (reason is not None) is blocked
    if not blocked:
        find_release_signer(SIGNED, known, slug=SLUG, at=at, endorsed=endorsed)
        return
    with pytest.raises(SecurityError, match="broken into") as refused:
        find_release_signer(SIGNED, known, slug=SLUG, at=at, endorsed=endorsed)
    assert refused.value.code is Code.RELEASE_KEY_REVOKED


def test_another_key_is_not_blocked():
    known = publisher(revoked=(revoked(RELEASE, 500),))
    assert release_blocked(known, key_id(RELEASE_2.public_key), 900) is None


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (sign_envelope("t", b"payload", [STRANGER]), Code.RELEASE_KEY_UNKNOWN),
        (sign_envelope("t", b"payload", [ROOT]), Code.RELEASE_KEY_UNKNOWN),
        (sign_envelope("t", b"payload", [OWNERSHIP]), Code.RELEASE_KEY_UNKNOWN),
        (Envelope("t", b"payload", ()), Code.RELEASE_KEY_UNKNOWN),
        (FORGED, Code.SIGNATURE_INVALID),
        (Envelope("t", b"other", SIGNED.signatures), Code.SIGNATURE_INVALID),
        (Envelope("u", b"payload", SIGNED.signatures), Code.SIGNATURE_INVALID),
    ],
)
def test_who_is_no_release_key(envelope, code):
    with pytest.raises(SecurityError) as refused:
        find_release_signer(envelope, publisher(), slug=SLUG, at=0)
    assert refused.value.code is code


@pytest.mark.parametrize("order", [(RELEASE, RELEASE_2), (RELEASE_2, RELEASE)])
def test_one_good_signature_is_enough_and_the_order_of_signatures_says_nothing(order):
    both = sign_envelope("t", b"payload", order)
    limited, free = release_key(RELEASE, slugs=("other",)), release_key(RELEASE_2)
    assert find_release_signer(both, publisher(release_keys=(limited, free)), slug=SLUG, at=0) == RELEASE_2.public_key
    unlimited = publisher(release_keys=(release_key(RELEASE), free))
    assert find_release_signer(both, unlimited, slug=SLUG, at=0) == RELEASE.public_key


def test_the_first_failure_is_the_one_that_is_told():
    both = sign_envelope("t", b"payload", [RELEASE, RELEASE_2])
    known = publisher(release_keys=(release_key(RELEASE, not_before=9), release_key(RELEASE_2, slugs=("other",))))
    with pytest.raises(SecurityError) as refused:
        find_release_signer(both, known, slug=SLUG, at=0)
    assert refused.value.code is Code.RELEASE_KEY_TIME
