"""Private keys on disk: who may read them, which is used, and that none is ever overwritten."""

import stat
from pathlib import Path

import pytest

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.publisher.keys import Role, find_key, key_file, make_key, make_keys_folder, read_key, take_key


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make_keys_folder(tmp_path / "keys")
    return tmp_path / "keys"


def test_keys_are_for_their_owner_alone_and_not_for_version_control(keys: Path) -> None:
    make_key(keys / "root.key")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert stat.S_IMODE((keys / "root.key").stat().st_mode) == 0o600
    assert (keys / ".gitignore").read_text() == "*\n"


def test_a_key_that_is_there_is_read_and_kept(keys: Path) -> None:
    first = make_key(keys / "root.key")
    assert make_key(keys / "root.key") == first == read_key(keys / "root.key")


def test_a_key_that_others_can_use_is_refused(keys: Path) -> None:
    make_key(keys / "root.key")
    (keys / "root.key").chmod(0o604)
    with pytest.raises(PfnError) as caught:
        read_key(keys / "root.key")
    assert f"chmod 600 {keys / 'root.key'}" in caught.value.detail


@pytest.mark.parametrize("content", [b"\xff", b"", SigningKey(bytes(32)).public_key.pem.encode()])
def test_a_file_that_is_no_private_key_is_named_and_not_shown(keys: Path, content: bytes) -> None:
    path = keys / "root.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PfnError) as caught:
        read_key(path)
    assert caught.value.code is Code.CONFIG_INVALID
    assert str(path) in caught.value.detail
    assert "MCow" not in caught.value.detail


def test_a_new_key_is_made_or_read_or_given_as_its_public_half(keys: Path) -> None:
    made = take_key(keys / "new.key")
    assert take_key(keys / "new.key") == made == read_key(keys / "new.key").public_key
    public = SigningKey(bytes(32)).public_key
    (keys / "new.pem").write_text(public.pem)
    assert take_key(keys / "new.pem") == public
    with pytest.raises(PfnError):
        take_key(keys)


def test_the_key_document_says_which_key_is_used(keys: Path) -> None:
    first, third = (make_key(key_file(keys, Role.RELEASE, version)) for version in (1, 3))
    make_key(key_file(keys, Role.ROOT))
    stranger = SigningKey(bytes(32)).public_key
    assert (keys / "release.key").exists()
    assert (keys / "release.3.key").exists()
    listed = [first.public_key, third.public_key]
    assert find_key(keys, Role.RELEASE, listed) == third
    assert find_key(keys, Role.RELEASE, [third.public_key, first.public_key, stranger]) == first
    assert find_key(keys, Role.RELEASE, [stranger]) is None
    assert find_key(keys, Role.ROOT, listed) is None
    assert find_key(keys / "nowhere", Role.RELEASE, listed) is None
