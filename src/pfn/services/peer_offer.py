"""A release that a peer's log speaks of, proven by its publisher's own signatures: what may be taken, and why not.

The peer is believed for nothing. Its bundle must be the entry that was read in its log, proven there; everything else
is judged from the key that is registered here, as if the publisher had sent it: statement, place in the row, signature
beside the zip, or the v1 signature over the metadata. A signature of v1 covers no bytes: those of the peer's entry are
then the first that are seen, and another digest for a known version is a dispute, not a proof.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pfn.domain.peer import Peer
from pfn.domain.release import KeptSignature
from pfn.domain.source import Source
from pfn.domain.sync import Listing, SignedListing
from pfn.outbound.peer import PeerClient
from pfn.protocol.catalog import Catalog
from pfn.protocol.document import Head
from pfn.protocol.dsse import Envelope, parse_envelope, write_envelope
from pfn.protocol.ed25519 import parse_public_key, verify
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.bundle import Bundle, LoggedEntry, write_bundle
from pfn.protocol.log.checkpoint import verify_checkpoint
from pfn.protocol.log.entry import ReleaseLeaf, parse_leaf
from pfn.protocol.log.note import parse_verifier_key
from pfn.protocol.log.proof import check_entry
from pfn.protocol.publisher_chain import TrustedPublisher
from pfn.protocol.release_statement import read_statement
from pfn.protocol.signed_metadata import read_signed_metadata
from pfn.services.catalog import is_blocked
from pfn.services.signature import check_artifact_text
from pfn.services.statement_row import believe_statement
from pfn.storage.database import Database
from pfn.storage.peer import Want, find_peer_leaves
from pfn.storage.signed_document import StoredStatement, list_statements

# Statement, message, entry and proof of a release, each as long as it may be.
MOST_OFFER_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a source: its keys, and the catalogue in use; both None for a v1 source."""

    source: Source
    publisher: TrustedPublisher | None
    catalog: Catalog | None


@dataclass(frozen=True, slots=True)
class Proven:
    """A release whose publisher's signatures hold; ``statement`` is to be kept, where it is not kept yet."""

    want: Want
    listing: Listing
    signature: KeptSignature | None
    statement: StoredStatement | None = None


