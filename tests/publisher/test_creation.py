"""Making a publisher: what there is afterwards, and what a newcomer believes of it."""

import subprocess
from pathlib import Path

import pytest
from tests.publisher.conftest import NOW, URL, own_key, profile
from tests.publisher.reader import believe, on_disk
from tests.support.tools import needs_tool

from pfn.protocol.dsse import signers
from pfn.protocol.ed25519 import PublicKey, SigningKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.publisher.creation import Roots, create_publisher
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.keys import Role, make_key
from pfn.publisher.signed import read_signed


def read(folder: PublisherFolder, pin: PublicKey) -> None:
    believe(on_disk(folder.signed), URL, pin, now=NOW)


def test_every_role_has_a_key_of_its_own(made: PublisherFolder) -> None:
    keys = {role: own_key(made, role).public_key for role in Role}
    assert len(set(keys.values())) == len(Role)
    document = read_signed(made).trusted.document
    assert [key.key for key in document.root_keys] == [keys[Role.ROOT]]
    assert [key.key for key in document.release_keys] == [keys[Role.RELEASE]]
    assert [key.key for key in document.ownership_keys] == [keys[Role.OWNERSHIP]]
    assert (document.source, document.version, document.threshold) == ("alice@plugins.example.com", 1, 1)
    assert 364 < (document.expires - NOW) / 86400 < 367


def test_the_root_key_and_the_v1_key_are_pins_and_no_other(made: PublisherFolder) -> None:
    for role in (Role.ROOT, Role.V1):
        read(made, own_key(made, role).public_key)
    for role in (Role.RELEASE, Role.OWNERSHIP):
        with pytest.raises(SecurityError) as caught:
            read(made, own_key(made, role).public_key)
        assert caught.value.code is Code.KEY_MISMATCH
    catalog = read_signed(made).catalog
    assert catalog
    assert catalog.releases == ()


def test_nothing_secret_is_where_files_are_served(made: PublisherFolder) -> None:
    seeds = [own_key(made, role).pem for role in Role]
    for path in made.signed.rglob("*"):
        if path.is_file():
            assert not any(seed in path.read_text() for seed in seeds)


@needs_tool("git")
def test_keys_stay_out_of_version_control_also_where_they_are_put_back(made: PublisherFolder) -> None:
    subprocess.run(["git", "init", "-q", made.path], check=True)
    (made.keys / ".gitignore").unlink()
    added = subprocess.run(["git", "add", "-A", "-v"], cwd=made.path, check=True, capture_output=True, text=True).stdout
    assert "publisher.json" in added
    assert "keys" not in added


def test_the_root_key_may_live_elsewhere(tmp_path: Path) -> None:
    usb = tmp_path / "usb" / "root.key"
    usb.parent.mkdir()
    made = create_publisher(tmp_path / "a", profile(), now=NOW, roots=Roots(files=(usb,)))
    assert not (tmp_path / "a" / "keys" / "root.key").exists()
    read(made.folder, make_key(usb).public_key)


def test_keys_that_are_there_are_used(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    v1 = make_key(tmp_path / "keys" / "v1.key")
    made = create_publisher(tmp_path, profile(), now=NOW)
    assert made.v1_key == v1.public_key
    read(made.folder, v1.public_key)


def test_a_second_time_changes_nothing(made: PublisherFolder) -> None:
    before = {path: path.read_bytes() for path in made.path.rglob("*") if path.is_file()}
    with pytest.raises(PfnError, match="already"):
        create_publisher(made.path, profile("https://other.example"), now=NOW)
    assert {path: path.read_bytes() for path in made.path.rglob("*") if path.is_file()} == before


def test_an_interrupted_beginning_is_not_gone_on_with_under_another_name(made: PublisherFolder) -> None:
    made.settings_file.unlink()
    with pytest.raises(PfnError, match="cannot change"):
        create_publisher(made.path, profile("https://other.example"), now=NOW)
    create_publisher(made.path, profile(), now=NOW)


def test_too_few_root_keys_at_hand_make_nothing(tmp_path: Path) -> None:
    roots = Roots(files=(tmp_path / "r.key",), others=(SigningKey(bytes(32)).public_key,), threshold=2)
    with pytest.raises(PfnError, match="--sign-offline") as caught:
        create_publisher(tmp_path / "a", profile(), now=NOW, roots=roots)
    assert caught.value.code is Code.CONFIG_INVALID
    assert not (tmp_path / "a" / "publisher.toml").exists()
    assert not list((tmp_path / "a").rglob("*.json"))


@pytest.mark.parametrize("threshold", [2, 17])
def test_a_threshold_that_cannot_be_is_refused(tmp_path: Path, threshold: int) -> None:
    with pytest.raises(PfnError, match="threshold"):
        create_publisher(tmp_path / "a", profile(), now=NOW, roots=Roots(threshold=threshold))


def test_one_of_several_roots_may_sign_for_all(tmp_path: Path) -> None:
    other = SigningKey(bytes(32)).public_key
    made = create_publisher(tmp_path, profile(), now=NOW, roots=Roots((tmp_path / "r.key",), (other,)))
    signed = read_signed(made.folder)
    # The pin is a key that signed: the other could not have been one.
    assert signed.pin == make_key(tmp_path / "r.key").public_key
    assert not signers(signed.chain[0], [other])
    read(made.folder, signed.pin)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(PfnError, match="a: "):
        create_publisher(tmp_path / "a", profile(), now=NOW)
