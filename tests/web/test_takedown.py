"""A takedown changes every view at once: whichever client asks next hears of it, and is given nothing by it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time

from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.links import source_path

DAY = 86_400
SLUG = "calm-gallery"
FILE = f"{SLUG}/{SLUG}.php"
OLD, NEW = "1.0", "1.1"
REASON = "It loses data."


@dataclass(frozen=True, slots=True)
class Stage:
    """A node with two releases of a plugin, a day apart, its name in Composer, and a webhook that hears everything."""

    node: ServedNode
    publisher: FakePublisherV2
    source: str
    hook: int
    package: str

    async def publish(self, version: str) -> None:
        self.publisher.now = int(self.node.clock.now)
        self.publisher.add_plugin(SLUG, version)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = Time()
    async with (
        serve_node(tmp_path / "node", clock=clock) as node,
        FakePublisherV2("alice", now=int(clock.now)) as publisher,
    ):
        publisher.add_plugin(SLUG, OLD)
        source = await follow(node, publisher)
        made = await node.post("webhooks", url="http://127.0.0.1:9/hook")
        [package] = (await node.http.get("/composer/packages.json")).json()["available-packages"]
        stage = Stage(node, publisher, source, made.json()["webhook"]["id"], package)
        clock.now += DAY
        await stage.publish(NEW)
        await sync(node, source)
        await node.services.webhooks.notify()
        yield stage


async def yank(stage: Stage) -> None:
    stage.publisher.yank(SLUG, NEW, REASON)
    await sync(stage.node, stage.source)


async def block(stage: Stage) -> None:
    """Have the publisher revoke the key that signed both, compromised after the first of them."""
    stage.publisher.revoke_release_key(compromised_since=int(stage.node.clock.now) - DAY // 2, reason=REASON)
    await sync(stage.node, stage.source)


async def suspend(stage: Stage) -> None:
    await stage.node.post("suspend-source", sourceId=stage.source, reason=REASON)


async def remove(stage: Stage) -> None:
    await stage.node.post("remove-source", sourceId=stage.source)


async def look(stage: Stage) -> dict[str, Any]:
    """Ask every view for the plugin: the version it offers, an error's code or status, None for nothing."""
    node, source = stage.node, stage.source
    http = node.http
    [page] = (await node.get("plugins", source=source))["plugins"] or [None]
    query = {"source": source, "plugin": SLUG}
    newest = await http.get("/federation/download", params=query)
    said = json.dumps({"plugins": {FILE: {"Name": "x", "Version": "0.9"}}, "active": [FILE]})
    check = (await http.post("/plugins/update-check/1.1/", data={"plugins": said, "all": "true"})).json()
    update = dict(check["plugins"]).get(FILE)
    asked = {"action": "plugin_information", "request[slug]": SLUG}
    info = (await http.get("/plugins/info/1.2/", params=asked)).json()
    listed = (await http.get("/plugins/info/1.2/", params={"action": "query_plugins"})).json()
    zips = f"/dl{source_path(source).removeprefix('/sources')}/{SLUG}/{SLUG}"
    puc = await http.get(f"/puc{source_path(source).removeprefix('/sources')}/{SLUG}.json")
    mpp = await http.get(f"/mpp/alice/{SLUG}/{SLUG}.json")
    package = stage.package
    p2 = await http.get(f"/composer/p2/{package}.json")
    versions = p2.json()["packages"][package] if p2.status_code == 200 else []
    advised = (await http.post("/composer/security-advisories", data={"packages[]": package})).json()["advisories"]
    return {
        "list": page and page["version"],
        "download": newest.headers.get("x-pfn-version") or newest.json()["code"],
        "download by version": (await http.get("/federation/download", params={**query, "version": NEW})).status_code,
        "update check": update and update["new_version"],
        "info": info.get("version") or info["error"],
        "info's versions": sorted(info.get("versions", ())),
        "directory": [one["version"] for one in listed["plugins"]],
        "zip": (await http.get(f"{zips}.{NEW}.zip")).status_code,
        "signature": (await http.get(f"{zips}.{NEW}.zip.sig")).status_code,
        "old zip": (await http.get(f"{zips}.{OLD}.zip")).status_code,
        "updater": puc.json().get("version") or puc.json()["code"],
        "array": mpp.json()[0]["version"] if mpp.status_code == 200 else mpp.json()["code"],
        "composer": [one["version"] for one in versions],
        "advisories": [(one["affectedVersions"], one["severity"]) for one in advised.get(package, [])],
    }


