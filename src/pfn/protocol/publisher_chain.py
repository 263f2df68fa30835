"""From the key an operator registered to the publisher's present keys (protocol.md section 3.1, facts b.2.3 and b.6).

Answers for: which key document is believed. The chain starts at version 1 and leaves nothing out; each version names
the payload before it and is signed by the root threshold of that version and by its own; revocations only grow. The
registered key, the pin, must have signed a version: a root key signs its own, a v1 source's one key signs version 1 and
thereby hands over. A pin that signs whatever it is sent could have been made to sign a key document: it starts nothing.

Expiry never undoes what is known. An expired document may be one that somebody keeps from being replaced, so nothing
new is believed under it: ``require_current`` is asked wherever a publisher is used.

Does not answer for: where documents are fetched and kept. The envelopes are kept as they came.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pfn.protocol.document import read_document
from pfn.protocol.dsse import Envelope, signers
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.publisher_document import PublisherDocument


@dataclass(frozen=True, slots=True)
class TrustedPublisher:
    """A key document that is believed, and its payload's exact bytes. Made by the functions of this module alone."""

    document: PublisherDocument
    payload: bytes

    @property
    def payload_hash(self) -> str:
        """SHA-256 of the payload in hex: what the next version must name as ``previous``."""
        return hashlib.sha256(self.payload).hexdigest()

    def is_expired(self, now: int) -> bool:
        """Whether the document's time is over at ``now`` (Unix seconds)."""
        return self.document.expires <= now


def begin_trust(
    chain: Sequence[Envelope], *, pin: PublicKey, pin_is_oracle: bool, source: str, instance_url: str, now: int
) -> TrustedPublisher:
    """Believe the last of ``chain``, the key documents of version 1, 2, 3 … in order.

    ``source`` and ``instance_url`` are the registered ones, in the spelling of ``source_id``. ``pin_is_oracle`` tells
    that the pin was seen to sign a probe. Raises SecurityError: ``signing_oracle``, ``document_gap`` where version 1 is
    missing, all that ``advance_trust`` raises, ``key_mismatch`` where the pin signed no version, ``document_expired``.
    """
    if pin_is_oracle:
        raise SecurityError(
            Code.SIGNING_ORACLE,
            "The registered key signs whatever it is sent, so its signature on a key document proves nothing. "
            "Register a root key of the publisher instead.",
        )
    publisher: TrustedPublisher | None = None
    for envelope in chain:
        publisher = advance_trust(publisher, envelope) if publisher else _read_first(envelope, source, instance_url)
    if publisher is None:
        raise SecurityError(Code.DOCUMENT_GAP, "Version 1 of the key document is missing.")
    if not any(signers(envelope, [pin]) for envelope in chain):
        raise SecurityError(Code.KEY_MISMATCH, "The registered key signed no version of the publisher's key document.")
    require_current(publisher, now)
    return publisher


def advance_trust(publisher: TrustedPublisher, envelope: Envelope) -> TrustedPublisher:
    """Believe the next version; the same version again changes nothing, whatever its signatures.

    A next version that has expired is still believed, for what it revokes; ``is_expired`` tells. Raises SecurityError:
    ``document_type``, ``document_mismatch`` (other source or URL), ``document_rollback`` (a lower version),
    ``document_gap`` (versions left out: fetch ``publisher/N.json``), ``document_threshold``, ``document_fork`` (the
    same version, properly signed, with another payload: evidence, keep both), ``document_chain`` (does not name the
    known payload, or takes a revocation back); PfnError (``publisher_document``) for a wrong shape.
    """
    known, document = publisher.document, read_document(PublisherDocument, envelope)
    _check_identity(document, known.source, known.instance_url)
    if envelope.payload == publisher.payload:
        return publisher
    shown = f"Version {document.version} of the key document was sent; version {known.version} is known."
    if document.version < known.version:
        raise SecurityError(Code.DOCUMENT_ROLLBACK, shown)
    if document.version > known.version + 1:
        raise SecurityError(Code.DOCUMENT_GAP, f"{shown} The versions in between are needed first.")
    # Before a fork is named: nobody but the roots can make one.
    _check_threshold(envelope, document.version, known)
    if document.version == known.version:
        raise SecurityError(
            Code.DOCUMENT_FORK, f"The root keys signed two different key documents as version {known.version}."
        )
    _check_threshold(envelope, document.version, document)
    if document.previous != publisher.payload_hash:
        raise SecurityError(
            Code.DOCUMENT_CHAIN,
            f"Version {document.version} of the key document follows another version {known.version}.",
        )
    _check_revocations(document, known)
    return TrustedPublisher(document, envelope.payload)


def restore_trust(envelope: Envelope) -> TrustedPublisher:
    """The state again from the last document that was believed and kept. Verifies nothing."""
    return TrustedPublisher(read_document(PublisherDocument, envelope), envelope.payload)


def require_current(publisher: TrustedPublisher, now: int) -> None:
    """Raise SecurityError (``document_expired``) where nothing new may be believed under this document."""
    if publisher.is_expired(now):
        raise SecurityError(
            Code.DOCUMENT_EXPIRED,
            f"Version {publisher.document.version} of the publisher's key document has expired. Either the publisher "
            "has not renewed it, or somebody withholds the newer one.",
        )


def _read_first(envelope: Envelope, source: str, instance_url: str) -> TrustedPublisher:
    document = read_document(PublisherDocument, envelope)
    _check_identity(document, source, instance_url)
    if document.version != 1:
        raise SecurityError(
            Code.DOCUMENT_GAP, f"The first key document is version {document.version}; it starts at version 1."
        )
    _check_threshold(envelope, 1, document)
    return TrustedPublisher(document, envelope.payload)


def _check_identity(document: PublisherDocument, source: str, instance_url: str) -> None:
    if (document.source, document.instance_url) != (source, instance_url):
        raise SecurityError(
            Code.DOCUMENT_MISMATCH,
            f"It is for {document.source} at {document.instance_url}, not for {source} at {instance_url}.",
        )


def _check_threshold(envelope: Envelope, version: int, by: PublisherDocument) -> None:
    found = len(signers(envelope, [listed.key for listed in by.root_keys]))
    if found < by.threshold:
        raise SecurityError(
            Code.DOCUMENT_THRESHOLD,
            f"Version {version} of the key document needs {by.threshold} signatures by the root keys of version "
            f"{by.version}; it has {found}.",
        )


def _check_revocations(document: PublisherDocument, known: PublisherDocument) -> None:
    since = {key.id: key.compromised_since for key in document.revoked}
    for key in known.revoked:
        if since.get(key.id, key.compromised_since + 1) > key.compromised_since:
            raise SecurityError(
                Code.DOCUMENT_CHAIN,
                f"Version {document.version} of the key document takes back, or moves to later, the revocation of the "
                f"key {key.id[:16]}.",
            )
