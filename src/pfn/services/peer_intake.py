"""What entries of a peer's log mean for this node: releases to want, sources to propose, documents and evidence to ask.

An entry is a claim and makes nothing true; it says where to look. What is here already with the same bytes is nothing
new, whoever logged it first: so what came from here, and comes back, ends here. Other bytes for a version that is here
are looked at whatever the policy says. An entry that cannot be read says nothing.

A yank or a revocation needs no look of its own: beside it stands the catalogue, or the key document, that made it.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.peer import Peer, peer_event
from pfn.domain.release import SignatureLevel
from pfn.domain.source import Source, SourceStatus
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import PfnError
from pfn.protocol.log.entry import (
    AnyLeaf,
    CatalogLeaf,
    CustodyLeaf,
    EvidenceLeaf,
    PublisherLeaf,
    ReleaseLeaf,
    SourceLeaf,
    parse_leaf,
)
from pfn.storage.peer import Proposal, Want, add_wants, count_proposals, put_proposal
from pfn.storage.release import digests_among
from pfn.storage.signed_document import catalog_sequence, newest_key_version
from pfn.storage.source import find_statuses, get_source

log = structlog.get_logger()

# Of one peer at a time: a liar's inventions must not fill the list.
MOST_PROPOSALS = 1_000
_SHOWN = 5


@dataclass(slots=True)
class Intake:
    """What a batch of entries calls for. ``documents`` are sources that have newer ones, ``evidence`` its subjects."""

    wants: list[Want] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    documents: set[str] = field(default_factory=set)
    evidence: set[str] = field(default_factory=set)
    events: list[Activity] = field(default_factory=list)


def read_leaves(first: int, leaves: Sequence[bytes]) -> list[tuple[int, AnyLeaf]]:
    """Read entries, each with its place; those of later versions, and broken ones, are passed over."""
    read: list[tuple[int, AnyLeaf]] = []
    for index, data in enumerate(leaves, start=first):
        with suppress(PfnError):
            read.append((index, parse_leaf(data)))
    if len(read) < len(leaves):
        log.info("entries_passed_over", first=first, count=len(leaves) - len(read))
    return read


async def sort_leaves(
    connection: AsyncConnection, peer: Peer, leaves: Sequence[tuple[int, AnyLeaf]], origins: set[str], now: int
) -> Intake:
    """Tell what entries call for, from what is known here; ``origins`` are the logs this node knows."""
    intake = Intake()
    named = {name for _, leaf in leaves if (name := _subject(leaf)) is not None}
    statuses = await find_statuses(connection, named) if named else {}
    releases: list[tuple[int, ReleaseLeaf]] = []
    for index, leaf in leaves:
        source_id = _subject(leaf) or ""
        status = statuses.get(source_id)
        if isinstance(leaf, EvidenceLeaf) and leaf.subject in origins:
            intake.evidence.add(leaf.subject)
        elif isinstance(leaf, SourceLeaf) and status is None and leaf.state in {"registered", "resumed"}:
            intake.proposals.append(_propose(peer, leaf, now))
        elif status is None or status is SourceStatus.REMOVED:
            continue
        elif isinstance(leaf, ReleaseLeaf):
            releases.append((index, leaf))
        else:
            await _sort_known(connection, peer, source_id, leaf, intake, now)
    if releases:
        intake.wants += await _find_wants(connection, peer, releases, now)
    return intake


async def write_intake(connection: AsyncConnection, peer: Peer, intake: Intake, now: int) -> list[Activity]:
    """Write down wants and proposals; give the events to add, last in the transaction."""
    await add_wants(connection, intake.wants)
    room = MOST_PROPOSALS - await count_proposals(connection, peer.id)
    fresh = [one for one in intake.proposals[: max(0, room)] if await put_proposal(connection, one)]
    if not fresh:
        return intake.events
    names = ", ".join(one.source_id for one in fresh[:_SHOWN])
    more = f" and {len(fresh) - _SHOWN} more" if len(fresh) > _SHOWN else ""
    sentence = f"{peer.url} mirrors sources that this node does not know: {names}{more}. See: pfn peer proposals"
    return [*intake.events, peer_event(peer, now, "sources_proposed", sentence, private=True)]


def level_of(leaf: ReleaseLeaf) -> SignatureLevel:
    """Give the level that an entry claims for its release."""
    if leaf.statement is not None:
        return SignatureLevel.ARTIFACT
    return SignatureLevel.NONE if leaf.signature is None else SignatureLevel.METADATA


async def _sort_known(
    connection: AsyncConnection, peer: Peer, source_id: str, leaf: AnyLeaf, intake: Intake, now: int
) -> None:
    match leaf:
        case PublisherLeaf() if leaf.version > await newest_key_version(connection, source_id):
            intake.documents.add(source_id)
        case CatalogLeaf() if leaf.sequence > await catalog_sequence(connection, source_id):
            intake.documents.add(source_id)
        case EvidenceLeaf():
            intake.evidence.add(source_id)
        case CustodyLeaf():
            source = await get_source(connection, source_id)
            if source is not None and leaf.key != _hash_key(source.public_key):
                intake.events.append(_tell_custody(peer, source, now))


async def _find_wants(
    connection: AsyncConnection, peer: Peer, found: Sequence[tuple[int, ReleaseLeaf]], now: int
) -> list[Want]:
    here = await digests_among(connection, {(leaf.source, leaf.slug) for _, leaf in found})
    wants = {}
    for index, leaf in found:
        key = (leaf.source, leaf.slug, leaf.version)
        known = here.get(key)
        if known == leaf.sha256 or (known is None and not peer.policy.could_want(leaf.source, level_of(leaf))):
            continue
        wants[key] = Want(*key, peer.id, index, leaf.sha256, next_retry=now)
    return list(wants.values())


def _subject(leaf: AnyLeaf) -> str | None:
    subject: str | None = leaf.subject if isinstance(leaf, EvidenceLeaf) else getattr(leaf, "source", None)
    return subject


def _propose(peer: Peer, leaf: SourceLeaf, now: int) -> Proposal:
    username = leaf.source.partition("@")[0]
    return Proposal(leaf.source, peer.id, leaf.instance_url, username, leaf.key.pem, now)


def _tell_custody(peer: Peer, source: Source, now: int) -> Activity:
    sentence = (
        f"At {peer.url} {source.id} has another key than here: its operator gave it one. If its publisher lost its "
        f"keys or sold it, compare the new key with him, then: pfn source reset-custody {source.id}"
    )
    return source_event(source, now, describe("custody_elsewhere", sentence, url=peer.url), private=True)


def _hash_key(pem: str) -> str:
    return hashlib.sha256(parse_public_key(pem).raw).hexdigest()
