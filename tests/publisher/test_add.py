"""Publishing zips: what is signed, and what is refused without a trace."""

import base64
import hashlib
from pathlib import Path

import pytest
from tests.publisher.conftest import DAY, NOW, URL, own_key, put_zip
from tests.publisher.reader import Believed, believe, on_disk

from pfn.protocol.ed25519 import verify
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.publisher.add import Added, add_zips
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.keys import Role
from pfn.publisher.renewal import yank
from pfn.publisher.signed import read_signed
from pfn.testing.plugin import plugin_zip


def read(folder: PublisherFolder, now: int = NOW) -> Believed:
    pin = read_signed(folder).pin
    return believe(on_disk(folder.signed), URL, pin, now=now)


def snapshot(folder: PublisherFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.signed.rglob("*") if path.is_file()}


def add(folder: PublisherFolder, **files: bytes) -> Added:
    """Publish files of these names, ``_`` for a dot."""
    paths = [folder.path.parent / (name.replace("_", ".") + ".zip") for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        path.write_bytes(content)
    return add_zips(folder, paths, now=NOW)


def codes(added: Added) -> list[str]:
    return [reason.code for reasons in added.refused.values() for reason in reasons]


def test_what_is_published_is_believed_and_is_the_very_zip(made: PublisherFolder) -> None:
    content = plugin_zip("one", "1.0+a", tags=("x",))
    added = add(made, whatever=content)
    assert [one.statement.version for one in added.published] == ["1.0+a"]
    believed = read(made)
    assert believed.versions == {"one": ["1.0+a"]}
    listed = believed.catalog.find_release("one")
    assert listed
    assert listed.url == f"{URL}/plugins/alice/one/one.1.0%2Ba.zip"
    path = made.signed / "plugins/alice/one/one.1.0+a.zip"
    assert path.read_bytes() == content
    # The signature that WordPress itself checks.
    signature = base64.b64decode(path.with_name(path.name + ".sig").read_text())
    key = own_key(made, Role.RELEASE).public_key
    assert verify(key, hashlib.sha384(content).digest(), signature)


def test_versions_given_together_are_in_the_order_of_wordpress(made: PublisherFolder) -> None:
    versions = ["1.10", "1.0RC1", "1.9", "1.0"]
    added = add(made, **{f"z{number}": plugin_zip("one", version) for number, version in enumerate(versions)})
    assert [one.statement.version for one in added.published] == ["1.0RC1", "1.0", "1.9", "1.10"]
    assert read(made).versions == {"one": ["1.0RC1", "1.0", "1.9", "1.10"]}


def test_a_fix_of_an_old_branch_comes_last_and_is_not_the_newest(made: PublisherFolder) -> None:
    for version in ("1.0", "2.0", "1.0.1"):
        put_zip(made, "one", version)
    assert [one.statement.version for one in read_signed(made).rows["one"]] == ["1.0", "2.0", "1.0.1"]
    listed = read(made).catalog.find_release("one")
    assert listed
    assert (listed.version, listed.sequence) == ("2.0", 2)


def test_the_same_again_changes_nothing(made: PublisherFolder) -> None:
    put_zip(made, "one", "1.0")
    before = snapshot(made)
    added = add(made, one=plugin_zip("one", "1.0"), copy=plugin_zip("one", "1.0"))
    assert (added.published, [release.version for release in added.known]) == ((), ["1.0"])
    assert snapshot(made) == before


def test_the_same_zip_twice_in_one_command_is_one_release(made: PublisherFolder) -> None:
    added = add(made, a=plugin_zip("one", "1.0"), b=plugin_zip("one", "1.0"))
    assert len(added.published) == 1
    assert read(made).versions == {"one": ["1.0"]}


REFUSED = {
    "no zip": ({"a": b"PK"}, ["not_a_zip"]),
    "a theme's version": ({"a": plugin_zip("one", "1.0")[:-9]}, ["not_a_zip"]),
    "named otherwise": ({"one_1_1": plugin_zip("one", "1.2")}, ["file_name"]),
    "named otherwise with a v": ({"one-v1_1": plugin_zip("one", "1.2")}, ["file_name"]),
    "other bytes": ({"a": plugin_zip("known", "1.0", description="Other.")}, ["version_conflict"]),
    "other bytes together": (
        {"a": plugin_zip("one", "1.0"), "b": plugin_zip("one", "1.0", description="Other.")},
        ["version_conflict"],
    ),
    "equal for WordPress": ({"a": plugin_zip("known", "1.0RC1")}, ["version_equal"]),
    "equal together": ({"a": plugin_zip("one", "2.0-b1"), "b": plugin_zip("one", "2.0beta1")}, ["version_equal"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_refused_zip_and_nothing_is_published(made: PublisherFolder, case: str) -> None:
    put_zip(made, "known", "1.0")
    put_zip(made, "known", "1.0-rc1")
    before = snapshot(made)
    files, expected = REFUSED[case]
    added = add(made, good=plugin_zip("good", "1.0"), **files)
    assert codes(added) == expected
    assert added.published == ()
    assert snapshot(made) == before


def test_a_file_name_that_says_the_version_or_nothing_is_fine(made: PublisherFolder) -> None:
    files = {
        "one_1_0": "1.0",
        "one-1_1": "1.1",
        "one-v1_2": "1.2",
        "one": "1.3",
        "one-pro-2": "1.4",
        "release-9": "1.5",
    }
    added = add(made, **{name: plugin_zip("one", version) for name, version in files.items()})
    assert codes(added) == []
    assert len(added.published) == len(files)


def test_what_cannot_be_read_is_refused(made: PublisherFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert codes(add_zips(made, [made.path / "none.zip"], now=NOW)) == ["unreadable"]
    monkeypatch.setattr("pfn.publisher.add.MAX_ZIP_BYTES", 10)
    assert codes(add(made, one=plugin_zip("one", "1.0"))) == ["too_large"]


def test_a_zip_that_changes_while_it_is_published_is_not(
    made: PublisherFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_other(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True)
        target.write_bytes(source.read_bytes() + b"!")

    monkeypatch.setattr("pfn.publisher.add.copy_file", copy_other)
    with pytest.raises(SecurityError) as caught:
        add(made, one=plugin_zip("one", "1.0"))
    assert caught.value.code is Code.ARTIFACT_DIGEST
    assert read_signed(made).rows == {}


def test_a_yanked_version_stays_yanked(made: PublisherFolder) -> None:
    put_zip(made, "one", "1.0")
    yank(made, "one", "1.0", reason="Bad.", now=NOW)
    added = add(made, one=plugin_zip("one", "1.0"))
    assert added.published == ()
    assert read(made).catalog.releases == ()


def test_only_the_release_key_is_needed(made: PublisherFolder) -> None:
    for role in (Role.ROOT, Role.OWNERSHIP, Role.V1):
        (made.keys / f"{role.value}.key").unlink()
    put_zip(made, "one", "1.0")
    (made.keys / "release.key").unlink()
    with pytest.raises(PfnError, match="rotate-key") as caught:
        add(made, one=plugin_zip("one", "1.1"))
    assert caught.value.code is Code.CONFIG_INVALID


def test_under_an_expired_key_document_nothing_is_signed(made: PublisherFolder) -> None:
    path = made.path.parent / "one.zip"
    path.write_bytes(plugin_zip("one", "1.0"))
    with pytest.raises(SecurityError) as caught:
        add_zips(made, [path], now=NOW + 400 * DAY)
    assert caught.value.code is Code.DOCUMENT_EXPIRED
    assert read_signed(made).rows == {}
