"""Every check of a download, held once and broken once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.published import NEW, OLD, Published
from tests.support.signed import (
    DAY,
    NOW,
    OWNERSHIP,
    RELEASE,
    RELEASE_2,
    ROOT,
    ROOT_2,
    SLUG,
    SOURCE,
    STRANGER,
    listed,
    release_key,
    revoked,
    sign_statement,
)

from pfn.client import Documents, DownloadRefusedError, Known, VerifiedDownload, verify_download
from pfn.protocol.catalog import Yank
from pfn.protocol.document import Head

YANKED = (Yank(slug=SLUG, version=OLD, reason="Leaks addresses.", at=NOW - DAY),)
NAMES = ["key_document", "catalog", "statement", "not_yanked", "newest", "digests", "artifact_signature"]


def verify(published: Published, version: str = NEW, **changes: Any) -> VerifiedDownload:
    """Verify the zip of ``version``; ``asked`` is the version asked for by name."""
    asked = changes.pop("asked", None)
    data = changes.pop("data", published.zips[version])
    documents = changes.pop("documents", None) or published.documents(version)
    arguments = {"source": SOURCE, "slug": SLUG, "pin": ROOT.public_key, "now": NOW, "version": asked} | changes
    return verify_download(data, documents, **arguments)


def refuse(published: Published, version: str = NEW, **changes: Any) -> tuple[str, str]:
    """The check that failed and its code; those before it held."""
    with pytest.raises(DownloadRefusedError) as caught:
        verify(published, version, **changes)
    *before, last = caught.value.checks
    assert all(check.passed for check in before)
    assert not last.passed
    assert last.detail == caught.value.detail
    assert [check.name for check in caught.value.checks] == NAMES[: len(before) + 1]
    return last.name, caught.value.code.slug


def test_the_newest_release() -> None:
    published = Published()
    verified = verify(published)
    assert [check.name for check in verified.checks] == NAMES
    assert all(check.passed for check in verified.checks)
    assert (verified.statement.version, verified.newest, verified.key) == (NEW, NEW, RELEASE.public_key)
    assert verify(published, asked=NEW).statement == verified.statement


def test_no_signature_beside_the_zip_is_no_check() -> None:
    published = Published()
    verified = verify(published, documents=published.documents(signature=None))
    assert [check.name for check in verified.checks] == NAMES[:-1]


def test_an_older_version_asked_for_by_name() -> None:
    published = Published()
    verified = verify(published, OLD, asked=OLD)
    assert (verified.statement.version, verified.newest) == (OLD, NEW)


def test_a_fix_of_an_old_branch_is_not_the_newest_though_signed_last() -> None:
    published = Published()
    published.catalog = published.sign_catalog(newest=OLD)
    assert verify(published, OLD).statement.version == OLD
    assert refuse(published, NEW) == ("newest", "catalog_mismatch")
    assert verify(published, NEW, asked=NEW).newest == OLD


@pytest.mark.parametrize("newest", [NEW, None])
def test_a_yanked_version_needs_its_name_and_consent(newest: str | None) -> None:
    published = Published()
    published.catalog = published.sign_catalog(newest=newest, yanked=YANKED)
    assert refuse(published, OLD) == ("not_yanked", "release_yanked")
    assert refuse(published, OLD, asked=OLD) == ("not_yanked", "release_yanked")
    assert refuse(published, OLD, accept_yanked=True) == ("newest", "catalog_mismatch")
    assert verify(published, OLD, asked=OLD, accept_yanked=True).newest == newest


def test_keys_are_followed_from_the_pin() -> None:
    published = Published()
    published.add_keys(ROOT, ROOT_2, root_keys=(listed(ROOT_2),), release_keys=(release_key(RELEASE_2),))
    published.add_keys(ROOT_2, root_keys=(listed(ROOT_2),), release_keys=(release_key(RELEASE), release_key(RELEASE_2)))
    assert verify(published).known.publisher == Head(3, published.chain[-1].payload_hash)
    assert verify(published, pin=ROOT_2.public_key).statement.version == NEW


def test_a_retired_keys_newest_release_is_vouched_for_by_the_catalogue() -> None:
    published = Published()
    published.add_keys(ROOT, release_keys=(release_key(RELEASE, not_after=NOW), release_key(RELEASE_2)))
    published.catalog = published.sign_catalog(RELEASE_2)
    assert verify(published).key == RELEASE.public_key
    assert refuse(published, OLD, asked=OLD) == ("statement", "release_key_time")


def drop_keys(published: Published) -> None:
    published.chain = []


def skip_keys(published: Published) -> None:
    published.add_keys()
    published.add_keys()
    del published.chain[1]


def sign_keys_by_another(published: Published) -> None:
    published.chain = [published.sign_keys(STRANGER)]


def let_keys_expire(published: Published) -> None:
    published.chain = [published.sign_keys(expires=NOW)]


def drop_catalog(published: Published) -> None:
    published.catalog = None


def let_catalog_expire(published: Published) -> None:
    published.catalog = published.sign_catalog(expires=NOW)


def sign_catalog_by_another(published: Published) -> None:
    published.catalog = published.sign_catalog(STRANGER)


def sign_catalog_of_another(published: Published) -> None:
    published.catalog = published.sign_catalog(source="bob@plugins.example.com")


def sign_catalog_under_later_keys(published: Published) -> None:
    published.catalog = published.sign_catalog(publisher_version=2)


def list_nothing(published: Published) -> None:
    published.catalog = published.sign_catalog(newest=None)


def sign_statement_by(key: Any) -> Callable[[Published], None]:
    def change(published: Published) -> None:
        published.statements[NEW] = sign_statement(published.statement(NEW), key)
        published.catalog = published.sign_catalog()

    return change


def revoke(published: Published) -> None:
    published.add_keys(revoked=(revoked(RELEASE, NOW - 5 * DAY),))


def limit_key(published: Published) -> None:
    keys = (release_key(RELEASE, slugs=("other",)), release_key(RELEASE_2))
    published.chain = [published.sign_keys(release_keys=keys)]
    published.catalog = published.sign_catalog(RELEASE_2)


def state_otherwise(**changes: Any) -> Callable[[Published], None]:
    def change(published: Published) -> None:
        published.statements[NEW] = sign_statement(published.statement(NEW, **changes))
        published.catalog = published.sign_catalog()

    return change


def restate(published: Published) -> None:
    published.statements[NEW] = sign_statement(published.statement(NEW, name="Another Name"))


BROKEN: list[tuple[Callable[[Published], None], str, str]] = [
    (drop_keys, "key_document", "unsigned"),
    (skip_keys, "key_document", "document_gap"),
    (sign_keys_by_another, "key_document", "document_threshold"),
    (let_keys_expire, "key_document", "document_expired"),
    (drop_catalog, "catalog", "catalog_expired"),
    (let_catalog_expire, "catalog", "catalog_expired"),
    (sign_catalog_by_another, "catalog", "release_key_unknown"),
    (sign_catalog_of_another, "catalog", "catalog_mismatch"),
    (sign_catalog_under_later_keys, "catalog", "document_gap"),
    (revoke, "catalog", "release_key_revoked"),
    (sign_statement_by(STRANGER), "statement", "release_key_unknown"),
    (sign_statement_by(ROOT), "statement", "release_key_unknown"),
    (sign_statement_by(OWNERSHIP), "statement", "release_key_unknown"),
    (limit_key, "statement", "release_key_scope"),
    (state_otherwise(slug="other"), "statement", "statement_mismatch"),
    (state_otherwise(source="bob@plugins.example.com"), "statement", "statement_mismatch"),
    (state_otherwise(publisher_version=2), "statement", "document_gap"),
    (list_nothing, "newest", "catalog_mismatch"),
    (restate, "newest", "catalog_mismatch"),
    (state_otherwise(length=1), "digests", "artifact_digest"),
    (state_otherwise(sha256="aa" * 32), "digests", "artifact_digest"),
    (state_otherwise(sha384="aa" * 48), "digests", "artifact_digest"),
]


@pytest.mark.parametrize(
    ("change", "check", "code"), BROKEN, ids=[f"{one[0].__name__}-{one[1]}-{one[2]}" for one in BROKEN]
)
def test_what_the_publisher_shows_is_wrong(change: Callable[[Published], None], check: str, code: str) -> None:
    published = Published()
    change(published)
    assert refuse(published) == (check, code)


@pytest.mark.parametrize(
    ("changes", "check", "code"),
    [
        ({"pin": STRANGER.public_key}, "key_document", "key_mismatch"),
        ({"pin": RELEASE.public_key}, "key_document", "key_mismatch"),
        ({"source": "bob@plugins.example.com"}, "key_document", "document_mismatch"),
        ({"source": "alice@elsewhere.example"}, "key_document", "document_mismatch"),
        ({"now": NOW + 366 * DAY}, "key_document", "document_expired"),
        ({"now": NOW + 14 * DAY}, "catalog", "catalog_expired"),
        ({"slug": "other"}, "statement", "statement_mismatch"),
        ({"asked": OLD}, "statement", "statement_mismatch"),
        ({"data": b"PK"}, "digests", "artifact_digest"),
    ],
)
def test_something_else_was_wanted(changes: dict[str, Any], check: str, code: str) -> None:
    assert refuse(Published(), **changes) == (check, code)


@pytest.mark.parametrize(
    ("changes", "check", "code"),
    [
        ({"chain": ()}, "key_document", "unsigned"),
        ({"chain": (b"{}",)}, "key_document", "publisher_document"),
        ({"catalog": None}, "catalog", "catalog_expired"),
        ({"catalog": b"<html>"}, "catalog", "publisher_document"),
        ({"statement": None}, "statement", "unsigned"),
        ({"statement": b""}, "statement", "publisher_document"),
        ({"signature": ""}, "artifact_signature", "artifact_signature"),
        ({"signature": "AAAA"}, "artifact_signature", "artifact_signature"),
        ({"signature": Published().signature(OLD)}, "artifact_signature", "artifact_signature"),
        ({"signature": Published().signature(key=STRANGER)}, "artifact_signature", "artifact_signature"),
        ({"signature": Published().signature(key=OWNERSHIP)}, "artifact_signature", "artifact_signature"),
    ],
)
def test_a_document_is_missing_or_wrong(changes: dict[str, Any], check: str, code: str) -> None:
    published = Published()
    assert refuse(published, documents=published.documents(**changes)) == (check, code)


def test_one_signed_document_does_not_pass_for_another() -> None:
    shown = Published().documents()
    assert shown.catalog is not None
    assert shown.statement is not None
    wrong = [
        (replace(shown, chain=(shown.catalog,)), "key_document"),
        (replace(shown, catalog=shown.statement), "catalog"),
        (replace(shown, statement=shown.catalog), "statement"),
    ]
    for documents, check in wrong:
        assert refuse(Published(), documents=documents) == (check, "document_type")


def test_a_revoked_keys_artifact_signature_does_not_count() -> None:
    published = Published()
    published.add_keys(
        release_keys=(release_key(RELEASE), release_key(RELEASE_2)), revoked=(revoked(RELEASE, NOW - 5 * DAY),)
    )
    published.statements[NEW] = sign_statement(published.statement(NEW), RELEASE_2)
    published.catalog = published.sign_catalog(RELEASE_2)
    assert refuse(published) == ("artifact_signature", "artifact_signature")
    assert verify(published, documents=published.documents(signature=published.signature(key=RELEASE_2)))


def test_two_statements_of_one_number() -> None:
    published = Published()
    published.statements[OLD] = sign_statement(published.statement(OLD, sequence=2, previous="aa" * 32))
    assert refuse(published, OLD, asked=OLD) == ("newest", "statement_fork")


def test_an_unlisted_plugin_is_not_there_even_by_name() -> None:
    published = Published()
    list_nothing(published)
    assert refuse(published, asked=NEW) == ("newest", "catalog_mismatch")


def test_going_back_is_noticed() -> None:
    published = Published()
    before = replace(published.documents())
    published.add_keys()
    published.catalog = published.sign_catalog(sequence=2)
    known = verify(published).known
    assert known.publisher == Head(2, published.chain[-1].payload_hash)
    assert known.catalog == Head(2, published.catalog.payload_hash)
    assert verify(published, known=known).known == known
    assert refuse(published, documents=before, known=known) == ("key_document", "document_rollback")
    assert refuse(published, documents=replace(published.documents(), catalog=before.catalog), known=known) == (
        "catalog",
        "catalog_rollback",
    )


def test_two_documents_of_one_number_are_noticed() -> None:
    known = verify(Published()).known
    other = Published()
    other.catalog = other.sign_catalog(expires=NOW + DAY)
    assert refuse(other, known=known) == ("catalog", "catalog_fork")
    other.chain = [other.sign_keys(expires=NOW + DAY)]
    assert refuse(other, known=known) == ("key_document", "document_fork")


def test_a_known_catalogue_expires_too() -> None:
    published = Published()
    known = verify(published).known
    assert refuse(published, known=known, now=NOW + 13 * DAY) == ("catalog", "catalog_expired")


def test_what_a_thief_counted_up_is_forgotten_when_the_key_is_revoked() -> None:
    published = Published()
    published.catalog = published.sign_catalog(sequence=1000)
    known = verify(published).known
    published.add_keys(release_keys=(release_key(RELEASE_2),), revoked=(revoked(RELEASE, NOW - DAY),))
    published.statements[NEW] = sign_statement(published.statement(NEW), RELEASE_2)
    published.catalog = published.sign_catalog(RELEASE_2, sequence=2)
    documents = published.documents(signature=None)
    assert refuse(published, documents=documents, known=replace(known, catalog_signer=None)) == (
        "catalog",
        "catalog_rollback",
    )
    later = verify(published, documents=documents, known=known).known
    assert later.catalog == Head(2, published.catalog.payload_hash)


def test_nothing_known_is_the_beginning() -> None:
    published = Published()
    assert verify(published, known=Known()).known == verify(published).known


PUBLISHED = Published()


@given(at=st.integers(0, len(PUBLISHED.zips[NEW]) - 1), bit=st.integers(0, 7))
def test_no_bit_of_the_zip_can_change(at: int, bit: int) -> None:
    data = bytearray(PUBLISHED.zips[NEW])
    data[at] ^= 1 << bit
    assert refuse(PUBLISHED, data=bytes(data)) == ("digests", "artifact_digest")


@given(
    name=st.sampled_from(["chain", "catalog", "statement"]), at=st.integers(0), value=st.binary(min_size=1, max_size=3)
)
def test_no_damage_to_a_document_passes_for_another_verdict(name: str, at: int, value: bytes) -> None:
    shown = PUBLISHED.documents()
    original = shown.chain[0] if name == "chain" else getattr(shown, name)
    at %= len(original)
    damaged = original[:at] + value + original[at + len(value) :]
    documents: Documents = replace(shown, **{name: (damaged,) if name == "chain" else damaged})
    try:
        verified = verify(PUBLISHED, documents=documents)
    except DownloadRefusedError:
        return
    # Only what no signature covers and nobody reads can have changed.
    assert verified.statement == verify(PUBLISHED).statement
