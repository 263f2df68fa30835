"""The next key document: every change, and any row of them, is one that a node follows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.publisher.conftest import DAY, NOW, URL

from pfn.protocol.dsse import Envelope, key_id
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_chain import TrustedPublisher, advance_trust, begin_trust, restore_trust
from pfn.protocol.publisher_document import PublisherDocument
from pfn.publisher import key_document
from pfn.publisher.signed import sign_document

ROOT, RELEASE, OWNERSHIP, NEW, OTHER = (SigningKey(bytes([number]) * 32) for number in range(1, 6))


def first(threshold: int = 1) -> TrustedPublisher:
    document = key_document.make_first_document(
        username="alice",
        instance_url=URL,
        root_keys=[ROOT.public_key],
        release_key=RELEASE.public_key,
        ownership_key=OWNERSHIP.public_key,
        now=NOW,
        threshold=threshold,
    )
    return restore_trust(sign_document(document, ROOT))


def follow(known: TrustedPublisher, document: PublisherDocument, *roots: SigningKey) -> TrustedPublisher:
    return advance_trust(known, sign_document(document, *(roots or (ROOT,))))


def test_a_new_release_key_takes_over_and_the_old_one_fades() -> None:
    known = first()
    later = NOW + 9 * DAY
    document = key_document.rotate_release_key(known, RELEASE.public_key, NEW.public_key, now=later)
    old, new = follow(known, document).document.release_keys
    assert (old.key, old.not_after) == (RELEASE.public_key, later + 14 * DAY)
    assert (new.key, new.not_after) == (NEW.public_key, None)
    assert later - 600 < new.not_before < later
    assert document.expires == later + 365 * DAY


def test_a_key_that_ends_sooner_is_not_prolonged() -> None:
    known = first()
    once = follow(known, key_document.rotate_release_key(known, RELEASE.public_key, NEW.public_key, now=NOW + DAY))
    again = key_document.rotate_release_key(once, RELEASE.public_key, OTHER.public_key, now=NOW + 9 * DAY)
    assert again.release_keys[0].not_after == once.document.release_keys[0].not_after


def test_a_key_limited_to_some_plugins_is_followed_by_one_with_the_same_limits() -> None:
    limited = key_document.list_release_key(RELEASE.public_key, now=NOW, slugs=("one",))
    known = restore_trust(sign_document(first().document.model_copy(update={"release_keys": (limited,)}), ROOT))
    document = key_document.rotate_release_key(known, RELEASE.public_key, NEW.public_key, now=NOW)
    assert document.release_keys[1].slugs == ("one",)


def test_a_new_ownership_or_root_key_is_there_at_once_and_the_old_one_gone() -> None:
    known = first()
    document = key_document.rotate_ownership_key(known, OWNERSHIP.public_key, NEW.public_key, now=NOW)
    assert [key.key for key in follow(known, document).document.ownership_keys] == [NEW.public_key]
    document = key_document.rotate_root_key(known, ROOT.public_key, NEW.public_key, now=NOW)
    assert [key.key for key in follow(known, document, ROOT, NEW).document.root_keys] == [NEW.public_key]


@pytest.mark.parametrize("replaced", [True, False])
def test_a_revoked_release_key_stays_listed(replaced: bool) -> None:
    known = first()
    document = key_document.revoke_key(
        known,
        key_id(RELEASE.public_key),
        reason="Stolen.",
        compromised_since=NOW - 5,
        now=NOW,
        replacement=NEW.public_key if replaced else None,
    )
    followed = follow(known, document).document
    assert [key.key for key in followed.release_keys][:1] == [RELEASE.public_key]
    assert len(followed.release_keys) == 1 + replaced
    assert [(key.id, key.compromised_since) for key in followed.revoked] == [(key_id(RELEASE.public_key), NOW - 5)]


@pytest.mark.parametrize("stolen", [ROOT, OWNERSHIP])
def test_a_revoked_root_or_ownership_key_is_replaced(stolen: SigningKey) -> None:
    known = first()
    document = key_document.revoke_key(
        known, key_id(stolen.public_key), reason="", compromised_since=NOW, now=NOW, replacement=NEW.public_key
    )
    followed = follow(known, document, ROOT, NEW).document
    listed = [key.key for key in (*followed.root_keys, *followed.ownership_keys)]
    assert stolen.public_key not in listed
    assert NEW.public_key in listed


def test_what_cannot_be_is_refused() -> None:
    known = first()
    revoke = {"reason": "", "compromised_since": NOW, "now": NOW, "replacement": None}
    with pytest.raises(PfnError) as caught:
        key_document.revoke_key(known, key_id(NEW.public_key), **revoke)  # type: ignore[arg-type]
    assert caught.value.code is Code.INVALID_FIELD
    document = key_document.revoke_key(known, key_id(RELEASE.public_key), **revoke)  # type: ignore[arg-type]
    with pytest.raises(PfnError, match="already"):
        key_document.revoke_key(follow(known, document), key_id(RELEASE.public_key), **revoke)  # type: ignore[arg-type]
    with pytest.raises(PfnError, match="root"):
        key_document.revoke_key(known, key_id(ROOT.public_key), **revoke)  # type: ignore[arg-type]
    with pytest.raises(PfnError, match="different keys"):
        key_document.rotate_ownership_key(known, OWNERSHIP.public_key, RELEASE.public_key, now=NOW)
    with pytest.raises(PfnError, match="threshold"):
        first(threshold=2)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["release", "ownership", "root", "revoke", "renew"]), st.integers(0, 99))))
def test_any_row_of_changes_is_believed_from_the_first_pin_on(steps: list[tuple[str, int]]) -> None:
    known, roots, release, ownership = first(), [ROOT], RELEASE, OWNERSHIP
    chain: list[Envelope] = [sign_document(known.document, ROOT)]
    now = NOW
    for number, (step, days) in enumerate(steps):
        now += days * DAY
        new = SigningKey(bytes([100, number % 256]) * 16)
        signing = list(roots)
        match step:
            case "release":
                document = key_document.rotate_release_key(known, release.public_key, new.public_key, now=now)
                release = new
            case "ownership":
                document = key_document.rotate_ownership_key(known, ownership.public_key, new.public_key, now=now)
                ownership = new
            case "root":
                document = key_document.rotate_root_key(known, roots[0].public_key, new.public_key, now=now)
                signing, roots = [*roots, new], [new]
            case "revoke":
                document = key_document.revoke_key(
                    known,
                    key_id(release.public_key),
                    reason="Stolen.",
                    compromised_since=now,
                    now=now,
                    replacement=new.public_key,
                )
                release = new
            case _:
                document = key_document.make_next_document(known, now=now)
        chain.append(sign_document(document, *signing))
        known = advance_trust(known, chain[-1])
    believed = begin_trust(
        chain, pin=ROOT.public_key, pin_is_oracle=False, source=known.document.source, instance_url=URL, now=now
    )
    assert believed == known
    assert release.public_key in [key.key for key in known.document.release_keys]
