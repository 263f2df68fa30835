"""Nodes that meet over HTTP: each proves itself to the other, and who does not is no peer."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.outbound.raw_server import RawServer, reply
from tests.support.network import ServedNode, serve_node
from tests.support.peers import describe_node, make_key, make_peer
from tests.support.problem import assert_problem
from tests.support.site import Time

from pfn.domain.peer import PeerState
from pfn.outbound.fetch import Fetcher
from pfn.outbound.peer import PeerClient
from pfn.outbound.policy import OutboundPolicy
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import PeerLeaf, parse_leaf
from pfn.protocol.peer import NodeDescription, new_peer_challenge
from pfn.services.peer_introduction import MOST_MEETINGS, MOST_PROPOSALS, PROPOSAL_LIVES_S
from pfn.storage.log import count_leaves, list_leaves
from pfn.storage.peer import add_peer, change_peer, put_peer_leaves

DAY = 86_400


@dataclass
class Pretender:
    """A node that says what a test wants, and signs what it is sent with the key it is given."""

    server: RawServer
    node: NodeDescription
    key: SigningKey
    signed: Callable[[str], str] = lambda text: text

    @property
    def url(self) -> str:
        return self.server.url("")

    def show(self, **changes: Any) -> None:
        """Show another description from now on."""
        self.node = describe_node(**{"url": self.url, **changes})
        self.server.answers["/federation/node"] = reply(json.dumps(self.node.to_json()).encode())
        self.server.answers["/federation/peers/hello"] = reply(b'{"status": "active"}')
        self.server.answers["/federation/node/prove"] = self._prove

    async def _prove(self, writer: asyncio.StreamWriter) -> None:
        text = self.signed(json.loads(self.server.received[-1].body)["challenge"])
        signature = base64.b64encode(self.key.sign(text.encode())).decode()
        writer.write(reply(json.dumps({"signature": signature}).encode()))


@pytest.fixture
async def pretender() -> AsyncIterator[Pretender]:
    async with RawServer() as server:
        pretender = Pretender(server, describe_node(), make_key(3))
        pretender.show()
        yield pretender


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def ours(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "ours", clock=clock, operator="Our Society") as node:
        yield node


@pytest.fixture
async def theirs(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "theirs", clock=clock, node_name="Theirs") as node:
        yield node


async def peer_leaves(node: ServedNode) -> list[PeerLeaf]:
    """Give what a node's log says of its peers."""
    async with node.database.read() as connection:
        leaves = [parse_leaf(leaf) for leaf in await list_leaves(connection, 0, await count_leaves(connection))]
    return [leaf for leaf in leaves if isinstance(leaf, PeerLeaf)]


async def due(node: ServedNode) -> set[str]:
    """Give which work with peers is due."""
    return {row.kind.value for row in await node.services.schedule.list("1")}


async def test_two_nodes_become_peers(ours: ServedNode, theirs: ServedNode) -> None:
    added = (await ours.post("peers", url=theirs.url, operator="The others")).json()
    assert (added["status"], added["status_there"]) == ("active", "proposed")
    assert "its operator has to accept it" in added["message"]
    shown = added["peer"]
    assert (shown["name"], shown["operator"]) == ("Theirs", "The others")
    assert shown["fingerprint"] == theirs.services.public_key.fingerprint
    assert shown["log_key"] == theirs.services.description.log_key.text
    assert await due(ours) == {"peer", "witness"}

    (proposed,) = await theirs.get("peers")
    assert (proposed["url"], proposed["state"], proposed["operator"]) == (ours.url, "proposed", "Our Society")
    assert await due(theirs) == set()
    assert await peer_leaves(theirs) == []
    accepted = await theirs.post(f"peers/{proposed['id']}/accept", operator="Friends")
    assert accepted.json()["peer"]["operator"] == "Friends"
    assert await due(theirs) == {"peer", "witness"}

    assert await ours.actions() == ["peer_added"]
    assert await theirs.actions() == ["peer_proposed", "peer_accepted"]
    for node, other in ((ours, theirs), (theirs, ours)):
        (leaf,) = await peer_leaves(node)
        assert (leaf.origin, leaf.state) == (other.services.description.origin, "active")


async def test_whoever_is_added_first_is_greeted_as_a_peer(ours: ServedNode, theirs: ServedNode) -> None:
    await ours.post("peers", url=theirs.url)
    added = (await theirs.post("peers", url=ours.url)).json()
    assert (added["status"], added["status_there"]) == ("active", "active")
    assert await theirs.actions() == ["peer_proposed", "peer_added"]
    assert (await ours.post("peers/hello", url=theirs.url)).json() == {"status": "active"}
    assert await ours.actions() == ["peer_added"]


