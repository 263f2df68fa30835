"""Following a peer's log from two processes at once: what one of them believed, another does not take back."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from tests.support.mesh import befriend, peer_of, read
from tests.support.network import ServedNode, serve_node

from pfn.outbound.fetch import Fetcher
from pfn.outbound.peer import PeerClient
from pfn.outbound.policy import OutboundPolicy
from pfn.services.log_evidence import LogEvidenceService
from pfn.services.tail import TailService
from pfn.testing.peer import FakePeer


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node") as served:
        yield served


async def test_who_comes_late_does_not_set_back_what_is_known(node: ServedNode) -> None:
    async with FakePeer() as peer, Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher:
        peer.log(b'{"t":"test","v":{}}')
        peer_id = await befriend(node, peer)
        await read(node, peer_id)
        late = await peer_of(node, peer_id)
        for number in range(4):
            peer.log(b'{"t":"test","v":{"number":%d}}' % number)
        await read(node, peer_id)
        # The late one was shown a tree of before; it is honest, and older than what is known by now.
        peer.show(3)
        accuser = cast("LogEvidenceService", None)  # nothing here is a lie
        tail = TailService(node.database, PeerClient(fetcher), accuser, node.clock, most_entries=100)
        believed = await tail.advance(late)
    known = await peer_of(node, peer_id)
    assert (known.size, known.read_to, known.lag) == (5, 5, 0)
    assert believed == known
