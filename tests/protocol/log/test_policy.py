"""Quorums: who is enough, and who only looks like many."""

from itertools import combinations

import pytest
from tests.protocol.log.trees import (
    KNOWN_LOG,
    KNOWN_WITNESSES,
    LOG,
    OTHER_LOG,
    WITNESSES,
    checkpoint,
    cosigned,
    signed,
)
from tests.support.signed import DAY, NOW

from pfn.protocol.catalog import MAX_CLOCK_SKEW
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.cosignature import Cosigner
from pfn.protocol.log.note import add_signatures
from pfn.protocol.log.policy import (
    Group,
    Policy,
    PolicyLog,
    Witness,
    count_witnesses,
    require_operators,
    verify_witnessed,
)

A, B, C, D, E = KNOWN_WITNESSES
NOTE = signed(5)
TWO_OF_THREE = Policy((KNOWN_LOG,), (A, B, C), (Group("g", 2, ("A", "B", "C")),), "g")


def refused(note, policy, **options) -> Code:
    with pytest.raises(PfnError) as caught:
        verify_witnessed(note, policy, **{"now": NOW} | options)
    return caught.value.code


def by(*names: str):
    return [WITNESSES["ABCDE".index(name)] for name in names]


class TestNames:
    def test_none_asks_for_nobody(self):
        assert Policy((KNOWN_LOG,)).is_met_by([])

    def test_a_single_witness(self):
        policy = Policy((KNOWN_LOG,), (A, B), (), "B")
        assert policy.is_met_by(["B"])
        assert not policy.is_met_by(["A"])

    @pytest.mark.parametrize("threshold", [1, 2, 3, 4, 5])
    def test_k_of_n(self, threshold):
        policy = Policy((KNOWN_LOG,), KNOWN_WITNESSES, (Group("g", threshold, tuple("ABCDE")),), "g")
        for count in range(6):
            for names in combinations("ABCDE", count):
                assert policy.is_met_by(names) == (count >= threshold)

    def test_groups_of_groups(self):
        groups = (Group("x", 2, ("A", "B", "C")), Group("y", 1, ("D", "E")), Group("both", 2, ("x", "y")))
        policy = Policy((KNOWN_LOG,), KNOWN_WITNESSES, groups, "both")
        for count in range(6):
            for names in combinations("ABCDE", count):
                enough = len(set("ABC") & set(names)) >= 2 and bool(set("DE") & set(names))
                assert policy.is_met_by(names) == enough

    def test_names_that_nobody_gave_do_not_count(self):
        assert not TWO_OF_THREE.is_met_by(["A", "X", "Y"])


@pytest.mark.parametrize(
    "members",
    [
        {"quorum": "Z"},
        {"quorum": "D"},
        {"witnesses": (A, A)},
        {"witnesses": (A, Witness("other", A.key))},
        {"witnesses": (A, Witness("A", B.key))},
        {"witnesses": (Witness("none", A.key),)},
        {"witnesses": (Witness("A", LOG.verifier_key),), "logs": ()},
        {"witnesses": (Witness("A", Cosigner("w", LOG.key).verifier_key),)},
        {"logs": (PolicyLog(A.key),)},
        {"logs": (KNOWN_LOG, KNOWN_LOG)},
        {"groups": (Group("g", 0, ("A",)),)},
        {"groups": (Group("g", 3, ("A", "B")),)},
        {"groups": (Group("g", 0, ()),)},
        {"groups": (Group("g", 1, ("Z",)),)},
        {"groups": (Group("g", 1, ("g",)),)},
        {"groups": (Group("g", 1, ("h",)), Group("h", 1, ("A",)))},
        {"groups": (Group("A", 1, ("B",)),)},
        {"groups": (Group("g", 1, ("A",)), Group("g", 1, ("B",)))},
        {"groups": (Group("g", 2, ("A", "A")),)},
        {"groups": (Group("g", 1, ("A",)), Group("h", 1, ("A", "B")))},
    ],
)
def test_a_policy_that_contradicts_itself(members):
    with pytest.raises(PfnError) as caught:
        Policy(**{"logs": (KNOWN_LOG,), "witnesses": (A, B, C)} | members)
    assert caught.value.code is Code.CONFIG_INVALID


