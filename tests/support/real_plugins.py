"""Plugins that people really use, packed as their publishers would pack them, from Debian's archive.

Four Debian packages hold a WordPress plugin each, ``wordpress`` itself among them (Akismet). They are
downloaded with ``apt-get``, never installed, once, into ``.cache/real-plugins`` in the project. Debian
moves a plugin's readme.txt to ``/usr/share/doc``; it is put back.
"""

import fcntl
import gzip
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pfn.publisher.pack import pack_folder
from pfn.wordpress.header import parse_plugin_header

PACKAGES = (
    "wordpress",
    "wordpress-plugin-http-authentication",
    "wordpress-shibboleth",
    "wordpress-xrds-simple",
)
CACHE = Path(__file__).parents[2] / ".cache" / "real-plugins"


@dataclass(frozen=True, slots=True)
class RealPlugin:
    """One plugin's zip, ``{slug}.{version}.zip``, with the one top folder ``{slug}``."""

    slug: str
    version: str
    zip: Path


@pytest.fixture(scope="session")
def real_plugins() -> list[RealPlugin]:
    """The real plugins, by slug; skipped where Debian's archive cannot be had, a failure in CI."""
    try:
        return fetch_real_plugins(CACHE)
    except (OSError, subprocess.CalledProcessError) as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"Debian's archive cannot be had here: {error}")


def fetch_real_plugins(cache: Path) -> list[RealPlugin]:
    """Return the plugins in ``cache``, filling it first if it is not whole; processes that meet wait for
    the first.

    Raises ``OSError`` where a Debian tool is missing, ``CalledProcessError`` where one fails.
    """
    cache.mkdir(parents=True, exist_ok=True)
    zips = cache / "zips"
    with _locked(cache / "lock"):
        if not zips.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as work:
                _build(Path(work)).rename(zips)
    plugins = []
    for path in sorted(zips.glob("*.zip")):
        slug, _, version = path.stem.partition(".")
        plugins.append(RealPlugin(slug, version, path))
    return plugins


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(work: Path) -> Path:
    """Download, unpack and pack in ``work``; return the folder of zips."""
    _run("apt-get", "-q", "download", *PACKAGES, folder=work)
    zips = work / "zips"
    zips.mkdir()
    for package in sorted(work.glob("*.deb")):
        tree = work / package.stem
        _run("dpkg-deb", "-x", package.name, tree.name, folder=work)
        for folder in sorted((tree / "usr/share/wordpress/wp-content/plugins").iterdir()):
            version = _version(folder)
            if version:
                _put_readme_back(tree, folder)
                pack_folder(folder, zips / f"{folder.name}.{version}.zip")
    return zips


def _version(folder: Path) -> str | None:
    """Return the version in the first main file, as core looks for it, or None when there is none."""
    headers = (parse_plugin_header(path.read_bytes()) for path in sorted(folder.glob("*.php")))
    return next((header.version for header in headers if header), None)


def _put_readme_back(tree: Path, folder: Path) -> None:
    for path in (tree / "usr/share/doc").glob("*/readme.txt*"):
        content = path.read_bytes()
        (folder / "readme.txt").write_bytes(gzip.decompress(content) if path.suffix == ".gz" else content)


def _run(*command: str, folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr)
        raise
