"""Nodes that were never there: descriptions with keys of their own, and the peers made of them."""

from typing import Any

from pfn.domain.peer import Peer, PeerState, introduce
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.log.cosignature import Cosigner
from pfn.protocol.log.note import NoteSigner
from pfn.protocol.peer import NodeDescription

NOW = 1_800_000_000


def make_key(number: int) -> SigningKey:
    """Give a key that a number names."""
    return SigningKey(number.to_bytes(32, "big"))


def describe_node(number: int = 1, **changes: Any) -> NodeDescription:
    """Make the description of a node with three keys and an address of its own, unless ``changes`` says otherwise."""
    host = f"node{number}.example.org"
    members = {
        "name": f"Node {number}",
        "url": f"https://{host}",
        "operator": f"Society {number}",
        "origin": f"{host}/pfn",
        "identity_key": make_key(3 * number).public_key,
        "log_key": NoteSigner(f"{host}/pfn", make_key(3 * number + 1)).verifier_key,
        "witness_key": Cosigner(f"{host}/witness", make_key(3 * number + 2)).verifier_key,
        "software": "pfn",
        "version": "1.0",
    }
    return NodeDescription(**members | changes)


def make_peer(number: int = 1, state: PeerState = PeerState.ACTIVE) -> Peer:
    """Make a peer as it is when it was just met."""
    return introduce(describe_node(number), None, state, NOW)
