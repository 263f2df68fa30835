"""The life of a peer, whose place a newcomer takes, and what is taken of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.peers import NOW, describe_node, make_key, make_peer

from pfn.domain.peer import (
    ESTABLISHED,
    LIFE_CYCLE,
    SETTLING_S,
    Comparison,
    PeerPolicy,
    PeerState,
    Take,
    Terms,
    compare_holdings,
    find_former,
    introduce,
)
from pfn.domain.release import SignatureLevel
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.note import NoteSigner

STANDING = sorted(ESTABLISHED)
GONE = [PeerState.PROPOSED, PeerState.REMOVED]


def test_the_life_of_a_peer():
    table = {state.value: set(LIFE_CYCLE.targets(state)) for state in PeerState}
    assert table == {
        "proposed": {"active", "removed"},
        "active": {"suspended", "faulty", "removed"},
        "suspended": {"active", "removed"},
        "faulty": {"active", "removed"},
        "removed": {"active", "proposed"},
    }


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        (PeerPolicy(), True),
        (PeerPolicy(take="nothing"), False),
        (PeerPolicy(take="nothing", sources=("a@x.org",), tags=("forms",)), False),
        (PeerPolicy(take="chosen"), False),
        (PeerPolicy(take="chosen", sources=("a@x.org",)), True),
        (PeerPolicy(take="chosen", sources=("b@x.org",)), False),
        (PeerPolicy(take="chosen", tags=("FORMS",)), True),
        (PeerPolicy(take="chosen", tags=("form",)), False),
        (PeerPolicy(minimum_trust=0.5), True),
        (PeerPolicy(minimum_trust=0.51), False),
        (PeerPolicy(minimum_level=SignatureLevel.METADATA), True),
        (PeerPolicy(minimum_level=SignatureLevel.ARTIFACT), False),
    ],
)
def test_what_is_taken(policy: PeerPolicy, taken: bool):
    assert policy.wants("a@x.org", ["Forms", "mail"], SignatureLevel.METADATA, 0.5) is taken
    if taken:
        assert policy.wants_source("a@x.org")


def test_a_source_of_which_nothing_can_come_is_not_wanted():
    assert not PeerPolicy(take="nothing").wants_source("a@x.org")
    assert not PeerPolicy(take="chosen", sources=("b@x.org",)).wants_source("a@x.org")
    assert PeerPolicy(take="chosen", tags=("forms",)).wants_source("a@x.org")


@pytest.mark.parametrize("state", STANDING)
def test_a_standing_peer_gives_its_place_to_nobody(state: PeerState):
    peer = replace(make_peer(state=state), id=7)
    others = [make_peer(2), make_peer(3)]
    same = describe_node()
    moved = describe_node(url="https://elsewhere.example.org")
    renamed = describe_node(
        url="https://elsewhere.example.org",
        origin="other/pfn",
        log_key=NoteSigner("other/pfn", make_key(4)).verifier_key,
    )
    for node, code in ((same, Code.PEER_EXISTS), (moved, Code.PEER_EXISTS), (renamed, Code.PEER_EXISTS)):
        with pytest.raises(PfnError) as refused:
            find_former([*others, peer], node, standing=ESTABLISHED)
        assert refused.value.code is code
        assert "pfn peer" in refused.value.detail
        assert ("has moved" in refused.value.detail) is (node is not same)
    for changed in ("identity_key", "log_key", "witness_key"):
        other = getattr(describe_node(9), changed)
        more = {"origin": other.name} if changed == "log_key" else {}
        with pytest.raises(SecurityError) as warned:
            find_former([*others, peer], describe_node(**{changed: other}, **more), standing=ESTABLISHED)
        assert warned.value.code is Code.PEER_KEYS


@pytest.mark.parametrize("state", GONE)
def test_others_give_their_place(state: PeerState):
    at_its_address, of_its_log = make_peer(state=state), make_peer(2, state=state)
    node = describe_node(2, url="https://node1.example.org")
    known = [at_its_address, of_its_log, make_peer(3, state=state)]
    assert list(find_former(known, node, standing=ESTABLISHED)) == [at_its_address, of_its_log]
    assert list(find_former([make_peer(3)], node, standing=ESTABLISHED)) == []


def test_who_comes_back_is_known_by_its_log():
    policy = PeerPolicy(take="nothing")
    before = replace(
        make_peer(state=PeerState.REMOVED), id=7, operator="Ours", policy=policy, size=9, root=b"r" * 32, note="note"
    )
    node = describe_node(url="https://moved.example.org", name="New name", witness_key=describe_node(5).witness_key)
    after = introduce(node, before, PeerState.ACTIVE, NOW + 5)
    assert (after.id, after.url, after.name) == (7, "https://moved.example.org", "New name")
    assert (after.head, after.note, after.policy, after.operator) == (TreeHead(9, b"r" * 32), "note", policy, "Ours")
    assert after.witness_key == node.witness_key.text
    assert (after.created_at, after.proven_at, after.last_seen) == (NOW, NOW + 5, NOW + 5)
    with pytest.raises(PfnError) as refused:
        introduce(node, make_peer(state=PeerState.SUSPENDED), PeerState.PROPOSED, NOW)
    assert refused.value.code is Code.WRONG_STATE


def test_terms_change_what_they_name():
    peer = make_peer()
    assert peer.on_terms(Terms()) == peer
    changed = peer.on_terms(Terms("Somebody", PeerPolicy(take="nothing"), is_witness=False))
    assert (changed.operator, changed.policy.take, changed.is_witness) == ("Somebody", "nothing", False)
    assert peer.on_terms(Terms(is_witness=False)) == replace(peer, is_witness=False)


def test_what_is_shown_of_a_peer():
    shown = replace(make_peer(), size=10, read_to=4).to_json()
    assert (shown["lag"], shown["state"], shown["witness"]) == (6, "active", True)
    assert shown["fingerprint"] == describe_node().identity_key.fingerprint


@given(
    take=st.sampled_from(["all", "chosen", "nothing"]),
    sources=st.sets(st.sampled_from(["a@x.org", "b@x.org"])),
    tags=st.sets(st.sampled_from(["forms", "seo"])),
    level=st.sampled_from(list(SignatureLevel)),
    minimum=st.sampled_from(list(SignatureLevel)),
    has=st.sets(st.sampled_from(["forms", "mail"])),
)
def test_what_is_taken_could_be_wanted(
    take: Take, sources: set[str], tags: set[str], level: SignatureLevel, minimum: SignatureLevel, has: set[str]
):
    """Before the tags are known; those of a release without a statement are nobody's word and do not count."""
    policy = PeerPolicy(take, tuple(sources), tuple(tags), minimum_level=minimum)
    counted = has if level is SignatureLevel.ARTIFACT else set()
    if policy.wants("a@x.org", counted, level, 0.5):
        assert policy.could_want("a@x.org", level)


def test_two_nodes_that_differ_for_a_moment_are_no_news():
    equal = compare_holdings(None, None, True, NOW)
    assert equal == Comparison(True, NOW)
    moved = compare_holdings(True, NOW, False, NOW + 60)
    assert moved == Comparison(None, NOW + 60)
    still = compare_holdings(None, NOW + 60, False, NOW + 120)
    assert still == Comparison(None, NOW + 60)
    assert compare_holdings(None, NOW + 60, True, NOW + 180) == Comparison(True, NOW + 180)


def test_two_nodes_that_stay_different_are_news_once():
    differ = compare_holdings(None, NOW, False, NOW + SETTLING_S)
    assert differ == Comparison(False, NOW + SETTLING_S, is_news=True)
    assert not compare_holdings(False, NOW, False, NOW + 9_000).is_news
    assert compare_holdings(False, NOW, True, NOW + 9_000).is_news
    assert compare_holdings(None, None, False, NOW) == Comparison(None, NOW)