async def test_everyone_may_know_which_node_it_is(ours: ServedNode) -> None:
    answer = await ours.http.get("/federation/node", headers={"Authorization": ""})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert NodeDescription.model_validate(answer.json()) == ours.services.description
    assert answer.json()["operator"] == "Our Society"


async def test_the_identity_key_signs_challenges_to_its_node_and_nothing_else(ours: ServedNode, clock: Time) -> None:
    asked = new_peer_challenge(
        ours.services.description, asking="https://x.example.org", now=int(clock.now), random_bytes=bytes
    )
    assert (await ours.post("node/prove", challenge=asked.text)).status_code == 200
    for text in ("hello", asked.text + "\n", asked.text.replace("pfn-peer-v1", "pfn-ownership-v2")):
        assert_problem(await ours.post("node/prove", challenge=text), Code.OWNERSHIP_CHALLENGE)
    clock.now += 301
    assert_problem(await ours.post("node/prove", challenge=asked.text), Code.OWNERSHIP_CHALLENGE)


async def test_a_node_is_not_its_own_peer(ours: ServedNode, pretender: Pretender, clock: Time, tmp_path: Path) -> None:
    assert_problem(await ours.post("peers", url=ours.url), Code.WRONG_STATE)
    assert_problem(await ours.post("peers/hello", url=ours.url), Code.WRONG_STATE)
    # A copy of its folder is the same node, and a stranger with its log's key is no other.
    own = ours.services.description
    pretender.show(origin=own.origin, log_key=own.log_key)
    assert_problem(await ours.post("peers", url=pretender.url), Code.WRONG_STATE)
    assert await ours.get("peers") == []


Trick = Callable[[Pretender], None]


def sign_with_another_key(pretender: Pretender) -> None:
    pretender.key = make_key(99)


def replay(pretender: Pretender) -> None:
    old = new_peer_challenge(pretender.node, asking="https://x.example.org", now=1, random_bytes=bytes).text
    pretender.signed = lambda text: old


def sign_for_another_log(pretender: Pretender) -> None:
    own, stolen = pretender.node.log_key.text, describe_node(2)
    pretender.show(origin=stolen.origin, log_key=stolen.log_key)
    pretender.signed = lambda text: text.replace(stolen.log_key.text, own)


@pytest.mark.parametrize("trick", [sign_with_another_key, replay, sign_for_another_log])
async def test_who_does_not_prove_its_key_is_no_peer(ours: ServedNode, pretender: Pretender, trick: Trick) -> None:
    trick(pretender)
    assert_problem(await ours.post("peers", url=pretender.url), Code.PEER_PROOF)
    assert_problem(await ours.post("peers/hello", url=pretender.url), Code.PEER_PROOF)
    assert await ours.get("peers") == []
    # What a stranger fails to prove is no news; what an operator's candidate fails to prove is.
    assert await ours.actions() == ["peer_unproven"]
    assert await peer_leaves(ours) == []


async def test_another_key_than_the_operator_was_told_is_refused(ours: ServedNode, theirs: ServedNode) -> None:
    for key, code in (
        (describe_node().identity_key.fingerprint, Code.PEER_KEYS),
        (theirs.services.description.log_key.key.fingerprint, Code.PEER_KEYS),
        ("SHA256:short", Code.INVALID_FIELD),
    ):
        assert_problem(await ours.post("peers", url=theirs.url, identity_key=key), code)
    told = theirs.services.public_key.fingerprint
    assert (await ours.post("peers", url=theirs.url, identity_key=told)).status_code == 201


async def test_a_node_has_one_address(ours: ServedNode, pretender: Pretender) -> None:
    pretender.show(url="https://elsewhere.example.org")
    refused = assert_problem(await ours.post("peers", url=pretender.url), Code.PEER_ANSWER)
    assert "https://elsewhere.example.org" in refused["detail"]
    for url, code in (
        (pretender.url + "/x?y", Code.INVALID_URL),
        ("http://example.org", Code.INVALID_URL),
        ("https://192.168.0.1", Code.INVALID_URL),
    ):
        assert_problem(await ours.post("peers", url=url), code)
        assert_problem(await ours.post("peers/hello", url=url), code)


