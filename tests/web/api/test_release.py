"""Mirroring, download, verification over HTTP: the seed's sync diagram and everything that may go wrong in it."""

import hashlib
from typing import Any

import pytest
from tests.support.node import RunningNode
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api

from pfn.protocol.errors import Code
from pfn.testing import faults
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher

GOOD = ("good", "1.0.0")


async def subscribed(api: Api, publisher: FakePublisher, **more: Any) -> tuple[str, dict[str, Any]]:
    source_id = await api.add(publisher, **more)
    answer = await api.post("subscribe", sourceId=source_id)
    assert answer.status_code == 200, answer.text
    return source_id, answer.json()


async def test_subscribing_mirrors_what_the_publisher_lists(api: Api, publisher: FakePublisher) -> None:
    content = publisher.add_plugin(*GOOD, name="Good", tags=("utilities",), description="Does good.")
    source_id, answer = await subscribed(api, publisher)
    assert set(answer) >= {"success", "message", "source", "syncResult"}
    assert answer["success"] is True
    assert answer["source"]["id"] == source_id
    assert answer["source"]["last_sync"] is not None
    result = answer["syncResult"]
    assert (result["success"], result["mirroredCount"], result["totalPlugins"]) == (True, 1, 1)
    assert set(result["authorInfo"]) == {"username", "memberSince", "website", "github", "twitter"}
    assert result["authorInfo"]["username"] == publisher.username

    page = await api.get("plugins", source=source_id)
    plugin = page["plugins"][0]
    assert plugin["plugin_id"] == "good"
    assert plugin["name"] == "Good"
    assert plugin["description"] == "Does good."
    assert plugin["tags"] == ["utilities"]
    assert plugin["signature_level"] == "metadata"
    version = plugin["versions"][0]
    assert version["sha256"] == hashlib.sha256(content).hexdigest()
    assert version["sha1"] == hashlib.sha1(content).hexdigest()
    assert version["sha384"] == hashlib.sha384(content).hexdigest()
    assert version["size"] == len(content)

    download = await api.http.get("/federation/download", params={"source": source_id, "plugin": "good"})
    assert download.content == content
    assert download.headers["content-type"] == "application/zip"
    assert download.headers["etag"] == f'"{version["sha256"]}"'

    feed = (await api.get("activity", source=source_id))["activities"]
    update = next(row for row in feed if row["type"] == "version_update")
    assert (update["old_version"], update["new_version"]) == ("0.0.0", "1.0.0")
    assert update["plugin_name"] == "Good"
    assert update["source_username"] == publisher.username


