"""A data folder that cannot be used is said so, with what to do, before anything in it is touched."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pfn.app import examine, prepare
from pfn.app.prepare import open_folder
from pfn.protocol.errors import Code, PfnError
from pfn.settings import Settings

NOBODY = 65_534
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0 and "CI" not in os.environ, reason="only root can be somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can get to."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextmanager
def another_user() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def refusal(data: Path) -> str:
    with pytest.raises(PfnError) as caught:
        prepare(Settings(data=data))
    assert caught.value.code is Code.CONFIG_INVALID
    return caught.value.detail


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is no folder that can be used: File exists." in refusal(tmp_path / "file")
    assert "is no folder that can be used: Not a directory." in refusal(tmp_path / "file" / "below")


@NEEDS_ROOT
async def test_a_folder_of_another_user(folder: Path) -> None:
    data = folder / "node"
    data.mkdir(mode=0o755)
    with another_user():
        assert f"user {NOBODY} may not write to {data}. Run pfn as" in refusal(data)
        with pytest.raises(PfnError) as caught:
            await examine(Settings(data=data))
    assert caught.value.code is Code.CONFIG_INVALID
    assert list(data.iterdir()) == []


@NEEDS_ROOT
@pytest.mark.parametrize(("name", "verb"), [("node.db", "write to"), ("log.key", "read"), ("blobs", "write to")])
def test_something_in_it_that_is_another_users(folder: Path, name: str, verb: str) -> None:
    """As where root ran the command once."""
    data = folder / "node"
    prepare(Settings(data=data))
    (data / "blobs").mkdir(exist_ok=True)
    for path in (data, *data.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    with another_user():
        open_folder(data)
    os.chown(data / name, 0, 0)
    with another_user(), pytest.raises(PfnError) as caught:
        open_folder(data)
    assert f"user {NOBODY} may not {verb} {data / name}." in caught.value.detail
