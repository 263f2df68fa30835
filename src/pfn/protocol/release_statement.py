"""``releases/SLUG/VERSION.json``: what a publisher says of one release (protocol.md section 3.2, facts b.2.4).

Answers for: an in-toto Statement v1 about one zip, and its place in the row of statements of its plugin. Each counts
one up and names the payload before it, so nothing can be left out, put in or taken back unseen. Whoever knows nothing
of a plugin yet may start anywhere; afterwards every statement in between is walked, also of versions not mirrored.

A statement whose key is revoked for its time is no head to go on from: go back to the newest that is not blocked
(``release_key.release_blocked``); the publisher's next statement follows that one.

Does not answer for: the zip's bytes (``artifact``), or whether the release is the newest or yanked (``catalog``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from pfn.protocol.catalog import Catalog
from pfn.protocol.document import (
    Document,
    Head,
    Part,
    SequenceNumber,
    Sha256,
    Sha384,
    Size,
    Slug,
    Source,
    Time,
    Version,
    read_payload,
    validate_document,
    write_payload,
)
from pfn.protocol.dsse import Envelope
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.publisher_chain import TrustedPublisher, require_current
from pfn.protocol.release_key import find_release_signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:pfn:release:v1"
MAX_TAGS = 50

_DIGESTS = ("sha256", "sha384")

Short = Annotated[str, Field(max_length=32)]


class ReleaseStatement(Document):
    """Subject and predicate in one. ``length`` in bytes, digests in hex, ``released_at`` in Unix seconds.

    ``previous`` is the SHA-256 of the payload of the statement before, absent only at sequence 1; ``manifest`` is
    ``artifact.manifest_hash`` of the files in the zip; ``publisher_version`` the key document it was made under.
    """

    payload_type: ClassVar[str] = PAYLOAD_TYPE
    label: ClassVar[str] = "The release statement"

    source: Source
    slug: Slug
    name: Annotated[str, Field(min_length=1, max_length=200)]
    version: Version
    description: Annotated[str, Field(max_length=2000)] = ""
    length: Size
    sha256: Sha256
    sha384: Sha384
    sequence: SequenceNumber
    previous: Sha256 | None = None
    publisher_version: SequenceNumber
    released_at: Time
    requires: Short | None = None
    tested: Short | None = None
    requires_php: Short | None = None
    tags: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(strict=False, max_length=MAX_TAGS)] = ()
    manifest: Sha256

    @model_validator(mode="after")
    def _check_previous(self) -> "ReleaseStatement":
        if (self.previous is None) != (self.sequence == 1):
            raise ValueError("sequence 1 has no previous, every later one has")
        return self

    @property
    def zip_name(self) -> str:
        """The subject's name."""
        return f"{self.slug}-{self.version}.zip"


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement that is believed, the SHA-256 of its payload, and the release key that signed it."""

    statement: ReleaseStatement
    payload_hash: str
    key: PublicKey

    @property
    def head(self) -> Head:
        """What to remember of it, for the next."""
        return Head(self.statement.sequence, self.payload_hash)


@dataclass(frozen=True, slots=True)
class StatementRow:
    """Statements in a row, oldest first: those believed, the newest always last, and those left out with the reason."""

    believed: tuple[VerifiedStatement, ...]
    left_out: tuple[tuple[ReleaseStatement, SecurityError], ...]

    @property
    def newest(self) -> VerifiedStatement:
        """The last, which vouches for the others."""
        return self.believed[-1]


class _Digest(Part):
    sha256: Sha256
    sha384: Sha384


class _Subject(Part):
    name: str
    digest: _Digest


class _InToto(Document):
    payload_type: ClassVar[str] = PAYLOAD_TYPE
    label: ClassVar[str] = ReleaseStatement.label

    subject: Annotated[tuple[_Subject, ...], Field(strict=False, min_length=1, max_length=1)]
    predicate: dict[str, object]


def write_statement(statement: ReleaseStatement) -> bytes:
    """The payload to sign, as ``PAYLOAD_TYPE``."""
    members = statement.model_dump(mode="json", exclude_none=True)
    digests = {name: members.pop(name) for name in _DIGESTS}
    return write_payload(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": statement.zip_name, "digest": digests}],
            "predicateType": PREDICATE_TYPE,
            "predicate": members,
        }
    )


def read_statement(envelope: Envelope) -> ReleaseStatement:
    """Read a statement's payload; nothing is said of its signatures.

    Raises SecurityError (``document_type``), ``statement_mismatch`` where the subject is named otherwise than the
    release; PfnError (``publisher_document``).
    """
    label = ReleaseStatement.label
    payload = read_payload(envelope, PAYLOAD_TYPE, label)
    for member, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if payload.get(member) != expected:
            raise SecurityError(Code.DOCUMENT_TYPE, f"{label} must have {expected} as its {member}.")
    outer = validate_document(_InToto, payload)
    subject = outer.subject[0]
    digests = subject.digest
    statement = validate_document(
        ReleaseStatement, {**outer.predicate, "sha256": digests.sha256, "sha384": digests.sha384}
    )
    if subject.name != statement.zip_name:
        raise SecurityError(Code.STATEMENT_MISMATCH, f"{label}'s subject must be named {statement.zip_name}.")
    return statement


def verify_statement(
    envelope: Envelope,
    publisher: TrustedPublisher,
    *,
    slug: str,
    version: str,
    known: Head | None,
    now: int,
    logged_at: int | None = None,
    endorsed_by: Catalog | None = None,
) -> VerifiedStatement:
    """Believe one statement, or say why not.

    ``known`` is the newest statement of the plugin believed and not blocked so far, None where there is none or the
    place in the row does not matter. ``logged_at`` is when a witnessed log has it; ``endorsed_by`` a verified catalogue
    that may list it: then a key retired since is no hindrance. Raises SecurityError: ``document_expired``,
    ``document_type``, ``release_key_…``, ``signature_invalid``, ``statement_mismatch``, ``document_gap`` (made under a
    key document not seen yet: fetch it), ``statement_rollback``, ``statement_fork`` (evidence: keep both),
    ``statement_gap`` (use ``verify_statement_chain``), ``statement_chain``; PfnError (``publisher_document``).
    """
    require_current(publisher, now)
    at = now if logged_at is None else logged_at
    verified = _verify(envelope, publisher, slug=slug, at=at, endorsed_by=endorsed_by)
    if verified.statement.version != version:
        raise SecurityError(
            Code.STATEMENT_MISMATCH, f"The statement is about version {verified.statement.version}, not {version}."
        )
    _check_place(verified.statement, verified.head, known)
    return verified


def verify_statement_chain(
    envelopes: Sequence[Envelope],
    publisher: TrustedPublisher,
    *,
    slug: str,
    known: Head | None,
    now: int,
    logged_at: int | None = None,
    endorsed_by: Catalog | None = None,
) -> StatementRow:
    """Believe a row of statements of one plugin, oldest first, that follows ``known`` or, where that is None, anything.

    At least one. The last is judged as ``verify_statement`` does and vouches, by the hashes, for those before: a link
    whose key is gone or revoked is walked but left out. Raises like ``verify_statement``.
    """
    require_current(publisher, now)
    *links, last = envelopes
    at = now if logged_at is None else logged_at
    newest = _verify(last, publisher, slug=slug, at=at, endorsed_by=endorsed_by)
    believed: list[VerifiedStatement] = []
    left_out: list[tuple[ReleaseStatement, SecurityError]] = []
    for link in links:
        statement = _read_own(link, publisher, slug)
        head = Head(statement.sequence, link.payload_hash)
        _check_place(statement, head, known)
        known = head
        # The newest names it, so a retired key will do; it existed by then, so the newest's time is late enough.
        try:
            key = find_release_signer(link, publisher, slug=slug, at=at, endorsed=True)
        except SecurityError as error:
            left_out.append((statement, error))
        else:
            believed.append(VerifiedStatement(statement, link.payload_hash, key))
    _check_place(newest.statement, newest.head, known)
    return StatementRow((*believed, newest), tuple(left_out))


def _verify(
    envelope: Envelope, publisher: TrustedPublisher, *, slug: str, at: int, endorsed_by: Catalog | None
) -> VerifiedStatement:
    """Signature, identity and key document; not the place in the row."""
    listed = None if endorsed_by is None else endorsed_by.find_release(slug)
    endorsed = listed is not None and listed.statement == envelope.payload_hash
    key = find_release_signer(envelope, publisher, slug=slug, at=at, endorsed=endorsed)
    statement = _read_own(envelope, publisher, slug)
    if statement.publisher_version > publisher.document.version:
        raise SecurityError(
            Code.DOCUMENT_GAP,
            f"The statement was made under version {statement.publisher_version} of the key document; version "
            f"{publisher.document.version} is known.",
        )
    return VerifiedStatement(statement, envelope.payload_hash, key)


def _read_own(envelope: Envelope, publisher: TrustedPublisher, slug: str) -> ReleaseStatement:
    statement = read_statement(envelope)
    if (statement.source, statement.slug) != (publisher.document.source, slug):
        raise SecurityError(
            Code.STATEMENT_MISMATCH,
            f"It is about {statement.slug} of {statement.source}, not {slug} of {publisher.document.source}.",
        )
    return statement


def _check_place(statement: ReleaseStatement, head: Head, known: Head | None) -> None:
    if known is None or head == known:
        return
    shown = f"Statement {head.sequence} of {statement.slug} was sent; {known.sequence} is known."
    if head.sequence == known.sequence:
        raise SecurityError(
            Code.STATEMENT_FORK, f"Two different statements of {statement.slug} are numbered {head.sequence}."
        )
    if head.sequence < known.sequence:
        raise SecurityError(Code.STATEMENT_ROLLBACK, shown)
    if head.sequence > known.sequence + 1:
        raise SecurityError(Code.STATEMENT_GAP, f"{shown} Those in between are needed first.")
    if statement.previous != known.payload_hash:
        raise SecurityError(
            Code.STATEMENT_CHAIN, f"Statement {head.sequence} of {statement.slug} follows another {known.sequence}."
        )
