"""Every check of a bundle, held once and broken once."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.published import NEW, OLD
from tests.protocol.log.bundles import POLICY, TAKEN, Logged, verify
from tests.protocol.log.trees import KNOWN_LOG, ORIGIN, OTHER_LOG, WITNESSES, naive_root
from tests.support.signed import DAY, NOW, RELEASE, RELEASE_2, ROOT, SLUG, SOURCE, STRANGER, release_key, revoked

from pfn.protocol.catalog import Yank
from pfn.protocol.document import Head
from pfn.protocol.dsse import key_id
from pfn.protocol.errors import PfnError
from pfn.protocol.log.bundle import Bundle, parse_bundle, write_bundle
from pfn.protocol.log.bundle_verification import BundleRefusedError, KnownRelease, Remembered
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.entry import CustodyLeaf, EvidenceLeaf, PublisherLeaf, YankLeaf, write_leaf
from pfn.protocol.log.merkle import leaf_hash
from pfn.protocol.log.policy import Policy, PolicyLog

NAMES = [
    "log_signature",
    "witnesses",
    "growth",
    "inclusion",
    "leaf",
    "key_document",
    "catalog",
    "statement",
    "sequence",
    "newest",
    "digests",
    "not_withdrawn",
]
YANKED = (Yank(slug=SLUG, version=OLD, reason="Leaks addresses.", at=NOW - DAY),)


def refuse(logged: Logged, bundle: Bundle | None = None, **changes: Any) -> tuple[str, str]:
    """The check that failed and its code; those before it held."""
    with pytest.raises(BundleRefusedError) as caught:
        verify(logged, bundle, **changes)
    *before, last = caught.value.checks
    assert all(check.passed for check in before)
    assert not last.passed
    assert last.detail == caught.value.detail
    assert [check.name for check in caught.value.checks] == NAMES[: len(before) + 1]
    return last.name, caught.value.code.slug


def test_the_newest_release():
    logged = Logged()
    verified = verify(logged, parse_bundle(write_bundle(logged.bundle())))
    assert [check.name for check in verified.checks] == NAMES
    assert all(check.passed for check in verified.checks)
    assert verified.entry == logged.release
    assert (verified.release.statement.version, verified.release.key) == (NEW, RELEASE.public_key)
    assert (verified.checkpoint.origin, len(verified.witnessing.counted)) == (ORIGIN, 5)
    assert "run by 4 of 4 operators" in verified.checks[1].detail


def test_what_is_remembered_is_where_the_next_begins():
    logged = Logged()
    remembered = verify(logged).remembered
    head = Head(2, logged.published.statements[NEW].payload_hash)
    assert remembered == Remembered(
        trees={ORIGIN: TreeHead(23, naive_root([leaf_hash(leaf) for leaf in logged.leaves]))},
        publisher=Head(1, logged.published.chain[0].payload_hash),
        catalog=Head(1, logged.published.catalog.payload_hash),
        catalog_signer=key_id(RELEASE.public_key),
        releases={SLUG: KnownRelease(NEW, head)},
    )
    assert verify(logged, remembered=remembered).remembered == remembered
    others = replace(
        remembered,
        trees={**remembered.trees, "other": TreeHead(9, bytes(32))},
        releases={**remembered.releases, "other": KnownRelease("1", Head(9, "a" * 64))},
    )
    assert verify(logged, remembered=others).remembered == others


# Each piece left out.


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ({"release_entry": None}, ("log_signature", "proof_incomplete")),
        ({"publisher": ()}, ("key_document", "unsigned")),
        ({"catalog": None}, ("catalog", "proof_incomplete")),
        ({"catalog_entry": None}, ("catalog", "proof_incomplete")),
        ({"statement": None}, ("statement", "unsigned")),
    ],
)
def test_what_is_missing_has_failed(piece, expected):
    logged = Logged()
    assert refuse(logged, logged.bundle(**piece)) == expected


def test_a_release_of_a_publisher_who_signs_no_statements():
    assert refuse(Logged(taken={"statement": None})) == ("statement", "unsigned")


# The log and its witnesses.


def test_a_log_that_is_not_known():
    policy = Policy((PolicyLog(OTHER_LOG.verifier_key),))
    assert refuse(Logged(), policy=policy) == ("log_signature", "log_unknown")


def test_a_checkpoint_that_the_log_did_not_sign():
    logged = Logged(signer=type(OTHER_LOG)(ORIGIN, STRANGER))
    assert refuse(logged) == ("log_signature", "log_signature")


def test_too_few_witnesses():
    assert refuse(Logged(witnesses=WITNESSES[2:4])) == ("witnesses", "witness_quorum")
    assert verify(Logged(witnesses=WITNESSES[1:]))


def test_witnesses_of_long_ago_or_of_the_future():
    assert refuse(Logged(cosigned_at=NOW - DAY - 1)) == ("witnesses", "witness_stale")
    assert verify(Logged(cosigned_at=NOW - DAY - 1, taken={"at": NOW - 2 * DAY}), max_age=2 * DAY)
    assert refuse(Logged(cosigned_at=NOW + DAY)) == ("witnesses", "witness_quorum")


def tree(logged: Logged, size: int) -> Remembered:
    return Remembered(trees={ORIGIN: TreeHead(size, naive_root([leaf_hash(leaf) for leaf in logged.leaves[:size]]))})


def test_the_tree_grew_from_the_one_that_is_remembered():
    logged = Logged()
    for size in (1, 15, 16, 22, 23):
        known = tree(logged, size)
        assert verify(logged, remembered=known, growth=logged.growth_from(size)).remembered.trees[ORIGIN].size == 23
        assert verify(logged, remembered=known)
        if size < 23:
            assert refuse(logged, remembered=known, growth=()) == ("growth", "log_consistency")
    assert "no more can be told" in verify(logged, remembered=tree(logged, 20)).checks[2].detail


def test_a_tree_that_went_back_or_aside():
    logged = Logged()
    forked = Logged(before=[b'{"t":"another","v":{}}'] * 20)
    larger = Remembered(trees={ORIGIN: TreeHead(24, bytes(32))})
    assert refuse(logged, remembered=larger) == ("growth", "log_rollback")
    assert refuse(logged, remembered=tree(forked, 23)) == ("growth", "log_fork")
    growth = logged.growth_from(22)
    assert refuse(logged, remembered=tree(forked, 22), growth=growth) == ("growth", "log_consistency")


def test_another_logs_tree_is_none_of_this_ones():
    assert verify(Logged(), remembered=Remembered(trees={"other": TreeHead(10**6, bytes(32))}))


def test_an_entry_that_is_not_in_the_tree():
    logged = Logged()
    entry = logged.bundle().release_entry
    moved = replace(entry, proof=replace(entry.proof, index=entry.proof.index - 1))
    assert refuse(logged, logged.bundle(release_entry=moved)) == ("inclusion", "log_inclusion")
    backdated = write_leaf(Logged(taken={"at": TAKEN - DAY}).release)
    forged = replace(entry, leaf=backdated)
    assert refuse(logged, logged.bundle(release_entry=forged)) == ("inclusion", "log_inclusion")


# What the entry says.


@pytest.mark.parametrize(
    "wanted",
    [{"source": "bob@plugins.example.com"}, {"slug": "another"}, {"version": OLD}, {"version": "3.0"}],
)
def test_an_entry_about_something_else(wanted):
    assert refuse(Logged(), wanted=wanted) == ("leaf", "leaf_mismatch")


def test_an_entry_of_another_kind():
    document = PublisherLeaf(at=TAKEN, source=SOURCE, version=1, document="a" * 64)
    logged = Logged(notices=[document])
    entry = logged.prove(write_leaf(document))
    assert refuse(logged, logged.bundle(release_entry=entry)) == ("leaf", "leaf_mismatch")
    later = logged.prove(logged.before[0])
    assert refuse(logged, logged.bundle(release_entry=later)) == ("leaf", "leaf_unknown")
    assert refuse(logged, logged.bundle(release_entry=logged.prove(b"last"))) == ("leaf", "log_malformed")


def test_a_bundle_about_another_zip():
    logged = Logged()
    assert refuse(logged, logged.bundle(sha256="0" * 64)) == ("leaf", "leaf_mismatch")


def test_an_entry_cannot_be_younger_than_its_witnesses():
    assert verify(Logged(taken={"at": NOW - 60 + 300}))
    assert refuse(Logged(taken={"at": NOW - 60 + 301})) == ("leaf", "leaf_mismatch")
    without = Policy((KNOWN_LOG,))
    assert verify(Logged(taken={"at": NOW + 300}), policy=without)
    assert refuse(Logged(taken={"at": NOW + 301}), policy=without) == ("leaf", "leaf_mismatch")


# The publisher's documents.


def test_another_pin():
    assert refuse(Logged(), wanted={"pin": STRANGER.public_key}) == ("key_document", "key_mismatch")


def test_a_key_document_that_has_expired():
    logged = Logged()
    logged.published.chain = [logged.published.sign_keys(expires=NOW)]
    assert refuse(logged) == ("key_document", "document_expired")


def test_key_documents_that_went_back_or_aside():
    logged = Logged()
    logged.published.add_keys()
    first, second = (envelope.payload_hash for envelope in logged.published.chain)
    for known in (Head(1, first), Head(2, second)):
        assert verify(logged, remembered=Remembered(publisher=known)).remembered.publisher == Head(2, second)
    later = Remembered(publisher=Head(3, "a" * 64))
    assert refuse(logged, remembered=later) == ("key_document", "document_rollback")
    for sequence in (1, 2):
        other = Remembered(publisher=Head(sequence, "a" * 64))
        assert refuse(logged, remembered=other) == ("key_document", "document_fork")
    padded = logged.bundle(publisher=(*logged.published.chain, logged.published.chain[-1]))
    assert refuse(logged, padded, remembered=later) == ("key_document", "document_rollback")


def test_a_catalogue_that_has_expired_known_or_not():
    logged = Logged()
    logged.published.catalog = logged.published.sign_catalog(expires=NOW)
    assert refuse(logged) == ("catalog", "catalog_expired")
    known = Remembered(catalog=Head(1, logged.published.catalog.payload_hash))
    assert refuse(logged, remembered=known) == ("catalog", "catalog_expired")


def test_catalogues_that_went_back_or_aside():
    logged = Logged()
    later = Remembered(catalog=Head(2, "a" * 64), catalog_signer=key_id(RELEASE.public_key))
    assert refuse(logged, remembered=later) == ("catalog", "catalog_rollback")
    assert refuse(logged, remembered=Remembered(catalog=Head(1, "a" * 64))) == ("catalog", "catalog_fork")


def test_a_thiefs_catalogue_is_forgotten_with_the_key():
    logged = Logged()
    keys = {"release_keys": (release_key(RELEASE), release_key(RELEASE_2)), "revoked": (revoked(RELEASE_2, NOW - DAY),)}
    logged.published.chain = [logged.published.sign_keys(**keys)]
    counted_up = Remembered(catalog=Head(900, "a" * 64), catalog_signer=key_id(RELEASE_2.public_key))
    assert verify(logged, remembered=counted_up).remembered.catalog.sequence == 1


@pytest.mark.parametrize("listed", [{"catalog": "0" * 64}, {"sequence": 2}, {"source": "bob@plugins.example.com"}])
def test_a_catalogue_that_is_not_in_the_log(listed):
    assert refuse(Logged(listed=listed)) == ("catalog", "leaf_mismatch")


def test_a_catalogue_proven_by_the_entry_of_something_else():
    logged = Logged()
    wrong = logged.prove(write_leaf(logged.release))
    assert refuse(logged, logged.bundle(catalog_entry=wrong)) == ("catalog", "leaf_mismatch")
    bundle = logged.bundle()
    forged = replace(bundle.catalog_entry, proof=bundle.release_entry.proof)
    assert refuse(logged, logged.bundle(catalog_entry=forged)) == ("catalog", "log_inclusion")


def test_pieces_of_two_trees_prove_nothing_together():
    logged, later = Logged(), Logged()
    later.before.append(b"more")
    mixed = logged.bundle(catalog_entry=later.bundle().catalog_entry)
    assert refuse(logged, mixed) == ("catalog", "log_inclusion")


def test_a_statement_by_no_release_key():
    logged = Logged()
    forged = type(logged.published.statements[NEW])
    envelope = logged.published.statements[NEW]
    unsigned = forged(envelope.payload_type, envelope.payload, ())
    assert refuse(logged, logged.bundle(statement=unsigned)) == ("statement", "release_key_unknown")


def test_another_statement_than_the_logs():
    logged = Logged()
    other = logged.bundle(statement=logged.published.statements[OLD])
    assert refuse(logged, other) == ("statement", "leaf_mismatch")


@pytest.mark.parametrize("taken", [{"length": 1}, {"manifest": "0" * 64}])
def test_an_entry_that_contradicts_its_statement(taken):
    assert refuse(Logged(taken=taken)) == ("statement", "leaf_mismatch")


def test_an_entry_with_other_bytes_than_its_statement():
    logged = Logged(taken={"sha256": "0" * 64})
    assert refuse(logged, logged.bundle(sha256="0" * 64)) == ("statement", "leaf_mismatch")


def test_an_entry_without_a_manifest_says_nothing_of_it():
    assert verify(Logged(taken={"manifest": None}))


@pytest.mark.parametrize(
    ("since", "expected"),
    [(TAKEN + 1, None), (TAKEN, ("statement", "release_key_revoked")), (0, ("statement", "release_key_revoked"))],
)
def test_a_key_that_was_revoked_since_it_was_logged(since, expected):
    logged = Logged()
    keys = {"release_keys": (release_key(RELEASE), release_key(RELEASE_2)), "revoked": (revoked(RELEASE, since),)}
    logged.published.chain = [logged.published.sign_keys(**keys)]
    logged.published.catalog = logged.published.sign_catalog(RELEASE_2)
    if expected is None:
        assert verify(logged).release.key == RELEASE.public_key
    else:
        assert refuse(logged) == expected


def test_a_key_that_was_retired_before_it_was_logged_counts_where_the_catalogue_names_the_release():
    logged = Logged()
    keys = {"release_keys": (release_key(RELEASE, not_after=TAKEN), release_key(RELEASE_2))}
    logged.published.chain = [logged.published.sign_keys(**keys)]
    logged.published.catalog = logged.published.sign_catalog(RELEASE_2)
    assert verify(logged)
    older = Logged(version=OLD, published=logged.published)
    assert refuse(older, asked=OLD) == ("statement", "release_key_time")


# Newest, and never back.


def known_release(logged: Logged, version: str, sequence: int, payload_hash: str = "a" * 64) -> Remembered:
    return Remembered(releases={SLUG: KnownRelease(version, Head(sequence, payload_hash))})


def test_a_release_that_went_back_or_aside():
    logged = Logged()
    assert verify(logged, remembered=known_release(logged, OLD, 1))
    assert refuse(logged, remembered=known_release(logged, NEW, 2)) == ("sequence", "statement_fork")
    assert refuse(logged, remembered=known_release(logged, "3.0", 3)) == ("sequence", "statement_rollback")
    assert refuse(logged, asked=NEW, remembered=known_release(logged, NEW, 2)) == ("sequence", "statement_fork")
    assert verify(logged, asked=NEW, remembered=known_release(logged, "3.0", 3))


def test_back_from_what_the_publisher_withdrew():
    logged = Logged(version=OLD)
    yanks = (Yank(slug=SLUG, version=NEW, reason="Deletes posts.", at=NOW - DAY),)
    logged.published.catalog = logged.published.sign_catalog(newest=OLD, yanked=yanks)
    newer = known_release(logged, NEW, 2, logged.published.statements[NEW].payload_hash)
    assert verify(logged, remembered=newer).remembered.releases[SLUG].version == OLD
    other = known_release(logged, "1.2", 3)
    assert refuse(logged, remembered=other) == ("sequence", "statement_rollback")


def test_an_older_version_must_be_asked_for_by_name():
    logged = Logged(version=OLD)
    assert refuse(logged) == ("newest", "catalog_mismatch")
    known = known_release(logged, NEW, 2)
    verified = verify(logged, asked=OLD, remembered=known)
    assert verified.release.statement.version == OLD
    # What was asked for by name says nothing of what is the newest.
    assert verified.remembered.releases == known.releases


def test_a_second_statement_of_the_newests_number():
    logged = Logged(version=OLD)
    logged.published.catalog = logged.published.sign_catalog(
        releases=(replace_listed(logged.published.catalog, sequence=1),)
    )
    assert refuse(logged, asked=OLD) == ("newest", "statement_fork")
    named = Logged()
    named.published.catalog = named.published.sign_catalog(
        releases=(replace_listed(named.published.catalog, statement="0" * 64),)
    )
    assert refuse(named, asked=NEW) == ("newest", "catalog_mismatch")


def replace_listed(envelope, **changes):
    from pfn.protocol.catalog import Catalog
    from pfn.protocol.document import read_document

    return read_document(Catalog, envelope).releases[0].model_copy(update=changes)


def test_a_plugin_that_is_not_listed():
    logged = Logged()
    logged.published.catalog = logged.published.sign_catalog(newest=None)
    assert refuse(logged) == ("newest", "catalog_mismatch")
    assert refuse(logged, asked=NEW) == ("newest", "catalog_mismatch")


def test_a_zip_with_other_bytes():
    logged = Logged()
    assert refuse(logged, data=logged.data + b"\0") == ("digests", "artifact_digest")
    changed = bytearray(logged.data)
    changed[-1] ^= 1
    assert refuse(logged, data=bytes(changed)) == ("digests", "artifact_digest")


# What speaks against it.


@pytest.mark.parametrize("newest", [NEW, None])
def test_a_yanked_version_needs_its_name_and_consent(newest):
    logged = Logged(version=OLD)
    logged.published.catalog = logged.published.sign_catalog(newest=newest, yanked=YANKED)
    assert refuse(logged, asked=OLD) == ("not_withdrawn", "release_yanked")
    assert "You accept" in verify(logged, asked=OLD, accept_withdrawn=True).checks[-1].detail
    assert refuse(logged, accept_withdrawn=True) == ("newest", "catalog_mismatch")


EVIDENCE = EvidenceLeaf(at=NOW, about="document_fork", subject=SOURCE, first="a" * 64, second="b" * 64)
CUSTODY = CustodyLeaf(at=NOW, source=SOURCE, previous="a" * 64, key="b" * 64, until=NOW + 1)
LOGGED_YANK = YankLeaf(at=NOW, source=SOURCE, slug=SLUG, version=NEW, catalog="a" * 64)


@pytest.mark.parametrize(
    ("notice", "code"),
    [
        (EVIDENCE, "evidence_logged"),
        (CUSTODY, "custody_cooldown"),
        (LOGGED_YANK, "release_yanked"),
        (EVIDENCE.model_copy(update={"subject": "bob@plugins.example.com"}), None),
        (CUSTODY.model_copy(update={"until": NOW}), None),
        (CUSTODY.model_copy(update={"source": "bob@plugins.example.com"}), None),
        (LOGGED_YANK.model_copy(update={"version": OLD}), None),
        (LOGGED_YANK.model_copy(update={"slug": "another"}), None),
    ],
)
def test_what_the_log_says_against_it(notice, code):
    logged = Logged(notices=[notice])
    if code is None:
        assert verify(logged)
    else:
        assert refuse(logged) == ("not_withdrawn", code)
        assert verify(logged, accept_withdrawn=True)


def test_a_notice_that_is_not_in_the_log():
    logged, other = Logged(), Logged(notices=[EVIDENCE])
    notice = other.bundle().notices
    assert refuse(logged, logged.bundle(notices=notice)) == ("not_withdrawn", "log_inclusion")
    refused = refuse(logged, logged.bundle(notices=notice), accept_withdrawn=True)
    assert refused == ("not_withdrawn", "log_inclusion")


PROVEN = Logged()
DATA = PROVEN.data
WRITTEN = write_bundle(PROVEN.bundle())


@given(st.integers(0, len(WRITTEN) * 8 - 1))
def test_no_change_of_a_bundle_makes_it_prove_something_else(bit):
    changed = bytearray(WRITTEN)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        verified = verify(PROVEN, parse_bundle(bytes(changed)), data=DATA)
    except PfnError:
        return
    # What no signature covers: spaces, an unknown signature, a key id.
    assert write_leaf(verified.entry) in PROVEN.leaves


def test_the_policy_of_the_tests_asks_for_three_operators():
    assert POLICY.groups[-1].threshold == 3
    assert ROOT.public_key != RELEASE.public_key