def offers(version: str, *rest: str) -> dict[str, Any]:
    """Give what every view says where all is well: ``version``, and ``rest`` beside it."""
    return {
        **dict.fromkeys(("list", "download", "update check", "info", "updater", "array"), version),
        **dict.fromkeys(("download by version", "zip", "signature", "old zip"), 200),
        "info's versions": sorted((version, *rest)),
        "directory": [version],
        "composer": [version, *rest],
        "advisories": [],
    }


def withholds(code: str, status: int, info: str) -> dict[str, Any]:
    """Give what every view says of a source nothing is served of."""
    return {
        **dict.fromkeys(("list", "update check"), None),
        **dict.fromkeys(("download", "updater", "array"), code),
        **dict.fromkeys(("download by version", "zip", "signature", "old zip"), status),
        "info": info,
        "info's versions": [],
        "directory": [],
        "composer": [],
        "advisories": [],
    }


Act = Callable[[Stage], Awaitable[None]]
TAKEDOWNS: list[tuple[Act, dict[str, Any], str]] = [
    # What was yanked can still be had by its number, for those who have it locked; nobody is offered it.
    (yank, offers(OLD) | {"advisories": [(NEW, "medium")]}, "release_yanked"),
    (
        block,
        offers(OLD) | dict.fromkeys(("download by version", "zip", "signature"), 410) | {"advisories": [(NEW, "high")]},
        "release_blocked",
    ),
    (suspend, withholds("source_suspended", 409, "closed") | {"advisories": [("*", "high")]}, "source_suspended"),
    (remove, withholds("source_unknown", 404, "Plugin not found."), "source_removed"),
]


@pytest.mark.parametrize(("act", "expected", "action"), TAKEDOWNS, ids=[row[0].__name__ for row in TAKEDOWNS])
async def test_every_view_hears_of_a_takedown_at_once(
    stage: Stage, act: Act, expected: dict[str, Any], action: str
) -> None:
    assert await look(stage) == offers(NEW, OLD)
    await act(stage)
    assert await look(stage) == expected

    [event] = (await stage.node.get("activity", action=action))["activities"]
    assert event["source_id"] == stage.source
    if event["plugin_id"] is not None:
        assert event["plugin_id"] == SLUG
        assert NEW in event["details"]["sentence"]
    feed = (await stage.node.http.get("/federation/activity.json", params={"action": action})).json()
    assert [item["_pfn"]["seq"] for item in feed["items"]] == [event["seq"]]
    await stage.node.services.webhooks.notify()
    sent = (await stage.node.get(f"webhooks/{stage.hook}/deliveries"))["deliveries"]
    assert [one["type"] for one in sent].count(f"federation_event.{action}") == 1


async def test_the_reason_is_told_where_a_client_can_show_it(stage: Stage) -> None:
    await suspend(stage)
    asked = {"action": "plugin_information", "request[slug]": SLUG}
    info = (await stage.node.http.get("/plugins/info/1.2/", params=asked)).json()
    assert "suspended" in json.dumps(info)
    p2 = (await stage.node.http.get(f"/composer/p2/{stage.package}.json")).json()
    assert REASON in p2["security-advisories"][0]["title"]
    assert p2["filter"]["malware"]


async def test_what_is_resumed_or_released_anew_is_offered_everywhere_again(stage: Stage) -> None:
    await suspend(stage)
    await stage.node.post("resume-source", sourceId=stage.source)
    assert await look(stage) == offers(NEW, OLD)
    await yank(stage)
    stage.node.clock.now += DAY
    await stage.publish("1.2")
    await sync(stage.node, stage.source)
    assert await look(stage) == offers("1.2", OLD) | {"advisories": [(NEW, "medium")]}


async def test_a_page_that_a_client_kept_is_not_confirmed_after_a_takedown(stage: Stage) -> None:
    """What is asked for with the ETag or date of before is answered anew, not with 304."""
    http, source = stage.node.http, stage.source
    paths = [
        f"/federation/plugins?source={source}",
        f"/federation/download?source={source}&plugin={SLUG}",
        f"/plugins/info/1.2/?action=plugin_information&request[slug]={SLUG}",
        f"/puc/{source}/{SLUG}.json",
        f"/mpp/alice/{SLUG}/{SLUG}.json",
        f"/mpp/alice/{SLUG}/{SLUG}.zip",
        f"/composer/p2/{stage.package}.json",
        "/federation/activity.json",
    ]
    kept = {}
    for path in paths:
        answer = await http.get(path)
        kept[path] = {"If-None-Match": answer.headers["etag"]}
        assert (await http.get(path, headers=kept[path])).status_code == 304, path
    await yank(stage)
    for path in paths:
        assert (await http.get(path, headers=kept[path])).status_code == 200, path
