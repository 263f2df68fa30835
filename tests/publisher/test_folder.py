"""A publisher's folder: what is made, with which modes, and that nothing is overwritten."""

import stat
from datetime import date
from pathlib import Path

import pytest

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.publisher.folder import create_folder, open_folder
from pfn.publisher.profile import Profile

PROFILE = Profile(username="alice", member_since=date(2024, 1, 2))


def refused(caught: pytest.ExceptionInfo[PfnError]) -> str:
    assert caught.value.code is Code.CONFIG_INVALID
    return caught.value.detail


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = create_folder(tmp_path / "a" / "b", PROFILE)
    assert stat.S_IMODE(made.key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.key_file.parent.stat().st_mode) == 0o700
    assert SigningKey.from_pem(made.key_file.read_text()) == made.key
    assert open_folder(tmp_path / "a" / "b") == made


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    made = create_folder(tmp_path, PROFILE)
    with pytest.raises(PfnError) as caught:
        create_folder(tmp_path, PROFILE.model_copy(update={"username": "mallory"}))
    assert "already" in refused(caught)
    assert open_folder(tmp_path) == made


def test_an_interrupted_beginning_keeps_its_key(tmp_path: Path) -> None:
    made = create_folder(tmp_path, PROFILE)
    made.settings_file.unlink()
    assert create_folder(tmp_path, PROFILE).key == made.key


def test_a_key_that_others_can_use_is_refused(tmp_path: Path) -> None:
    made = create_folder(tmp_path, PROFILE)
    made.key_file.chmod(0o604)
    with pytest.raises(PfnError) as caught:
        open_folder(tmp_path)
    assert f"chmod 600 {made.key_file}" in refused(caught)


@pytest.mark.parametrize("missing", ["publisher.toml", "keys/publisher.key"])
def test_what_is_missing_is_named_with_the_way_out(tmp_path: Path, missing: str) -> None:
    create_folder(tmp_path, PROFILE)
    (tmp_path / missing).unlink()
    with pytest.raises(PfnError) as caught:
        open_folder(tmp_path)
    assert str(tmp_path / missing) in refused(caught)
    assert "pfn publisher init" in refused(caught)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("publisher.toml", b"username ="),
        ("publisher.toml", b"\xff"),
        ("publisher.toml", b'username = "alice"\n'),
        ("keys/publisher.key", b"\xff"),
        ("keys/publisher.key", b""),
        ("keys/publisher.key", SigningKey(bytes(32)).public_key.pem.encode()),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    create_folder(tmp_path, PROFILE)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PfnError) as caught:
        open_folder(tmp_path)
    assert str(tmp_path / name) in refused(caught)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("")
    with pytest.raises(PfnError) as caught:
        create_folder(tmp_path, PROFILE)
    assert str(tmp_path / "plugins") in refused(caught)
