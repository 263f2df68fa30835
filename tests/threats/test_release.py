"""Threats to a release: its bytes, its statement, its place in the row (docs/security.md names each test)."""

import hashlib

from tests.support.problem import assert_problem
from tests.threats.conftest import Node, Time

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher_v2 import FakePublisherV2


async def test_an_honest_release_is_mirrored_at_level_artifact(node: Node, publisher: FakePublisherV2) -> None:
    content = publisher.add_plugin("one", "1.0", name="One", tags=("a",))
    source_id = await node.register(publisher)
    assert await node.versions(source_id) == {"one": ["1.0"]}
    verdict = await node.get("verify", source=source_id, plugin="one")
    assert verdict["valid"] is True, verdict
    assert verdict["signature_level"] == "artifact"
    assert verdict["explanation"] == "The publisher's key covers these exact bytes."
    names = [check["name"] for check in verdict["checks"]]
    assert names == [
        *("bytes_present", "sha256", "sha1", "sha384", "signature"),
        *("key_documents", "statement", "statement_digests", "revocation", "yank"),
    ]
    query = {"source": source_id, "plugin": "one"}
    download = await node.http.get("/federation/download", params=query)
    assert download.content == content
    assert download.headers["x-content-signature"] == verdict["signature"]
    statement = await node.http.get("/federation/statement", params=query)
    served = next(body for path, body in publisher.files.items() if path.endswith("/releases/one/1.0.json"))
    assert statement.content == served
    catalog = await node.http.get("/federation/catalog", params={"source": source_id})
    assert catalog.content == publisher.files["/.well-known/pfn/catalog.json"]


