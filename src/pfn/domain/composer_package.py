"""A plugin as a Composer package: the versions it can install, and the advisories about those that were withdrawn.

Answers for the ``p2`` document of one package (facts: client contracts 4.1). It does not know rows, requests or URLs.

The rules: only releases that are offered stand among the versions, so that nothing new is resolved to a withdrawn one,
while a lock file, which names the zip itself, goes on working for as long as the zip is served. Every withdrawn release
has an advisory with its reason, which ``composer audit`` reports. A package of a suspended source has no version and an
advisory for all. What the node itself withdrew, rather than the publisher, is on Composer's list of malware too, the
one list that keeps what is locked or cached from being installed. Where Composer makes one of two versions, the newer
by WordPress's order stands for both.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pfn.domain.composer_version import normalize_version
from pfn.domain.license import spdx_license
from pfn.domain.offer import THEME

INSTALLERS: Final = {"composer/installers": "^1.0 || ^2.0"}
_TYPES: Final = {True: "wordpress-theme", False: "wordpress-plugin"}
_PHP: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,2}", re.ASCII)
_EVERY_VERSION: Final = "*"
_HIGH: Final = "high"
_MEDIUM: Final = "medium"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PackagedRelease:
    """What a package's version is made of. Digests are lower-case hex, times Unix seconds.

    ``header`` is what the main file says, ``readme_license`` what the readme says.
    """

    version: str
    name: str
    description: str | None
    author: str | None
    tags: tuple[str, ...]
    kind: str
    level: str
    mirror_date: int
    sha1: str
    sha256: str
    sha384: str
    header: Mapping[str, Any]
    readme_license: str
    yanked_at: int | None
    yank_reason: str | None
    block_reason: str | None

    @property
    def offered(self) -> bool:
        """Whether it was neither yanked nor blocked."""
        return self.yanked_at is None and self.block_reason is None


@dataclass(frozen=True, slots=True)
class Package:
    """A plugin under its Composer name, its releases newest first.

    ``suspended`` is why the operator suspended its source, ``abandoned`` whether its publisher lists it no more.
    """

    vendor: str
    slug: str
    source_id: str
    suspended: str | None
    abandoned: bool
    releases: tuple[PackagedRelease, ...]

    @property
    def name(self) -> str:
        """What Composer calls it."""
        return f"{self.vendor}/{self.slug}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a package is: the node's address, the plugin's page there, and each version's zip."""

    node: str
    page: str
    zip_url: Callable[[str], str]


def package_type(kind: str) -> str:
    """Give Composer's word for a plugin or a theme."""
    return _TYPES[kind == THEME]


def write_package(package: Package, place: Place) -> Json:
    """Give the ``p2`` document."""
    advisories = list_advisories(package, place)
    return {
        "packages": {package.name: [_write_version(package, one, place) for one in _installable(package)]},
        "security-advisories": advisories,
        "filter": {"malware": [_filter(one) for one in advisories if one["severity"] == _HIGH]},
    }


def list_advisories(package: Package, place: Place) -> list[Json]:
    """Give an advisory for each release that was withdrawn, newest first; for all at once where the source is."""
    if package.suspended is not None and package.releases:
        title = f"The operator of this node suspended {package.source_id}: {package.suspended}"
        return [_advise(package, place, _EVERY_VERSION, title, package.releases[0].mirror_date, _HIGH)]
    return [
        advisory
        for release in package.releases
        if normalize_version(release.version) is not None
        for advisory in _advise_against(package, release, place)
    ]


def _installable(package: Package) -> Iterator[PackagedRelease]:
    if package.suspended is not None:
        return
    seen: set[str] = set()
    for release in package.releases:
        normal = normalize_version(release.version)
        if release.offered and normal is not None and normal not in seen:
            seen.add(normal)
            yield release


def _write_version(package: Package, release: PackagedRelease, place: Place) -> Json:
    header = release.header
    homepage = _web_address(header.get("plugin_uri") or header.get("theme_uri"))
    author_page = _web_address(header.get("author_uri"))
    author = {"name": release.author, "homepage": author_page}
    license_id = spdx_license(header.get("license") or release.readme_license)
    requires_php = header.get("requires_php") or ""
    version = {
        "name": package.name,
        "version": release.version,
        "version_normalized": normalize_version(release.version),
        "type": package_type(release.kind),
        "description": release.description or release.name,
        "keywords": list(release.tags),
        "homepage": homepage or place.page,
        "license": [license_id] if license_id else None,
        "authors": [{name: value for name, value in author.items() if value}] if release.author else None,
        "support": {"docs": place.page},
        "time": _write_time(release.mirror_date),
        "require": INSTALLERS | ({"php": f">={requires_php}"} if _PHP.fullmatch(requires_php) else {}),
        "dist": {
            "type": "zip",
            "url": place.zip_url(release.version),
            "reference": release.sha256,
            "shasum": release.sha1,
        },
        "abandoned": package.abandoned or None,
        "extra": {
            "pfn": {
                "source": package.source_id,
                "level": release.level,
                "sha256": release.sha256,
                "sha384": release.sha384,
                "node": place.node,
            }
        },
    }
    return {name: value for name, value in version.items() if value is not None}


def _advise_against(package: Package, release: PackagedRelease, place: Place) -> Iterator[Json]:
    # When a release was blocked is not known here; that it came is the last that is.
    if release.block_reason is not None:
        title = f"Blocked by this node: {release.block_reason}"
        yield _advise(package, place, release.version, title, release.mirror_date, _HIGH)
    if release.yanked_at is not None:
        title = f"Yanked by its publisher: {release.yank_reason or 'no reason given'}"
        yield _advise(package, place, release.version, title, release.yanked_at, _MEDIUM)


def _advise(package: Package, place: Place, versions: str, title: str, reported_at: int, severity: str) -> Json:
    """Make one advisory; the same finding has the same id on every node, and for as long as it stands."""
    finding = f"{package.source_id}\n{package.slug}\n{versions}\n{title}"
    advisory_id = f"PFN-{hashlib.sha256(finding.encode()).hexdigest()[:16]}"
    return {
        "advisoryId": advisory_id,
        "packageName": package.name,
        "affectedVersions": versions,
        "title": title,
        "cve": None,
        "link": place.page,
        "reportedAt": _write_time(reported_at),
        "sources": [{"name": place.node, "remoteId": advisory_id}],
        "severity": severity,
    }


def _filter(advisory: Json) -> Json:
    names = {"constraint": "affectedVersions", "url": "link", "reason": "title", "id": "advisoryId"}
    return {name: advisory[other] for name, other in names.items()}


def _write_time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _web_address(text: object) -> str | None:
    """Give what a header calls an address, where it can be one for a browser."""
    return text if isinstance(text, str) and text.startswith(("https://", "http://")) else None


def pick_version(versions: Sequence[str], normal: str) -> str | None:
    """Find the version that Composer reports as ``normal``; ``versions`` are newest first."""
    return next((one for one in versions if normal in {one, normalize_version(one)}), None)
