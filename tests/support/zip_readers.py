"""What other programs read in a zip: Python's zipfile, PHP's ZipArchive and unzip."""

import io
import json
import os
import re
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

_PHP = r"""
while (($path = fgets(STDIN)) !== false) {
    $answers = [];
    foreach ([0, ZipArchive::CHECKCONS] as $flags) {
        $zip = new ZipArchive;
        if ($zip->open(rtrim($path), $flags | ZipArchive::RDONLY) !== true) { $answers[] = null; continue; }
        $files = [];
        for ($i = 0; $i < $zip->numFiles; $i++) {
            $stat = $zip->statIndex($i);
            $files[] = [$stat['name'], $stat['size'], hash('sha256', (string) $zip->getFromIndex($i))];
        }
        $answers[] = $files;
        $zip->close();
    }
    echo json_encode($answers), "\n";
}
"""
_UNZIP_LINE = re.compile(r" *(\d+)  [\d-]+ [\d:]+   (.*)")


class PhpReader:
    """One PHP process that lists one zip after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["php", "-d", "display_errors=stderr", "-r", _PHP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def read(self, path: Path, *, strict: bool = False) -> list[tuple[str, int, str]] | None:
        """Name, size and SHA-256 of each entry, or None when ZipArchive does not open it.

        ``strict`` is how WordPress opens it, with the check for consistency.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())[strict]
        return None if answer is None else [tuple(entry) for entry in answer]

    def close(self) -> None:
        self._process.communicate()


def python_read(data: bytes) -> list[tuple[str, int, str]]:
    """Name, size and SHA-256 of each entry, every CRC checked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, info.file_size, sha256(archive.read(info)).hexdigest()) for info in archive.infolist()]


def unzip_list(path: Path) -> list[tuple[str, int]]:
    """Name and size of each entry as ``unzip -l`` prints them."""
    names = _unzip("-Z1", str(path)).stdout.splitlines()
    matches = [_UNZIP_LINE.fullmatch(line) for line in _unzip("-l", str(path)).stdout.splitlines()]
    listed = [(match[2], int(match[1])) for match in matches if match]
    assert [name for name, _ in listed] == names
    return listed


def unzip_tests(path: Path) -> bool:
    """Whether ``unzip -t`` finds no error; 1 is a warning, as for an OEM name in a local header of 7-Zip's."""
    return _unzip("-tqq", str(path)).returncode <= 1


def _unzip(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return subprocess.run(
        ["unzip", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=20,
        check=False,
    )
