"""The bundle of a release, as a node gives it, convinces whoever trusts no node; and says what speaks against it."""

import asyncio
import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.log import read_log
from tests.support.network import ServedNode, make_peers, serve_node
from tests.support.node import PFN
from tests.support.problem import assert_problem
from tests.support.site import Time
from tests.web.api.test_witness import ask

from pfn.client.bundle import verify_logged
from pfn.protocol.ed25519 import PublicKey, SigningKey, parse_public_key
from pfn.protocol.errors import Code
from pfn.protocol.log.bundle import Bundle, parse_bundle
from pfn.protocol.log.bundle_verification import BundleRefusedError, VerifiedBundle, Wanted, verify_bundle
from pfn.protocol.log.checkpoint import parse_checkpoint
from pfn.protocol.log.policy_text import parse_policy
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def ours(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "ours", clock=clock, witness_quorum=1) as node:
        yield node


@pytest.fixture
async def theirs(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "theirs", clock=clock) as node:
        yield node


@pytest.fixture
async def witness(ours: ServedNode, theirs: ServedNode) -> int:
    """The id of the peer that witnesses."""
    return (await make_peers(ours, theirs, operator="Society"))[0]


@pytest.fixture
async def publisher(clock: Time) -> AsyncIterator[FakePublisherV2]:
    async with FakePublisherV2("alice", now=int(clock.now)) as publisher:
        yield publisher


async def register(node: ServedNode, publisher: FakePublisher) -> str:
    body = {"instance_url": publisher.url, "username": publisher.username, "public_key": publisher.public_key_pem}
    source_id: str = (await node.post("add-source", **body)).json()["source_id"]
    assert (await node.post("verify-source", sourceId=source_id)).json()["success"]
    assert (await node.post("subscribe", sourceId=source_id)).status_code == 200
    return source_id


async def sync(node: ServedNode, source_id: str, *, recheck: bool = False) -> None:
    begun = await node.services.syncs.begin(source_id, recheck=recheck)
    assert begun.lease is not None
    await node.services.syncs.run(begun.sync, begun.lease, recheck=recheck)


async def get_bundle(node: ServedNode, source_id: str, slug: str, version: str | None = None) -> Bundle:
    query = {"source": source_id, "plugin": slug, **({} if version is None else {"version": version})}
    answer = await node.http.get("/federation/proof", params=query)
    assert answer.status_code == 200, answer.text
    return parse_bundle(answer.content)


async def verify(
    node: ServedNode, bundle: Bundle, data: bytes, source_id: str, slug: str, pin: PublicKey, **more: Any
) -> VerifiedBundle:
    policy = parse_policy((await node.get("log"))["policy"].encode())
    wanted = Wanted(source_id, slug, pin, more.pop("version", None), more.pop("accept_withdrawn", False))
    return verify_bundle(bundle, data, wanted, policy, now=int(node.clock.now), **more)


async def test_a_stranger_is_convinced_by_the_bundle_alone(
    ours: ServedNode, witness: int, publisher: FakePublisherV2
) -> None:
    zips = {slug: publisher.add_plugin(slug, "1.0") for slug in ("one", "two")}
    source_id = await register(ours, publisher)
    pin = parse_public_key(publisher.public_key_pem)
    bundle = await get_bundle(ours, source_id, "one")
    with pytest.raises(BundleRefusedError) as caught:
        await verify(ours, bundle, zips["one"], source_id, "one", pin)
    assert caught.value.code is Code.WITNESS_QUORUM
    await ask(ours, witness)
    for slug, data in zips.items():
        bundle = await get_bundle(ours, source_id, slug)
        verified = await verify(ours, bundle, data, source_id, slug, pin)
        assert verified.release.statement.slug == slug
        assert verified.witnessing.is_quorum
        # The tree of the bundle is the log's own.
        log = await read_log(ours.http)
        assert verified.checkpoint.head == log.checkpoint.head


async def test_the_best_witnessed_tree_is_the_one_to_prove_with(
    ours: ServedNode, witness: int, publisher: FakePublisherV2, clock: Time
) -> None:
    data = publisher.add_plugin("one", "1.0")
    source_id = await register(ours, publisher)
    await ask(ours, witness)
    seen = (await read_log(ours.http)).checkpoint.size
    await ours.post("suspend-source", sourceId=source_id, reason="a test")
    await ours.post("resume-source", sourceId=source_id)
    assert (await read_log(ours.http)).checkpoint.size > seen
    bundle = await get_bundle(ours, source_id, "one")
    assert bundle.release_entry is not None
    assert parse_checkpoint(bundle.release_entry.proof.note.text).size == seen
    await verify(ours, bundle, data, source_id, "one", parse_public_key(publisher.public_key_pem))


