"""Who witnesses this node's log, how far, and which tree most of them have seen."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.log import WitnessStanding
from pfn.domain.peer import Peer, PeerState
from pfn.protocol.log.note import parse_verifier_key
from pfn.storage.log import Cosignature
from pfn.storage.peer import list_peers


def choose_size(found: Sequence[Cosignature], operators: Mapping[str, str], since: int) -> int | None:
    """Give the size most operators signed since a time, the largest of several; ``operators`` by witness."""
    by_size: dict[int, list[Cosignature]] = defaultdict(list)
    for one in found:
        if one.witness in operators:
            by_size[one.size].append(one)

    def count(signed: Collection[Cosignature]) -> int:
        return len({operators[one.witness] for one in signed})

    return max(
        by_size,
        key=lambda size: (count([one for one in by_size[size] if one.at >= since]), count(by_size[size]), size),
        default=None,
    )


async def list_witnesses(connection: AsyncConnection) -> list[Peer]:
    """Give the peers that are asked to witness this node's log."""
    return [peer for peer in await list_peers(connection, state=PeerState.ACTIVE) if peer.is_witness]


def describe_witness(peer: Peer) -> WitnessStanding:
    """Give how far a peer has witnessed the log."""
    return WitnessStanding(
        name=parse_verifier_key(peer.witness_key).name,
        operator=peer.operator,
        url=peer.url,
        verifier_key=peer.witness_key,
        size=peer.cosigned_size,
        at=peer.cosigned_at,
    )
