"""What the catalogue lists: the newest by WordPress's order, and never what is yanked."""

from hypothesis import given
from hypothesis import strategies as st
from tests.publisher.conftest import DAY, NOW

from pfn.protocol.catalog import Yank
from pfn.protocol.dsse import sign_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.release_statement import PAYLOAD_TYPE, ReleaseStatement, write_statement
from pfn.publisher.catalog import SignedRelease, list_newest, make_catalog
from pfn.publisher.key_document import make_first_document
from pfn.wordpress.version import sort_versions

KEY = SigningKey(bytes(32))


def release(slug: str, version: str, sequence: int) -> SignedRelease:
    statement = ReleaseStatement(
        source="alice@a.example",
        slug=slug,
        name=slug,
        version=version,
        length=1,
        sha256="aa" * 32,
        sha384="bb" * 48,
        sequence=sequence,
        previous=None if sequence == 1 else "cc" * 32,
        publisher_version=1,
        released_at=NOW,
        manifest="dd" * 32,
    )
    return SignedRelease(statement, sign_envelope(PAYLOAD_TYPE, write_statement(statement), [KEY]))


def yanked(slug: str, version: str) -> Yank:
    return Yank(slug=slug, version=version, reason="", at=NOW)


def url(slug: str, version: str) -> str:
    return f"https://a.example/{slug}.{version}.zip"


def test_a_fix_of_an_old_branch_is_not_the_newest() -> None:
    row = [release("one", "2.0", 1), release("one", "1.9.1", 2), release("two", "1.0", 1)]
    assert [(one.slug, one.version, one.sequence) for one in list_newest(row, [], url)] == [
        ("one", "2.0", 1),
        ("two", "1.0", 1),
    ]


def test_the_later_statement_about_a_version_counts() -> None:
    row = [release("one", "1.0", 2), release("one", "1.0", 1)]
    (listed,) = list_newest(row, [], url)
    assert (listed.sequence, listed.statement) == (2, row[0].envelope.payload_hash)
    assert listed.url == url("one", "1.0")


@given(
    versions=st.lists(st.sampled_from(["1.0", "1.0-beta", "1.10", "1.9", "2.0RC1", "2.0"]), unique=True, min_size=1),
    data=st.data(),
)
def test_it_is_the_newest_that_is_not_yanked(versions: list[str], data: st.DataObject) -> None:
    gone = data.draw(st.lists(st.sampled_from(versions), unique=True))
    row = [release("one", version, number) for number, version in enumerate(versions, start=1)]
    listed = list_newest(row, [yanked("one", version) for version in gone], url)
    left = sort_versions(set(versions) - set(gone))
    assert [one.version for one in listed] == left[-1:]


def test_a_catalogue_counts_on_and_lives_a_fortnight() -> None:
    key = SigningKey(b"\1" * 32).public_key
    document = make_first_document(
        username="alice",
        instance_url="https://a.example",
        root_keys=[key],
        release_key=KEY.public_key,
        ownership_key=SigningKey(b"\2" * 32).public_key,
        now=NOW,
    )
    catalog = make_catalog(document, [], [yanked("one", "1.0")], after=7, now=NOW)
    assert (catalog.source, catalog.sequence, catalog.publisher_version) == ("alice@a.example", 8, 1)
    assert (catalog.issued, catalog.expires) == (NOW, NOW + 14 * DAY)