async def test_nothing_changed_is_one_request_without_a_body(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.requests.clear()
    sync = await node.sync(source_id)
    assert (sync["state"], sync["wanted"], sync["total"]) == ("finished", 0, 1)
    assert [(one.method, one.path) for one in publisher.requests] == [("GET", "/.well-known/pfn/catalog.json")]
    assert "if-none-match" in publisher.requests[0].headers


async def test_tampered_bytes_are_refused(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    publisher.replace_zip("one", "1.0", plugin_zip("one", "1.0", description="Swapped on the way."))
    source_id = await node.register(publisher)
    assert (await node.failures(source_id))["one"]["code"] == Code.ARTIFACT_DIGEST.slug
    assert await node.versions(source_id) == {}


async def test_tampered_bytes_of_a_known_version_are_found_and_the_first_stay(
    node: Node, publisher: FakePublisherV2
) -> None:
    first = publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.replace_zip("one", "1.0", plugin_zip("one", "1.0", description="Swapped later."))
    sync = await node.sync(source_id, recheck=True)
    assert sync["failed"] == 1
    assert (await node.failures(source_id))["one"]["code"] == Code.ARTIFACT_DIGEST.slug
    download = await node.http.get("/federation/download", params={"source": source_id, "plugin": "one"})
    assert download.content == first


async def test_a_wrong_signature_beside_the_zip_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    publisher.replace_signature("one", "1.0", b"A" * 86 + b"==\n")
    source_id = await node.register(publisher)
    assert (await node.failures(source_id))["one"]["code"] == Code.ARTIFACT_SIGNATURE.slug
    assert await node.versions(source_id) == {}


async def test_a_signature_that_is_not_there_yet_is_waited_for(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    publisher.replace_signature("one", "1.0", None)
    source_id = await node.register(publisher)
    failure = (await node.failures(source_id))["one"]
    assert failure["code"] == Code.ASSET_MISSING.slug
    assert failure["next_retry"] is not None


async def test_a_statement_by_an_unknown_key_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0", sign_with=SigningKey.generate())
    source_id = await node.register(publisher)
    assert (await node.failures(source_id))["one"]["code"] == Code.RELEASE_KEY_UNKNOWN.slug


async def test_a_statement_by_a_key_for_other_plugins_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    key = publisher.add_release_key(slugs=("two",))
    publisher.add_plugin("one", "1.0", sign_with=key)
    publisher.add_plugin("two", "1.0", sign_with=key)
    source_id = await node.register(publisher)
    assert (await node.failures(source_id))["one"]["code"] == Code.RELEASE_KEY_SCOPE.slug
    assert await node.versions(source_id) == {"two": ["1.0"]}


async def test_skipped_versions_are_walked_and_none_is_left_out_unseen(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    for version in ("1.1", "1.2", "1.3"):
        publisher.add_plugin("one", version)
    assert (await node.sync(source_id))["mirrored"] == 1
    assert await node.versions(source_id) == {"one": ["1.3", "1.0"]}
    asked = {one.path.rpartition("/")[2] for one in publisher.requests if "/releases/one/" in one.path}
    assert {"2.json", "3.json", "1.3.json"} <= asked


async def test_fast_forward_of_a_statement_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.add_plugin("one", "1.1", skip=5)
    await node.assert_refused(source_id, "one", Code.STATEMENT_GAP)


async def test_a_row_that_does_not_hold_together_is_refused(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    publisher.add_plugin("one", "1.1", statement={"previous": "00" * 32})
    await node.assert_refused(source_id, "one", Code.STATEMENT_CHAIN)


async def test_two_statements_of_one_sequence_are_evidence(node: Node, publisher: FakePublisherV2) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.register(publisher)
    first = publisher.files["/.well-known/pfn/releases/one/1.0.json"]
    publisher.add_plugin("one", "1.1", skip=-1)
    second = publisher.files["/.well-known/pfn/releases/one/1.1.json"]
    await node.assert_refused(source_id, "one", Code.STATEMENT_FORK)
    evidence = await node.get("evidence", sourceId=source_id)
    assert [(item["kind"], item["first"], item["second"]) for item in evidence] == [
        (Code.STATEMENT_FORK.slug, first.decode(), second.decode())
    ]
    assert "equivocation" in await node.gates(source_id)
    assert (await node.status(source_id))["trust"]["score"] == 0
    assert "conflict" in await node.actions(source_id)


async def test_two_signed_zips_for_one_version_are_evidence_and_the_first_stays(
    node: Node, publisher: FakePublisherV2
) -> None:
    first = publisher.add_plugin("one", "1.0", description="What everybody was shown.")
    source_id = await node.register(publisher)
    second = publisher.add_plugin("one", "1.0", description="What one of them was shown.")
    assert first != second
    sync = await node.sync(source_id)
    assert (sync["mirrored"], sync["failed"]) == (0, 1)
    assert (await node.failures(source_id))["one"]["code"] == Code.RELEASE_CONFLICT.slug
    evidence = (await node.get("evidence", sourceId=source_id))[0]
    assert evidence["kind"] == Code.RELEASE_CONFLICT.slug
    assert evidence["first"] != evidence["second"]
    download = await node.http.get("/federation/download", params={"source": source_id, "plugin": "one"})
    assert hashlib.sha256(download.content).digest() == hashlib.sha256(first).digest()

    await node.assert_sync_fails(source_id, Code.SOURCE_GATED)
    lifted = await node.post("lift-gate", sourceId=source_id)
    assert lifted.json()["source"]["gates"] == []
    assert len(await node.get("evidence", sourceId=source_id)) == 1
    assert (await node.sync(source_id))["state"] == "finished"
    assert_problem(await node.post("lift-gate", sourceId=source_id), Code.WRONG_STATE)


async def test_a_yanked_release_is_offered_to_nobody_and_given_by_version_with_its_reason(
    node: Node, publisher: FakePublisherV2
) -> None:
    old = publisher.add_plugin("one", "1.0")
    new = publisher.add_plugin("one", "1.1")
    source_id = await node.register(publisher)
    assert await node.versions(source_id) == {"one": ["1.1"]}
    publisher.yank("one", "1.1", "It loses data.")
    await node.sync(source_id)
    page = await node.get("plugins", source=source_id)
    assert page["plugins"][0]["version"] == "1.0"
    yanked = next(one for one in page["plugins"][0]["versions"] if one["version"] == "1.1")
    assert yanked["yanked"] == "It loses data."
    query = {"source": source_id, "plugin": "one"}
    assert (await node.http.get("/federation/download", params=query)).content == old
    named = await node.http.get("/federation/download", params={**query, "version": "1.1"})
    assert named.content == new
    assert "loses data" in named.headers["x-pfn-yanked"]
    verdict = await node.get("verify", **query, version="1.1")
    assert verdict["valid"] is False
    assert [check["name"] for check in verdict["checks"] if not check["passed"]] == ["yank"]
    publisher.yank("one", "1.0", "Neither is this.")
    await node.sync(source_id)
    assert await node.versions(source_id) == {}
    assert_problem(await node.http.get("/federation/download", params=query), Code.RELEASE_YANKED)


async def test_quarantined_bytes_are_kept_apart_looked_at_again_and_dropped(
    node: Node, publisher: FakePublisherV2
) -> None:
    publisher.add_plugin("bad", "1.0", content=b"not a zip at all")
    source_id = await node.register(publisher)
    item = (await node.get("quarantine", sourceId=source_id))[0]
    assert item["sha256"] == hashlib.sha256(b"not a zip at all").hexdigest()
    kept = node.data / "blobs" / "quarantine" / item["sha256"]
    assert kept.read_bytes() == b"not a zip at all"
    assert "quarantined_release" in await node.gates(source_id)
    look = (await node.post("recheck-quarantined", id=item["id"])).json()
    assert look["success"] is False
    assert kept.exists()
    dropped = await node.post("drop-quarantined", id=item["id"])
    assert dropped.json()["success"] is True
    assert not kept.exists()
    assert await node.get("quarantine", sourceId=source_id) == []
    assert_problem(await node.post("drop-quarantined", id=item["id"]), Code.QUARANTINE_UNKNOWN)
    publisher.add_plugin("bad", "1.1")
    assert (await node.sync(source_id))["mirrored"] == 1


async def test_a_release_that_comes_through_leaves_quarantine(
    node: Node, publisher: FakePublisherV2, clock: Time
) -> None:
    publisher.add_plugin("one", "1.0")
    publisher.replace_zip("one", "1.0", b"broken on the way")
    source_id = await node.register(publisher)
    assert len(await node.get("quarantine", sourceId=source_id)) == 1
    publisher.replace_zip("one", "1.0", plugin_zip("one", "1.0"))
    clock.pass_days(1)
    sync = await node.sync(source_id, recheck=True)
    assert sync["mirrored"] == 1
    assert await node.get("quarantine", sourceId=source_id) == []
