"""What happens is in the log, in the transaction that makes it so: each thing once, and nothing ever taken out."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from tests.support.log import read_log
from tests.support.problem import assert_problem
from tests.support.rows import open_rows
from tests.support.syncing import SyncNode, open_sync_node

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import (
    AnyLeaf,
    CatalogLeaf,
    CustodyLeaf,
    EvidenceLeaf,
    PublisherLeaf,
    ReleaseLeaf,
    RevocationLeaf,
    SourceLeaf,
    VerificationLeaf,
    YankLeaf,
    write_leaf,
)
from pfn.services.log_check import check_log
from pfn.storage.database import Database
from pfn.storage.identity import LOG_MARK_NAME
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

MANY = 1000


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SyncNode]:
    async with open_sync_node(tmp_path / "node") as node:
        yield node


@pytest.fixture
async def publisher(node: SyncNode) -> AsyncIterator[FakePublisherV2]:
    async with FakePublisherV2("alice", now=int(node.clock.now)) as publisher:
        yield publisher


async def leaves(node: SyncNode) -> list[AnyLeaf]:
    return (await read_log(node.http)).parsed


async def kinds(node: SyncNode) -> list[str]:
    return [leaf.kind for leaf in await leaves(node)]


async def find(node: SyncNode, kind: type[AnyLeaf]) -> Any:
    """Give the one leaf of a kind."""
    (leaf,) = [leaf for leaf in await leaves(node) if isinstance(leaf, kind)]
    return leaf


async def check(node: SyncNode) -> None:
    """Look the whole log over as ``pfn log check`` does."""
    database: Database = node.services.log._database  # the test's own look at the rows
    await check_log(database, node.services.log.key, None, lambda _done, _size: None)


async def test_what_a_signed_release_leaves_in_the_log(node: SyncNode, publisher: FakePublisherV2) -> None:
    content = publisher.add_plugin("one", "1.0")
    source_id = await node.add(publisher)
    await node.subscribe(source_id)
    said = await leaves(node)
    assert [leaf.kind for leaf in said] == ["source", "publisher", "verification", "catalog", "release"]
    now = int(node.clock.now)
    source, document, proof, catalog, release = said
    assert isinstance(source, SourceLeaf)
    assert (source.source, source.instance_url, source.state) == (source_id, publisher.url, "registered")
    assert source.key.pem == publisher.public_key_pem
    assert isinstance(proof, VerificationLeaf)
    assert (proof.method, proof.result, proof.code) == ("ownership-v2", "success", None)
    assert isinstance(document, PublisherLeaf)
    assert document.version == 1
    assert isinstance(catalog, CatalogLeaf)
    assert isinstance(release, ReleaseLeaf)
    assert (release.slug, release.version, release.length, release.at) == ("one", "1.0", len(content), now)
    assert release.signature is None
    assert release.statement is not None
    assert all(leaf.at == now for leaf in said)
    await check(node)


async def test_a_quiet_day_leaves_nothing(node: SyncNode, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.add(publisher)
    await node.subscribe(source_id)
    before = await kinds(node)
    node.clock.now += 600
    publisher.now = int(node.clock.now)
    await node.work(source_id)
    await node.services.verifications.run_due(source_id)
    await node.services.health.probe(source_id)
    assert await kinds(node) == before


async def test_a_failed_proof_and_its_mending_are_said_once_each(node: SyncNode) -> None:
    async with FakePublisher("bob") as bob:
        source_id = await node.add(bob)
        good, bob.proof_key = bob.proof_key, SigningKey.generate()
        for _ in range(2):
            await node.post("verify-source", sourceId=source_id)
        bob.proof_key = good
        for _ in range(2):
            await node.post("verify-source", sourceId=source_id)
    said = [leaf for leaf in await leaves(node) if isinstance(leaf, VerificationLeaf)]
    assert [(leaf.method, leaf.result) for leaf in said] == [
        ("ownership-v1", "success"),
        ("ownership-v1", "failure"),
        ("ownership-v1", "success"),
    ]
    assert said[1].code == Code.OWNERSHIP_SIGNATURE.slug


async def test_keys_yanks_custody_and_evidence_are_said(node: SyncNode, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    publisher.add_plugin("one", "1.1")
    source_id = await node.add(publisher)
    await node.subscribe(source_id)
    await node.sync(source_id)
    publisher.yank("one", "1.1")
    await node.sync(source_id)
    yank = await find(node, YankLeaf)
    newest = [leaf for leaf in await leaves(node) if isinstance(leaf, CatalogLeaf)][-1]
    assert (yank.slug, yank.version, yank.catalog) == ("one", "1.1", newest.catalog)

    revoked = publisher.release_key.public_key
    since = int(node.clock.now)
    publisher.revoke_release_key(compromised_since=since)
    await node.post("verify-source", sourceId=source_id)
    revocation = await find(node, RevocationLeaf)
    documents = [leaf for leaf in await leaves(node) if isinstance(leaf, PublisherLeaf)]
    assert [leaf.version for leaf in documents] == [1, 2]
    assert (revocation.since, revocation.document) == (since, documents[1].document)
    assert revocation.key == hashlib.sha256(revoked.raw).hexdigest()

    key = SigningKey.generate().public_key
    await node.post("reset-custody", sourceId=source_id, public_key=key.pem)
    custody = await find(node, CustodyLeaf)
    assert custody.key == hashlib.sha256(key.raw).hexdigest()
    assert custody.until > node.clock.now
    await check(node)


async def test_evidence_is_logged_with_the_gate(node: SyncNode) -> None:
    async with FakePublisher("bob") as bob:
        first = bob.add_plugin("one", "1.0")
        source_id = await node.add(bob)
        await node.subscribe(source_id)
        bob.add_plugin("one", "1.0", content=plugin_zip("one", "1.0", description="Other bytes."))
        await node.sync(source_id, recheck=True)
    leaf = await find(node, EvidenceLeaf)
    assert (leaf.about, leaf.subject) == (Code.RELEASE_CONFLICT.slug, source_id)
    assert (leaf.slug, leaf.version) == ("one", "1.0")
    assert len([kind for kind in await kinds(node) if kind == "release"]) == 1
    del first


async def test_what_an_operator_does_with_a_source_is_said(node: SyncNode, publisher: FakePublisherV2) -> None:
    source_id = await node.add(publisher)
    for name, more in (
        ("suspend-source", {"reason": "a test"}),
        ("resume-source", {}),
        ("remove-source", {}),
    ):
        answer = await node.post(name, sourceId=source_id, **more)
        assert answer.status_code == 200, answer.text
    await node.add(publisher)
    said = [leaf.state for leaf in await leaves(node) if isinstance(leaf, SourceLeaf)]
    assert said == ["registered", "suspended", "resumed", "removed", "registered"]


async def test_a_purge_keeps_what_was_said_and_the_release_its_leaf(node: SyncNode) -> None:
    async with FakePublisher("bob") as bob:
        bob.add_plugin("one", "1.0")
        source_id = await node.add(bob)
        await node.subscribe(source_id)
        before = await find(node, ReleaseLeaf)
        index = (await node.get("verify", source=source_id, plugin="one"))["log"]["index"]
        await node.post("remove-source", sourceId=source_id, purge=True)
        assert await find(node, ReleaseLeaf) == before
        await node.add(bob)
        await node.subscribe(source_id)
        assert await find(node, ReleaseLeaf) == before
        verdict = await node.get("verify", source=source_id, plugin="one")
        assert verdict["log"]["index"] == index
    await check(node)


async def test_the_log_remembers_the_first_bytes_though_a_purge_forgot_them(node: SyncNode) -> None:
    async with FakePublisher("bob") as bob:
        bob.add_plugin("one", "1.0")
        source_id = await node.add(bob)
        await node.subscribe(source_id)
        await node.post("remove-source", sourceId=source_id, purge=True)
        bob.add_plugin("one", "1.0", content=plugin_zip("one", "1.0", description="Other bytes."))
        await node.add(bob)
        result = await node.subscribe(source_id)
        assert (result["mirroredCount"], result["failedCount"]) == (0, 1)
        assert (await node.failures(source_id))["one"]["code"] == Code.RELEASE_CONFLICT.slug
    await find(node, ReleaseLeaf)


async def test_a_halted_log_takes_nothing_in_and_hears_later_of_what_could_not_wait(
    node: SyncNode, publisher: FakePublisherV2
) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.add(publisher)
    await node.subscribe(source_id)
    before = await leaves(node)
    await node.services.log.halt("A test halted it.")
    publisher.add_plugin("two", "1.0")
    publisher.rotate_release_key()
    publisher.requests.clear()
    sync = await node.sync(source_id)
    assert (sync["state"], sync["code"]) == ("failed", Code.LOG_HALTED.slug)
    assert not [one for one in publisher.requests if one.path.endswith(".zip")]
    # It is no fault of the source.
    assert (await node.status(source_id))["source"]["status"] == "verified"
    assert not (await node.status(source_id))["trust"]["gates"]
    # What protects people goes on.
    assert (await node.post("suspend-source", sourceId=source_id, reason="a test")).status_code == 200
    assert await leaves(node) == before
    assert_problem(
        await node.post("reset-custody", sourceId=source_id, public_key=SigningKey.generate().public_key.pem),
        Code.LOG_HALTED,
    )
    answer = await node.post("log/resume")
    assert answer.status_code == 200, answer.text
    assert [leaf.kind for leaf in await leaves(node)][len(before) :] == ["source", "publisher", "catalog"]
    await node.post("resume-source", sourceId=source_id)
    await node.post("verify-source", sourceId=source_id)
    await node.sync(source_id)
    assert await node.versions(source_id) == {"one": ["1.0"], "two": ["1.0"]}
    await check(node)


async def test_a_release_is_there_with_its_leaf_or_not_at_all(
    node: SyncNode, publisher: FakePublisherV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails in the transaction, after the leaf or before, leaves neither."""
    publisher.add_plugin("one", "1.0")
    source_id = await node.add(publisher)
    await node.sync(source_id)
    before = await kinds(node)

    for name in ("point_to_leaves", "append", "add_activities"):
        module = "pfn.services.arrival" if name == "add_activities" else "pfn.services.release_log"
        with monkeypatch.context() as patch:

            async def fail(*_: object, **__: object) -> None:
                raise PfnError(Code.STORAGE_FULL, "A test filled the disk.")

            patch.setattr(f"{module}.{name}", fail)
            result = await node.subscribe(source_id)
            assert result["success"] is False
        assert await node.versions(source_id) == {}
        assert [kind for kind in await kinds(node) if kind == "release"] == []
    await node.sync(source_id)
    assert await node.versions(source_id) == {"one": ["1.0"]}
    assert Counter(await kinds(node)) - Counter(before) == Counter(["release"])
    await check(node)


