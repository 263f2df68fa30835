"""Sources over HTTP: register, prove, explain, suspend, remove (protocol.md section 1; the seed's sequence)."""

import asyncio
import base64
from typing import Any

import pytest
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher

SOURCE_ROW = {
    *("id", "instance_url", "username", "public_key", "status", "trust_score", "created_at", "last_sync"),
    *("asset_domain", "asset_naming_scheme", "subscriber_count", "plugin_count", "last_verification_result"),
    *("successful_verifications", "response_time_avg"),
}


async def test_adding_a_source_verifies_it_by_itself(api: Api, publisher: FakePublisher) -> None:
    answer = await api.post(
        "add-source",
        instance_url=publisher.url,
        username=publisher.username,
        public_key=publisher.public_key_pem,
    )
    document = answer.json()
    assert set(document) == {"success", "source_id", "status", "message"}
    assert document["success"] is True
    assert document["source_id"] == f"{publisher.username}@{publisher.url.removeprefix('http://')}"
    assert document["status"] == "pending"
    for _ in range(200):
        rows = await api.get("sources")
        row = next(row for row in rows if row["id"] == document["source_id"])
        if row["status"] != "pending":
            break
        await asyncio.sleep(0.02)
    assert row["status"] == "verified"
    assert set(row) >= SOURCE_ROW
    assert row["last_verification_result"] == "success"
    assert row["successful_verifications"] == 1
    assert row["response_time_avg"] >= 0
    assert row["asset_domain"] == publisher.url
    assert row["asset_naming_scheme"] == publisher.naming_scheme
    asked = [(one.method, one.path) for one in publisher.requests]
    # The second challenge is the probe that nobody should sign.
    assert asked == [("GET", "/federation-info"), ("POST", "/verify-ownership"), ("POST", "/verify-ownership")]


async def test_sources_are_a_list_highest_trust_first(api: Api, publisher: FakePublisher) -> None:
    await api.add(publisher)
    rows = await api.get("sources")
    assert isinstance(rows, list)
    scores = [row["trust_score"] for row in rows]
    assert scores == sorted(scores, reverse=True)


def key_forms() -> dict[str, Any]:
    return {
        "PEM": lambda key: key.pem,
        "PEM on one line": lambda key: key.pem.replace("\n", ""),
        "base64 of the SPKI": lambda key: "".join(key.pem.splitlines()[1:-1]),
        "base64 of the 32 bytes": lambda key: base64.b64encode(key.raw).decode(),
    }


@pytest.mark.parametrize("form", key_forms())
async def test_a_public_key_may_come_in_every_form(api: Api, publisher: FakePublisher, form: str) -> None:
    source_id = await api.add(publisher, public_key=key_forms()[form](publisher.key.public_key))
    status = await api.get("source-status", sourceId=source_id)
    assert status["source"]["status"] == "verified"
    assert status["source"]["public_key"] == publisher.public_key_pem


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"public_key": "-----BEGIN PUBLIC KEY-----\n..."}, Code.INVALID_KEY),
        ({"public_key": base64.b64encode(bytes(32)).decode()}, Code.INVALID_KEY),
        ({"public_key": base64.b64encode(b"\1" + bytes(31)).decode()}, Code.INVALID_KEY),
        ({"public_key": base64.b64encode(bytes(31)).decode()}, Code.INVALID_KEY),
        ({"username": "../etc"}, Code.INVALID_FIELD),
        ({"username": ""}, Code.INVALID_FIELD),
        ({"username": 7}, Code.INVALID_FIELD),
        ({"instance_url": "ftp://plugins.example.com"}, Code.INVALID_URL),
        ({"instance_url": "http://plugins.example.com"}, Code.INVALID_URL),
        ({"instance_url": "https://10.0.0.7"}, Code.INVALID_URL),
        ({"instance_url": "https://0x7f.1"}, Code.INVALID_URL),
        ({"instance_url": "https://user:secret@plugins.example.com"}, Code.INVALID_URL),
        ({"instance_url": "https://plugins.example.com:8443"}, Code.INVALID_URL),
        ({"instance_url": "not a url"}, Code.INVALID_URL),
        ({"instance_url": None}, Code.INVALID_FIELD),
    ],
)
async def test_what_cannot_be_a_source_is_refused_and_not_kept(
    api: Api, publisher: FakePublisher, body: dict[str, Any], code: Code
) -> None:
    before = await api.get("sources")
    good = {"instance_url": publisher.url, "username": publisher.username, "public_key": publisher.public_key_pem}
    assert_problem(await api.post("add-source", **{**good, **body}), code)
    assert [row["id"] for row in await api.get("sources")] == [row["id"] for row in before]
    assert publisher.requests == []


