"""What a publisher's site consists of: every signed document and zip by its path, and the plugins as v1 shows them.

Made from what is signed at one moment, so that everything on it fits together; a copy that an interrupted command left
out of date is never on it. It reads no file but the keys it needs and serves nothing itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pfn.protocol.dsse import write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.publisher import paths
from pfn.publisher.catalog import SignedRelease
from pfn.publisher.documents import Publisher, encode_document, list_plugin, make_author_data
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.keys import Role, find_key, key_file, read_key
from pfn.publisher.release import Release, recall_release
from pfn.publisher.signed import Signed
from pfn.wordpress.version import sort_versions


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin's releases that may be installed, oldest first by WordPress's order; never empty."""

    slug: str
    releases: tuple[Release, ...]

    @property
    def newest(self) -> Release:
        """The release that WordPress would offer."""
        return self.releases[-1]


@dataclass(frozen=True, slots=True)
class Site:
    """A site. ``documents`` are bytes by path, in the order in which they may appear: each after what it names.

    ``zips`` are releases by the path of their zip; the signature is beside it.
    """

    publisher: Publisher
    signed: Signed
    plugins: tuple[Plugin, ...]
    documents: Mapping[str, bytes]
    zips: Mapping[str, SignedRelease]
    author_data: bytes

    def find_plugin(self, slug: str) -> Plugin | None:
        """Give the plugin of this slug."""
        return next((plugin for plugin in self.plugins if plugin.slug == slug), None)


def make_site(folder: PublisherFolder, signed: Signed) -> Site:
    """Make the site. Raises PfnError (``config_invalid``) where a key that is there cannot be used."""
    v1_file = key_file(folder.keys, Role.V1)
    v1_key: SigningKey | None = read_key(v1_file) if v1_file.exists() else None
    ownership_keys = [listed.key for listed in signed.trusted.document.ownership_keys]
    publisher = Publisher(
        profile=folder.profile,
        url=folder.profile.public_url,
        shown_key=signed.pin,
        v1_key=v1_key,
        ownership_key=find_key(folder.keys, Role.OWNERSHIP, ownership_keys),
    )
    plugins = _list_plugins(signed)
    username = folder.profile.username
    return Site(
        publisher=publisher,
        signed=signed,
        plugins=plugins,
        documents=_list_documents(signed),
        zips={
            paths.zip_path(username, release.statement.slug, release.statement.version): release
            for release in signed.releases
        },
        author_data=encode_document(
            make_author_data(publisher, (list_plugin(publisher, plugin.newest) for plugin in plugins))
        ),
    )


def _list_plugins(signed: Signed) -> tuple[Plugin, ...]:
    gone = {(yank.slug, yank.version) for yank in signed.yanked}
    plugins: dict[str, dict[str, Release]] = {}
    for signed_release in signed.releases:
        release = recall_release(signed_release.statement)
        if (release.slug, release.version) not in gone and signed.find_revocation(signed_release) is None:
            plugins.setdefault(release.slug, {})[release.version] = release
    return tuple(
        Plugin(slug, tuple(versions[version] for version in sort_versions(versions)))
        for slug, versions in sorted(plugins.items())
    )


def _list_documents(signed: Signed) -> dict[str, bytes]:
    documents: dict[str, bytes] = {}
    for version, envelope in enumerate(signed.chain, start=1):
        documents[paths.document_path(version)] = write_envelope(envelope)
    documents[paths.PUBLISHER] = write_envelope(signed.chain[-1])
    for row in signed.rows.values():
        for release in row:
            statement, content = release.statement, write_envelope(release.envelope)
            documents[paths.row_path(statement.slug, statement.sequence)] = content
            documents[paths.statement_path(statement.slug, statement.version)] = content
    if signed.catalog_envelope:
        documents[paths.CATALOG] = write_envelope(signed.catalog_envelope)
    return documents
