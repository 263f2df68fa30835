"""The catalogue as the publisher writes it (protocol.md section 3.4): the newest release of each plugin, and the yanks.

Answers for what the next catalogue says, given the statements. Newest is what WordPress takes for newest
(``version_compare``), not what was signed last: a fix for an old branch does not push a newer one aside. What is yanked
is never newest. It signs nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pfn.protocol.catalog import DEFAULT_LIFETIME, Catalog, ListedRelease, Yank
from pfn.protocol.document import Head
from pfn.protocol.dsse import Envelope
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_statement import ReleaseStatement
from pfn.wordpress.version import sort_versions


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A statement as it was signed, and what it says."""

    statement: ReleaseStatement
    envelope: Envelope

    @property
    def head(self) -> Head:
        """What the next statement of the plugin must follow."""
        return Head(self.statement.sequence, self.envelope.payload_hash)


ZipUrl = Callable[[str, str], str]


def list_newest(
    releases: Iterable[SignedRelease], yanked: Iterable[Yank], zip_url: ZipUrl
) -> tuple[ListedRelease, ...]:
    """List the newest release of each plugin, by slug. Of two statements about one version the later counts."""
    gone = {(yank.slug, yank.version) for yank in yanked}
    by_slug: dict[str, dict[str, SignedRelease]] = {}
    for release in sorted(releases, key=lambda one: (one.statement.slug, one.statement.sequence)):
        slug, version = release.statement.slug, release.statement.version
        if (slug, version) not in gone:
            by_slug.setdefault(slug, {})[version] = release
    newest = (versions[sort_versions(versions)[-1]] for versions in by_slug.values())
    return tuple(
        ListedRelease(
            slug=release.statement.slug,
            version=release.statement.version,
            statement=release.envelope.payload_hash,
            sequence=release.statement.sequence,
            url=zip_url(release.statement.slug, release.statement.version),
        )
        for release in newest
    )


def make_catalog(
    document: PublisherDocument,
    releases: Sequence[ListedRelease],
    yanked: Sequence[Yank],
    *,
    after: int,
    now: int,
    lifetime: int = DEFAULT_LIFETIME,
) -> Catalog:
    """Make the catalogue that follows the one of sequence ``after``, 0 for the first; ``lifetime`` in seconds."""
    return Catalog(
        source=document.source,
        sequence=after + 1,
        publisher_version=document.version,
        issued=now,
        expires=now + lifetime,
        releases=tuple(releases),
        yanked=tuple(yanked),
    )