async def test_a_source_is_registered_once(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    answer = await api.post(
        "add-source",
        instance_url=publisher.url + "/",
        username=publisher.username,
        public_key=SigningKey.generate().public_key.pem,
    )
    assert_problem(answer, Code.SOURCE_EXISTS)
    status = await api.get("source-status", sourceId=source_id)
    assert status["source"]["public_key"] == publisher.public_key_pem


MISBEHAVIOUR: dict[str, tuple[str, Any, Code, str]] = {
    "answers 500": ("/federation-info", faults.status(500), Code.PUBLISHER_STATUS, "pending"),
    "is no publisher": ("/federation-info", faults.status(404), Code.NOT_A_PUBLISHER, "pending"),
    "answers with a page": ("/federation-info", faults.html(), Code.NOT_A_PUBLISHER, "pending"),
    "sends a list": ("/federation-info", faults.body(b"[]"), Code.NOT_A_PUBLISHER, "pending"),
    "sends wrong types": ("/federation-info", faults.edited(assetInfo="x"), Code.NOT_A_PUBLISHER, "pending"),
    "names a key twice": (
        "/federation-info",
        faults.duplicate_key("publicKey", "x"),
        Code.NOT_A_PUBLISHER,
        "pending",
    ),
    "has a scheme that leaves its domain": (
        "/federation-info",
        faults.edited(assetInfo={"domain": "https://a.example", "namingScheme": "https://b.example/slug.zip"}),
        Code.ASSET_SCHEME,
        "pending",
    ),
    "hangs up": ("/federation-info", faults.hang_up(), Code.SOURCE_UNREACHABLE, "pending"),
    "sends too much": ("/federation-info", faults.body(b" " * 2_000_000), Code.PUBLISHER_TOO_LARGE, "pending"),
    "answers the proof with 500": ("/verify-ownership", faults.status(500), Code.PUBLISHER_STATUS, "pending"),
    "answers the proof with a page": ("/verify-ownership", faults.html(), Code.PUBLISHER_DOCUMENT, "pending"),
    "signs with a number": ("/verify-ownership", faults.edited(signature=7), Code.PUBLISHER_DOCUMENT, "pending"),
    "declines to sign": ("/verify-ownership", faults.status(403), Code.OWNERSHIP_REFUSED, "error"),
    "sends no signature at all": (
        "/verify-ownership",
        faults.edited(signature="not base64"),
        Code.OWNERSHIP_SIGNATURE,
        "error",
    ),
    "signs something else": (
        "/verify-ownership",
        faults.edited(signature=base64.b64encode(bytes(64)).decode()),
        Code.OWNERSHIP_SIGNATURE,
        "error",
    ),
}


@pytest.mark.parametrize("case", MISBEHAVIOUR)
async def test_a_failed_verification_is_recorded_with_its_reason(api: Api, publisher: FakePublisher, case: str) -> None:
    path, fault, code, status = MISBEHAVIOUR[case]
    publisher.faults[path] = fault
    source_id = await api.add(publisher)
    report = await api.get("source-status", sourceId=source_id)
    verification = report["verifications"][0]
    assert verification["result"] == "failure"
    assert verification["verification_type"] == "initial"
    assert verification["code"] == code.slug
    assert [check["passed"] for check in verification["checks"]][-1] is False
    assert report["source"]["status"] == status
    assert report["source"]["status_code"] == code.slug
    assert report["health"]["reason"] == verification["details"]
    feed = (await api.get("activity", source=source_id))["activities"]
    assert feed[0]["type"] == "source_verification"
    assert feed[0]["details"]["code"] == code.slug

    publisher.faults.clear()
    again = (await api.post("verify-source", sourceId=source_id)).json()
    assert again["success"] is True
    assert again["source"]["status"] == "verified"


async def test_a_challenge_signed_by_another_key_fails_and_says_which_key_is_shown(
    api: Api, publisher: FakePublisher
) -> None:
    publisher.proof_key = SigningKey.generate()
    source_id = await api.add(publisher)
    answer = (await api.post("verify-source", sourceId=source_id)).json()
    assert answer["success"] is False
    assert answer["code"] == Code.OWNERSHIP_SIGNATURE.slug
    assert answer["error"] == answer["message"]
    other = SigningKey.generate().public_key
    await api.post("remove-source", sourceId=source_id, purge=True)
    source_id = await api.add(publisher, public_key=other.pem)
    answer = (await api.post("verify-source", sourceId=source_id)).json()
    assert answer["code"] == Code.KEY_MISMATCH.slug
    assert publisher.key.public_key.fingerprint in answer["error"]
    assert other.fingerprint in answer["error"]


async def test_a_host_that_does_not_resolve_is_unreachable_and_nothing_more_is_told(api: Api) -> None:
    key = SigningKey.generate().public_key.pem
    answer = await api.post("add-source", instance_url="https://nowhere.invalid", username="alice", public_key=key)
    source_id = answer.json()["source_id"]
    answer = await api.post("verify-source", sourceId=source_id)
    document = answer.json()
    assert document["success"] is False
    assert document["code"] == Code.SOURCE_UNREACHABLE.slug
    assert "resolve" not in document["error"].lower()
    await api.post("remove-source", sourceId=source_id, purge=True)


async def test_every_challenge_is_fresh(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    await api.post("verify-source", sourceId=source_id)
    bodies = [one.body for one in publisher.requests if one.path == "/verify-ownership"]
    assert len(set(bodies)) == len(bodies) == 3


async def test_a_verified_source_stays_verified_while_it_is_away(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    publisher.faults["*"] = faults.hang_up()
    answer = (await api.post("verify-source", sourceId=source_id)).json()
    assert answer["success"] is False
    assert answer["verification"]["verification_type"] == "manual"
    assert answer["source"]["status"] == "verified"


async def test_update_source_refetches_what_is_announced(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    publisher.faults["/federation-info"] = faults.edited(features=["pfn-v2"])
    answer = (await api.post("update-source", sourceId=source_id)).json()
    assert set(answer) == {"success", "message", "source"}
    assert answer["source"]["features"] == ["pfn-v2"]
    publisher.faults["/federation-info"] = faults.status(503)
    assert_problem(await api.post("update-source", sourceId=source_id), Code.PUBLISHER_STATUS)
    status = await api.get("source-status", sourceId=source_id)
    assert status["source"]["features"] == ["pfn-v2"]


async def test_a_suspended_source_serves_nothing_until_it_is_resumed(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin("hello", "1.0")
    source_id = await api.add(publisher)
    await api.post("subscribe", sourceId=source_id)
    assert await api.versions(source_id) == {"hello": ["1.0"]}
    suspended = await api.post("suspend-source", sourceId=source_id, reason="key under review")
    assert suspended.json()["source"]["status"] == "suspended"
    assert await api.versions(source_id) == {}
    download = await api.http.get("/federation/download", params={"source": source_id, "plugin": "hello"})
    assert_problem(download, Code.SOURCE_SUSPENDED)
    assert_problem(await api.post("verify-source", sourceId=source_id), Code.SOURCE_SUSPENDED)
    assert_problem(await api.post("sync", sourceId=source_id), Code.SOURCE_SUSPENDED)
    assert_problem(await api.post("suspend-source", sourceId=source_id), Code.WRONG_STATE)
    report = await api.get("source-status", sourceId=source_id)
    assert report["health"]["reason"] == "key under review"
    assert report["trust"]["score"] == 0
    assert "operator_block" in {gate["name"] for gate in report["trust"]["gates"]}
    await api.post("resume-source", sourceId=source_id)
    while (await api.get("source-status", sourceId=source_id))["source"]["status"] == "pending":
        await asyncio.sleep(0.02)
    assert await api.versions(source_id) == {"hello": ["1.0"]}


async def test_removing_states_its_consequences_and_can_be_undone(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin("hello", "1.0")
    source_id = await api.add(publisher)
    await api.post("subscribe", sourceId=source_id)
    removed = (await api.post("remove-source", sourceId=source_id)).json()
    assert (removed["plugins_withdrawn"], removed["subscriptions_ended"], removed["releases_deleted"]) == (1, 1, 0)
    assert source_id not in {row["id"] for row in await api.get("sources")}
    status = await api.http.get("/federation/source-status", params={"sourceId": source_id})
    assert_problem(status, Code.SOURCE_UNKNOWN)
    assert await api.versions(source_id) == {}

    publisher_key = publisher.key
    other = SigningKey.generate().public_key.pem
    answer = await api.post("add-source", instance_url=publisher.url, username=publisher.username, public_key=other)
    assert_problem(answer, Code.SOURCE_EXISTS)
    assert publisher.key is publisher_key
    await api.add(publisher)
    assert await api.versions(source_id) == {"hello": ["1.0"]}


async def test_purging_forgets_for_good(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin("hello", "1.0")
    source_id = await api.add(publisher)
    await api.post("subscribe", sourceId=source_id)
    removed = (await api.post("remove-source", sourceId=source_id, purge=True)).json()
    assert removed["releases_deleted"] == 1
    assert_problem(await api.post("remove-source", sourceId=source_id, purge=True), Code.SOURCE_UNKNOWN)


async def test_probing_shows_the_key_and_keeps_nothing(api: Api, publisher: FakePublisher) -> None:
    shown = (await api.post("probe-source", instance_url=publisher.url)).json()
    assert shown["public_key"] == publisher.public_key_pem
    assert shown["fingerprint"] == publisher.key.public_key.fingerprint
    assert publisher.username not in str(await api.get("sources"))


@pytest.mark.parametrize("name", ["verify-source", "update-source", "subscribe", "sync", "suspend-source"])
async def test_an_unknown_source_is_not_found(api: Api, name: str) -> None:
    assert_problem(await api.post(name, sourceId="nobody@nowhere.example"), Code.SOURCE_UNKNOWN)


@pytest.mark.parametrize("body", [{}, {"sourceId": 7}, {"sourceId": None}, {"sourceId": ""}, {"source_id": "a@b"}])
async def test_a_source_must_be_named(api: Api, body: dict[str, Any]) -> None:
    assert_problem(await api.post("verify-source", **body), Code.INVALID_FIELD)