async def test_a_second_sync_that_finds_nothing_new_downloads_nothing(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin(*GOOD)
    publisher.add_plugin("unsigned", "1.0", signature=None)
    publisher.add_plugin("broken", "1.0", content=b"not a zip")
    source_id, _ = await subscribed(api, publisher)
    publisher.requests.clear()
    again = await api.post("subscribe", sourceId=source_id)
    assert again.json()["syncResult"]["mirroredCount"] == 0
    sync = await api.sync(source_id)
    assert (sync["state"], sync["wanted"], sync["mirrored"]) == ("finished", 0, 0)
    assert {one.path for one in publisher.requests} == {"/author-data"}


async def test_a_new_version_is_tracked_and_the_old_one_kept(api: Api, publisher: FakePublisher) -> None:
    old = publisher.add_plugin("good", "1.9")
    source_id, _ = await subscribed(api, publisher)
    publisher.add_plugin("good", "1.10")
    assert (await api.sync(source_id))["mirrored"] == 1
    assert await api.versions(source_id) == {"good": ["1.10", "1.9"]}
    feed = (await api.get("activity", source=source_id))["activities"]
    updates = [(row["old_version"], row["new_version"]) for row in feed if row["type"] == "version_update"]
    assert updates == [("1.9", "1.10"), ("0.0.0", "1.9")]
    query = {"source": source_id, "plugin": "good", "version": "1.9"}
    assert (await api.http.get("/federation/download", params=query)).content == old


async def test_an_older_version_listed_later_does_not_become_the_newest(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin("good", "2.0")
    source_id, _ = await subscribed(api, publisher)
    publisher.add_plugin("good", "2.0-beta1")
    await api.sync(source_id)
    page = await api.get("plugins", source=source_id)
    assert page["plugins"][0]["version"] == "2.0"
    assert await api.versions(source_id) == {"good": ["2.0", "2.0-beta1"]}


async def test_filters_choose_by_tag_and_widening_them_fetches_the_rest(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin("one", "1.0", tags=("Utilities",))
    publisher.add_plugin("two", "1.0", tags=("shop", "productivity"))
    publisher.add_plugin("three", "1.0")
    source_id = await api.add(publisher)
    answer = await api.post("subscribe", sourceId=source_id, filters={"tags": ["utilities", "productivity"]})
    assert answer.json()["syncResult"]["mirroredCount"] == 2
    assert set(await api.versions(source_id)) == {"one", "two"}
    await api.post("subscribe", sourceId=source_id)
    assert set(await api.versions(source_id)) == {"one", "two", "three"}
    subscriptions = await api.get("subscriptions", sourceId=source_id)
    assert len(subscriptions) == 1


async def test_a_signature_in_plugin_data_counts(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin(*GOOD, signature="plugin-data", description='Quotes " and \u2028 and ünïcode 🎉')
    source_id, answer = await subscribed(api, publisher)
    assert answer["syncResult"]["mirroredCount"] == 1
    verdict = await api.get("verify", source=source_id, plugin="good")
    assert verdict["signature_level"] == "metadata"
    assert verdict["valid"] is True


async def test_a_signature_about_another_release_proves_nothing(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin(*GOOD, signature="plugin-data")
    captured = FakePublisher(publisher.username, key=publisher.key)
    async with captured:
        captured.add_plugin("good", "0.9", signature="plugin-data")
        source_id = await api.add(publisher)
        async with api.http.__class__() as plain:
            old = await plain.get(f"{captured.url}/federated/plugin-data?author={publisher.username}&slug=good")
    publisher.faults["/federated/plugin-data"] = faults.body(old.content)
    await api.post("subscribe", sourceId=source_id)
    assert (await api.failures(source_id))["good"]["code"] == Code.SIGNATURE_INVALID.slug


async def test_an_unsigned_plugin_is_held_until_the_operator_allows_it(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin("plain", "1.0", signature=None)
    source_id, answer = await subscribed(api, publisher)
    assert answer["syncResult"]["mirroredCount"] == 0
    assert (await api.failures(source_id))["plain"]["code"] == Code.UNSIGNED.slug
    assert await api.versions(source_id) == {}
    zips = [one.path for one in publisher.requests if one.path.endswith(".zip")]
    assert zips == []

    await api.post("source-policy", sourceId=source_id, allow_unsigned=True)
    assert (await api.sync(source_id))["mirrored"] == 1
    verdict = await api.get("verify", source=source_id, plugin="plain")
    assert verdict["signature_level"] == "none"
    assert verdict["explanation"] == "No signature of the publisher covers this release."
    assert await api.failures(source_id) == {}


REFUSALS: dict[str, tuple[dict[str, Any], Code]] = {
    "a signature over another release": ({"signature": "wrong"}, Code.SIGNATURE_INVALID),
    "a signature by another key": ({"signature": "other-key"}, Code.SIGNATURE_INVALID),
    "bytes that are no zip": ({"content": b"<html>Not found</html>"}, Code.ZIP_REFUSED),
    "an empty file": ({"content": b""}, Code.ZIP_REFUSED),
    "a truncated zip": ({"content": plugin_zip("bad", "1.0")[:-10]}, Code.ZIP_REFUSED),
    "a zip with something before it": ({"content": b"#!/bin/sh\n" + plugin_zip("bad", "1.0")}, Code.ZIP_REFUSED),
    "the zip of another version": ({"content": plugin_zip("bad", "1.1")}, Code.ZIP_MISMATCH),
    "the zip of another plugin": ({"content": plugin_zip("other", "1.0")}, Code.ZIP_MISMATCH),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_what_does_not_hold_is_refused_recorded_and_never_served(
    api: Api, publisher: FakePublisher, case: str
) -> None:
    arguments, code = REFUSALS[case]
    publisher.add_plugin("bad", "1.0", **arguments)
    publisher.add_plugin(*GOOD)
    source_id, answer = await subscribed(api, publisher)
    assert answer["syncResult"]["mirroredCount"] == 1
    assert answer["syncResult"]["failedCount"] == 1
    failure = (await api.failures(source_id))["bad"]
    assert failure["code"] == code.slug
    assert len(failure["details"]) > 15
    assert await api.versions(source_id) == {"good": ["1.0.0"]}
    download = await api.http.get("/federation/download", params={"source": source_id, "plugin": "bad"})
    assert_problem(download, Code.PLUGIN_UNKNOWN)
    feed = (await api.get("activity", source=source_id))["activities"]
    refused = next(row for row in feed if row["details"].get("action") == "release_refused")
    assert refused["details"]["code"] == code.slug
    assert refused["plugin_id"] == "bad"

    publisher.add_plugin("bad", "1.0")
    assert (await api.sync(source_id, recheck=True))["mirrored"] == 1
    assert await api.failures(source_id) == {}


TROUBLE: dict[str, tuple[Any, Code]] = {
    "404": (faults.status(404), Code.ASSET_MISSING),
    "500": (faults.status(500), Code.PUBLISHER_STATUS),
    "truncated": (faults.truncated(), Code.SOURCE_UNREACHABLE),
    "hangs up": (faults.hang_up(), Code.SOURCE_UNREACHABLE),
    "a page": (faults.html(), Code.ZIP_REFUSED),
    "a redirect inside": (faults.redirect("http://10.0.0.1/x.zip"), Code.SOURCE_UNREACHABLE),
}


@pytest.mark.parametrize("case", TROUBLE)
async def test_a_zip_that_does_not_come_is_tried_again_later(api: Api, publisher: FakePublisher, case: str) -> None:
    fault, code = TROUBLE[case]
    publisher.add_plugin("away", "1.0")
    publisher.add_plugin(*GOOD)
    publisher.faults[publisher.zip_path("away", "1.0")] = fault
    source_id, answer = await subscribed(api, publisher)
    assert answer["syncResult"]["mirroredCount"] == 1
    failure = (await api.failures(source_id))["away"]
    assert failure["code"] == code.slug
    assert failure["next_retry"] > failure["last_failed"]
    publisher.faults.clear()
    assert (await api.sync(source_id))["mirrored"] == 0
    assert (await api.sync(source_id, recheck=True))["mirrored"] == 1


CATALOGUES: dict[str, tuple[Any, Code]] = {
    "500": (faults.status(500), Code.PUBLISHER_STATUS),
    "404": (faults.status(404), Code.PUBLISHER_STATUS),
    "a page": (faults.html(), Code.PUBLISHER_DOCUMENT),
    "a list": (faults.body(b"[]"), Code.PUBLISHER_DOCUMENT),
    "wrong types": (faults.edited(plugins={"a": 1}), Code.PUBLISHER_DOCUMENT),
    "no plugins": (faults.without("plugins"), Code.PUBLISHER_DOCUMENT),
    "hangs up": (faults.hang_up(), Code.SOURCE_UNREACHABLE),
    "a name twice": (faults.duplicate_key("plugins", []), Code.PUBLISHER_DOCUMENT),
}


@pytest.mark.parametrize("case", CATALOGUES)
async def test_a_catalogue_that_cannot_be_read_fails_the_sync_and_nothing_else(
    api: Api, publisher: FakePublisher, case: str
) -> None:
    fault, code = CATALOGUES[case]
    publisher.add_plugin(*GOOD)
    source_id, _ = await subscribed(api, publisher)
    publisher.faults["/author-data"] = fault
    sync = await api.sync(source_id)
    assert (sync["state"], sync["code"]) == ("failed", code.slug)
    failure = (await api.failures(source_id))[""]
    assert failure["code"] == code.slug
    assert failure["next_retry"] is not None
    assert await api.versions(source_id) == {"good": ["1.0.0"]}
    status = await api.get("source-status", sourceId=source_id)
    assert status["next_retry"] == failure["next_retry"]
    answer = (await api.post("subscribe", sourceId=source_id)).json()
    assert answer["syncResult"]["success"] is False
    assert answer["syncResult"]["code"] == code.slug
    publisher.faults.clear()
    assert (await api.sync(source_id))["state"] == "finished"
    assert await api.failures(source_id) == {}


ENTRIES: dict[str, dict[str, Any]] = {
    "no version": {"slug": "odd", "name": "Odd"},
    "version is a number": {"slug": "odd", "name": "Odd", "version": 1.0},
    "name is a list": {"slug": "odd", "name": [], "version": "1.0"},
    "slug climbs": {"slug": "../../etc", "name": "Odd", "version": "1.0"},
    "version climbs": {"slug": "odd", "name": "Odd", "version": "../1"},
    "signature is a number": {"slug": "odd", "name": "Odd", "version": "1.0", "signature": 5},
}


@pytest.mark.parametrize("case", ENTRIES)
async def test_one_bad_entry_does_not_spoil_the_catalogue(api: Api, publisher: FakePublisher, case: str) -> None:
    publisher.add_plugin(*GOOD)
    source_id = await api.add(publisher)
    async with api.http.__class__() as plain:
        catalogue = (await plain.get(f"{publisher.url}/author-data?author={publisher.username}")).json()
    publisher.faults["/author-data"] = faults.edited(plugins=[*catalogue["plugins"], ENTRIES[case], "x"])
    answer = (await api.post("subscribe", sourceId=source_id)).json()
    assert answer["syncResult"]["mirroredCount"] == 1
    assert answer["syncResult"]["totalPlugins"] == 3
    failures = await api.failures(source_id)
    assert len(failures) == 2
    assert {failure["code"] for failure in failures.values()} == {Code.PUBLISHER_DOCUMENT.slug}


async def test_other_bytes_for_a_known_version_are_refused_and_the_first_stay(
    api: Api, publisher: FakePublisher
) -> None:
    first = publisher.add_plugin(*GOOD)
    source_id, _ = await subscribed(api, publisher)
    trust = (await api.get("source-status", sourceId=source_id))["trust"]
    second = plugin_zip("good", "1.0.0", name="Good", description="Swapped.")
    assert second != first
    publisher.replace_zip(*GOOD, second)
    assert (await api.sync(source_id))["wanted"] == 0
    sync = await api.sync(source_id, recheck=True)
    assert (sync["mirrored"], sync["failed"]) == (0, 1)
    failure = (await api.failures(source_id))["good"]
    assert failure["code"] == Code.RELEASE_CONFLICT.slug
    assert failure["sha256"] == hashlib.sha256(second).hexdigest()
    download = await api.http.get("/federation/download", params={"source": source_id, "plugin": "good"})
    assert download.content == first
    feed = (await api.get("activity", source=source_id))["activities"]
    assert feed[0]["details"]["code"] == Code.RELEASE_CONFLICT.slug
    after = (await api.get("source-status", sourceId=source_id))["trust"]
    assert after["score"] <= min(0.5, trust["earned"])
    assert "recent_mismatch" in {gate["name"] for gate in after["gates"]}


async def test_equal_bytes_are_stored_once(api: Api, node: RunningNode, publisher: FakePublisher) -> None:
    content = publisher.add_plugin(*GOOD)
    async with FakePublisher("somebody-else") as other:
        other.add_plugin(*GOOD, content=content)
        await subscribed(api, publisher)
        await subscribed(api, other)
    digest = hashlib.sha256(content).hexdigest()
    stored = list((node.data / "blobs").rglob(digest[2:]))
    assert len(stored) == 1
    assert stored[0].read_bytes() == content


async def test_verify_names_every_check_and_finds_damage(api: Api, node: RunningNode, publisher: FakePublisher) -> None:
    content = publisher.add_plugin("fragile", "3.1")
    source_id, _ = await subscribed(api, publisher)
    query = {"source": source_id, "plugin": "fragile", "version": "3.1"}
    verdict = await api.get("verify", **query)
    assert verdict["valid"] is True
    assert [check["name"] for check in verdict["checks"]] == [
        *("bytes_present", "sha256", "sha1", "sha384", "signature")
    ]
    assert verdict["key_fingerprint"] == publisher.key.public_key.fingerprint
    assert '"version":"3.1"' in verdict["signed_message"]
    digest = hashlib.sha256(content).hexdigest()
    blob = node.data / "blobs" / "sha256" / digest[:2] / digest[2:]
    damaged = bytearray(content)
    damaged[100] ^= 1
    blob.write_bytes(damaged)
    verdict = await api.get("verify", **query)
    assert verdict["valid"] is False
    assert {check["name"] for check in verdict["checks"] if not check["passed"]} == {"sha256", "sha1", "sha384"}
    blob.write_bytes(content[:-1])
    assert (await api.get("verify", **query))["valid"] is False
    assert_problem(await api.http.get("/federation/download", params=query), Code.BLOB_CORRUPT)
    blob.unlink()
    assert_problem(await api.http.get("/federation/download", params=query), Code.BLOB_MISSING)
    blob.write_bytes(content)


async def test_downloads_answer_conditions_and_ranges(api: Api, publisher: FakePublisher) -> None:
    content = publisher.add_plugin(*GOOD)
    source_id, _ = await subscribed(api, publisher)
    query = {"source": source_id, "plugin": "good", "version": "1.0.0"}

    async def get(**headers: str) -> Any:
        return await api.http.get("/federation/download", params=query, headers=headers)

    whole = await get()
    etag = whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes"
    assert "immutable" in whole.headers["cache-control"]
    assert whole.headers["access-control-allow-origin"] == "*"
    assert (await get(**{"If-None-Match": etag})).status_code == 304
    assert (await get(**{"If-None-Match": f'"x", W/{etag}'})).status_code == 304
    part = await get(Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(content)}"
    assert (await get(Range="bytes=-5")).content == content[-5:]
    assert (await get(Range=f"bytes={len(content) - 3}-")).content == content[-3:]
    assert (await get(Range="bytes=0-9", **{"If-Range": etag})).status_code == 206
    assert (await get(Range="bytes=0-9", **{"If-Range": '"other"'})).status_code == 200
    for ignored in ("bytes=5-2", "bytes=0-1,3-4", "items=0-1", "bytes=x-", "bytes=-"):
        assert (await get(Range=ignored)).content == content
    beyond = await get(Range=f"bytes={len(content)}-")
    assert_problem(beyond, Code.RANGE_NOT_SATISFIABLE)
    assert beyond.headers["content-range"] == f"bytes */{len(content)}"
    head = await api.http.head("/federation/download", params=query)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(content))


async def test_the_plugin_list_filters_sorts_pages_and_knows_when_it_is_unchanged(
    api: Api, publisher: FakePublisher
) -> None:
    for number in range(5):
        publisher.add_plugin(f"p{number}", "1.0", name=f"Plugin no{number}x", tags=("even",) if number % 2 == 0 else ())
    source_id, _ = await subscribed(api, publisher)

    async def slugs(**query: Any) -> list[str]:
        return [one["plugin_id"] for one in (await api.get("plugins", source=source_id, **query))["plugins"]]

    assert await slugs(sort="name") == ["p0", "p1", "p2", "p3", "p4"]
    assert await slugs(sort="name", tag="EVEN") == ["p0", "p2", "p4"]
    assert await slugs(q="plugin no3x") == ["p3"]
    assert await slugs(q="100%") == []
    assert set(await slugs(author=publisher.username)) == {"p0", "p1", "p2", "p3", "p4"}
    seen: list[str] = []
    cursor = None
    while True:
        query = {"source": source_id, "sort": "name", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get("plugins", **query)
        seen += [one["plugin_id"] for one in page["plugins"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["p0", "p1", "p2", "p3", "p4"]
    refused = await api.http.get("/federation/plugins", params={"cursor": "nonsense"})
    assert_problem(refused, Code.INVALID_FIELD)
    answer = await api.http.get("/federation/plugins", params={"source": source_id})
    same = {"If-None-Match": answer.headers["etag"]}
    assert (await api.http.get("/federation/plugins", params={"source": source_id}, headers=same)).status_code == 304
    publisher.add_plugin("p5", "1.0")
    await api.sync(source_id)
    fresh = await api.http.get("/federation/plugins", params={"source": source_id}, headers=same)
    assert fresh.status_code == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, Code.INVALID_FIELD),
        ({"source": "a@b.example"}, Code.INVALID_FIELD),
        ({"source": "a@b.example", "plugin": "x"}, Code.SOURCE_UNKNOWN),
    ],
)
@pytest.mark.parametrize("name", ["download", "verify"])
async def test_what_is_not_there_is_said(api: Api, name: str, query: dict[str, str], code: Code) -> None:
    assert_problem(await api.http.get(f"/federation/{name}", params=query), code)


async def test_an_unknown_plugin_or_version_is_told_apart(api: Api, publisher: FakePublisher) -> None:
    publisher.add_plugin(*GOOD)
    source_id, _ = await subscribed(api, publisher)

    async def ask(**query: str) -> Any:
        return await api.http.get("/federation/download", params={"source": source_id, **query})

    assert_problem(await ask(plugin="other"), Code.PLUGIN_UNKNOWN)
    problem = assert_problem(await ask(plugin="good", version="9"), Code.RELEASE_UNKNOWN)
    assert "1.0.0" in str(problem["detail"])
