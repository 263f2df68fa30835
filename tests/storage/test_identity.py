"""The node's secrets: the owner's alone, made once, and never silently made anew."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pfn.protocol.api_key import Prefix, parse_token
from pfn.protocol.ed25519 import SigningKey, verify
from pfn.protocol.errors import PfnError
from pfn.storage.identity import (
    IDENTITY_NAME,
    MASTER_NAME,
    keep_master_hash,
    load_identity,
    make_master_key,
    read_master_hash,
)

KEY = SigningKey(bytes(range(32)))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_secrets_are_their_owners_alone(tmp_path: Path, umask):
    before = os.umask(umask)
    try:
        load_identity(tmp_path)
        keep_master_hash(tmp_path, "ab" * 32)
    finally:
        os.umask(before)
    for name in (IDENTITY_NAME, MASTER_NAME):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [IDENTITY_NAME, MASTER_NAME]


def test_the_identity_stays_the_same(tmp_path: Path):
    key = load_identity(tmp_path)
    content = (tmp_path / IDENTITY_NAME).read_bytes()
    again = load_identity(tmp_path)
    assert again == key
    assert verify(again.public_key, b"message", key.sign(b"message"))
    assert (tmp_path / IDENTITY_NAME).read_bytes() == content


def test_each_node_has_an_identity_of_its_own(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert load_identity(tmp_path / "a") != load_identity(tmp_path / "b")


def test_an_identity_brought_from_elsewhere_is_used(tmp_path: Path):
    (tmp_path / IDENTITY_NAME).write_text(KEY.pem)
    assert load_identity(tmp_path) == KEY


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"-----BEGIN PRIVATE KEY-----\n",
        KEY.pem.encode()[:-30],
        KEY.pem.encode().replace(b"MC4", b"MC5"),
        KEY.public_key.pem.encode(),
        b"\xff\xfe\x00binary",
        "schlüssel".encode(),
    ],
    ids=["empty", "a line", "a beginning", "cut short", "another length", "public", "binary", "not ASCII"],
)
def test_a_damaged_identity_is_named_and_left_alone(tmp_path: Path, content):
    path = tmp_path / IDENTITY_NAME
    path.write_bytes(content)
    with pytest.raises(PfnError) as caught:
        load_identity(tmp_path)
    assert str(path) in caught.value.detail
    assert "backup" in caught.value.detail
    assert path.read_bytes() == content


def test_the_sentence_about_a_damaged_identity_does_not_tell_the_key(tmp_path: Path):
    secret = KEY.pem.splitlines()[1]
    (tmp_path / IDENTITY_NAME).write_text(KEY.pem.replace("END", "FIN"))
    with pytest.raises(PfnError) as caught:
        load_identity(tmp_path)
    assert secret not in str(caught.value)


_LOAD = """
import sys
from pathlib import Path
from pfn.storage.identity import load_identity
sys.stdin.read()
print(load_identity(Path(sys.argv[1])).public_key.fingerprint)
"""


def test_processes_that_start_together_agree_who_they_are(tmp_path: Path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _LOAD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    told = set()
    for process in processes:
        assert process.stdout is not None
        told.add(process.stdout.read().strip())
        process.stdout.close()
        assert process.wait(30) == 0
    assert told == {load_identity(tmp_path).public_key.fingerprint}
    assert [path.name for path in tmp_path.iterdir()] == [IDENTITY_NAME]


def test_an_identity_made_meanwhile_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The moment between looking for the file and writing it."""
    real = SigningKey.generate

    def generate() -> SigningKey:
        (tmp_path / IDENTITY_NAME).write_text(KEY.pem)
        return real()

    monkeypatch.setattr(SigningKey, "generate", generate)
    assert load_identity(tmp_path) == KEY
    assert [path.name for path in tmp_path.iterdir()] == [IDENTITY_NAME]


def test_the_hash_of_the_master_key_is_kept_until_another_takes_its_place(tmp_path: Path):
    assert read_master_hash(tmp_path) is None
    for master_hash in ("ab" * 32, "cd" * 32):
        keep_master_hash(tmp_path, master_hash)
        assert read_master_hash(tmp_path) == master_hash


def test_a_master_key_is_a_key_of_its_kind_and_new_each_time():
    keys = {make_master_key() for _ in range(5)}
    assert len(keys) == 5
    for key in keys:
        token = parse_token(key)
        assert token is not None
        assert token.prefix is Prefix.MASTER


def test_a_secret_that_cannot_be_written_leaves_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        load_identity(tmp_path)
    assert list(tmp_path.iterdir()) == []
