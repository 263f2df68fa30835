"""Nodes that mirror each other: what their tests do again and again."""

from typing import Any

from tests.support.network import ServedNode

from pfn.domain.peer import Peer
from pfn.domain.schedule import Outcome
from pfn.domain.verification import VerificationType
from pfn.protocol.source_id import source_id
from pfn.storage.peer import Want, list_wants
from pfn.testing.peer import FakePeer
from pfn.testing.publisher import FakePublisher


async def follow(node: ServedNode, publisher: FakePublisher, **filters: Any) -> str:
    """Have a node register a publisher, verify it and mirror what it lists; give the source's id."""
    name = source_id(publisher.url, publisher.username)
    if name not in {row["id"] for row in await node.get("sources")}:
        await register(node, publisher)
    verified = await node.services.verifications.verify(name, VerificationType.MANUAL, "test")
    assert verified.result.value == "success", verified.details
    answer = await node.post("subscribe", sourceId=name, filters=filters)
    assert answer.status_code == 200, answer.text
    return name


async def register(node: ServedNode, publisher: FakePublisher) -> str:
    """Have a node register a publisher and do nothing more; give the source's id."""
    await node.services.sources.add("test", publisher.url, publisher.username, publisher.public_key_pem)
    return source_id(publisher.url, publisher.username)


async def sync(node: ServedNode, source: str) -> None:
    """Sync a source that a node follows."""
    outcome = await node.services.syncs.run_now(source)
    assert outcome.sync.code is None, outcome.sync.detail


async def befriend(node: ServedNode, other: ServedNode | FakePeer, **policy: Any) -> int:
    """Have a node take another one for a peer; give the peer's id."""
    body: dict[str, Any] = {"policy": policy} if policy else {}
    answer = await node.post("peers", url=other.url, **body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["peer_id"])


async def read(node: ServedNode, peer_id: int, times: int = 1) -> Outcome:
    """Do runs with a peer, as a worker does."""
    outcome = await node.services.peer_syncs.run(peer_id)
    for _ in range(times - 1):
        outcome = await node.services.peer_syncs.run(peer_id)
    return outcome


async def peer_of(node: ServedNode, peer_id: int) -> Peer:
    return await node.services.peers.get(peer_id)


async def wants(node: ServedNode, peer_id: int) -> list[Want]:
    async with node.database.read() as connection:
        return list(await list_wants(connection, peer_id))


async def versions(node: ServedNode, source: str) -> dict[str, list[str]]:
    """Give the versions of each plugin of a source that a node offers."""
    page = await node.get("plugins", source=source, limit=200)
    return {row["plugin_id"]: sorted(one["version"] for one in row["versions"]) for row in page["plugins"]}


async def download(node: ServedNode, source: str, plugin: str, version: str) -> bytes:
    answer = await node.http.get(
        "/federation/download", params={"source": source, "plugin": plugin, "version": version}
    )
    assert answer.status_code == 200, answer.text
    return answer.content
