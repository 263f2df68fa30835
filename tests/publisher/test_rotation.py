"""Changing keys on disk: which key is meant, where the new one comes from, and who must sign."""

from pathlib import Path

import pytest
from tests.publisher.conftest import DAY, NOW, URL, own_key, profile, put_zip
from tests.publisher.reader import Believed, believe, on_disk

from pfn.protocol.dsse import key_id
from pfn.protocol.ed25519 import PublicKey, SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.publisher.creation import Roots, create_publisher
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.key_change import RootKeys
from pfn.publisher.keys import Role, make_key
from pfn.publisher.rotation import renew_document, revoke_key, rotate_key
from pfn.publisher.signed import read_signed

LATER = NOW + DAY


def read(folder: PublisherFolder, pin: PublicKey, now: int = LATER) -> Believed:
    return believe(on_disk(folder.signed), URL, pin, now=now)


def test_the_new_release_key_signs_from_now_on(made: PublisherFolder) -> None:
    put_zip(made, "one", "1.0")
    rotate_key(made, Role.RELEASE, roots=RootKeys(), now=LATER)
    put_zip(made, "one", "1.1", now=LATER)
    pin = own_key(made, Role.ROOT).public_key
    row = read(made, pin).rows["one"]
    assert [one.key for one in row.believed] == [
        own_key(made, Role.RELEASE).public_key,
        own_key(made, Role.RELEASE, 2).public_key,
    ]
    # And for those who come when the old key has faded.
    much_later = LATER + 20 * DAY
    put_zip(made, "one", "1.2", now=much_later)
    assert read(made, pin, much_later).versions == {"one": ["1.0", "1.1", "1.2"]}


@pytest.mark.parametrize("role", [Role.RELEASE, Role.OWNERSHIP, Role.ROOT])
def test_every_role_can_be_rotated_again_and_again(made: PublisherFolder, role: Role) -> None:
    pin = read_signed(made).pin
    for version in (2, 3, 4):
        changed = rotate_key(made, role, roots=RootKeys(), now=LATER)
        assert changed.document.version == version
        assert own_key(made, role, version).public_key in _keys_of(made, role)
    read(made, pin)
    read(made, read_signed(made).pin)


def test_a_root_key_elsewhere_must_be_brought(tmp_path: Path) -> None:
    usb = tmp_path / "usb.key"
    made = create_publisher(tmp_path / "a", profile(), now=NOW, roots=Roots(files=(usb,))).folder
    with pytest.raises(PfnError, match="--root-key") as caught:
        rotate_key(made, Role.RELEASE, roots=RootKeys(), now=LATER)
    assert caught.value.code is Code.CONFIG_INVALID
    with pytest.raises(PfnError, match="--new-key"):
        rotate_key(made, Role.ROOT, roots=RootKeys(files=(usb,)), now=LATER)
    rotate_key(made, Role.ROOT, roots=RootKeys(files=(usb,)), new_key=tmp_path / "usb2.key", now=LATER)
    assert _keys_of(made, Role.ROOT) == [make_key(tmp_path / "usb2.key").public_key]
    # The old one signs nothing any more.
    with pytest.raises(PfnError, match="--root-key"):
        rotate_key(made, Role.RELEASE, roots=RootKeys(files=(usb,)), now=LATER)
    rotate_key(made, Role.RELEASE, roots=RootKeys(files=(tmp_path / "usb2.key",)), now=LATER)


def test_a_key_that_others_hold_is_given_by_its_public_half(made: PublisherFolder, tmp_path: Path) -> None:
    ci = SigningKey.generate()
    (tmp_path / "ci.pem").write_text(ci.public_key.pem)
    changed = rotate_key(made, Role.RELEASE, roots=RootKeys(), new_key=tmp_path / "ci.pem", now=LATER)
    assert ci.public_key in _keys_of(made, Role.RELEASE)
    # The one here still signs for a while.
    assert changed.renewed


def test_which_key_is_meant_must_be_said_where_there_are_several(tmp_path: Path) -> None:
    files = (tmp_path / "a.key", tmp_path / "b.key")
    made = create_publisher(tmp_path / "p", profile(), now=NOW, roots=Roots(files=files, threshold=2)).folder
    roots = RootKeys(files=files)
    with pytest.raises(PfnError, match="--key"):
        rotate_key(made, Role.ROOT, roots=roots, new_key=tmp_path / "c.key", now=LATER)
    old = make_key(files[0]).public_key
    rotate_key(made, Role.ROOT, roots=roots, which=key_id(old)[:12], new_key=tmp_path / "c.key", now=LATER)
    assert old not in _keys_of(made, Role.ROOT)
    assert len(_keys_of(made, Role.ROOT)) == 2


@pytest.mark.parametrize("which", ["", "0123", "00000000000000000000", "zz" * 8])
def test_an_id_that_names_no_single_key_is_refused(made: PublisherFolder, which: str) -> None:
    with pytest.raises(PfnError) as caught:
        revoke_key(made, which, reason="", compromised_since=NOW, roots=RootKeys(), now=LATER)
    assert caught.value.code is Code.INVALID_FIELD
    assert len(read_signed(made).chain) == 1


@pytest.mark.parametrize("role", [Role.RELEASE, Role.OWNERSHIP, Role.ROOT])
def test_a_revoked_key_that_is_missed_is_replaced(made: PublisherFolder, role: Role) -> None:
    pin = read_signed(made).pin
    stolen = own_key(made, role).public_key
    revoke_key(made, key_id(stolen), reason="Stolen.", compromised_since=NOW, roots=RootKeys(), now=LATER)
    assert own_key(made, role, 2).public_key in _keys_of(made, role)
    assert (stolen in _keys_of(made, role)) is (role is Role.RELEASE)
    put_zip(made, "one", "1.0", now=LATER)
    assert read(made, pin).versions == {"one": ["1.0"]}


def test_a_revoked_key_that_was_rotated_is_not_replaced(made: PublisherFolder) -> None:
    rotate_key(made, Role.RELEASE, roots=RootKeys(), now=LATER)
    stolen = key_id(own_key(made, Role.RELEASE).public_key)
    changed = revoke_key(made, stolen, reason="", compromised_since=LATER, roots=RootKeys(), now=LATER)
    assert len(changed.document.release_keys) == 2
    assert not (made.keys / "release.3.key").exists()


def test_no_one_is_robbed_in_the_future(made: PublisherFolder) -> None:
    stolen = key_id(own_key(made, Role.RELEASE).public_key)
    with pytest.raises(PfnError, match="still to come"):
        revoke_key(made, stolen, reason="", compromised_since=LATER + 1, roots=RootKeys(), now=LATER)


def test_a_key_document_is_renewed_for_another_year_even_when_it_has_expired(made: PublisherFolder) -> None:
    pin = read_signed(made).pin
    much_later = NOW + 500 * DAY
    changed = renew_document(made, roots=RootKeys(), now=much_later)
    assert changed.document.expires == much_later + 365 * DAY
    read(made, pin, much_later)


def _keys_of(folder: PublisherFolder, role: Role) -> list[PublicKey]:
    document = read_signed(folder).trusted.document
    keys = {Role.ROOT: document.root_keys, Role.RELEASE: document.release_keys, Role.OWNERSHIP: document.ownership_keys}
    return [key.key for key in keys[role]]
