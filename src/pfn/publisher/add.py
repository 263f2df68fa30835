"""Publish zips: judge all, then sign and publish each, then the catalogue that lists them.

Either every zip given can be published, or nothing is written. Of each first the zip is put in its place, then its
signature, then its statement, at last one catalogue (``signed`` says what an interruption leaves behind): giving the
same command again ends what was begun.

Refused: what a node would refuse; a file named as another version than its header says; other bytes for a version that
is published; a version that WordPress takes for the same as another.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pfn.publisher.catalog import SignedRelease
from pfn.publisher.check import list_offered
from pfn.publisher.files import copy_file, writing
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.release import Reason, Refused, Release, read_release
from pfn.publisher.renewal import publish_catalog, require_release_key, sign_release
from pfn.publisher.signed import Signed, mend, read_signed, zip_file
from pfn.wordpress.version import compare_versions, sort_versions

MAX_ZIP_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the zips. Where any was ``refused``, nothing else was done. ``known`` were published before."""

    published: tuple[SignedRelease, ...] = ()
    known: tuple[Release, ...] = ()
    refused: Mapping[Path, tuple[Reason, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Given:
    """A zip that can be published, and where it lies."""

    release: Release
    path: Path


def add_zips(folder: PublisherFolder, paths: Sequence[Path], *, now: int) -> Added:
    """Publish zips, those of one plugin from the oldest version to the newest.

    Raises PfnError: ``config_invalid``, and what a node would raise of what is signed.
    """
    with writing(folder.path):
        signed = read_signed(folder)
        key = require_release_key(folder, signed.trusted, now)
        mend(folder, signed)
        given, refused = _judge_all(paths, signed, now)
        if refused:
            return Added(refused=refused)
        known = tuple(one.release for one in given if _is_published(signed, one.release))
        heads = {slug: row[-1].head for slug, row in signed.rows.items()}
        published: list[SignedRelease] = []
        for one in _in_order(one for one in given if one.release not in known):
            release = one.release
            copy_file(one.path, zip_file(folder, release.slug, release.version))
            made = sign_release(folder, signed.trusted, release, key, after=heads.get(release.slug), now=now)
            heads[release.slug] = made.head
            published.append(made)
        # An interrupted command may not have come so far.
        if published or signed.catalog is None or signed.catalog.releases != list_offered(folder, signed):
            publish_catalog(folder, now=now)
        return Added(tuple(published), known)


def _judge_all(paths: Sequence[Path], signed: Signed, now: int) -> tuple[list[_Given], dict[Path, tuple[Reason, ...]]]:
    given: list[_Given] = []
    refused: dict[Path, tuple[Reason, ...]] = {}
    for path in paths:
        verdict = _judge(path, now)
        reasons = verdict.reasons if isinstance(verdict, Refused) else tuple(_find_conflicts(verdict, signed, given))
        if reasons:
            refused[path] = reasons
        elif not isinstance(verdict, Refused) and verdict not in [one.release for one in given]:
            given.append(_Given(verdict, path))
    return given, refused


def _judge(path: Path, now: int) -> Release | Refused:
    try:
        if path.stat().st_size > MAX_ZIP_BYTES:
            return _refuse("too_large", f"The zip is larger than {MAX_ZIP_BYTES} bytes.")
        release = read_release(path.read_bytes(), released_at=now)
    except OSError as error:
        return _refuse("unreadable", f"The file cannot be read: {error.strerror}.")
    if isinstance(release, Refused):
        return release
    named = re.fullmatch(rf"{re.escape(release.slug)}[._-]v?([0-9].*)", path.stem)
    if named and named[1] != release.version:
        return _refuse(
            "file_name", f"The file is named as version {named[1]}, but the plugin's header says {release.version}."
        )
    return release


def _find_conflicts(release: Release, signed: Signed, given: Iterable[_Given]) -> Iterable[Reason]:
    """Say what speaks against a release beside those published and those given before it."""
    slug, version = release.slug, release.version
    others = [(one.statement.version, one.statement.sha256) for one in signed.rows.get(slug, ())]
    others += [(one.release.version, one.release.sha256) for one in given if one.release.slug == slug]
    for other, sha256 in dict(others).items():
        if other == version and sha256 != release.sha256:
            yield Reason(
                "version_conflict",
                f"Another zip is {slug} {version} already. A version never changes: give changed code a new version.",
            )
        if other != version and compare_versions(other, version) == 0:
            yield Reason("version_equal", f"For WordPress {version} is the same version as {other}; choose another.")


def _is_published(signed: Signed, release: Release) -> bool:
    known = signed.find(release.slug, release.version)
    return known is not None and signed.find_revocation(known) is None


def _in_order(given: Iterable[_Given]) -> list[_Given]:
    by_slug: dict[str, dict[str, _Given]] = {}
    for one in given:
        by_slug.setdefault(one.release.slug, {})[one.release.version] = one
    return [versions[version] for _, versions in sorted(by_slug.items()) for version in sort_versions(versions)]


def _refuse(code: str, sentence: str) -> Refused:
    return Refused((Reason(code, sentence),))
