"""A release: what a plugin's zip says of itself, or the reasons why it cannot be published.

Answers for the step from bytes to facts; the judge is ``inspect_zip``, and the publisher asks a little more than a
node must: a folder and a version that can stand in a URL. It knows no files and signs nothing.
"""

import hashlib
from dataclasses import dataclass

from pfn.wordpress.header import PluginHeader
from pfn.wordpress.plugin_zip import ZipCode, ZipReport, inspect_zip
from pfn.wordpress.slug import is_slug
from pfn.wordpress.version import is_version


@dataclass(frozen=True, slots=True)
class Release:
    """One version of one plugin. Sizes in bytes, times in Unix seconds, SHA-256 in hex; absent text is empty."""

    slug: str
    version: str
    name: str
    short_description: str
    description: str
    author: str
    homepage: str
    tags: tuple[str, ...]
    requires_wp: str
    tested_up_to: str
    requires_php: str
    size: int
    sha256: str
    released_at: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a zip is not published: a code and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A zip that is not published."""

    reasons: tuple[Reason, ...]


def read_release(data: bytes, *, released_at: int) -> Release | Refused:
    """Judge a zip and read it. Codes are those of ``ZipCode``, and ``not_a_plugin`` and ``version_unusable``."""
    report = inspect_zip(data)
    if not report.accepted:
        return Refused(tuple(Reason(finding.code.value, finding.sentence) for finding in report.findings))
    if not isinstance(report.header, PluginHeader) or report.top_folder is None:
        return _refuse("not_a_plugin", "The zip is a theme; only plugins are published.")
    if not is_slug(report.top_folder):
        return _refuse(
            ZipCode.FOLDER_NOT_A_SLUG.value,
            f"The top folder “{report.top_folder}” cannot be a slug: 1 to 63 of a-z, 0-9 and hyphens.",
        )
    if not is_version(report.header.version):
        return _refuse(
            "version_unusable",
            f"The version “{report.header.version}” cannot stand in an address: 1 to 64 of 0-9, letters and . + _ -",
        )
    return _describe(report, report.header, report.top_folder, data, released_at)


def _describe(report: ZipReport, header: PluginHeader, slug: str, data: bytes, released_at: int) -> Release:
    readme = report.readme
    short_description = (readme and readme.short_description) or header.description
    return Release(
        slug=slug,
        version=header.version,
        name=header.name,
        short_description=short_description,
        description=(readme and readme.sections.get("description")) or short_description,
        author=header.author,
        homepage=header.plugin_uri,
        tags=header.tags or (readme.tags if readme else ()),
        requires_wp=header.requires_wp or (readme.requires_at_least if readme else ""),
        tested_up_to=readme.tested_up_to if readme else "",
        requires_php=header.requires_php or (readme.requires_php if readme else ""),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        released_at=released_at,
    )


def _refuse(code: str, sentence: str) -> Refused:
    return Refused((Reason(code, sentence),))
