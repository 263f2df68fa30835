"""What is remembered between two verifications."""

from pathlib import Path

import pytest

from pfn.client import Known
from pfn.client.state_file import StateFile
from pfn.protocol.document import Head
from pfn.protocol.errors import PfnError

KNOWN = Known(Head(2, "aa" * 32), Head(7, "bb" * 32), "cc" * 32)


def test_each_source_is_remembered_by_itself(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state.json")
    assert state.read("alice@plugins.example.com") == Known()
    state.remember("alice@plugins.example.com", KNOWN)
    state.remember("bob@plugins.example.com", Known())
    assert StateFile(state.path).read("alice@plugins.example.com") == KNOWN
    assert state.read("bob@plugins.example.com") == Known()
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"a@b.example": 1}', b'{"a@b.example": {"catalog": {"sequence": 1}}}']
)
def test_a_file_that_is_something_else_is_neither_believed_nor_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    for use in (lambda: StateFile(path).read("a@b.example"), lambda: StateFile(path).remember("a@b.example", KNOWN)):
        with pytest.raises(PfnError) as caught:
            use()
        assert caught.value.code.slug == "config_invalid"
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PfnError, match="cannot be written"):
        StateFile(tmp_path / "none" / "state.json").remember("a@b.example", KNOWN)
