"""Would a node believe this publisher now? Everything that is signed, verified with the protocol's own functions.

The kit asks before it publishes, and ``show`` whenever somebody wants to know. It changes nothing.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pfn.protocol.artifact import check_artifact, check_artifact_signature
from pfn.protocol.catalog import Catalog, ListedRelease, check_listed, verify_catalog
from pfn.protocol.ed25519 import parse_signature
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_chain import TrustedPublisher, begin_trust
from pfn.protocol.release_key import find_release_signer
from pfn.protocol.release_statement import verify_statement
from pfn.publisher.catalog import SignedRelease, list_newest
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.key_document import NEAR_EXPIRY
from pfn.publisher.signed import Signed, signature_file, zip_file

_CATALOG_NEAR_EXPIRY = 3 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a node would refuse, as code and sentence; where not ``fatal``, only something to look at soon."""

    code: str
    sentence: str
    fatal: bool = True


def find_problems(folder: PublisherFolder, signed: Signed, *, now: int) -> list[Problem]:
    """Verify as a node that comes for the first time; every zip is read."""
    problems: list[Problem] = []
    with _note(problems):
        document = signed.trusted.document
        trusted = begin_trust(
            signed.chain,
            pin=signed.pin,
            pin_is_oracle=False,
            source=document.source,
            instance_url=document.instance_url,
            now=now,
        )
        if document.expires - now < NEAR_EXPIRY:
            problems.append(
                Problem("document_expires", "The key document expires soon; renew it with the root key.", fatal=False)
            )
        catalog = _check_catalog(signed, trusted, now)
        if catalog.expires - now < _CATALOG_NEAR_EXPIRY:
            problems.append(Problem("catalog_expires", "The catalogue expires soon: pfn publisher renew", fatal=False))
        for release in signed.releases:
            slug, version = release.statement.slug, release.statement.version
            if catalog.find_yank(slug, version):
                continue
            if signed.find_revocation(release):
                sentence = f"{slug} {version} was signed with a key that is revoked. Look at the zip, and add it again."
                problems.append(Problem("held_back", sentence, fatal=False))
                continue
            with _note(problems):
                _check_release(folder, release, trusted, catalog, now)
        if list_offered(folder, signed) != catalog.releases:
            sentence = "The catalogue does not list all that is signed. Bring it up to date with: pfn publisher renew"
            problems.append(Problem("catalog_outdated", sentence, fatal=False))
    return problems


def _check_catalog(signed: Signed, trusted: TrustedPublisher, now: int) -> Catalog:
    if signed.catalog_envelope is None:
        raise PfnError(Code.CONFIG_INVALID, "There is no catalogue yet. Make it with: pfn publisher renew")
    return verify_catalog(signed.catalog_envelope, trusted, known=None, now=now).catalog


def _check_release(
    folder: PublisherFolder, release: SignedRelease, trusted: TrustedPublisher, catalog: Catalog, now: int
) -> None:
    statement = release.statement
    slug, version = statement.slug, statement.version
    listed = catalog.find_release(slug)
    if listed and listed.version == version:
        key = verify_statement(
            release.envelope, trusted, slug=slug, version=version, known=None, now=now, endorsed_by=catalog
        ).key
        check_listed(catalog, slug=slug, version=version, head=release.head)
    else:
        # A statement that the newest stands on.
        key = find_release_signer(release.envelope, trusted, slug=slug, at=now, endorsed=True)
    check_files(folder, release)
    signature = parse_signature(signature_file(folder, slug, version).read_text(encoding="ascii").strip())
    sha384 = bytes.fromhex(statement.sha384)
    check_artifact_signature([key], sha384=sha384, signature=signature or b"")


def list_offered(folder: PublisherFolder, signed: Signed) -> tuple[ListedRelease, ...]:
    """List what the catalogue should: the newest release of each plugin, but for yanked and revoked ones."""
    offered = (release for release in signed.releases if signed.find_revocation(release) is None)
    return list_newest(offered, signed.yanked, folder.zip_url)


def check_files(folder: PublisherFolder, release: SignedRelease) -> None:
    """Raise where the zip is not the one that was signed: SecurityError (``artifact_digest``), OSError."""
    sha256, sha384, length = hashlib.sha256(), hashlib.sha384(), 0
    with zip_file(folder, release.statement.slug, release.statement.version).open("rb") as file:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            sha384.update(chunk)
            length += len(chunk)
    check_artifact(release.statement, length=length, sha256=sha256.hexdigest(), sha384=sha384.hexdigest())


@contextmanager
def _note(problems: list[Problem]) -> Iterator[None]:
    try:
        yield
    except PfnError as error:
        problems.append(Problem(error.code.slug, error.detail))
    except OSError as error:
        problems.append(Problem("unreadable", f"{error.filename} cannot be read: {error.strerror}."))
