"""Evidence on the wire, and whether it holds (protocol.md section 4; facts: threats and architecture, b.4).

Answers for: two documents that one signer cannot both have meant, as nodes send them to each other; and the proof, from
the two and the signer's keys alone. Of a publisher: two statements about one version with different bytes, or of one
number; two catalogues of one number; two key documents of one version. Of a log: two trees of one size.

A key that was revoked since accuses nobody: a thief could have signed either side. What a publisher's v1 key signed
covers no bytes, so it proves no such thing.

Does not answer for: what follows from it.
"""

import base64
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from pfn.protocol.catalog import MAX_CATALOG_BYTES, Catalog
from pfn.protocol.document import Part, read_document
from pfn.protocol.dsse import MAX_ENVELOPE_BYTES, Envelope, parse_envelope, signers
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import check_successor, verify_checkpoint
from pfn.protocol.log.entry import ErrorSlug
from pfn.protocol.log.note import VerifierKey, parse_note
from pfn.protocol.publisher_chain import TrustedPublisher, advance_trust, restore_trust
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_statement import ReleaseStatement, read_statement
from pfn.protocol.strict_json import parse_json

MAX_LISTED = 1_000
# A list holds no more of both sides than this: of the largest there are, two catalogues, one pair.
MAX_LISTED_BYTES = 2 * MAX_CATALOG_BYTES
# As JSON, which may need two characters for one, and what is said beside it.
MAX_ANSWER_BYTES = 2 * MAX_LISTED_BYTES + 1024 * 1024
# What is sent by POST, to anybody: two statements, key documents or notes. Larger catalogues are asked for.
MAX_SENT_BYTES = 2 * MAX_ENVELOPE_BYTES
# In base64, each side rounded up, and what is said beside it.
MAX_BODY_BYTES = 4 * (MAX_SENT_BYTES // 3 + 2) + 4096

Subject = Annotated[str, Field(min_length=1, max_length=400)]


class EvidenceNotice(Part):
    """Two sides, as they were signed; ``subject`` is a source's id or a log's origin, ``kind`` an error's code."""

    kind: ErrorSlug
    subject: Subject
    first: str
    second: str

    @property
    def sides(self) -> tuple[bytes, bytes]:
        """Both sides' bytes; everything that can be evidence is text."""
        return self.first.encode(), self.second.encode()

    def to_json(self) -> dict[str, object]:
        """The body of ``POST /federation/evidence``: both sides in base64."""
        first, second = (base64.b64encode(side).decode("ascii") for side in self.sides)
        return {"kind": self.kind, "subject": self.subject, "first": first, "second": second}


_LIST = TypeAdapter(Annotated[list[EvidenceNotice], Field(max_length=MAX_LISTED)])


def read_evidence(body: bytes) -> tuple[EvidenceNotice, ...]:
    """Read ``GET /federation/evidence``. Raises PfnError (``peer_answer``)."""
    rows = parse_json(body, max_bytes=len(body), code=Code.PEER_ANSWER)
    try:
        return tuple(_LIST.validate_python(rows))
    except ValidationError as error:
        raise PfnError(Code.PEER_ANSWER, "The peer's /federation/evidence is no list of evidence.") from error


def check_source_evidence(kind: str, first: bytes, second: bytes, chain: Sequence[Envelope]) -> SecurityError:
    """Believe that a publisher contradicted itself and give the contradiction, with its own code.

    ``chain`` are the key documents that are believed of it, version 1 first. Raises PfnError (``evidence_invalid``).
    """
    if not chain:
        raise _invalid("No key document of this source is known here, so nothing tells who signed this.")
    documents = [restore_trust(envelope) for envelope in chain]
    try:
        if kind in {Code.RELEASE_CONFLICT.slug, Code.STATEMENT_FORK.slug}:
            return _compare_statements(_parse(first), _parse(second), documents)
        if kind == Code.CATALOG_FORK.slug:
            return _compare_catalogs(_parse(first), _parse(second), documents)
        if kind == Code.DOCUMENT_FORK.slug:
            return _compare_documents(_parse(first), _parse(second), documents)
    except PfnError as error:
        raise error if error.code is Code.EVIDENCE_INVALID else _invalid(error.detail) from error
    raise _invalid(f"{kind} is no kind of evidence against a publisher that can be proven.")


def check_log_evidence(kind: str, first: bytes, second: bytes, key: VerifierKey) -> SecurityError:
    """Believe that the log with this key signed two trees of one size. Raises PfnError (``evidence_invalid``)."""
    if kind != Code.LOG_FORK.slug:
        raise _invalid(f"{kind} is no kind of evidence against a log that can be proven.")
    try:
        heads = [verify_checkpoint(parse_note(side), [key]).head for side in (first, second)]
    except PfnError as error:
        raise _invalid(error.detail) from error
    if heads[0].size == heads[1].size:
        try:
            check_successor(heads[0], heads[1], ())
        except SecurityError as error:
            return error
    raise _invalid("The two notes are not over two different trees of one size.")


def _compare_statements(first: Envelope, second: Envelope, documents: Sequence[TrustedPublisher]) -> SecurityError:
    one, other = (_read_statement(side, documents) for side in (first, second))
    if one.slug == other.slug and one.version == other.version and one.sha256 != other.sha256:
        return SecurityError(
            Code.RELEASE_CONFLICT,
            f"The publisher signed two different zips as {one.slug} {one.version}: SHA-256 {one.sha256} and "
            f"{other.sha256}.",
        )
    if one.slug == other.slug and one.sequence == other.sequence and first.payload != second.payload:
        return SecurityError(
            Code.STATEMENT_FORK, f"Two different statements of {one.slug} are numbered {one.sequence}."
        )
    raise _invalid("The two statements do not contradict each other.")


def _compare_catalogs(first: Envelope, second: Envelope, documents: Sequence[TrustedPublisher]) -> SecurityError:
    catalogs = []
    for side in (first, second):
        catalog = read_document(Catalog, side)
        _require_own(catalog.source, documents)
        _require_signer(side, documents, slug=None)
        catalogs.append(catalog)
    if catalogs[0].sequence != catalogs[1].sequence or first.payload == second.payload:
        raise _invalid("The two catalogues do not contradict each other.")
    return SecurityError(Code.CATALOG_FORK, f"Two different catalogues are numbered {catalogs[0].sequence}.")


def _compare_documents(first: Envelope, second: Envelope, documents: Sequence[TrustedPublisher]) -> SecurityError:
    version = restore_trust(first).document.version
    known = documents[min(version, len(documents)) - 1]
    if first.payload == second.payload or restore_trust(second).document.version != version:
        raise _invalid("The two key documents do not contradict each other.")
    if known.document.version == version:
        # One of them may be the one that is known; what is not, the roots signed as another of that version.
        for side in (first, second):
            if side.payload != known.payload:
                _require_fork(known, side)
    else:
        for side in (first, second):
            advance_trust(known, side)
    return SecurityError(Code.DOCUMENT_FORK, f"The root keys signed two different key documents as version {version}.")


def _require_fork(known: TrustedPublisher, side: Envelope) -> None:
    try:
        advance_trust(known, side)
    except SecurityError as error:
        if error.code is Code.DOCUMENT_FORK:
            return
        raise
    raise _invalid("A key document follows from the known one, and so contradicts nothing.")


def _read_statement(envelope: Envelope, documents: Sequence[TrustedPublisher]) -> ReleaseStatement:
    statement = read_statement(envelope)
    _require_own(statement.source, documents)
    _require_signer(envelope, documents, slug=statement.slug)
    return statement


def _require_own(source: str, documents: Sequence[TrustedPublisher]) -> None:
    if source != documents[0].document.source:
        raise _invalid(f"It is of {source}, not of {documents[0].document.source}.")


def _require_signer(envelope: Envelope, documents: Sequence[TrustedPublisher], *, slug: str | None) -> None:
    """Raise unless a release key of any version signed, at whatever time, that might for this and is not revoked."""
    revoked = {one.id for one in documents[-1].document.revoked}
    keys = [key for known in documents for key in _release_keys(known.document, slug) if key[0] not in revoked]
    if not signers(envelope, [key for _, key in keys]):
        raise _invalid("No release key of the publisher that was not revoked signed it.")


def _release_keys(document: PublisherDocument, slug: str | None) -> Iterable[tuple[str, PublicKey]]:
    for listed in document.release_keys:
        if listed.slugs is None or slug in listed.slugs:
            yield listed.id, listed.key


def _parse(data: bytes) -> Envelope:
    return parse_envelope(data, max_bytes=MAX_CATALOG_BYTES)


def _invalid(detail: str) -> PfnError:
    return PfnError(Code.EVIDENCE_INVALID, detail)
