"""A release: what a plugin's zip says of itself, or the reasons why it cannot be published.

Answers for the step from bytes to facts, and from facts to the statement that is signed; the judge is ``inspect_zip``,
and the publisher asks a little more than a node must: a folder and a version that can stand in a URL. It knows no files
and signs nothing.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from pfn.protocol.artifact import manifest_hash
from pfn.protocol.document import Head
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_statement import MAX_TAGS, ReleaseStatement
from pfn.wordpress.header import PluginHeader
from pfn.wordpress.plugin_zip import ZipCode, ZipReport, inspect_zip
from pfn.wordpress.slug import is_slug
from pfn.wordpress.version import is_version

# What a statement has room for; longer texts are cut, longer versions of WordPress or PHP left out.
MAX_NAME: Final = 200
MAX_DESCRIPTION: Final = 2000
MAX_TAG: Final = 100
MAX_REQUIREMENT: Final = 32


@dataclass(frozen=True, slots=True)
class Release:
    """One version of one plugin. Sizes in bytes, times in Unix seconds, digests in hex; absent text is empty.

    ``manifest`` is the hash of the list of files (``protocol.artifact``).
    """

    slug: str
    version: str
    name: str
    description: str
    tags: tuple[str, ...]
    requires: str
    tested: str
    requires_php: str
    length: int
    sha256: str
    sha384: str
    manifest: str
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
    """Judge a zip and read it. Codes: ``ZipCode``, ``not_a_plugin``, ``version_unusable``, ``text_unusable``."""
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
    release = _describe(report, report.header, report.top_folder, data, released_at)
    if "\0" in "".join((release.name, release.description, *release.tags)):
        return _refuse("text_unusable", "There is a NUL character in the plugin's name, description or tags.")
    return release


def make_statement(release: Release, document: PublisherDocument, *, after: Head | None) -> ReleaseStatement:
    """Make the statement of a release under this key document, in the row of its plugin after the statement ``after``.

    ``after`` is None for a plugin's first.
    """
    return ReleaseStatement(
        source=document.source,
        slug=release.slug,
        name=release.name,
        version=release.version,
        description=release.description,
        length=release.length,
        sha256=release.sha256,
        sha384=release.sha384,
        sequence=after.sequence + 1 if after else 1,
        previous=after.payload_hash if after else None,
        publisher_version=document.version,
        released_at=release.released_at,
        requires=release.requires or None,
        tested=release.tested or None,
        requires_php=release.requires_php or None,
        tags=release.tags,
        manifest=release.manifest,
    )


def recall_release(statement: ReleaseStatement) -> Release:
    """Give the release that a statement is about."""
    return Release(
        slug=statement.slug,
        version=statement.version,
        name=statement.name,
        description=statement.description,
        tags=statement.tags,
        requires=statement.requires or "",
        tested=statement.tested or "",
        requires_php=statement.requires_php or "",
        length=statement.length,
        sha256=statement.sha256,
        sha384=statement.sha384,
        manifest=statement.manifest,
        released_at=statement.released_at,
    )


def _describe(report: ZipReport, header: PluginHeader, slug: str, data: bytes, released_at: int) -> Release:
    readme = report.readme
    description = (readme and readme.short_description) or header.description
    tags = header.tags or (readme.tags if readme else ())
    return Release(
        slug=slug,
        version=header.version,
        name=header.name[:MAX_NAME],
        description=description[:MAX_DESCRIPTION],
        tags=tuple(tag for tag in tags if len(tag) <= MAX_TAG)[:MAX_TAGS],
        requires=_requirement(header.requires_wp or (readme.requires_at_least if readme else "")),
        tested=_requirement(readme.tested_up_to if readme else ""),
        requires_php=_requirement(header.requires_php or (readme.requires_php if readme else "")),
        length=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        sha384=hashlib.sha384(data).hexdigest(),
        manifest=manifest_hash((entry.path, entry.size, entry.sha256) for entry in report.manifest),
        released_at=released_at,
    )


def _requirement(text: str) -> str:
    return text if len(text) <= MAX_REQUIREMENT else ""


def _refuse(code: str, sentence: str) -> Refused:
    return Refused((Reason(code, sentence),))
