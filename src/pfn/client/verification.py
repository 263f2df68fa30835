"""Is this zip what its publisher signed? Decided from the publisher's own documents, trusting no node.

Answers for the consumer's checks in order (facts: threats and architecture, b.5, without the log's part): key documents
from the pinned key on, a current catalogue, the release statement, nothing yanked, newest unless an older version is
asked for by name, length and digests, the artifact signature where one came. Bytes, state and time in; a verdict with
every check, or one error, out.

Does not answer for: where the documents come from (``documents``), or what the code in the zip does. The pin is to be
a root key: a v1 key that signs any challenge could have been made to sign a key document, which nobody sees offline.

The rule: what is missing has failed. There is nothing to fall back on.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pfn.protocol.artifact import check_artifact, check_artifact_signature
from pfn.protocol.catalog import MAX_CATALOG_BYTES, Catalog, CatalogVerdict, check_listed, verify_catalog
from pfn.protocol.check import Check
from pfn.protocol.document import Head, read_document
from pfn.protocol.dsse import Envelope, key_id, parse_envelope
from pfn.protocol.ed25519 import PublicKey, parse_signature
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.publisher_chain import TrustedPublisher, begin_trust
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_key import release_blocked
from pfn.protocol.release_statement import ReleaseStatement, VerifiedStatement, read_statement, verify_statement


@dataclass(frozen=True, slots=True)
class Documents:
    """What a publisher has to show for one release, as it came; nothing is verified.

    ``chain`` are the envelopes of the key documents from version 1 on, empty where there are none; ``signature`` is the
    base64 served beside the zip.
    """

    chain: tuple[bytes, ...]
    catalog: bytes | None
    statement: bytes | None
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a source between two verifications: nothing older is believed again.

    ``publisher`` is the newest key document, ``catalog`` the newest catalogue and ``catalog_signer`` the id of its key.
    """

    publisher: Head | None = None
    catalog: Head | None = None
    catalog_signer: str | None = None


class DownloadRefusedError(SecurityError):
    """The zip is not to be installed. ``checks`` are those that held and, last, the one that failed."""

    def __init__(self, code: Code, detail: str, checks: tuple[Check, ...]) -> None:
        super().__init__(code, detail)
        self.checks = checks


@dataclass(frozen=True, slots=True)
class VerifiedDownload:
    """A zip that its publisher signed: the statement about it, the release key, and what to remember (``known``).

    ``newest`` is the version the catalogue names as the newest, None where every version is withdrawn.
    """

    statement: ReleaseStatement
    key: PublicKey
    newest: str | None
    checks: tuple[Check, ...]
    known: Known


def verify_download(
    data: bytes,
    documents: Documents,
    *,
    source: str,
    slug: str,
    pin: PublicKey,
    now: int,
    version: str | None = None,
    accept_yanked: bool = False,
    known: Known | None = None,
) -> VerifiedDownload:
    """Verify a zip against its publisher's documents (facts: threats and architecture, b.5).

    ``source`` is ``username@host``, ``pin`` the publisher's key as learned another way, ``now`` in Unix seconds.
    Without ``version`` the zip must be the newest release; with it, that one. A yanked one needs ``accept_yanked``.

    Raises DownloadRefusedError with a code of the closed list: ``unsigned`` where no document covers the bytes,
    ``catalog_expired`` where no current catalogue is there, ``release_yanked``, and all that ``begin_trust``,
    ``verify_catalog``, ``verify_statement`` and ``artifact`` raise.
    """
    known = known or Known()
    checks: list[Check] = []
    with _checking("key_document", checks) as passed:
        publisher = _trust(documents.chain, source=source, pin=pin, now=now, known=known.publisher)
        passed(f"Version {publisher.document.version} of the key document follows from the key {pin.fingerprint}.")
    with _checking("catalog", checks) as passed:
        verdict = _verify_catalog(documents.catalog, publisher, now=now, known=known)
        catalog = verdict.catalog
        passed(f"Catalogue {catalog.sequence} is signed by a release key and has not expired.")
    with _checking("statement", checks) as passed:
        release = _verify_statement(documents.statement, publisher, catalog, slug=slug, version=version, now=now)
        statement = release.statement
        passed(f"A release key signed the statement about {slug} {statement.version}.")
    with _checking("not_yanked", checks) as passed:
        passed(_check_yank(catalog, statement, accepted=accept_yanked))
    with _checking("newest", checks) as passed:
        passed(_check_place(catalog, release, asked_for=version is not None))
    with _checking("digests", checks) as passed:
        sha384 = hashlib.sha384(data)
        check_artifact(statement, length=len(data), sha256=hashlib.sha256(data).hexdigest(), sha384=sha384.hexdigest())
        passed(f"The zip has the {len(data)} bytes, the SHA-256 and the SHA-384 that the publisher signed.")
    if documents.signature is not None:
        with _checking("artifact_signature", checks) as passed:
            signer = _verify_artifact_signature(
                documents.signature, publisher, slug=slug, now=now, sha384=sha384.digest()
            )
            passed(f"The signature beside the zip is by the release key {signer.fingerprint}.")
    listed = catalog.find_release(slug)
    return VerifiedDownload(
        statement=statement,
        key=release.key,
        newest=listed.version if listed else None,
        checks=tuple(checks),
        known=Known(Head(publisher.document.version, publisher.payload_hash), verdict.head, key_id(verdict.key)),
    )


