"""Renewing: yanks, fresh catalogues, and what becomes of releases whose key was stolen."""

import json

import pytest
from tests.publisher.conftest import DAY, NOW, URL, own_key, put_zip
from tests.publisher.reader import Believed, believe, on_disk

from pfn.protocol.catalog import verify_catalog
from pfn.protocol.document import Head
from pfn.protocol.dsse import key_id
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.release_statement import verify_statement_chain
from pfn.publisher.check import find_problems
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.key_change import Changed, RootKeys
from pfn.publisher.keys import Role
from pfn.publisher.renewal import renew, yank
from pfn.publisher.rotation import revoke_key
from pfn.publisher.signed import read_signed

THEFT = NOW + 2 * DAY
LATER = NOW + 4 * DAY


def read(folder: PublisherFolder, now: int) -> Believed:
    pin = own_key(folder, Role.ROOT).public_key
    return believe(on_disk(folder.signed), URL, pin, now=now)


def steal_release_key(folder: PublisherFolder) -> Changed:
    stolen = key_id(own_key(folder, Role.RELEASE).public_key)
    return revoke_key(folder, stolen, reason="Stolen.", compromised_since=THEFT, roots=RootKeys(), now=LATER)


def test_a_fresh_catalogue_says_the_same_for_longer(made: PublisherFolder) -> None:
    put_zip(made, "one", "1.0")
    before = read_signed(made)
    assert before.catalog_envelope
    assert before.catalog
    known = verify_catalog(before.catalog_envelope, before.trusted, known=None, now=NOW).head
    renew(made, now=LATER)
    after = read_signed(made)
    assert after.catalog_envelope
    verdict = verify_catalog(after.catalog_envelope, after.trusted, known=known, now=LATER)
    assert verdict.catalog.sequence == before.catalog.sequence + 1
    assert verdict.catalog.releases == before.catalog.releases
    assert verdict.catalog.expires == LATER + 14 * DAY


def test_yanked_the_version_before_is_the_newest_again(made: PublisherFolder) -> None:
    for version in ("1.0", "2.0"):
        put_zip(made, "one", version)
    yank(made, "one", "2.0", reason="Loses data.", now=LATER)
    catalog = read(made, LATER).catalog
    listed, yanked = catalog.find_release("one"), catalog.find_yank("one", "2.0")
    assert listed
    assert yanked
    assert (listed.version, yanked.reason, yanked.at) == ("1.0", "Loses data.", LATER)
    yank(made, "one", "1.0", reason="Too.", now=LATER)
    put_zip(made, "one", "2.1", now=LATER)
    catalog = read(made, LATER).catalog
    assert [one.version for one in catalog.releases] == ["2.1"]
    assert [one.version for one in catalog.yanked] == ["2.0", "1.0"]


@pytest.mark.parametrize(
    ("slug", "version", "code"),
    [
        ("two", "1.0", Code.PLUGIN_UNKNOWN),
        ("one", "1.1", Code.RELEASE_UNKNOWN),
        ("one", "1.0", Code.WRONG_STATE),
    ],
)
def test_what_cannot_be_yanked(made: PublisherFolder, slug: str, version: str, code: Code) -> None:
    put_zip(made, "one", "1.0")
    yank(made, "one", "1.0", reason="", now=NOW)
    with pytest.raises(PfnError) as caught:
        yank(made, slug, version, reason="", now=NOW)
    assert caught.value.code is code


def test_after_a_theft_a_newcomer_believes_what_was_released_before(made: PublisherFolder) -> None:
    put_zip(made, "one", "1.0")
    put_zip(made, "one", "1.1", now=NOW + DAY)
    put_zip(made, "one", "1.2", now=THEFT)
    put_zip(made, "two", "1.0", now=NOW)
    put_zip(made, "three", "1.0", now=NOW)
    yank(made, "three", "1.0", reason="Bad.", now=NOW)
    renewed = steal_release_key(made).renewed
    assert renewed
    assert [(one.statement.slug, one.statement.version) for one in renewed.signed_anew] == [
        ("one", "1.0"),
        ("one", "1.1"),
        ("two", "1.0"),
    ]
    assert [(one.statement.slug, one.statement.version) for one in renewed.held] == [("one", "1.2")]
    believed = read(made, LATER)
    # The revoked key's own statements are walked but left out.
    assert believed.versions == {"one": ["1.0", "1.1"], "two": ["1.0"]}
    assert len(believed.rows["one"].left_out) == 3
    assert believed.trusted.document.version == 2
    assert [problem.code for problem in find_problems(made, read_signed(made), now=LATER)] == ["held_back"]
    assert all(one.statement.released_at < THEFT for one in believed.rows["one"].believed)


def test_after_a_theft_who_knew_the_row_goes_on_from_there(made: PublisherFolder) -> None:
    put_zip(made, "one", "1.0")
    put_zip(made, "one", "1.1", now=NOW + DAY)
    known = read_signed(made).rows["one"][-1].head
    steal_release_key(made)
    signed = read_signed(made)
    row = [one.envelope for one in signed.rows["one"][known.sequence :]]
    walked = verify_statement_chain(row, signed.trusted, slug="one", known=known, now=LATER)
    assert [one.statement.version for one in walked.believed] == ["1.0", "1.1"]


def test_what_was_held_back_is_published_again_once_it_is_looked_at(made: PublisherFolder) -> None:
    content = put_zip(made, "one", "1.0", now=THEFT)
    steal_release_key(made)
    assert read(made, LATER).catalog.releases == ()
    assert put_zip(made, "one", "1.0", now=LATER) == content
    believed = read(made, LATER)
    assert believed.versions == {"one": ["1.0"]}
    assert believed.rows["one"].newest.statement.sequence == 2
    assert find_problems(made, read_signed(made), now=LATER) == []


def test_a_zip_that_is_not_what_was_signed_is_not_signed_anew(made: PublisherFolder) -> None:
    put_zip(made, "one", "1.0")
    put_zip(made, "two", "1.0")
    (made.signed / "plugins/alice/one/one.1.0.zip").write_bytes(b"PK the thief's")
    (made.signed / "plugins/alice/two/two.1.0.zip").unlink()
    renewed = steal_release_key(made).renewed
    assert renewed
    assert renewed.signed_anew == ()
    assert len(renewed.held) == 2


def test_a_catalogue_of_the_thief_is_outlived(made: PublisherFolder) -> None:
    put_zip(made, "one", "1.0")
    steal_release_key(made)
    signed = read_signed(made)
    assert signed.catalog_envelope
    # Whoever knew a catalogue that the thief counted up has to forget it, for its key is revoked.
    verdict = verify_catalog(signed.catalog_envelope, signed.trusted, known=None, now=LATER)
    assert verdict.head == Head(json.loads(signed.catalog_envelope.payload)["sequence"], verdict.payload_hash)
