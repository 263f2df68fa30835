import pytest
from tests.support.signed import (
    DAY,
    NOW,
    OWNERSHIP,
    RELEASE,
    RELEASE_2,
    ROOT,
    ROOT_2,
    ROOT_3,
    SOURCE,
    STRANGER,
    URL,
    catalog,
    key_document,
    listed,
    next_document,
    release_key,
    revoked,
    sign_document,
)

from pfn.protocol.document import write_payload
from pfn.protocol.dsse import Envelope, Signature, add_signatures, sign_envelope
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.publisher_chain import advance_trust, begin_trust, require_current, restore_trust

FIRST = sign_document(key_document(), ROOT)
ROTATED = next_document(FIRST, ROOT, ROOT_2, roots=[ROOT_2])
THIRD = next_document(ROTATED, ROOT_2, roots=[ROOT_2], release_keys=(release_key(RELEASE_2),))
TWO_OF_THREE = sign_document(key_document(roots=[ROOT, ROOT_2, ROOT_3], threshold=2), ROOT, ROOT_3)


def begin(*chain, pin=ROOT, pin_is_oracle=False, source=SOURCE, instance_url=URL, now=NOW):
    return begin_trust(
        chain, pin=pin.public_key, pin_is_oracle=pin_is_oracle, source=source, instance_url=instance_url, now=now
    )


def refusal(call, *arguments, **options):
    with pytest.raises(PfnError) as refused:
        call(*arguments, **options)
    if refused.value.code is not Code.PUBLISHER_DOCUMENT:
        assert isinstance(refused.value, SecurityError)
    return refused.value.code


class TestBeginning:
    def test_the_pin_signed_version_1(self):
        assert begin(FIRST).document.version == 1

    def test_the_chain_is_walked_to_its_end(self):
        publisher = begin(FIRST, ROTATED, THIRD)
        assert publisher.document.version == 3
        assert publisher.payload_hash == THIRD.payload_hash

    def test_a_later_root_key_may_be_the_pin(self):
        assert begin(FIRST, ROTATED, THIRD, pin=ROOT_2).document.version == 3

    def test_a_v1_key_hands_over_to_roots_of_its_own_choice(self):
        handed_over = sign_document(key_document(roots=[ROOT_2], ownership_keys=(listed(ROOT),)), ROOT, ROOT_2)
        assert begin(handed_over).document.root_keys == (listed(ROOT_2),)

    def test_being_listed_as_a_root_is_not_a_signature(self):
        # Whoever has the web server but not the pinned key could write this.
        forged = sign_document(key_document(roots=[ROOT, STRANGER]), STRANGER)
        assert refusal(begin, forged) is Code.KEY_MISMATCH

    def test_a_v1_key_cannot_hand_over_without_the_new_roots(self):
        assert refusal(begin, sign_document(key_document(roots=[ROOT_2]), ROOT)) is Code.DOCUMENT_THRESHOLD

    @pytest.mark.parametrize("pin", [RELEASE, OWNERSHIP, STRANGER, ROOT_3])
    def test_a_pin_that_signed_nothing_starts_nothing(self, pin):
        assert refusal(begin, FIRST, ROTATED, pin=pin) is Code.KEY_MISMATCH

    def test_a_pin_that_signs_anything_starts_nothing(self):
        assert refusal(begin, FIRST, pin_is_oracle=True) is Code.SIGNING_ORACLE

    def test_an_expired_document_starts_nothing_but_may_stand_in_between(self):
        short = sign_document(key_document(expires=NOW), ROOT)
        assert refusal(begin, short) is Code.DOCUMENT_EXPIRED
        assert begin(short, next_document(short, ROOT)).document.version == 2

    @pytest.mark.parametrize("chain", [(), (ROTATED,), (ROTATED, THIRD), (FIRST, THIRD)])
    def test_every_version_from_1_on_is_needed(self, chain):
        assert refusal(begin, *chain, pin=ROOT_2) is Code.DOCUMENT_GAP

    @pytest.mark.parametrize(
        "registered",
        [
            {"source": "bob@plugins.example.com"},
            {"instance_url": "http://plugins.example.com"},
            {"instance_url": "https://plugins.example.com/alice"},
        ],
    )
    def test_another_publishers_document_is_refused(self, registered):
        assert refusal(begin, FIRST, **registered) is Code.DOCUMENT_MISMATCH

    @pytest.mark.parametrize(
        ("signing", "enough"),
        [
            ([ROOT, ROOT_2], True),
            ([ROOT_2, ROOT_3, ROOT], True),
            ([ROOT], False),
            ([ROOT, STRANGER], False),
            ([ROOT, RELEASE], False),
            ([ROOT, OWNERSHIP], False),
        ],
    )
    def test_the_threshold_counts_different_root_keys(self, signing, enough):
        envelope = sign_document(key_document(roots=[ROOT, ROOT_2, ROOT_3], threshold=2), *signing)
        if enough:
            begin(envelope)
        else:
            assert refusal(begin, envelope) is Code.DOCUMENT_THRESHOLD

    def test_one_signature_under_two_ids_counts_once(self):
        once = sign_document(key_document(roots=[ROOT, ROOT_2], threshold=2), ROOT)
        signature = once.signatures[0]
        twice = Envelope(once.payload_type, once.payload, (signature, Signature(listed(ROOT_2).id, signature.value)))
        assert refusal(begin, twice) is Code.DOCUMENT_THRESHOLD

    def test_a_document_of_another_type_is_refused(self):
        payload = write_payload(key_document())
        assert refusal(begin, sign_envelope("application/json", payload, [ROOT])) is Code.DOCUMENT_TYPE
        assert refusal(begin, sign_document(catalog(), ROOT)) is Code.DOCUMENT_TYPE


