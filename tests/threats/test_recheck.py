"""Rechecks of signed releases: the whole chain is walked again, and only what really broke is blamed."""

import asyncio
import base64
from pathlib import Path

import pytest
from tests.support.rows import open_rows
from tests.threats.conftest import Node, Time

from pfn.domain.schedule import Outcome, Result
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code
from pfn.testing.publisher_v2 import FakePublisherV2


async def recheck(node: Node, clock: Time, source_id: str) -> Outcome:
    """Recheck a source, a day later."""
    clock.pass_days(1)
    return await node.http._transport.app.state.services.rechecks.run(source_id)  # type: ignore[attr-defined]


async def execute(node: Node, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Change rows behind the node's back."""

    def change() -> list[tuple[object, ...]]:
        with open_rows(node.data) as connection:
            return connection.execute(statement, values).fetchall()

    # In a thread: the node, in this very loop, may have to end a transaction first.
    return await asyncio.to_thread(change)


async def blob_file(node: Node, plugin: str, version: str) -> Path:
    [(path,)] = await execute(
        node, "SELECT local_path FROM mirrored_plugins WHERE plugin_id = ? AND version = ?", plugin, version
    )
    return node.data / "blobs" / str(path)


@pytest.fixture
async def source_id(node: Node, publisher: FakePublisherV2) -> str:
    publisher.add_plugin("hello", "1.0")
    source_id = await node.register(publisher)
    publisher.add_plugin("hello", "1.1")
    await node.sync(source_id)
    return source_id


async def test_honest_releases_hold_for_months(
    node: Node, clock: Time, publisher: FakePublisherV2, source_id: str
) -> None:
    for _ in range(3):
        clock.pass_days(29)
        outcome = await recheck(node, clock, source_id)
        assert (outcome.result, outcome.detail) == (Result.UNCHANGED, "2 blobs are whole")
    assert "proof_broken" not in await node.actions(source_id)
    assert await node.versions(source_id) == {"hello": ["1.1", "1.0"]}


async def test_a_yanked_release_is_no_broken_proof(
    node: Node, clock: Time, publisher: FakePublisherV2, source_id: str
) -> None:
    publisher.yank("hello", "1.0", "It eats data.")
    await node.sync(source_id)
    await recheck(node, clock, source_id)
    assert (await node.actions(source_id))[0] == "release_yanked"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_damaged_bytes_come_back_from_wherever_the_publisher_has_them(
    node: Node, clock: Time, publisher: FakePublisherV2, source_id: str, version: str
) -> None:
    path = await blob_file(node, "hello", version)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    outcome = await recheck(node, clock, source_id)
    assert outcome.result is Result.UNCHANGED
    assert path.read_bytes() == whole
    assert (await node.actions(source_id))[:2] == ["bytes_restored", "bytes_corrupt"]
    assert "recent_mismatch" not in await node.gates(source_id)


async def test_damaged_bytes_are_served_to_nobody_until_they_are_whole(
    node: Node, clock: Time, publisher: FakePublisherV2, source_id: str
) -> None:
    path = await blob_file(node, "hello", "1.1")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    publisher.remove_zip("hello", "1.1")
    assert (await recheck(node, clock, source_id)).result is Result.FAILED
    asked = {"source": source_id, "plugin": "hello", "version": "1.1"}
    answer = await node.http.get("/federation/download", params=asked)
    assert answer.json()["code"] == Code.BLOB_CORRUPT.slug
    verdict = await node.get("verify", **asked)
    assert (verdict["valid"], verdict["checks"][0]["name"]) == (False, "bytes_present")
    publisher.replace_zip("hello", "1.1", whole)
    assert (await recheck(node, clock, source_id)).result is Result.UNCHANGED
    assert (await node.http.get("/federation/download", params=asked)).content == whole


async def test_a_statement_that_was_changed_in_the_rows_is_noticed(
    node: Node, clock: Time, publisher: FakePublisherV2, source_id: str
) -> None:
    [(envelope,)] = await execute(node, "SELECT envelope FROM release_statements WHERE version = '1.0'")
    assert isinstance(envelope, bytes)
    index = envelope.index(b'"sig":"') + 12
    changed = bytearray(envelope)
    changed[index] = ord("A") if changed[index] != ord("A") else ord("B")
    await execute(node, "UPDATE release_statements SET envelope = ? WHERE version = '1.0'", bytes(changed))
    await recheck(node, clock, source_id)
    assert (await node.actions(source_id))[0] == "proof_broken"
    assert "recent_mismatch" in await node.gates(source_id)
    answer = await node.http.get(
        "/federation/download", params={"source": source_id, "plugin": "hello", "version": "1.0"}
    )
    assert answer.json()["code"] == Code.RELEASE_BLOCKED.slug
    clock.pass_days(31)
    assert "recent_mismatch" not in await node.gates(source_id)


async def test_a_later_holders_statements_are_not_those_of_the_releases_before(
    node: Node, clock: Time, publisher: FakePublisherV2, source_id: str
) -> None:
    """After a custody reset its statements count from 1 again: the same numbers, other releases."""
    publisher.start_over()
    publisher.add_plugin("hello", "2.0")
    answer = await node.post("reset-custody", sourceId=source_id, public_key=publisher.public_key_pem)
    assert answer.status_code == 200, answer.text
    clock.pass_days(8)
    publisher.now = int(clock.now)
    publisher.renew_catalog()
    assert (await node.post("verify-source", sourceId=source_id)).json()["success"]
    await node.sync(source_id)
    assert (await node.versions(source_id))["hello"] == ["2.0", "1.1", "1.0"]
    assert (await recheck(node, clock, source_id)).detail == "3 blobs are whole"
    assert "proof_broken" not in await node.actions(source_id)
    for version in ("1.0", "1.1", "2.0"):
        verdict = await node.get("verify", source=source_id, plugin="hello", version=version)
        assert verdict["valid"], verdict["checks"]


async def test_a_signature_somebody_else_made_does_not_pass_for_the_kept_one(
    node: Node, clock: Time, source_id: str
) -> None:
    thief = SigningKey.generate()
    [(message,)] = await execute(node, "SELECT signed_message FROM mirrored_plugins WHERE version = '1.0'")
    assert isinstance(message, bytes)
    await execute(
        node,
        "UPDATE mirrored_plugins SET signature = ? WHERE version = '1.0'",
        base64.b64encode(thief.sign(message)).decode(),
    )
    await recheck(node, clock, source_id)
    assert (await node.actions(source_id))[0] == "proof_broken"
