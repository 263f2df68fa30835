"""A publisher's folder: opened, or refused with the way out."""

from pathlib import Path

import pytest

from pfn.protocol.errors import Code, PfnError
from pfn.publisher.folder import PublisherFolder, open_folder, require_new


def refused(caught: pytest.ExceptionInfo[PfnError]) -> str:
    assert caught.value.code is Code.CONFIG_INVALID
    return caught.value.detail


def test_what_was_made_opens(made: PublisherFolder) -> None:
    assert open_folder(made.path) == made
    assert made.zip_url("one", "1.0+a") == "https://plugins.example.com/plugins/alice/one/one.1.0%2Ba.zip"


def test_what_is_missing_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(PfnError) as caught:
        open_folder(tmp_path)
    assert str(tmp_path / "publisher.toml") in refused(caught)
    assert "pfn publisher init" in refused(caught)


@pytest.mark.parametrize("content", [b"username =", b"\xff", b'username = "alice"\n'])
def test_a_damaged_file_is_named(made: PublisherFolder, content: bytes) -> None:
    made.settings_file.write_bytes(content)
    with pytest.raises(PfnError) as caught:
        open_folder(made.path)
    assert str(made.settings_file) in refused(caught)


def test_a_publisher_is_made_once(made: PublisherFolder) -> None:
    with pytest.raises(PfnError) as caught:
        require_new(made.path)
    assert "already" in refused(caught)
    require_new(made.path / "elsewhere")


def test_a_publisher_of_one_key_is_told_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "publisher.key").write_text("x")
    (tmp_path / "publisher.toml").write_text("x")
    with pytest.raises(PfnError) as caught:
        require_new(tmp_path)
    assert "keys/v1.key" in refused(caught)
