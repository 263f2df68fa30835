"""What the node's log says: leaves made of what services know, appended in the transaction that makes it so.

One function for each kind, so that nobody else spells a leaf. ``append`` also has the witnesses asked soon, for a tree
that nobody has seen proves little. It comes after all other rows of a transaction and before its events.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.peer import Peer
from pfn.domain.release import Release, SignatureLevel
from pfn.domain.schedule import Work
from pfn.domain.source import Source
from pfn.protocol.artifact import manifest_hash
from pfn.protocol.document import Head
from pfn.protocol.ed25519 import PublicKey, parse_public_key, parse_signature
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import (
    AnyLeaf,
    CatalogLeaf,
    CustodyLeaf,
    EvidenceLeaf,
    PeerLeaf,
    PublisherLeaf,
    ReleaseLeaf,
    RevocationLeaf,
    SourceLeaf,
    VerificationLeaf,
    YankLeaf,
    parse_leaf,
    write_leaf,
)
from pfn.protocol.log.note import parse_verifier_key
from pfn.protocol.publisher_document import RevokedKey
from pfn.protocol.strict_json import parse_json
from pfn.storage.log import NewLeaf, append_leaves, read_halt
from pfn.storage.schedule import hasten

# Seconds from a new leaf until the witnesses are asked: the many batches of a sync make one question.
WITNESS_SOON_S = 20
# The outcome of work with a witness that knows another tree: growth is no reason to ask that one again.
DIVERGED = Code.WITNESS_DIVERGENCE.slug


async def append(connection: AsyncConnection, leaves: Sequence[AnyLeaf], now: int) -> int:
    """Append leaves and give the index of the first. Raises PfnError (``log_halted``)."""
    first = await append_leaves(connection, [file_leaf(leaf) for leaf in leaves], now)
    await hasten(connection, Work.WITNESS, now + WITNESS_SOON_S, unless=DIVERGED)
    return first


async def append_unless_halted(connection: AsyncConnection, leaves: Sequence[AnyLeaf], now: int) -> None:
    """Append leaves about what must not wait for the log: a halted one hears of it when it is resumed."""
    if leaves and await read_halt(connection) is None:
        await append(connection, leaves, now)


def file_leaf(leaf: AnyLeaf) -> NewLeaf:
    """Give a leaf with what it is found by."""
    subject = getattr(leaf, "source", None) or getattr(leaf, "subject", None)
    # Only of releases: the version of a key document is a number.
    release = leaf if isinstance(leaf, ReleaseLeaf | YankLeaf | EvidenceLeaf) else None
    return NewLeaf(
        kind=leaf.kind,
        leaf=write_leaf(leaf),
        source_id=subject if subject is not None and "@" in subject else None,
        plugin_id=None if release is None else release.slug,
        version=None if release is None else release.version,
    )


def read_filed(data: bytes) -> NewLeaf:
    """Give a leaf that came back from elsewhere with what it is found by, its bytes as they are.

    Raises PfnError (``log_malformed``) for what no log here ever held.
    """
    try:
        return file_leaf(parse_leaf(data))
    except PfnError as error:
        if error.code is not Code.LEAF_UNKNOWN:
            raise
        # A later version wrote it; this one was put back in its place.
        members = parse_json(data, max_bytes=len(data))
        assert isinstance(members, dict)  # or it would have been malformed
        return NewLeaf(str(members["t"]), data)


def source_leaf(
    source: Source, state: Literal["registered", "suspended", "resumed", "removed"], now: int
) -> SourceLeaf:
    """Say what an operator did with a source."""
    key = parse_public_key(source.public_key)
    return SourceLeaf(at=now, source=source.id, instance_url=source.instance_url, key=key, state=state)


def verification_leaf(source: Source, challenge: str | None, code: str | None, now: int) -> VerificationLeaf:
    """Say that a source was asked for proof; ``code`` is why it failed."""
    return VerificationLeaf(
        at=now,
        source=source.id,
        key=_hash_key(parse_public_key(source.public_key)),
        method=_tell_method(source, challenge),
        result="success" if code is None else "failure",
        code=code,
    )


def release_leaf(
    release: Release, manifest: Sequence[Mapping[str, object]], statement: str | None, now: int
) -> ReleaseLeaf:
    """Say that a zip was taken in; ``statement`` is the hash of the payload that covers it, where there is one."""
    files = ((str(one["path"]), int(str(one["size"])), str(one["sha256"])) for one in manifest)
    return ReleaseLeaf(
        at=now,
        source=release.source_id,
        slug=release.plugin_id,
        version=release.version,
        length=release.blob.size,
        sha256=release.blob.sha256,
        statement=statement,
        signature=_hash_metadata_signature(release),
        manifest=manifest_hash(files) if manifest else None,
    )


def publisher_leaf(source_id: str, version: int, document: str, now: int) -> PublisherLeaf:
    """Say that a key document was believed, whose payload has this hash."""
    return PublisherLeaf(at=now, source=source_id, version=version, document=document)


def revocation_leaf(source_id: str, revoked: RevokedKey, document: str, now: int) -> RevocationLeaf:
    """Say that a key document revoked a release key."""
    return RevocationLeaf(at=now, source=source_id, key=revoked.id, since=revoked.compromised_since, document=document)


def catalog_leaf(source_id: str, head: Head, now: int) -> CatalogLeaf:
    """Say that a catalogue was believed."""
    return CatalogLeaf(at=now, source=source_id, sequence=head.sequence, catalog=head.payload_hash)


def yank_leaf(source_id: str, slug: str, version: str, catalog: str, now: int) -> YankLeaf:
    """Say that a catalogue withdrew a release."""
    return YankLeaf(at=now, source=source_id, slug=slug, version=version, catalog=catalog)


def custody_leaf(source_id: str, previous: str, key: str, until: int, now: int) -> CustodyLeaf:
    """Say that a source got another key; both as PEM."""
    return CustodyLeaf(
        at=now,
        source=source_id,
        previous=_hash_key(parse_public_key(previous)),
        key=_hash_key(parse_public_key(key)),
        until=until,
    )


def evidence_leaf(
    about: str, subject: str, first: bytes, second: bytes, now: int, *, slug: str = "", version: str = ""
) -> EvidenceLeaf:
    """Say that a source or a log contradicts itself, by two things that are kept as they came."""
    return EvidenceLeaf(
        at=now,
        about=about,
        subject=subject,
        slug=slug or None,
        version=version or None,
        first=hashlib.sha256(first).hexdigest(),
        second=hashlib.sha256(second).hexdigest(),
    )


def peer_leaf(peer: Peer, now: int) -> PeerLeaf:
    """Say how the node stands to another from now on. ValueError for a mere proposal."""
    key = _hash_key(parse_verifier_key(peer.log_key).key)
    return PeerLeaf.model_validate({"at": now, "origin": peer.origin, "key": key, "state": peer.state.value})


def _hash_key(key: PublicKey) -> str:
    return hashlib.sha256(key.raw).hexdigest()


def _tell_method(source: Source, challenge: str | None) -> Literal["ownership-v1", "ownership-v2", "key-document"]:
    if challenge is None:
        return "ownership-v1" if source.generation == 1 else "key-document"
    return "ownership-v2" if "\n" in challenge else "ownership-v1"


def _hash_metadata_signature(release: Release) -> str | None:
    if release.level is not SignatureLevel.METADATA or release.signature is None:
        return None
    raw = parse_signature(release.signature.signature)
    return None if raw is None else hashlib.sha256(raw).hexdigest()
