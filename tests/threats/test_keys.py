"""Threats to keys: theft, loss, rotation, replay, oracles (docs/security.md names each test)."""

import asyncio

from tests.support.problem import assert_problem
from tests.threats.conftest import Node, Time

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code
from pfn.testing.faults import Answer, Fault
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2


def answer_late(asked: asyncio.Event, go_on: asyncio.Event) -> Fault:
    """Answer honestly, but only when told to go on; tell when asked."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.write(honest.head() + honest.body)
        await writer.drain()

    return play


async def verify(node: Node, source_id: str) -> dict[str, object]:
    answer: dict[str, object] = (await node.post("verify-source", sourceId=source_id)).json()
    return answer


async def test_a_rotated_release_key_is_followed(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.rotate_release_key()
    publisher.add_plugin("one", "1.1")
    assert (await node.sync(source_id))["mirrored"] == 1
    assert "key_rotated" in await node.actions(source_id)
    assert (await node.get("verify", source=source_id, plugin="one", version="1.0"))["valid"] is True
    documents = await node.http.get("/federation/key-documents", params={"source": source_id})
    assert len(documents.json()["documents"]) == len(publisher.documents)


async def test_a_retired_key_signs_nothing_new(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    old = publisher.rotate_release_key(overlap=0)
    publisher.add_plugin("one", "1.1", sign_with=old)
    sync = await node.sync(source_id)
    # The present catalogue vouches for the statement, so that late comers can read old rows; the thief of a retired
    # key cannot sign the catalogue.
    assert sync["state"] == "finished"
    publisher.renew_catalog(sign_with=old)
    await node.assert_sync_fails(source_id, Code.RELEASE_KEY_TIME)


async def test_what_a_stolen_key_signed_since_is_blocked_and_what_came_before_stays(
    node: Node, publisher: FakePublisherV2, clock: Time
) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    clock.pass_days(2)
    publisher.now = int(clock.now)
    stolen = publisher.release_key
    publisher.add_plugin("one", "1.1", description="By the thief.")
    await node.sync(source_id)
    assert await node.versions(source_id) == {"one": ["1.1", "1.0"]}
    clock.pass_days(1)
    publisher.now = int(clock.now)
    publisher.revoke_release_key(compromised_since=int(clock.now) - 2 * 86_400)
    publisher.renew_catalog(listed={})
    await node.sync(source_id)
    query = {"source": source_id, "plugin": "one"}
    assert_problem(
        await node.http.get("/federation/download", params={**query, "version": "1.1"}), Code.RELEASE_BLOCKED
    )
    page = await node.get("plugins", source=source_id)
    assert page["plugins"][0]["version"] == "1.0"
    assert (await node.get("verify", **query))["valid"] is True
    assert stolen != publisher.release_key
    assert "key_revoked_by_publisher" in await node.actions(source_id)


async def test_the_same_bytes_stated_anew_with_a_sound_key_are_served_again(
    node: Node, publisher: FakePublisherV2, clock: Time
) -> None:
    content = publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.revoke_release_key(compromised_since=int(clock.now) - 86_400)
    publisher.renew_catalog()
    await node.sync(source_id)
    query = {"source": source_id, "plugin": "one"}
    blocked = await node.http.get("/federation/download", params={**query, "version": "1.0"})
    assert_problem(blocked, Code.RELEASE_BLOCKED)
    publisher.add_plugin("one", "1.0")
    await node.sync(source_id)
    assert (await node.http.get("/federation/download", params=query)).content == content
    assert (await node.get("verify", **query))["valid"] is True
    assert "release_restated" in await node.actions(source_id)


async def test_a_revoked_key_signs_nothing(node: Node, publisher: FakePublisherV2, clock: Time) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    clock.pass_days(1)
    publisher.now = int(clock.now)
    old = publisher.revoke_release_key(compromised_since=int(clock.now))
    publisher.add_plugin("two", "1.0", sign_with=old)
    await node.assert_refused(source_id, "two", Code.RELEASE_KEY_REVOKED)


async def test_a_rolled_back_key_document_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    source_id = await node.register(publisher)
    publisher.rotate_release_key()
    assert (await verify(node, source_id))["success"] is True
    publisher.roll_back_document()
    answer = await verify(node, source_id)
    assert answer["code"] == Code.DOCUMENT_ROLLBACK.slug


async def test_a_key_document_left_out_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    source_id = await node.register(publisher)
    publisher.publish_document(skip=1)
    assert (await verify(node, source_id))["code"] == Code.DOCUMENT_GAP.slug


async def test_a_key_document_with_too_few_root_signatures_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    source_id = await node.register(publisher)
    publisher.publish_document(signed_by=[])
    answer = await verify(node, source_id)
    assert answer["success"] is False
    assert answer["code"] in {Code.DOCUMENT_THRESHOLD.slug, Code.PUBLISHER_DOCUMENT.slug}


async def test_two_key_documents_of_one_version_are_evidence(node: Node, publisher: FakePublisherV2) -> None:
    publisher.rotate_release_key()
    source_id = await node.register(publisher)
    publisher.publish_document(skip=-1)
    assert (await verify(node, source_id))["code"] == Code.DOCUMENT_FORK.slug
    assert [item["kind"] for item in await node.get("evidence", sourceId=source_id)] == [Code.DOCUMENT_FORK.slug]
    assert (await node.status(source_id))["trust"]["score"] == 0


async def test_the_key_document_of_another_instance_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    source_id = await node.register(publisher)
    publisher.publish_document(instance_url="https://elsewhere.example", source="alice@elsewhere.example")
    assert (await verify(node, source_id))["code"] == Code.DOCUMENT_MISMATCH.slug


async def test_somebody_elses_roots_are_refused(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.start_over()
    answer = await verify(node, source_id)
    assert answer["success"] is False
    assert str(answer["code"]).startswith("document_")
    assert await node.versions(source_id) == {"one": ["1.0"]}


async def test_a_pin_that_signed_nothing_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    source_id = await node.add(publisher, public_key=SigningKey.generate().public_key.pem)
    assert (await verify(node, source_id))["code"] == Code.KEY_MISMATCH.slug


async def test_changed_roots_show_as_custody_and_hold_new_releases(
    node: Node, publisher: FakePublisherV2, clock: Time
) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.rotate_root_key()
    publisher.add_plugin("one", "1.1")
    sync = await node.sync(source_id)
    assert (sync["state"], sync["mirrored"]) == ("finished", 0) or sync["wanted"] == 0
    assert "custody_handed_over" in await node.actions(source_id)
    assert "custody_cool_down" in await node.gates(source_id)
    assert await node.versions(source_id) == {"one": ["1.0"]}
    clock.pass_days(3.1)
    assert (await node.sync(source_id))["mirrored"] == 1
    assert "custody_cool_down" not in await node.gates(source_id)


async def test_a_custody_reset_takes_the_operator_a_proof_and_seven_days(
    node: Node, publisher: FakePublisherV2, clock: Time
) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.start_over()
    publisher.add_plugin("one", "2.0")
    answer = await node.post("reset-custody", sourceId=source_id, public_key=publisher.public_key_pem)
    assert answer.status_code == 200, answer.text
    while (await node.status(source_id))["source"]["status"] == "pending":
        await verify(node, source_id)
    assert (await node.status(source_id))["source"]["status"] == "verified"
    assert (await node.status(source_id))["trust"]["score"] <= 0.3
    assert (await node.sync(source_id))["mirrored"] == 0
    assert await node.versions(source_id) == {"one": ["1.0"]}
    clock.pass_days(7.1)
    publisher.now = int(clock.now)
    publisher.renew_catalog()
    assert (await node.sync(source_id))["mirrored"] == 1
    assert await node.versions(source_id) == {"one": ["2.0", "1.0"]}
    assert "custody_reset" in await node.actions(source_id)
    same = await node.post("reset-custody", sourceId=source_id, public_key=publisher.public_key_pem)
    assert_problem(same, Code.WRONG_STATE)


async def test_a_proof_of_the_old_key_does_not_verify_the_new_one(node: Node) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    async with FakePublisher("erin") as publisher:
        source_id = await node.add(publisher)
        publisher.faults["/verify-ownership"] = answer_late(asked, go_on)
        late = asyncio.create_task(node.post("verify-source", sourceId=source_id))
        await asked.wait()
        stranger = SigningKey.generate().public_key.pem
        await node.post("reset-custody", sourceId=source_id, public_key=stranger)
        go_on.set()
        assert_problem(await late, Code.WRONG_STATE)
        publisher.faults.clear()
        assert (await verify(node, source_id))["success"] is False
        assert (await node.status(source_id))["source"]["status"] == "error"


async def test_a_release_of_the_old_key_does_not_come_in_under_the_new_one(
    node: Node, publisher: FakePublisherV2
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    source_id = await node.register(publisher)
    publisher.add_plugin("one", "1.0")
    publisher.faults[publisher.zip_path("one", "1.0")] = answer_late(asked, go_on)
    late = asyncio.create_task(node.sync(source_id))
    await asked.wait()
    stranger = SigningKey.generate().public_key.pem
    await node.post("reset-custody", sourceId=source_id, public_key=stranger)
    go_on.set()
    sync = await late
    assert (sync["state"], sync["code"]) == ("failed", Code.WRONG_STATE.slug)
    assert await node.versions(source_id) == {}
    documents = await node.http.get("/federation/key-documents", params={"source": source_id})
    assert documents.json()["documents"] == []


async def test_a_replayed_ownership_proof_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    source_id = await node.register(publisher)
    publisher.replays = True
    assert (await verify(node, source_id))["code"] == Code.OWNERSHIP_SIGNATURE.slug


async def test_ownership_by_another_key_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    source_id = await node.register(publisher)
    publisher.ownership_key = SigningKey.generate()
    assert (await verify(node, source_id))["code"] == Code.OWNERSHIP_SIGNATURE.slug


async def test_the_ownership_challenge_names_node_publisher_and_time(
    node: Node, publisher: FakePublisherV2, clock: Time
) -> None:
    await node.register(publisher)
    bodies = [one.body.decode() for one in publisher.requests if one.path == "/verify-ownership"]
    assert f"pfn-ownership-v2\\nhttp://node.test\\n{publisher.url}\\nalice\\n" in bodies[0]
    assert bodies[0].count("\\n") == 6
    assert str(int(clock.now)) in bodies[0]


async def test_a_signing_oracle_of_v1_is_marked_everywhere(node: Node, clock: Time) -> None:
    async with FakePublisherV2("bob", now=int(clock.now)) as publisher:
        publisher.hidden = True
        publisher.oracle_key = publisher.key
        source_id = await node.add(publisher, public_key=publisher.key.public_key.pem)
        status = await node.status(source_id)
        assert status["source"]["status"] == "verified"
        assert status["source"]["signing_oracle"] is True
        assert "signing_oracle" in await node.gates(source_id)
        probe = next(check for check in status["verifications"][0]["checks"] if check["name"] == "oracle_probe")
        assert probe["passed"] is False
        assert "signs any text" in probe["detail"]
        asked = len([one for one in publisher.requests if one.path == "/verify-ownership"])
        await verify(node, source_id)
        assert len([one for one in publisher.requests if one.path == "/verify-ownership"]) == asked + 1
        clock.pass_days(31)
        publisher.oracle_key = None
        await verify(node, source_id)
        assert (await node.status(source_id))["source"]["signing_oracle"] is False


async def test_an_honest_v1_publisher_is_no_oracle(node: Node) -> None:
    async with FakePublisher("carol") as publisher:
        source_id = await node.add(publisher)
        status = await node.status(source_id)
        assert status["source"]["signing_oracle"] is False
        assert status["source"]["generation"] == 1


async def test_an_oracles_pin_starts_no_signed_documents(node: Node, clock: Time) -> None:
    async with FakePublisherV2("dave", now=int(clock.now)) as publisher:
        publisher.hidden = True
        publisher.oracle_key = publisher.key
        source_id = await node.add(publisher, public_key=publisher.key.public_key.pem)
        publisher.hidden = False
        answer = await verify(node, source_id)
        assert answer["code"] == Code.SIGNING_ORACLE.slug
