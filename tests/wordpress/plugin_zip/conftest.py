"""The other readers, one PHP process for all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.zip_readers import PhpReader, python_read, unzip_list

from pfn.wordpress.plugin_zip import ZipReport, inspect_zip


@pytest.fixture(scope="session")
def php() -> Iterator[PhpReader]:
    reader = PhpReader()
    yield reader
    reader.close()


@pytest.fixture(scope="session")
def readers_agree(php: PhpReader, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], ZipReport]:
    """Inspect a zip; if it is accepted, assert that every reader finds the same files in it."""
    path: Path = tmp_path_factory.mktemp("zips") / "plugin.zip"

    def check(data: bytes) -> ZipReport:
        report = inspect_zip(data)
        if report.accepted:
            path.write_bytes(data)
            in_python = python_read(data)
            ours = [(entry.path, entry.size, entry.sha256) for entry in report.manifest]
            assert sorted(entry for entry in in_python if not entry[0].endswith("/")) == sorted(ours)
            assert php.read(path) == in_python
            assert php.read(path, strict=True) in (in_python, None)
            assert unzip_list(path) == [(name, size) for name, size, _ in in_python]
        return report

    return check