class TestOperators:
    def test_the_host_in_the_name_unless_the_settings_say_so(self):
        assert [witness.operated_by for witness in KNOWN_WITNESSES] == [
            "one.example",
            "two.example",
            "three.example",
            "three.example",
            "five.example",
        ]
        assert Witness("A", A.key, None, "Alice").operated_by == "Alice"

    def test_two_witnesses_of_one_operator_count_once(self):
        policy = require_operators([KNOWN_LOG], KNOWN_WITNESSES, 2)
        assert not policy.is_met_by(["C", "D"])
        assert policy.is_met_by(["C", "A"])
        assert refused(cosigned(NOTE, by("C", "D")), policy) is Code.WITNESS_QUORUM
        found = verify_witnessed(cosigned(NOTE, by("B", "D")), policy, now=NOW).witnessing
        assert (len(found.counted), found.of) == (2, 5)
        assert found.operators == {"two.example", "three.example"}
        assert len(found.of_operators) == 4

    def test_everybody_under_one_roof_is_one(self):
        roof = [Witness(one.name, one.key, None, "Alice") for one in KNOWN_WITNESSES]
        assert require_operators([KNOWN_LOG], roof, 1).is_met_by(["E"])
        with pytest.raises(PfnError) as caught:
            require_operators([KNOWN_LOG], roof, 2)
        assert caught.value.code is Code.CONFIG_INVALID

    def test_asking_for_none(self):
        policy = require_operators([KNOWN_LOG], KNOWN_WITNESSES, 0)
        assert verify_witnessed(NOTE, policy, now=NOW).witnessing.is_quorum
        assert count_witnesses(cosigned(NOTE, by("A")), policy, now=NOW).operators == {"one.example"}


class TestVerifying:
    def test_a_quorum(self):
        found = verify_witnessed(cosigned(NOTE, by("A", "C")), TWO_OF_THREE, now=NOW)
        assert found.checkpoint == checkpoint(5)
        assert [one.key for one in found.witnessing.counted] == [A.key, C.key]

    def test_too_few(self):
        assert refused(NOTE, TWO_OF_THREE) is Code.WITNESS_QUORUM
        assert refused(cosigned(NOTE, by("A")), TWO_OF_THREE) is Code.WITNESS_QUORUM
        assert refused(cosigned(NOTE, by("A", "D", "E")), TWO_OF_THREE) is Code.WITNESS_QUORUM

    @pytest.mark.parametrize(
        ("at", "expected"),
        [
            (NOW - DAY, None),
            (NOW - DAY - 1, Code.WITNESS_STALE),
            (0, Code.WITNESS_STALE),
            (NOW + MAX_CLOCK_SKEW, None),
            (NOW + MAX_CLOCK_SKEW + 1, Code.WITNESS_QUORUM),
            (NOW + 100 * DAY, Code.WITNESS_QUORUM),
        ],
    )
    def test_when_it_was_cosigned(self, at, expected):
        note = cosigned(cosigned(NOTE, by("A")), by("B"), at)
        if expected is None:
            verify_witnessed(note, TWO_OF_THREE, now=NOW)
        else:
            assert refused(note, TWO_OF_THREE) is expected

    def test_how_old_is_too_old_is_the_callers_to_say(self):
        note = cosigned(NOTE, by("A", "B"), NOW - 10)
        verify_witnessed(note, TWO_OF_THREE, now=NOW, max_age=10)
        assert refused(note, TWO_OF_THREE, max_age=9) is Code.WITNESS_STALE

    def test_what_is_stale_is_shown(self):
        note = cosigned(cosigned(NOTE, by("A")), by("B"), NOW - 2 * DAY)
        found = count_witnesses(note, TWO_OF_THREE, now=NOW)
        assert [one.key for one in found.counted] == [A.key]
        assert [one.key for one in found.stale] == [B.key]
        assert (found.is_quorum, found.was_quorum) == (False, True)

    def test_the_log_must_have_signed_however_many_witnesses_did(self):
        unsigned = cosigned(type(NOTE)(NOTE.text, ()), by("A", "B", "C"))
        assert refused(unsigned, TWO_OF_THREE) is Code.LOG_SIGNATURE
        other = Policy((PolicyLog(OTHER_LOG.verifier_key),), (A, B, C), (), "A")
        assert refused(cosigned(NOTE, by("A")), other) is Code.LOG_UNKNOWN

    def test_a_witness_signature_that_fails(self):
        moved = add_signatures(signed(6), cosigned(NOTE, by("A", "B")).signatures[1:])
        assert refused(moved, TWO_OF_THREE) is Code.WITNESS_SIGNATURE