@contextmanager
def counted(node: SyncNode) -> Iterator[Counter[str]]:
    """Count what is written of the log: statements, and rows of the tree."""
    counts: Counter[str] = Counter()
    engine = node.services.log._database.engine.sync_engine  # to listen at the floor

    def hear(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        for table in ("log_leaves", "log_tiles"):
            if statement.startswith(f"INSERT INTO {table}"):
                counts[f"{table} statements"] += 1
                counts[f"{table} rows"] += len(parameters) if isinstance(parameters, list) else 1

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield counts
    finally:
        event.remove(engine, "before_cursor_execute", hear)


async def test_a_thousand_releases_cost_a_handful_of_tile_writes_each_batch(node: SyncNode) -> None:
    async with FakePublisher("bob") as bob:
        for number in range(MANY):
            bob.add_plugin(f"plugin-{number}", "1.0")
        source_id = await node.add(bob)
        with counted(node) as counts:
            assert (await node.subscribe(source_id))["mirroredCount"] == MANY
    batches = -(-MANY // 64)
    assert counts["log_leaves rows"] == MANY
    assert counts["log_leaves statements"] == counts["log_tiles statements"] == batches
    # A partial tile at level 0 a batch, and where one fills up, that, the next and the one above.
    assert batches < counts["log_tiles rows"] <= 2 * batches + 4 * (MANY // 256 + 1)
    await check(node)


def forget_log(data: Path) -> None:
    """Make the rows those of a node from before the log."""
    with open_rows(data) as rows:
        for table in ("log_leaves", "log_tiles", "log_heads"):
            rows.execute(f"DELETE FROM {table}")
        rows.execute("UPDATE mirrored_plugins SET log_index = NULL")
    (data / LOG_MARK_NAME).unlink()


async def test_what_was_there_before_the_log_gets_its_leaves_at_start_once(tmp_path: Path) -> None:
    data = tmp_path / "node"
    async with open_sync_node(data) as node, FakePublisherV2("alice", now=int(node.clock.now)) as alice:
        async with FakePublisher("bob") as bob:
            for number in range(70):
                bob.add_plugin(f"plugin-{number}", "1.0")
            alice.add_plugin("one", "1.0")
            for publisher in (alice, bob):
                await node.subscribe(await node.add(publisher))
            await node.post("suspend-source", sourceId=(await node.get("sources"))[0]["id"], reason="a test")
        before = await leaves(node)
    forget_log(data)
    async with open_sync_node(data) as node:
        said = await leaves(node)
        await check(node)
        counts = Counter(leaf.kind for leaf in said)
        assert counts == {"release": 71, "source": 3, "publisher": 1, "catalog": 1}

        def known(all_leaves: list[AnyLeaf]) -> set[bytes]:
            same = [leaf.model_copy(update={"at": 0}) for leaf in all_leaves if not isinstance(leaf, VerificationLeaf)]
            return {write_leaf(leaf) for leaf in same}

        assert known(said) == known(before)
    async with open_sync_node(data) as node:
        assert await leaves(node) == said