class TestAdvancing:
    @pytest.mark.parametrize(
        ("before", "after", "outcome"),
        [
            pytest.param(FIRST, ROTATED, 2, id="the next"),
            pytest.param(ROTATED, THIRD, 3, id="the next after a rotation"),
            pytest.param(FIRST, FIRST, 1, id="the same"),
            pytest.param(FIRST, add_signatures(FIRST, [STRANGER]), 1, id="the same with one signature more"),
            pytest.param(FIRST, Envelope(FIRST.payload_type, FIRST.payload, ()), 1, id="the same unsigned"),
            pytest.param(FIRST, next_document(FIRST, ROOT, expires=NOW - DAY), 2, id="the next, expired already"),
            pytest.param(FIRST, THIRD, Code.DOCUMENT_GAP, id="one left out"),
            pytest.param(ROTATED, FIRST, Code.DOCUMENT_ROLLBACK, id="rollback"),
            pytest.param(THIRD, FIRST, Code.DOCUMENT_ROLLBACK, id="rollback by two"),
            pytest.param(FIRST, sign_document(key_document(expires=NOW + DAY), ROOT), Code.DOCUMENT_FORK, id="fork"),
            pytest.param(
                FIRST,
                sign_document(key_document(expires=NOW + DAY), STRANGER),
                Code.DOCUMENT_THRESHOLD,
                id="a fork by a stranger is none",
            ),
            pytest.param(
                FIRST,
                next_document(FIRST, ROOT_2, roots=[ROOT_2]),
                Code.DOCUMENT_THRESHOLD,
                id="rotated by the new alone",
            ),
            pytest.param(
                FIRST,
                next_document(FIRST, ROOT, roots=[ROOT_2]),
                Code.DOCUMENT_THRESHOLD,
                id="rotated by the old alone",
            ),
            pytest.param(FIRST, next_document(FIRST, RELEASE), Code.DOCUMENT_THRESHOLD, id="signed by a release key"),
            pytest.param(FIRST, next_document(FIRST, OWNERSHIP), Code.DOCUMENT_THRESHOLD, id="by an ownership key"),
            pytest.param(
                ROTATED,
                next_document(ROTATED, ROOT, roots=[ROOT]),
                Code.DOCUMENT_THRESHOLD,
                id="a root rotated out comes back",
            ),
            pytest.param(
                FIRST, next_document(FIRST, ROOT, previous="00" * 32), Code.DOCUMENT_CHAIN, id="follows something else"
            ),
            pytest.param(
                FIRST,
                next_document(FIRST, ROOT, instance_url="http://plugins.example.com"),
                Code.DOCUMENT_MISMATCH,
                id="another URL",
            ),
            pytest.param(
                FIRST,
                next_document(FIRST, ROOT, source="bob@plugins.example.com"),
                Code.DOCUMENT_MISMATCH,
                id="another source",
            ),
            pytest.param(
                TWO_OF_THREE,
                next_document(TWO_OF_THREE, ROOT, roots=[ROOT]),
                Code.DOCUMENT_THRESHOLD,
                id="the threshold is not lowered by fewer than it",
            ),
            pytest.param(
                TWO_OF_THREE, next_document(TWO_OF_THREE, ROOT, ROOT_2, roots=[ROOT]), 2, id="lowered by enough"
            ),
            pytest.param(
                FIRST,
                next_document(FIRST, ROOT, roots=[ROOT, ROOT_2], threshold=2),
                Code.DOCUMENT_THRESHOLD,
                id="raised without the new root",
            ),
        ],
    )
    def test_what_may_follow(self, before, after, outcome):
        publisher = restore_trust(before)
        if isinstance(outcome, Code):
            assert refusal(advance_trust, publisher, after) is outcome
        else:
            assert advance_trust(publisher, after).document.version == outcome

    @pytest.mark.parametrize(
        ("later", "allowed"),
        [
            ((revoked(RELEASE, 500),), True),
            ((revoked(RELEASE, 400),), True),
            ((revoked(RELEASE, 500), revoked(STRANGER, 1)), True),
            ((revoked(RELEASE, 500, "Other words."),), True),
            ((revoked(RELEASE, 501),), False),
            ((), False),
            ((revoked(STRANGER, 1),), False),
        ],
    )
    def test_revocations_only_grow(self, later, allowed):
        first = sign_document(key_document(revoked=(revoked(RELEASE, 500),)), ROOT)
        after = next_document(first, ROOT, revoked=later)
        if allowed:
            assert advance_trust(restore_trust(first), after).document.revoked == later
        else:
            assert refusal(advance_trust, restore_trust(first), after) is Code.DOCUMENT_CHAIN

    def test_a_refused_document_leaves_what_was_known(self):
        publisher = begin(FIRST)
        refusal(advance_trust, publisher, THIRD)
        assert advance_trust(publisher, ROTATED).document.version == 2


def test_time_runs_out_at_the_second_it_says():
    publisher = restore_trust(sign_document(key_document(expires=NOW), ROOT))
    require_current(publisher, NOW - 1)
    assert not publisher.is_expired(NOW - 1)
    assert publisher.is_expired(NOW)
    assert refusal(require_current, publisher, NOW) is Code.DOCUMENT_EXPIRED


def test_a_kept_document_restores_the_state():
    assert restore_trust(ROTATED) == begin(FIRST, ROTATED)