@contextmanager
def _checking(name: str, checks: list[Check]) -> Iterator[Callable[[str], None]]:
    """Run one check; the block says what held, an error what did not."""
    try:
        yield lambda detail: checks.append(Check(name, True, detail))
    except PfnError as error:
        failed = Check(name, False, error.detail)
        raise DownloadRefusedError(error.code, error.detail, (*checks, failed)) from error


def _trust(chain: Sequence[bytes], *, source: str, pin: PublicKey, now: int, known: Head | None) -> TrustedPublisher:
    if not chain:
        raise PfnError(
            Code.UNSIGNED,
            f"{source} shows no key document. A v1 publisher signs metadata at most: the publisher's key does not "
            "cover these bytes.",
        )
    envelopes = [parse_envelope(data) for data in chain]
    # Source and pin say who it is; the URL need only be one and the same along the chain.
    instance_url = read_document(PublisherDocument, envelopes[0]).instance_url
    publisher = begin_trust(envelopes, pin=pin, pin_is_oracle=False, source=source, instance_url=instance_url, now=now)
    if known is not None:
        _check_known(envelopes, known)
    return publisher


def _check_known(chain: Sequence[Envelope], known: Head) -> None:
    hashes = list(dict.fromkeys(envelope.payload_hash for envelope in chain))
    if len(hashes) < known.sequence:
        raise SecurityError(
            Code.DOCUMENT_ROLLBACK,
            f"Version {len(hashes)} of the key document is the newest shown; version {known.sequence} is known.",
        )
    if hashes[known.sequence - 1] != known.payload_hash:
        raise SecurityError(
            Code.DOCUMENT_FORK, f"Another version {known.sequence} of the key document was believed before."
        )


def _verify_catalog(data: bytes | None, publisher: TrustedPublisher, *, now: int, known: Known) -> CatalogVerdict:
    if data is None:
        raise SecurityError(
            Code.CATALOG_EXPIRED,
            "There is no catalogue, so nothing proves which release is the newest and which are yanked. Either the "
            "publisher shows none, or somebody withholds it.",
        )
    head = known.catalog
    # A thief may have counted the catalogue up; once the key is revoked, the publisher's own must be heard again.
    if known.catalog_signer is not None and release_blocked(publisher, known.catalog_signer, now):
        head = None
    verdict = verify_catalog(parse_envelope(data, max_bytes=MAX_CATALOG_BYTES), publisher, known=head, now=now)
    if verdict.stale:
        raise SecurityError(
            Code.CATALOG_EXPIRED,
            f"Catalogue {verdict.catalog.sequence} was good once and has expired. Either the publisher has not renewed "
            "it, or somebody withholds the newer one.",
        )
    return verdict


def _verify_statement(
    data: bytes | None, publisher: TrustedPublisher, catalog: Catalog, *, slug: str, version: str | None, now: int
) -> VerifiedStatement:
    if data is None:
        raise PfnError(
            Code.UNSIGNED,
            f"There is no statement about {slug} {version or '(the newest)'}: the publisher's key does not cover these "
            "bytes.",
        )
    envelope = parse_envelope(data)
    wanted = version or read_statement(envelope).version
    # Sequences count what was signed, not which version is newer: a fix of an old branch may come last.
    return verify_statement(envelope, publisher, slug=slug, version=wanted, known=None, now=now, endorsed_by=catalog)


def _check_yank(catalog: Catalog, statement: ReleaseStatement, *, accepted: bool) -> str:
    name = f"{statement.slug} {statement.version}"
    yank = catalog.find_yank(statement.slug, statement.version)
    if yank is None:
        return f"The publisher has not yanked {name}."
    if accepted:
        return f"The publisher yanked {name} ({yank.reason}); you accept that."
    raise SecurityError(Code.RELEASE_YANKED, f"The publisher yanked {name}: {yank.reason}")


def _check_place(catalog: Catalog, release: VerifiedStatement, *, asked_for: bool) -> str:
    statement = release.statement
    slug, version = statement.slug, statement.version
    listed = catalog.find_release(slug)
    if listed is None:
        if asked_for and catalog.find_yank(slug, version) is not None:
            return f"Catalogue {catalog.sequence} lists no version of {slug} any more; {version} was asked for."
        raise SecurityError(Code.CATALOG_MISMATCH, f"Catalogue {catalog.sequence} does not list {slug}.")
    if listed.version == version:
        check_listed(catalog, slug=slug, version=version, head=release.head)
        return f"Catalogue {catalog.sequence} names {version} as the newest version of {slug}."
    if not asked_for:
        raise SecurityError(
            Code.CATALOG_MISMATCH,
            f"{slug} {version} is not the newest: catalogue {catalog.sequence} names {listed.version}. If you mean "
            f"{version}, ask for that version by name.",
        )
    if listed.sequence == statement.sequence:
        raise SecurityError(
            Code.STATEMENT_FORK, f"Two different statements of {slug} are numbered {statement.sequence}."
        )
    return f"{version} was asked for; the newest version of {slug} is {listed.version}."


def _verify_artifact_signature(
    text: str, publisher: TrustedPublisher, *, slug: str, now: int, sha384: bytes
) -> PublicKey:
    signature = parse_signature(text.strip())
    if signature is None:
        raise SecurityError(Code.ARTIFACT_SIGNATURE, "What is beside the zip is no Ed25519 signature in base64.")
    # No time limits: the statement has vouched for the bytes, so a retired key's older signature does no harm.
    keys = [
        listed.key
        for listed in publisher.document.release_keys
        if (listed.slugs is None or slug in listed.slugs) and not release_blocked(publisher, listed.id, now)
    ]
    return check_artifact_signature(keys, sha384=sha384, signature=signature)