async def test_a_peer_that_does_not_answer_the_introduction_is_a_peer_still(
    ours: ServedNode, pretender: Pretender
) -> None:
    pretender.server.answers["/federation/peers/hello"] = reply(b"{}", status="500 Oops")
    added = (await ours.post("peers", url=pretender.url)).json()
    assert (added["status"], added["status_there"]) == ("active", None)
    assert "could not introduce itself" in added["message"]


async def test_an_address_has_one_log_and_a_log_one_address(ours: ServedNode, pretender: Pretender) -> None:
    await ours.post("peers", url=pretender.url)
    assert_problem(await ours.post("peers", url=pretender.url), Code.PEER_EXISTS)
    first = pretender.node
    fresh = describe_node(7)
    pretender.show(origin=fresh.origin, log_key=fresh.log_key)
    warned = assert_problem(await ours.post("peers", url=pretender.url), Code.PEER_KEYS)
    assert "pfn peer remove 1" in warned["detail"]
    async with RawServer() as server:
        moved = Pretender(server, first, make_key(3))
        moved.show()
        refused = assert_problem(await ours.post("peers", url=moved.url), Code.PEER_EXISTS)
        assert pretender.url in refused["detail"]
        assert_problem(await ours.post("peers/hello", url=moved.url), Code.PEER_EXISTS)

        # Once the operator has removed it, its log goes on at the other address, with what is known of it.
        async with ours.database.write() as connection:
            await put_peer_leaves(connection, 1, 0, [b"leaf"])
            await change_peer(connection, 1, size=1, root=b"r" * 32, read_to=1)
        await ours.post("peers/1/remove")
        back = (await ours.post("peers", url=moved.url)).json()["peer"]
        assert (back["id"], back["url"], back["log_size"], back["read_to"]) == (1, moved.url, 1, 0)
        # Another log at the old address is another peer.
        other = (await ours.post("peers", url=pretender.url)).json()["peer"]
        assert (other["id"], other["log_size"]) == (2, 0)


async def test_a_new_log_at_a_removed_peers_address_starts_over(ours: ServedNode, pretender: Pretender) -> None:
    await ours.post("peers", url=pretender.url)
    async with ours.database.write() as connection:
        await put_peer_leaves(connection, 1, 0, [b"leaf"])
        await change_peer(connection, 1, size=1, root=b"r" * 32)
    await ours.post("peers/1/remove")
    fresh = describe_node(7)
    pretender.show(origin=fresh.origin, log_key=fresh.log_key)
    back = (await ours.post("peers", url=pretender.url)).json()["peer"]
    assert (back["id"], back["log_size"]) == (2, 0)
    assert_problem(await ours.http.get("/federation/peers/1"), Code.PEER_UNKNOWN)


async def test_a_proposal_must_be_accepted_with_the_keys_it_came_with(ours: ServedNode, pretender: Pretender) -> None:
    assert (await ours.post("peers/hello", url=pretender.url)).json() == {"status": "proposed"}
    asked = len(pretender.server.received)
    assert (await ours.post("peers/hello", url=pretender.url)).json() == {"status": "proposed"}
    assert len(pretender.server.received) == asked
    pretender.show(witness_key=describe_node(5).witness_key)
    assert_problem(await ours.post("peers/1/accept"), Code.PEER_KEYS)
    pretender.show()
    pretender.key = make_key(98)
    assert_problem(await ours.post("peers/1/accept"), Code.PEER_PROOF)
    pretender.key = make_key(3)
    assert_problem(
        await ours.post("peers/1/accept", identity_key=describe_node(5).identity_key.fingerprint), Code.PEER_KEYS
    )
    assert (await ours.post("peers/1/accept")).json()["status"] == "active"
    assert_problem(await ours.post("peers/1/accept"), Code.WRONG_STATE)
    assert_problem(await ours.post("peers/2/accept"), Code.PEER_UNKNOWN)


async def test_a_refused_proposal_is_forgotten_and_may_come_again(ours: ServedNode, pretender: Pretender) -> None:
    await ours.post("peers/hello", url=pretender.url)
    assert (await ours.post("peers/1/remove")).json()["status"] == "removed"
    assert await ours.get("peers") == []
    assert (await ours.post("peers/hello", url=pretender.url)).json() == {"status": "proposed"}
    assert await ours.actions() == ["peer_proposed", "peer_refused", "peer_proposed"]
    assert await peer_leaves(ours) == []


