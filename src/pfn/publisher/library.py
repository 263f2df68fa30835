"""The zips in a publisher's folder, as the plugins they are.

Answers for which releases there are now: ``FOLDER/*.zip`` and ``FOLDER/plugins/**/*.zip``, looked at again when a file
comes, goes or changes, each judged once. A zip that is refused is left out and said so in the log, with every code;
so are two different zips of one plugin and version, both, for nobody can say which is the real one.

It serves nothing and signs nothing. Hidden files are not looked at.
"""

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from pfn.publisher.folder import PLUGINS_NAME
from pfn.publisher.release import Reason, Refused, Release, read_release
from pfn.wordpress.version import sort_versions

MAX_ZIP_BYTES: Final = 256 << 20

log = structlog.get_logger()

# Inode, size and both times: another file, or other bytes, has another stamp.
Stamp: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class StoredZip:
    """A release and the file it is in, as the file was when it was judged."""

    release: Release
    path: Path
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Plugin:
    """All releases of one plugin, oldest first by WordPress's order; never empty."""

    slug: str
    zips: tuple[StoredZip, ...]

    @property
    def newest(self) -> Release:
        """The release that WordPress would offer."""
        return self.zips[-1].release


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not published, and why."""

    path: Path
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the folder held when it was last looked at: plugins by slug, and what was left out, by path."""

    plugins: tuple[Plugin, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def find(self, slug: str) -> Plugin | None:
        """Give the plugin of this slug."""
        return next((plugin for plugin in self.plugins if plugin.slug == slug), None)


class Library:
    """Keeps the catalogue of ``folder`` up to date. Files are read in threads, never on the event loop."""

    def __init__(self, folder: Path, *, look_every_s: float = 1.0) -> None:
        self._folder = folder
        self._look_every_s = look_every_s
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()
        self._judged: dict[Path, tuple[Stamp, Release | Refused]] = {}
        self._catalog = Catalog()

    async def catalog(self) -> Catalog:
        """Give the catalogue, at most ``look_every_s`` old; the very same object for as long as no file changes."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= self._look_every_s:
                await asyncio.to_thread(self.look)
            return self._catalog

    def look(self) -> Catalog:
        """Look now, and give the catalogue; not from two threads at once."""
        self._looked_at = time.monotonic()
        judged = dict(self._judge(path, stamp) for path, stamp in _list_zips(self._folder))
        if judged == self._judged:
            return self._catalog
        known = self._catalog.left_out
        self._judged, self._catalog = judged, _sort_out(judged)
        for left_out in self._catalog.left_out:
            if left_out not in known:
                _report(left_out)
        return self._catalog

    def _judge(self, path: Path, stamp: Stamp) -> tuple[Path, tuple[Stamp, Release | Refused]]:
        known = self._judged.get(path)
        return path, known if known and known[0] == stamp else (stamp, _read(path, stamp))


def make_stamp(status: os.stat_result) -> Stamp:
    """Give what tells one state of a file from another."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _list_zips(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    paths = sorted(folder.iterdir())
    for parent, folders, names in os.walk(folder / PLUGINS_NAME):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += (Path(parent) / name for name in sorted(names))
    for path in paths:
        if path.suffix.lower() == ".zip" and not path.name.startswith("."):
            # A file may go, or turn out to be a dead link, while the folder is read.
            with suppress(OSError):
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    yield path, make_stamp(status)


def _read(path: Path, stamp: Stamp) -> Release | Refused:
    if stamp[1] > MAX_ZIP_BYTES:
        return Refused((Reason("too_large", f"The zip is larger than {MAX_ZIP_BYTES} bytes."),))
    try:
        data = path.read_bytes()
    except OSError as error:
        return Refused((Reason("unreadable", f"The file cannot be read: {error.strerror}."),))
    return read_release(data, released_at=stamp[2] // 1_000_000_000)


def _sort_out(judged: dict[Path, tuple[Stamp, Release | Refused]]) -> Catalog:
    zips: list[StoredZip] = []
    left_out: list[LeftOut] = []
    for path, (stamp, verdict) in judged.items():
        if isinstance(verdict, Refused):
            left_out.append(LeftOut(path, verdict.reasons))
        else:
            zips.append(StoredZip(verdict, path, stamp))
    by_version = sorted(zips, key=lambda one: (one.release.slug, one.release.version))
    agreed: dict[str, dict[str, StoredZip]] = {}
    for (slug, version), group in groupby(by_version, key=lambda one: (one.release.slug, one.release.version)):
        same = list(group)
        if len({one.release.sha256 for one in same}) == 1:
            agreed.setdefault(slug, {})[version] = same[0]
        else:
            left_out += (LeftOut(one.path, (_conflict(one, same),)) for one in same)
    plugins = (
        Plugin(slug, tuple(versions[version] for version in sort_versions(versions)))
        for slug, versions in agreed.items()
    )
    return Catalog(tuple(plugins), tuple(sorted(left_out, key=lambda one: one.path)))


def _conflict(one: StoredZip, same: list[StoredZip]) -> Reason:
    others = ", ".join(str(other.path) for other in same if other.path != one.path)
    return Reason(
        "version_conflict",
        f"There are other zips of {one.release.slug} {one.release.version}: {others}. "
        "None is published until one is left; give changed code a new version.",
    )


def _report(left_out: LeftOut) -> None:
    log.warning(
        "zip_left_out",
        path=_printable(str(left_out.path)),
        codes=[reason.code for reason in left_out.reasons],
        why=_printable(" ".join(reason.sentence for reason in left_out.reasons)),
    )


def _printable(text: str) -> str:
    """Names of files and folders can hold anything; a terminal must not act on it."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
