"""Threats to freshness: what is the newest, and who says so (docs/security.md names each test)."""

import pytest
from tests.threats.conftest import Node, Time

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code
from pfn.testing import faults
from pfn.testing.publisher_v2 import FakePublisherV2


@pytest.fixture
async def source_id(node: Node, publisher: FakePublisherV2) -> str:
    """A source with one release, mirrored."""
    publisher.add_plugin("one", "1.0")
    return await node.register(publisher)


async def test_rollback_of_the_catalogue_is_refused(node: Node, publisher: FakePublisherV2, source_id: str) -> None:
    publisher.add_plugin("one", "1.1")
    await node.sync(source_id)
    publisher.roll_back_catalog()
    await node.assert_sync_fails(source_id, Code.CATALOG_ROLLBACK)
    assert await node.versions(source_id) == {"one": ["1.1", "1.0"]}


async def test_a_frozen_catalogue_is_served_marked_stale_and_trust_falls(
    node: Node, publisher: FakePublisherV2, source_id: str, clock: Time
) -> None:
    before = (await node.status(source_id))["trust"]
    assert "stale_catalog" not in await node.gates(source_id)
    clock.pass_days(15)
    sync = await node.sync(source_id)
    assert sync["state"] == "finished"
    assert "stale_catalog" in await node.gates(source_id)
    after = (await node.status(source_id))["trust"]
    assert after["score"] <= min(0.5, before["earned"])
    assert await node.versions(source_id) == {"one": ["1.0"]}
    publisher.now = int(clock.now)
    publisher.renew_catalog()
    await node.sync(source_id)
    assert "stale_catalog" not in await node.gates(source_id)


async def test_an_expired_catalogue_that_is_new_is_refused(
    node: Node, publisher: FakePublisherV2, source_id: str, clock: Time
) -> None:
    publisher.add_plugin("one", "1.1")
    clock.pass_days(15)
    await node.assert_sync_fails(source_id, Code.CATALOG_EXPIRED)


async def test_mix_and_match_is_refused(node: Node, publisher: FakePublisherV2, source_id: str) -> None:
    publisher.add_plugin("one", "1.1")
    publisher.renew_catalog(listed={"one": {"statement": "00" * 32}})
    await node.assert_refused(source_id, "one", Code.CATALOG_MISMATCH)


async def test_two_catalogues_of_one_number_are_evidence(
    node: Node, publisher: FakePublisherV2, source_id: str
) -> None:
    publisher.renew_catalog(skip=-1)
    sync = await node.sync(source_id)
    assert (sync["state"], sync["code"]) == ("failed", Code.CATALOG_FORK.slug)
    assert [item["kind"] for item in await node.get("evidence", sourceId=source_id)] == [Code.CATALOG_FORK.slug]
    assert (await node.status(source_id))["trust"]["score"] == 0
    await node.assert_sync_fails(source_id, Code.SOURCE_GATED)


async def test_a_catalogue_by_an_unknown_key_is_refused(node: Node, publisher: FakePublisherV2, source_id: str) -> None:
    publisher.renew_catalog(sign_with=SigningKey.generate())
    await node.assert_sync_fails(source_id, Code.RELEASE_KEY_UNKNOWN)


async def test_a_catalogue_of_the_future_is_refused(node: Node, publisher: FakePublisherV2, source_id: str) -> None:
    publisher.renew_catalog(issued=publisher.present + 86_400, expires=publisher.present + 2 * 86_400)
    await node.assert_sync_fails(source_id, Code.CATALOG_MISMATCH)


async def test_a_byte_changed_in_the_catalogue_is_refused(
    node: Node, publisher: FakePublisherV2, source_id: str
) -> None:
    publisher.add_plugin("one", "1.1")
    path = "/.well-known/pfn/catalog.json"
    body = bytearray(publisher.files[path])
    place = body.index(b'"payload"') + 40
    body[place] = body[place] ^ 1 if body[place] != ord("A") else ord("B")
    publisher.files[path] = bytes(body)
    sync = await node.sync(source_id)
    assert sync["state"] == "failed"
    assert sync["code"] in {Code.SIGNATURE_INVALID.slug, Code.PUBLISHER_DOCUMENT.slug}
    assert await node.versions(source_id) == {"one": ["1.0"]}


async def test_downgrade_to_metadata_signatures_is_refused(
    node: Node, publisher: FakePublisherV2, source_id: str
) -> None:
    publisher.add_plugin("two", "1.0")
    publisher.hidden = True
    verified = (await node.post("verify-source", sourceId=source_id)).json()
    assert verified["success"] is False
    assert verified["code"] == Code.DOWNGRADE.slug
    assert verified["source"]["status"] == "error"
    assert await node.versions(source_id) == {"one": ["1.0"]}
    publisher.hidden = False
    assert (await node.post("verify-source", sourceId=source_id)).json()["success"] is True


async def test_an_endless_catalogue_is_cut_off(node: Node, publisher: FakePublisherV2, source_id: str) -> None:
    publisher.add_plugin("one", "1.1")
    publisher.faults["/.well-known/pfn/catalog.json"] = faults.endless()
    await node.assert_sync_fails(source_id, Code.PUBLISHER_TOO_LARGE)


async def test_a_static_publisher_needs_no_server(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    publisher.faults["/federation-info"] = faults.status(404)
    publisher.faults["/verify-ownership"] = faults.status(404)
    publisher.faults["/author-data"] = faults.status(404)
    source_id = await node.register(publisher)
    status = await node.status(source_id)
    assert status["source"]["status"] == "verified"
    assert status["source"]["generation"] == 2
    assert "ownership_document" in [check["name"] for check in status["verifications"][0]["checks"]]
    assert await node.versions(source_id) == {"one": ["1.0"]}