async def test_a_stranger_cannot_squat_another_nodes_log(
    ours: ServedNode, theirs: ServedNode, pretender: Pretender
) -> None:
    stolen = theirs.services.description
    pretender.show(origin=stolen.origin, log_key=stolen.log_key, witness_key=stolen.witness_key)
    await ours.post("peers/hello", url=pretender.url)
    assert_problem(await ours.post("peers/hello", url=theirs.url), Code.PEER_EXISTS)
    added = (await ours.post("peers", url=theirs.url)).json()
    assert [peer["url"] for peer in await ours.get("peers")] == [theirs.url]
    assert added["peer"]["fingerprint"] == theirs.services.public_key.fingerprint


async def fill(node: ServedNode, count: int) -> None:
    """Have so many strangers wait."""
    async with node.database.write() as connection:
        for number in range(100, 100 + count):
            peer = make_peer(number, PeerState.PROPOSED)
            await add_peer(connection, peer)
            await change_peer(connection, number - 99, created_at=int(node.clock.now))


async def test_strangers_cannot_fill_the_table(ours: ServedNode, pretender: Pretender, clock: Time) -> None:
    await fill(ours, MOST_PROPOSALS)
    refused = await ours.post("peers/hello", url=pretender.url)
    assert_problem(refused, Code.TOO_MANY_REQUESTS)
    assert refused.headers["retry-after"] == str(DAY)
    assert pretender.server.received == []
    # The operator is not bound by it, and old proposals make room.
    assert (await ours.post("peers", url=pretender.url)).status_code == 201
    await ours.post("peers/51/remove")
    clock.now += PROPOSAL_LIVES_S + 1
    assert (await ours.post("peers/hello", url=pretender.url)).status_code == 200
    assert len(await ours.get("peers")) == 1


async def test_a_host_has_one_proposal(ours: ServedNode, pretender: Pretender) -> None:
    await ours.post("peers/hello", url=pretender.url)
    assert_problem(await ours.post("peers/hello", url=pretender.url + "/another"), Code.TOO_MANY_REQUESTS)


async def test_few_strangers_are_met_at_a_time(ours: ServedNode, pretender: Pretender) -> None:
    release, waiting = asyncio.Event(), 0

    async def wait(writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        await release.wait()
        writer.write(reply(b"{}"))

    paths = [f"/node{number}" for number in range(MOST_MEETINGS + 1)]
    pretender.server.answers |= {f"{path}/federation/node": wait for path in paths}
    asked = [asyncio.create_task(ours.post("peers/hello", url=pretender.url + path)) for path in paths[:-1]]
    async with asyncio.timeout(60):
        while waiting < MOST_MEETINGS:
            await asyncio.sleep(0.01)
    refused = await ours.post("peers/hello", url=pretender.url + paths[-1])
    assert_problem(refused, Code.TOO_MANY_REQUESTS)
    release.set()
    for answer in await asyncio.gather(*asked):
        assert_problem(answer, Code.PEER_ANSWER)
    assert (await ours.post("peers/hello", url=pretender.url)).status_code == 200


async def test_no_stranger_leads_into_what_the_operator_opened(tmp_path: Path, pretender: Pretender) -> None:
    async with serve_node(tmp_path / "node", allow_loopback=False, allow_hosts=("127.0.0.1",)) as node:
        assert_problem(await node.post("peers/hello", url=pretender.url), Code.INVALID_URL)
        assert pretender.server.received == []
        assert (await node.post("peers", url=pretender.url)).status_code == 201


async def test_a_node_keeps_the_names_of_its_log_and_witness_when_it_moves(tmp_path: Path) -> None:
    async with serve_node(tmp_path / "node", public_url="https://old.example.org/pfn/") as node:
        before = node.services.description
    async with serve_node(tmp_path / "node", public_url="https://new.example.org") as node:
        after = node.services.description
    assert (before.url, after.url) == ("https://old.example.org/pfn", "https://new.example.org")
    assert (before.log_key, before.witness_key) == (after.log_key, after.witness_key)
    assert (after.origin, after.witness_key.name) == ("old.example.org/pfn", "old.example.org/witness")
    with pytest.raises(PfnError) as refused:
        async with serve_node(tmp_path / "node", public_url="https://bad_name.example.org"):
            pass
    assert refused.value.code is Code.CONFIG_INVALID


async def test_the_client_and_the_node_speak_alike(ours: ServedNode) -> None:
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher:
        client = PeerClient(fetcher)
        assert await client.get_node(ours.url) == ours.services.description
        with pytest.raises(PfnError) as refused:
            await client.hello(ours.url, "https://node.example.invalid")
    assert refused.value.code is Code.PEER_ANSWER
