"""All that a publisher has signed, read from its folder and written to it.

Answers for what counts as published, also after a crash at any point: the key documents are ``publisher/N.json`` in a
row, the statements of a plugin ``sequence/N.json`` in a row. Once such a file is there, somebody may have fetched it:
no other is ever signed under its number. ``publisher.json`` and ``releases/SLUG/VERSION.json`` are copies of those,
mended by ``mend``; the catalogue is one file and always whole. A zip and its signature are there before its statement.

Does not answer for whether a node would believe all this: ``check`` does.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from pfn.protocol.catalog import MAX_CATALOG_BYTES, Catalog, Yank
from pfn.protocol.document import Document, read_document, write_payload
from pfn.protocol.dsse import MAX_ENVELOPE_BYTES, Envelope, parse_envelope, sign_envelope, signers, write_envelope
from pfn.protocol.ed25519 import PublicKey, SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_chain import TrustedPublisher, advance_trust, restore_trust
from pfn.protocol.publisher_document import RevokedKey
from pfn.protocol.release_statement import read_statement
from pfn.protocol.source_id import source_id
from pfn.publisher import paths
from pfn.publisher.catalog import SignedRelease
from pfn.publisher.files import write_file
from pfn.publisher.folder import PublisherFolder


@dataclass(frozen=True, slots=True)
class Signed:
    """What is signed: key documents (version N is item N - 1), statements by slug in their order, the catalogue.

    There is at least version 1; there may be no catalogue yet.
    """

    chain: tuple[Envelope, ...]
    trusted: TrustedPublisher
    rows: Mapping[str, tuple[SignedRelease, ...]]
    catalog: Catalog | None
    catalog_envelope: Envelope | None

    @property
    def pin(self) -> PublicKey:
        """The key for operators to register: the first root key that signed the newest key document."""
        keys = [listed.key for listed in self.trusted.document.root_keys]
        return next(key for key in keys if signers(self.chain[-1], [key]))

    @property
    def yanked(self) -> tuple[Yank, ...]:
        """What is not to be installed any more."""
        return self.catalog.yanked if self.catalog else ()

    @property
    def releases(self) -> Iterator[SignedRelease]:
        """The newest statement about each version, by slug, in the order of their sequence."""
        for row in self.rows.values():
            latest = {release.statement.version: release for release in row}
            yield from sorted(latest.values(), key=lambda one: one.statement.sequence)

    def find(self, slug: str, version: str) -> SignedRelease | None:
        """Give the newest statement about a version."""
        row = self.rows.get(slug, ())
        return next((release for release in reversed(row) if release.statement.version == version), None)

    def find_revocation(self, release: SignedRelease) -> RevokedKey | None:
        """Give the revocation of the key that signed a release, where there is one."""
        revoked = {key.id: key for key in self.trusted.document.revoked}
        return next((revoked[one.key_id] for one in release.envelope.signatures if one.key_id in revoked), None)


def read_signed(folder: PublisherFolder) -> Signed:
    """Read all. Raises PfnError (``config_invalid``) where there is no key document or a file is not what it should be.

    Where an interrupted command left a copy out of date, the row counts.
    """
    chain = read_chain(folder)
    if not chain:
        raise PfnError(
            Code.CONFIG_INVALID,
            f"The key document of {folder.path} is not signed yet. Sign it with: pfn publisher sign; "
            f"then: pfn publisher accept {folder.path} FILE",
        )
    trusted = restore_trust(chain[0])
    for envelope in chain[1:]:
        trusted = advance_trust(trusted, envelope)
    profile, document = folder.profile, trusted.document
    if (document.source, document.instance_url) != (
        source_id(profile.public_url, profile.username),
        profile.public_url,
    ):
        raise PfnError(
            Code.CONFIG_INVALID,
            f"{folder.settings_file} has another username or public_url than what is signed, {document.source} at "
            f"{document.instance_url}. These cannot change.",
        )
    path = folder.signed / paths.CATALOG
    catalog = _read(path, MAX_CATALOG_BYTES) if path.exists() else None
    return Signed(
        chain=chain,
        trusted=trusted,
        rows=_read_rows(folder),
        catalog=read_document(Catalog, catalog) if catalog else None,
        catalog_envelope=catalog,
    )


def read_chain(folder: PublisherFolder) -> tuple[Envelope, ...]:
    """Give the key documents in a row, from version 1; none where nothing is signed yet."""
    return tuple(_read_row(folder.signed, paths.document_path))


def mend(folder: PublisherFolder, signed: Signed) -> None:
    """Bring the copies up to date that an interrupted command may have left behind. Raises OSError."""
    newest = write_envelope(signed.chain[-1])
    _write_unless_same(folder.signed / paths.PUBLISHER, newest)
    for release in signed.releases:
        statement = release.statement
        place = folder.signed / paths.statement_path(statement.slug, statement.version)
        _write_unless_same(place, write_envelope(release.envelope))


def put_document(folder: PublisherFolder, envelope: Envelope, version: int) -> None:
    """Publish a key document. Raises OSError."""
    content = write_envelope(envelope)
    write_file(folder.signed / paths.document_path(version), content)
    write_file(folder.signed / paths.PUBLISHER, content)


def put_release(folder: PublisherFolder, release: SignedRelease, artifact_signature: bytes) -> None:
    """Publish a statement, the zip of which is there already, and the signature beside it. Raises OSError."""
    statement = release.statement
    write_file(signature_file(folder, statement.slug, statement.version), base64.b64encode(artifact_signature) + b"\n")
    content = write_envelope(release.envelope)
    write_file(folder.signed / paths.row_path(statement.slug, statement.sequence), content)
    write_file(folder.signed / paths.statement_path(statement.slug, statement.version), content)


def put_catalog(folder: PublisherFolder, catalog: Catalog, key: SigningKey) -> Envelope:
    """Sign and publish a catalogue. Raises OSError."""
    envelope = sign_document(catalog, key)
    write_file(folder.signed / paths.CATALOG, write_envelope(envelope))
    return envelope


def sign_document(document: Document, *keys: SigningKey) -> Envelope:
    """Write and sign a document."""
    return sign_envelope(document.payload_type, write_payload(document), keys)


def zip_file(folder: PublisherFolder, slug: str, version: str) -> Path:
    """Give the file of a zip."""
    return folder.signed / paths.zip_path(folder.profile.username, slug, version)


def signature_file(folder: PublisherFolder, slug: str, version: str) -> Path:
    """Give the file of the signature beside a zip."""
    path = zip_file(folder, slug, version)
    return path.with_name(path.name + paths.SIGNATURE_SUFFIX)


def _read_rows(folder: PublisherFolder) -> dict[str, tuple[SignedRelease, ...]]:
    releases = folder.signed / paths.RELEASES
    slugs = sorted(path.name for path in releases.iterdir()) if releases.exists() else []
    rows = {
        slug: tuple(
            SignedRelease(read_statement(envelope), envelope)
            for envelope in _read_row(folder.signed, partial(paths.row_path, slug))
        )
        for slug in slugs
    }
    return {slug: row for slug, row in rows.items() if row}


def _read_row(root: Path, place: Callable[[int], str]) -> Iterator[Envelope]:
    for number in count(1):
        path = root / place(number)
        if not path.exists():
            return
        yield _read(path, MAX_ENVELOPE_BYTES)


def _read(path: Path, max_bytes: int) -> Envelope:
    try:
        return parse_envelope(path.read_bytes(), max_bytes=max_bytes)
    except OSError as error:
        raise PfnError(Code.CONFIG_INVALID, f"Cannot read {path}: {error.strerror}.") from error
    except PfnError as error:
        raise PfnError(Code.CONFIG_INVALID, f"{path} is damaged; restore it from a backup. {error.detail}") from error


def _write_unless_same(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_file(path, content)
