"""Keys in a folder of their own: made once, by who is told to make them, and read-only for every process."""

from pathlib import Path

import pytest

from pfn.app import prepare
from pfn.protocol.errors import Code, PfnError
from pfn.settings import Settings


def settings(tmp_path: Path, data: str) -> Settings:
    return Settings(data=tmp_path / data, keys=tmp_path / "keys", public_url="http://node.test")


def test_processes_with_one_keys_folder_are_one_node(tmp_path: Path) -> None:
    made = prepare(settings(tmp_path, "one"), make_keys=True)
    assert made.new_master_key is not None
    names = {path.name for path in (tmp_path / "keys").iterdir()}
    assert names == {"identity.key", "log.key", "log.origin", "witness.key", "master.sha256"}
    assert not names & {path.name for path in (tmp_path / "one").iterdir()}
    (tmp_path / "keys").chmod(0o500)
    try:
        other = prepare(settings(tmp_path, "two"))
    finally:
        (tmp_path / "keys").chmod(0o700)
    assert other.new_master_key is None
    assert other.master_hash == made.master_hash
    assert other.identity.public_key == made.identity.public_key
    assert other.log.verifier_key == made.log.verifier_key
    assert other.witness.verifier_key == made.witness.verifier_key


@pytest.mark.parametrize("missing", ["identity.key", "log.key", "log.origin", "witness.key", "master.sha256"])
def test_a_process_makes_no_keys_in_a_folder_it_was_given(tmp_path: Path, missing: str) -> None:
    prepare(settings(tmp_path, "one"), make_keys=True)
    (tmp_path / "keys" / missing).unlink()
    with pytest.raises(PfnError) as caught:
        prepare(settings(tmp_path, "two"))
    assert caught.value.code is Code.CONFIG_INVALID
    assert "pfn init" in caught.value.detail
    assert not (tmp_path / "keys" / missing).exists()