class ContradictionError(SecurityError):
    """A statement that holds contradicts one that is kept; both, as they were signed."""

    def __init__(self, code: Code, detail: str, first: bytes, second: bytes, version: str) -> None:
        super().__init__(code, detail)
        self.first = first
        self.second = second
        self.version = version


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is known of wants: the entries they came from, by place, and statements, by plugin in their order."""

    entries: Mapping[int, bytes]
    statements: Mapping[str, list[StoredStatement]]


class PeerOffers:
    """Fetches and judges what peers have to show for a release."""

    def __init__(self, database: Database, client: PeerClient) -> None:
        self._database = database
        self._client = client

    async def load(self, peer: Peer, standing: Standing, wants: Sequence[Want]) -> Shelf:
        """Give what is known of some wants of one source; of what a revoked key signed nothing is."""
        slugs = {want.plugin_id for want in wants}
        async with self._database.read() as connection:
            entries = await find_peer_leaves(connection, peer.id, [want.idx for want in wants])
            kept = await list_statements(connection, standing.source.id, slugs)
        publisher = standing.publisher
        statements: dict[str, list[StoredStatement]] = {slug: [] for slug in slugs}
        for one in kept:
            if publisher is None or not is_blocked(publisher, one.envelope, one.received_at):
                statements[one.plugin_id].append(one)
        return Shelf(entries, statements)

    async def fetch(self, peer: Peer, want: Want) -> Bundle:
        """Have a peer show what vouches for a release. Raises PfnError: ``peer_unreachable``, ``peer_answer``."""
        bundle = await self._client.get_bundle(peer.url, want.source_id, want.plugin_id, want.version, lean=True)
        if bundle is None:
            raise PfnError(Code.PEER_ANSWER, f"{peer.url} serves {want.plugin_id} {want.version} no more.")
        # Many are held at a time: no more of each than is looked at, and that is a few documents.
        kept = Bundle(
            bundle.sha256,
            statement=bundle.statement,
            signature=bundle.signature,
            release_entry=bundle.release_entry,
        )
        if len(write_bundle(kept)) > MOST_OFFER_BYTES:
            raise PfnError(
                Code.PEER_ANSWER, f"{peer.url} shows more for {want.plugin_id} {want.version} than a release needs."
            )
        return kept


def prove(peer: Peer, standing: Standing, want: Want, bundle: Bundle, shelf: Shelf, now: int) -> Proven:
    """Believe what a peer shows for a release; its statement is on the shelf then, and may vouch for older ones.

    Raises PfnError: ``unsigned`` for a release without any signature; SecurityError: ``log_signature``,
    ``log_inclusion``, ``leaf_mismatch`` where the peer contradicts its own log; ``proof_incomplete``, ``downgrade``;
    what ``verify_statement`` raises; ``artifact_signature``, ``signature_invalid``; ContradictionError.
    """
    leaf = _check_entry(peer, want, bundle, shelf.entries.get(want.idx))
    if leaf.statement is None:
        return _prove_metadata(standing, want, bundle)
    known = shelf.statements[want.plugin_id]
    proven = _prove_signed(standing, want, bundle, known, now)
    if proven.statement is not None:
        known.append(proven.statement)
        known.sort(key=lambda one: one.head.sequence)
    return proven


def _check_entry(peer: Peer, want: Want, bundle: Bundle, kept: bytes | None) -> ReleaseLeaf:
    entry = bundle.release_entry
    if entry is None:
        raise SecurityError(Code.LEAF_MISMATCH, f"{peer.url} shows no log entry for what its log speaks of.")
    # It may have logged the same release anew since; then that entry is proven to be in its log as well.
    check_proof(peer, entry)
    leaf = parse_leaf(entry.leaf)
    named = (want.source_id, want.plugin_id, want.version, want.sha256, want.sha256)
    if not isinstance(leaf, ReleaseLeaf):
        raise SecurityError(Code.LEAF_MISMATCH, f"{peer.url} shows the log entry of something else.")
    if (leaf.source, leaf.slug, leaf.version, leaf.sha256, bundle.sha256) != named:
        raise SecurityError(Code.LEAF_MISMATCH, f"{peer.url} shows another release than its log speaks of.")
    if entry.proof.index == want.idx and kept != entry.leaf:
        raise SecurityError(Code.LEAF_MISMATCH, f"{peer.url} shows another entry {want.idx} than was read before.")
    return leaf


def _prove_signed(standing: Standing, want: Want, bundle: Bundle, kept: Sequence[StoredStatement], now: int) -> Proven:
    publisher, envelope = standing.publisher, bundle.statement
    if envelope is None or bundle.signature is None:
        raise SecurityError(Code.PROOF_INCOMPLETE, "The peer shows no statement, or no signature beside the zip.")
    if publisher is None:
        raise SecurityError(Code.DOCUMENT_GAP, f"No key document of {want.source_id} is known here yet.")
    verified = believe_statement(
        envelope,
        publisher,
        slug=want.plugin_id,
        version=want.version,
        now=now,
        catalog=standing.catalog,
        kept=[parse_envelope(one.envelope) for one in kept],
    )
    statement = verified.statement
    body = write_envelope(envelope)
    _compare(statement.version, verified.head, statement.sha256, statement.previous, body, kept)
    if statement.sha256 != want.sha256:
        raise SecurityError(Code.LEAF_MISMATCH, "The peer's log entry names other bytes than the statement.")
    url = _find_url(standing.catalog, want, envelope)
    signed = SignedListing(verified, body, url or "")
    signature = check_artifact_text(signed, base64.b64encode(bundle.signature.signature).decode("ascii"))
    listing = Listing(
        slug=statement.slug,
        name=statement.name,
        version=statement.version,
        description=statement.description or None,
        tags=statement.tags,
        signed=signed,
        statement=verified.payload_hash,
    )
    return Proven(want, listing, signature, StoredStatement(want.plugin_id, want.version, verified.head, body, now))


def check_proof(peer: Peer, entry: LoggedEntry) -> None:
    """Believe that an entry is in a tree that the peer's log signed.

    Raises SecurityError: ``log_signature``, ``log_inclusion``; PfnError: ``log_malformed``, ``log_unknown``.
    """
    verify_checkpoint(entry.proof.note, [parse_verifier_key(peer.log_key)])
    check_entry(entry.leaf, entry.proof)


def _prove_metadata(standing: Standing, want: Want, bundle: Bundle) -> Proven:
    source = standing.source
    if source.generation > 1:
        raise SecurityError(
            Code.DOWNGRADE, f"{source.id} signs every release down to its bytes now; this one is signed weaker."
        )
    if bundle.signature is None:
        raise PfnError(Code.UNSIGNED, "The release carries no signature, and such are not taken from peers.")
    message, raw = bundle.signature.message, bundle.signature.signature
    if not verify(parse_public_key(source.public_key), message, raw):
        raise SecurityError(
            Code.SIGNATURE_INVALID, "The signature over the metadata was not made by the registered key."
        )
    metadata = read_signed_metadata(message, want.plugin_id, want.version)
    listing = Listing(want.plugin_id, metadata.name, want.version, metadata.description, metadata.tags)
    return Proven(want, listing, KeptSignature(base64.b64encode(raw).decode("ascii"), message, source.public_key))


def _compare(
    version: str, head: Head, sha256: str, previous: str | None, body: bytes, kept: Sequence[StoredStatement]
) -> None:
    """Hold a statement that holds against those that are kept: one place, one statement; one version, one zip."""
    for one in kept:
        if one.head == head:
            continue
        other = read_statement(parse_envelope(one.envelope))
        if one.head.sequence == head.sequence:
            detail = f"Two different statements of {one.plugin_id} are numbered {head.sequence}."
            raise ContradictionError(Code.STATEMENT_FORK, detail, one.envelope, body, version)
        if one.version == version and other.sha256 != sha256:
            detail = (
                f"The publisher signed other bytes (SHA-256 {sha256}) for {one.plugin_id} {version} than it did before "
                f"({other.sha256}). The first bytes stay."
            )
            raise ContradictionError(Code.RELEASE_CONFLICT, detail, one.envelope, body, version)
        follows = one.head.sequence == head.sequence + 1 and other.previous != head.payload_hash
        precedes = one.head.sequence == head.sequence - 1 and previous != one.head.payload_hash
        if follows or precedes:
            raise SecurityError(
                Code.STATEMENT_CHAIN,
                f"Statements {head.sequence} and {one.head.sequence} of {one.plugin_id} do not follow from each other.",
            )


def _find_url(catalog: Catalog | None, want: Want, envelope: Envelope) -> str | None:
    listed = None if catalog is None else catalog.find_release(want.plugin_id)
    return listed.url if listed is not None and listed.statement == envelope.payload_hash else None