async def test_it_is_the_same_answer_until_something_changes(ours: ServedNode, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    query = {"source": await register(ours, publisher), "plugin": "one"}
    answer = await ours.http.get("/federation/proof", params=query)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    again = await ours.http.get("/federation/proof", params=query, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for wrong, code in (
        ({"source": "nobody@example.org"}, Code.SOURCE_UNKNOWN),
        ({"plugin": "other"}, Code.PLUGIN_UNKNOWN),
        ({"version": "9.9"}, Code.RELEASE_UNKNOWN),
    ):
        assert_problem(await ours.http.get("/federation/proof", params=query | wrong), code)


async def test_a_yanked_release_is_proven_with_what_speaks_against_it(
    ours: ServedNode, witness: int, publisher: FakePublisherV2
) -> None:
    publisher.add_plugin("one", "1.0")
    data = publisher.add_plugin("one", "1.1")
    source_id = await register(ours, publisher)
    publisher.yank("one", "1.1")
    await sync(ours, source_id)
    await ask(ours, witness)
    pin = parse_public_key(publisher.public_key_pem)
    bundle = await get_bundle(ours, source_id, "one", "1.1")
    assert len(bundle.notices) == 1
    with pytest.raises(BundleRefusedError) as caught:
        await verify(ours, bundle, data, source_id, "one", pin, version="1.1")
    assert caught.value.code is Code.RELEASE_YANKED
    await verify(ours, bundle, data, source_id, "one", pin, version="1.1", accept_withdrawn=True)


async def test_evidence_speaks_against_all_until_an_operator_has_decided(
    ours: ServedNode, witness: int, publisher: FakePublisherV2
) -> None:
    data = publisher.add_plugin("one", "1.0")
    publisher.add_plugin("two", "1.0")
    source_id = await register(ours, publisher)
    publisher.add_plugin("two", "1.0", description="What another node was shown.")
    await sync(ours, source_id)
    await ask(ours, witness)
    bundle = await get_bundle(ours, source_id, "one")
    assert len(bundle.notices) == 1
    with pytest.raises(BundleRefusedError) as caught:
        await verify(ours, bundle, data, source_id, "one", parse_public_key(publisher.public_key_pem))
    assert caught.value.code is Code.EVIDENCE_LOGGED
    await ours.post("lift-gate", sourceId=source_id)
    assert not (await get_bundle(ours, source_id, "one")).notices


async def test_a_source_in_its_cool_down_says_so(ours: ServedNode, publisher: FakePublisherV2, clock: Time) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await register(ours, publisher)
    await ours.post("reset-custody", sourceId=source_id, public_key=SigningKey.generate().public_key.pem)
    bundle = await get_bundle(ours, source_id, "one")
    assert len(bundle.notices) == 1
    # What a former holder signed is kept no more, and nothing stands in its place.
    assert (bundle.statement, bundle.publisher, bundle.catalog) == (None, (), None)
    clock.now += 8 * 86_400
    assert not (await get_bundle(ours, source_id, "one")).notices


async def test_a_release_of_v1_is_verified_as_far_as_it_goes(ours: ServedNode, witness: int, tmp_path: Path) -> None:
    async with FakePublisher("bob") as bob:
        data = bob.add_plugin("hello", "1.0")
        source_id = await register(ours, bob)
    await ask(ours, witness)
    bundle = await get_bundle(ours, source_id, "hello")
    assert (bundle.statement, bundle.catalog, bundle.publisher) == (None, None, ())
    policy = parse_policy((await ours.get("log"))["policy"].encode())
    logged = verify_logged(bundle, data, policy, source=source_id, slug="hello", version="1.0", now=int(ours.clock.now))
    assert logged.entry.sha256 == hashlib.sha256(data).hexdigest()
    with pytest.raises(BundleRefusedError) as caught:
        await verify(ours, bundle, data, source_id, "hello", bob.key.public_key)
    assert caught.value.code is Code.UNSIGNED


async def test_by_hand_from_the_node_to_the_verdict(
    ours: ServedNode, witness: int, publisher: FakePublisherV2, tmp_path: Path
) -> None:
    (tmp_path / "one.zip").write_bytes(publisher.add_plugin("one", "1.0"))
    (tmp_path / "pin.pem").write_text(parse_public_key(publisher.public_key_pem).pem)
    source_id = await register(ours, publisher)
    await ask(ours, witness)

    def run(*words: str) -> str:
        result = subprocess.run([PFN, *words], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    node = ("--node", ours.url)
    proof = str(tmp_path / "proof.json")
    said = await asyncio.to_thread(run, "proof", source_id, "one", "1.0", "-o", proof, *node)
    assert ours.prepared.log.name in said.replace("\n", "")
    printed = await asyncio.to_thread(run, "proof", source_id, "one", *node)
    assert json.loads(printed) == json.loads((tmp_path / "proof.json").read_bytes())
    policy = await asyncio.to_thread(run, "log", "policy", *node)
    (tmp_path / "policy.txt").write_text(policy)
    words = ["--policy", str(tmp_path / "policy.txt"), "--pin", str(tmp_path / "pin.pem"), "--json"]
    found = json.loads(await asyncio.to_thread(run, "verify", "--bundle", proof, str(tmp_path / "one.zip"), *words))
    assert found["valid"] is True
    shown = json.loads(await asyncio.to_thread(run, "log", "show", "--json", *node))
    assert shown["origin"] == ours.prepared.log.name
    assert shown["policy"] == policy
    assert shown["halted"] is None
    table = await asyncio.to_thread(run, "log", "show", *node)
    assert "Society" in table
