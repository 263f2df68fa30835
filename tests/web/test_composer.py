"""The Composer repository on the wire: documents, dates, takedowns, names, counts."""

import hashlib
import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node

from pfn.domain.composer_package import INSTALLERS
from pfn.services import composer
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

NAME = "alice/calm-gallery"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node") as node:
        yield node


@pytest.fixture
async def alice() -> AsyncIterator[FakePublisherV2]:
    async with FakePublisherV2("alice") as publisher:
        yield publisher


async def get(node: ServedNode, path: str, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await node.http.get(f"/composer/{path}", headers=given)


async def read(node: ServedNode, path: str) -> Any:
    answer = await get(node, path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def package(node: ServedNode, name: str = NAME) -> Any:
    return await read(node, f"p2/{name}.json")


async def versions(node: ServedNode, name: str = NAME) -> list[str]:
    return [one["version"] for one in (await package(node, name))["packages"][name]]


async def advisories(node: ServedNode, *names: str) -> Any:
    answer = await node.http.post(
        "/composer/security-advisories", data={f"packages[{at}]": name for at, name in enumerate(names)}
    )
    assert answer.status_code == 200
    return answer.json()["advisories"]


async def publish(node: ServedNode, publisher: FakePublisher, *releases: tuple[str, str]) -> str:
    """Have the node mirror these releases, one after the other; give the source's id."""
    source = ""
    for slug, version in releases:
        publisher.add_plugin(slug, version)
        source = await follow(node, publisher)
        await sync(node, source)
    return source


async def test_the_repository_says_where_everything_is(node: ServedNode, alice: FakePublisherV2) -> None:
    empty = await read(node, "packages.json")
    assert empty["packages"] == []
    assert empty["available-packages"] == []
    await publish(node, alice, ("calm-gallery", "1.0"))
    document = await read(node, "packages.json")
    assert document["metadata-url"] == "/composer/p2/%package%.json"
    assert document["available-packages"] == [NAME]
    assert document["security-advisories"]["api-url"] == f"{node.url}/composer/security-advisories"
    assert document["notify-batch"] == "/composer/notify-batch"


async def test_a_version_says_what_composer_needs(node: ServedNode, alice: FakePublisherV2) -> None:
    content = alice.add_plugin("calm-gallery", "1.0", name="Calm Gallery", tags=("photos",))
    source = await follow(node, alice)
    (version,) = (await package(node))["packages"][NAME]
    sha256 = hashlib.sha256(content).hexdigest()
    assert version["name"] == NAME
    assert version["version"] == "1.0"
    assert version["version_normalized"] == "1.0.0.0"
    assert version["type"] == "wordpress-plugin"
    assert version["require"] == {**INSTALLERS, "php": ">=7.4"}
    assert version["license"] == ["GPL-2.0-or-later"]
    assert version["keywords"] == ["photos"]
    assert parsedate_to_datetime((await get(node, f"p2/{NAME}.json")).headers["Last-Modified"]).timestamp() > 0
    assert version["dist"]["reference"] == sha256
    assert version["dist"]["shasum"] == hashlib.sha1(content).hexdigest()
    assert version["extra"]["pfn"]["source"] == source
    assert version["extra"]["pfn"]["sha384"] == hashlib.sha384(content).hexdigest()
    assert version["extra"]["pfn"]["level"] == "artifact"
    assert "abandoned" not in version
    assert (await node.http.get(version["dist"]["url"])).content == content


async def test_versions_stand_newest_first_and_only_those_composer_knows(
    node: ServedNode, alice: FakePublisherV2
) -> None:
    releases = [("calm-gallery", version) for version in ("1.9", "1.10-beta", "1.10", "1.10.0", "1.11-foo")]
    await publish(node, alice, *releases)
    # 1.10 and 1.10.0 are one version to Composer; the newer by WordPress's order stands for both.
    assert await versions(node) == ["1.10.0", "1.10-beta", "1.9"]


async def test_who_asks_again_by_date_is_told_whether_anything_changed(
    node: ServedNode, alice: FakePublisherV2
) -> None:
    source = await publish(node, alice, ("calm-gallery", "1.0"))
    for path in ("packages.json", f"p2/{NAME}.json"):
        first = await get(node, path)
        again = await get(node, path, If_Modified_Since=first.headers["Last-Modified"])
        assert (again.status_code, again.content) == (304, b"")
        by_tag = await get(node, path, If_None_Match=first.headers["ETag"])
        assert (by_tag.status_code, by_tag.content) == (304, b"")
        for other in ("Thu, 01 Jan 2015 00:00:00 GMT", "nonsense", "Thu, 01 Jan 0000 00:00:00 GMT"):
            assert (await get(node, path, If_Modified_Since=other)).status_code == 200
        # An ETag decides alone.
        both = {"If_None_Match": '"other"', "If_Modified_Since": first.headers["Last-Modified"]}
        assert (await get(node, path, **both)).status_code == 200

    held = (await get(node, f"p2/{NAME}.json")).headers["Last-Modified"]
    alice.add_plugin("calm-gallery", "1.1")
    # Within the same second: there is no date yet that would stand for the new state alone.
    await sync(node, source)
    fresh = await get(node, f"p2/{NAME}.json", If_Modified_Since=held)
    assert fresh.status_code == 200
    assert "Last-Modified" not in fresh.headers
    node.clock.now += 1
    dated = await get(node, f"p2/{NAME}.json", If_Modified_Since=held)
    assert dated.status_code == 200
    assert parsedate_to_datetime(dated.headers["Last-Modified"]) > parsedate_to_datetime(held)


async def test_dates_outlive_a_restart(tmp_path: Path, alice: FakePublisherV2) -> None:
    async with serve_node(tmp_path / "node") as node:
        await publish(node, alice, ("calm-gallery", "1.0"))
        held = (await get(node, f"p2/{NAME}.json")).headers["Last-Modified"]
        port = int(node.url.rpartition(":")[2])
        clock = node.clock
    clock.now += 1000
    async with serve_node(tmp_path / "node", port=port, clock=clock) as node:
        assert (await get(node, f"p2/{NAME}.json", If_Modified_Since=held)).status_code == 304


async def test_a_yanked_release_is_resolved_to_no_more_and_warned_of(node: ServedNode, alice: FakePublisherV2) -> None:
    source = await publish(node, alice, ("calm-gallery", "1.0"), ("calm-gallery", "1.1"))
    before = await get(node, f"p2/{NAME}.json")
    locked = before.json()["packages"][NAME][0]["dist"]["url"]
    assert await advisories(node, NAME) == {}
    node.clock.now += 60
    alice.yank("calm-gallery", "1.1", "It loses photos.")
    await sync(node, source)

    after = await get(node, f"p2/{NAME}.json", If_Modified_Since=before.headers["Last-Modified"])
    assert after.status_code == 200
    assert [one["version"] for one in after.json()["packages"][NAME]] == ["1.0"]
    (advisory,) = (await advisories(node, NAME, "alice/other", "../x"))[NAME]
    assert after.json()["security-advisories"] == [advisory]
    assert after.json()["filter"] == {"malware": []}
    assert advisory["affectedVersions"] == "1.1"
    assert "It loses photos." in advisory["title"]
    assert {"advisoryId", "packageName", "title", "cve", "link", "reportedAt", "sources", "severity"} < advisory.keys()
    # Who has it in a lock file gets it all the same.
    assert (await node.http.get(locked)).status_code == 200
    # By GET as by POST.
    shown = await read(node, f"security-advisories?packages[]={NAME.replace('/', '%2F')}")
    assert shown == {"advisories": {NAME: [advisory]}}


async def test_a_blocked_release_is_on_the_list_that_stops_installs(node: ServedNode, alice: FakePublisherV2) -> None:
    source = await publish(node, alice, ("calm-gallery", "1.0"))
    assert await versions(node) == ["1.0"]
    locked = (await package(node))["packages"][NAME][0]["dist"]["url"]
    alice.revoke_release_key(compromised_since=0)
    await node.post("verify-source", sourceId=source)
    document = await package(node)
    # The package is known still, so Composer looks for it nowhere else.
    assert document["packages"] == {NAME: []}
    assert (await read(node, "packages.json"))["available-packages"] == [NAME]
    (advisory,) = document["security-advisories"]
    assert advisory["severity"] == "high"
    (entry,) = document["filter"]["malware"]
    assert (entry["constraint"], entry["id"]) == ("1.0", advisory["advisoryId"])
    assert entry["reason"].startswith("Blocked by this node: ")
    assert (await read(node, "list.json"))["packageNames"] == []
    assert (await node.http.get(locked)).status_code >= 400


async def test_suspending_a_source_reaches_composer_at_once(node: ServedNode, alice: FakePublisherV2) -> None:
    source = await publish(node, alice, ("calm-gallery", "1.0"))
    before = await get(node, f"p2/{NAME}.json")
    node.clock.now += 60
    await node.services.sources.suspend("test", source, "It phones home.")
    suspended = await get(node, f"p2/{NAME}.json", If_Modified_Since=before.headers["Last-Modified"])
    assert suspended.json()["packages"] == {NAME: []}
    (advisory,) = (await advisories(node, NAME))[NAME]
    assert advisory["affectedVersions"] == "*"
    assert "It phones home." in advisory["title"]
    assert (await read(node, "search.json?q=calm"))["results"] == []
    node.clock.now += 60
    await node.services.sources.resume("test", source)
    resumed = await get(node, f"p2/{NAME}.json", If_Modified_Since=suspended.headers["Last-Modified"])
    assert resumed.json() == before.json()
    assert resumed.headers["Last-Modified"] not in {
        before.headers["Last-Modified"],
        suspended.headers["Last-Modified"],
    }
    assert await advisories(node, NAME) == {}
    await node.services.sources.remove("test", source)
    assert (await get(node, f"p2/{NAME}.json")).status_code == 404
    assert (await read(node, "packages.json"))["available-packages"] == []


async def test_what_its_publisher_lists_no_more_is_abandoned(node: ServedNode, alice: FakePublisherV2) -> None:
    source = await publish(node, alice, ("other", "1.0"), ("calm-gallery", "1.0"))
    alice.withdraw_plugin("calm-gallery")
    await sync(node, source)
    (version,) = (await package(node))["packages"][NAME]
    assert version["abandoned"] is True
    (other,) = (await package(node, "alice/other"))["packages"]["alice/other"]
    assert "abandoned" not in other


async def test_two_sources_of_one_name_are_two_vendors(node: ServedNode, alice: FakePublisherV2) -> None:
    first = await publish(node, alice, ("calm-gallery", "1.0"))
    async with FakePublisher("Alice") as other:
        source = await publish(node, other, ("calm-gallery", "9.0"))
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    assert await versions(node) == ["1.0"]
    assert await versions(node, f"alice-{digest}/calm-gallery") == ["9.0"]
    keys = [(source, "calm-gallery"), (source, "ends-in-"), ("bob@no.example", "x")]
    assert await node.services.composer.names_of(keys) == {keys[0]: f"alice-{digest}/calm-gallery"}
    listed = {row["source_id"]: row["composer"] for row in (await node.get("plugins"))["plugins"]}
    assert listed == {first: NAME, source: f"alice-{digest}/calm-gallery"}
    assert await node.services.composer.fill() == 0


async def test_an_unknown_package_is_not_found(node: ServedNode, alice: FakePublisherV2) -> None:
    await publish(node, alice, ("calm-gallery", "1.0"))
    for path in ("alice/none.json", "nobody/none.json", NAME, "alice/x---y.json", "%25/%25.json"):
        assert (await get(node, f"p2/{path}")).status_code == 404, path


async def test_a_large_repository_names_its_vendors(
    node: ServedNode, alice: FakePublisherV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composer, "MOST_LISTED", 1)
    await publish(node, alice, ("calm-gallery", "1.0"))
    assert (await read(node, "packages.json"))["available-packages"] == [NAME]
    await publish(node, alice, ("reading-time", "1.0"))
    document = await read(node, "packages.json")
    assert document["available-package-patterns"] == ["alice/*"]
    assert "available-packages" not in document


async def test_what_cannot_be_dated_is_served_without_a_date(
    node: ServedNode, alice: FakePublisherV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(node, alice, ("calm-gallery", "1.0"))

    async def fail(*_: object) -> int:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(composer, "date_document", fail)
    answer = await get(node, f"p2/{NAME}.json")
    assert answer.status_code == 200
    assert "Last-Modified" not in answer.headers


async def test_there_are_no_development_versions_and_none_is_claimed(node: ServedNode, alice: FakePublisherV2) -> None:
    await publish(node, alice, ("calm-gallery", "1.0"))
    assert await read(node, f"p2/{NAME}~dev.json") == {"packages": {}}
    assert await read(node, "p2/symfony/console~dev.json") == {"packages": {}}


async def test_names_are_listed_and_searched(node: ServedNode, alice: FakePublisherV2) -> None:
    await publish(node, alice, ("calm-gallery", "1.0"), ("reading-time", "1.0"))
    everything = [NAME, "alice/reading-time"]
    for query, expected in {
        "": everything,
        "?filter=alice/*": everything,
        "?filter=*TIME": ["alice/reading-time"],
        "?filter=alice": [],
        "?filter=alice/calm_gallery": [],
        "?filter=%25": [],
        "?vendor=alice&filter=alice/c*": [NAME],
        "?vendor=bob": [],
    }.items():
        assert (await read(node, f"list.json{query}"))["packageNames"] == expected, query
    for query, expected in {
        "?q=": everything,
        "?q=calm": [NAME],
        "?q=alice/read": ["alice/reading-time"],
        "?q=CALM&type=wordpress-plugin": [NAME],
        "?q=calm&type=wordpress-theme": [],
        "?q=calm&type=library": [],
        "?q=one+thing&page=2": [],
    }.items():
        found = await read(node, f"search.json{query}")
        assert [one["name"] for one in found["results"]] == expected, query
    assert (await read(node, "search.json?q=one+thing&page=2"))["total"] == 2


async def downloads(node: ServedNode, source: str) -> int:
    await node.services.usage.flush()
    totals = await node.services.usage.totals([(source, "calm-gallery")])
    return totals[source, "calm-gallery"].downloads


async def notify(node: ServedNode, content: bytes) -> None:
    answer = await node.http.post("/composer/notify-batch", content=content)
    assert answer.status_code == 200, answer.text


async def test_installs_that_composer_reports_are_counted(node: ServedNode, alice: FakePublisherV2) -> None:
    source = await publish(node, alice, ("calm-gallery", "1.0"), ("calm-gallery", "1.1-rc.2"))
    reported = [
        {"name": NAME, "version": "1.0.0.0"},
        {"name": NAME, "version": "1.0.0.0"},
        {"name": "Alice/Calm-Gallery", "version": "1.1.0.0-RC2", "downloaded": True},
        {"name": NAME, "version": "7.0.0.0"},
        {"name": "symfony/console", "version": "1.0.0.0"},
    ]
    await notify(node, json.dumps({"downloads": reported}).encode())
    assert await downloads(node, source) == 2


async def test_a_broken_report_counts_nothing_and_harms_nothing(node: ServedNode) -> None:
    for content in (
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"downloads": {}}',
        b'{"downloads": [null, 1, {}, {"name": 1, "version": 2}]}',
        b'{"downloads": [{"name": "\\u0000/x", "version": "1"}]}',
        b'{"downloads": [{"name": "alice/x", "version": "\\u0000"}]}',
        b"\xff\xfe",
    ):
        await notify(node, content)
