"""Update checks over HTTP, with bodies as WordPress 6.1 sends them: who is heard, and what every site survives."""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.support.mesh import download, follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time
from tests.support.tools import needs_tool
from tests.support.wordpress import USER_AGENT, check_plugins, check_themes, plugin_header, theme_zip

from pfn.protocol.source_id import source_id
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

HELLO = "hello/hello.php"
EMPTY = {"plugins": {}, "no_update": {}, "translations": []}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node", clock=Time()) as node:
        yield node


@pytest.fixture
async def alice(node: ServedNode) -> AsyncIterator[FakePublisherV2]:
    """A publisher whose plugin `hello` 1.2 the node offers."""
    async with FakePublisherV2("alice", now=int(node.clock.now)) as alice:
        alice.add_plugin("hello", "1.2")
        await follow(node, alice)
        yield alice


def name_of(publisher: FakePublisher) -> str:
    return source_id(publisher.url, publisher.username)


async def test_an_update_is_offered_with_a_package_that_is_there(node: ServedNode, alice: FakePublisherV2) -> None:
    installed = {HELLO: plugin_header("1.1"), "other/other.php": plugin_header("1.0")}
    body = await check_plugins(node, installed)
    assert body["no_update"] == {}
    assert list(body["plugins"]) == [HELLO]
    item = body["plugins"][HELLO]
    assert (item["slug"], item["plugin"], item["new_version"]) == ("hello", HELLO, "1.2")
    assert (item["requires"], item["requires_php"], item["tested"]) == ("5.9", "7.4", "6.1")
    assert item["package"] == f"{node.url}/dl/{name_of(alice)}/hello/hello.1.2.zip"
    assert (await node.http.get(item["package"])).content.startswith(b"PK")
    assert item["url"] == f"{node.url}/plugins/{name_of(alice)}/hello"
    assert "autoupdate" not in json.dumps(body)
    icon = await node.http.get(item["icons"]["default"])
    assert icon.headers["content-type"].startswith("image/")
    for path in ("/plugins/update-check/1.1", "/wordpress/plugins/update-check/1.1/"):
        assert await check_plugins(node, installed, path=path) == body


async def test_what_is_current_or_newer_goes_to_no_update(node: ServedNode, alice: FakePublisherV2) -> None:
    for version in ("1.2", "1.2.1", "2.0-beta"):
        body = await check_plugins(node, {HELLO: plugin_header(version)})
        assert body["plugins"] == {}
        assert body["no_update"][HELLO]["new_version"] == "1.2"


async def test_a_hundred_plugins_at_once(node: ServedNode) -> None:
    async with FakePublisher("alice") as alice:
        for number in range(40):
            alice.add_plugin(f"p-{number}", "2.0")
        await follow(node, alice)
        sent = {f"p-{number}/p-{number}.php": plugin_header("1.0" if number % 2 else "2.0") for number in range(100)}
        body = await check_plugins(node, sent)
        assert sorted(body["plugins"]) == sorted(f"p-{n}/p-{n}.php" for n in range(1, 40, 2))
        assert sorted(body["no_update"]) == sorted(f"p-{n}/p-{n}.php" for n in range(0, 40, 2))


async def test_an_update_uri_says_who_may_answer(node: ServedNode, alice: FakePublisherV2) -> None:
    source = name_of(alice)
    for uri, answered in (
        (f"{node.url}/puc/{source}/hello.json", True),
        (node.url, True),
        (f"{alice.url}/hello", True),
        ("https://elsewhere.example/hello", False),
        ("https://wordpress.org/plugins/hello/", False),
        ("w.org/plugins/hello", False),
        ("false", False),
        # A source of this node, but not the one that speaks for the slug.
        (f"{node.url}/puc/bob@two.example/hello.json", False),
        (f"{node.url}/puc/bob%40two.example/hello.json", False),
    ):
        body = await check_plugins(node, {HELLO: plugin_header("1.0", UpdateURI=uri)})
        assert (list(body["plugins"]) == [HELLO]) is answered, uri
        assert body["no_update"] == {}


async def test_another_main_file_is_another_plugin(node: ServedNode, alice: FakePublisherV2) -> None:
    for key in ("hello/dolly.php", "hello/inc/hello.php", "hello.php", "Hello/hello.php"):
        assert await check_plugins(node, {key: plugin_header("1.0")}) == EMPTY, key


async def test_dependency_confusion_a_newcomer_is_not_offered(node: ServedNode, alice: FakePublisherV2) -> None:
    async with FakePublisherV2("mallory", now=int(node.clock.now)) as mallory:
        mallory.add_plugin("hello", "9.9")
        newcomer = await follow(node, mallory)
        assert (await download(node, newcomer, "hello", "9.9")).startswith(b"PK")
        body = await check_plugins(node, {HELLO: plugin_header("1.0")})
        assert body["plugins"][HELLO]["new_version"] == "1.2"
        assert name_of(alice) in body["plugins"][HELLO]["package"]
        # Nor while the holder is away; only the operator's word moves a slug.
        await node.services.sources.suspend("test", name_of(alice), "looking into it")
        assert await check_plugins(node, {HELLO: plugin_header("1.0")}) == EMPTY
        await node.services.slugs.pin("test", "hello", newcomer)
        body = await check_plugins(node, {HELLO: plugin_header("1.0")})
        assert body["plugins"][HELLO]["new_version"] == "9.9"


async def test_a_yanked_release_is_not_offered_and_nobody_is_sent_back(
    node: ServedNode, alice: FakePublisherV2
) -> None:
    alice.add_plugin("hello", "1.3")
    await sync(node, name_of(alice))
    assert (await check_plugins(node, {HELLO: plugin_header("1.0")}))["plugins"][HELLO]["new_version"] == "1.3"
    alice.yank("hello", "1.3")
    await sync(node, name_of(alice))
    assert (await check_plugins(node, {HELLO: plugin_header("1.0")}))["plugins"][HELLO]["new_version"] == "1.2"
    body = await check_plugins(node, {HELLO: plugin_header("1.3")})
    assert body["plugins"] == {}
    assert body["no_update"][HELLO]["new_version"] == "1.2"
    alice.yank("hello", "1.2")
    await sync(node, name_of(alice))
    assert await check_plugins(node, {HELLO: plugin_header("1.0")}) == EMPTY


async def test_what_was_said_a_moment_ago_is_not_said_again_once_it_changed(
    node: ServedNode, alice: FakePublisherV2
) -> None:
    async def ask() -> tuple[str, str, str] | None:
        # Both lists, twice, so that what is kept of an answer is there to be given wrongly.
        said = []
        for _ in range(2):
            older = (await check_plugins(node, {HELLO: plugin_header("0.1")}))["plugins"].get(HELLO)
            newer = (await check_plugins(node, {HELLO: plugin_header("99")}))["no_update"].get(HELLO)
            assert older == newer
            said.append(older and (older["new_version"], older["tested"], older["package"]))
        assert said[0] == said[1]
        return said[0]

    def package(publisher: FakePublisher, version: str) -> str:
        return f"{node.url}/dl/{name_of(publisher)}/hello/hello.{version}.zip"

    services, source = node.services, name_of(alice)
    assert await ask() == ("1.2", "6.1", package(alice, "1.2"))
    readme = b"=== Hello ===\nTested up to: 6.9\nStable tag: 1.3\n\nSays hello.\n"
    alice.add_plugin("hello", "1.3", files={"readme.txt": readme})
    await sync(node, source)
    assert await ask() == ("1.3", "6.9", package(alice, "1.3"))
    alice.yank("hello", "1.3")
    await sync(node, source)
    assert await ask() == ("1.2", "6.1", package(alice, "1.2"))
    await services.sources.suspend("test", source, "looking into it")
    assert await ask() is None
    await services.sources.resume("test", source)
    assert await ask() == ("1.2", "6.1", package(alice, "1.2"))
    async with FakePublisherV2("bob", now=int(node.clock.now)) as bob:
        bob.add_plugin("hello", "1.2")
        other = await follow(node, bob)
        await services.slugs.pin("test", "hello", other)
        assert await ask() == ("1.2", "6.1", package(bob, "1.2"))
        await services.sources.remove("test", other)
        assert await ask() is None
        await services.slugs.pin("test", "hello", source)
        assert await ask() == ("1.2", "6.1", package(alice, "1.2"))
    await services.sources.remove("test", source)
    assert await ask() is None


async def test_themes_have_their_own_answer_and_are_no_plugins(node: ServedNode) -> None:
    async with FakePublisher("ann") as ann:
        ann.add_plugin("sky", "1.1", content=theme_zip("sky", "1.1"))
        ann.add_plugin("hello", "1.1")
        source = await follow(node, ann)
        body = await check_themes(node, {"sky": "1.0", "hello": "1.0", "twentytwenty": "2.0"})
        assert body["no_update"] == {}
        assert body["themes"] == {
            "sky": {
                "theme": "sky",
                "new_version": "1.1",
                "url": f"{node.url}/plugins/{source}/sky",
                "package": f"{node.url}/dl/{source}/sky/sky.1.1.zip",
                "requires": None,
                "requires_php": "7.4",
            }
        }
        assert list((await check_themes(node, {"sky": "1.1"}))["no_update"]) == ["sky"]
        assert (await check_themes(node, {"sky": "1.0"}, UpdateURI="https://elsewhere.example/"))["themes"] == {}
        assert await check_plugins(node, {"sky/style.css": plugin_header("1.0")}) == EMPTY


async def test_a_broken_request_has_nothing_installed(node: ServedNode) -> None:
    odd = {"plugins": {HELLO: {"Version": 7, "UpdateURI": []}}, "active": {"x": 1}}
    for body in (
        b"",
        b"plugins",
        b"plugins=",
        b"plugins=%7B",
        b"plugins=null&translations=null",
        b"plugins=%7B%22plugins%22%3A%5B%5D%7D",
        b"plugins=%FF%FE",
        b"\xff\xfe\x00",
        b"&".join(b"a%d=1" % number for number in range(5_000)),
        b"plugins=" + b"%5B" * 100_000,
        b'{"plugins": {}}',
        urlencode({"plugins": json.dumps(odd), "themes": json.dumps(odd)}).encode(),
    ):
        for kind in ("plugins", "themes"):
            answer = await node.http.post(f"/{kind}/update-check/1.1/", content=body, headers=FORM)
            assert answer.status_code == 200
            assert answer.json() == {kind: {}, "no_update": {}, "translations": []}, body[:50]


async def test_a_body_without_end_is_refused_with_a_status_that_core_ignores(node: ServedNode) -> None:
    answer = await node.http.post("/plugins/update-check/1.1/", content=b"plugins=" + b"a" * 2**21, headers=FORM)
    assert answer.status_code == 413


async def test_it_is_limited_and_counted_as_every_request(tmp_path: Path) -> None:
    path = "/plugins/update-check/1.1/"
    async with serve_node(tmp_path / "node", clock=Time(), address_limit=2, open_metrics=True) as node:
        answers = [await node.http.post(path, headers={"Authorization": ""}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        for answer in answers:
            assert {"ratelimit", "x-request-id", "content-security-policy"} <= answer.headers.keys()
        node.clock.now += 120
        counted = f'pfn_http_requests_total{{method="POST",route="{path}",status="200"}} 2.0'
        assert counted in (await node.http.get("/metrics")).text


async def test_there_are_no_language_packs(node: ServedNode) -> None:
    for kind in ("plugins", "themes", "core"):
        answer = await node.http.post(f"/translations/{kind}/1.0/", data={"slug": "hello", "version": "1.0"})
        assert answer.json() == {"translations": []}


async def test_a_site_counts_for_what_it_has_active(node: ServedNode, alice: FakePublisherV2) -> None:
    alice.add_plugin("second", "1.0")
    await sync(node, name_of(alice))
    plugins = {HELLO: plugin_header("1.2"), "second/second.php": plugin_header("1.0")}
    for number in range(12):
        form = {"plugins": json.dumps({"plugins": plugins, "active": [HELLO]})}
        agent = f"WordPress/6.1; https://site{number}.example/"
        for _ in range(2):
            await node.http.post("/plugins/update-check/1.1/", data=form, headers={"User-Agent": agent})
    await node.http.post("/plugins/update-check/1.1/", data=form, headers={"User-Agent": "curl/8"})
    await node.services.usage.flush()
    keys = [(name_of(alice), slug) for slug in ("hello", "second")]
    assert [one.installs for one in (await node.services.usage.totals(keys)).values()] == [10, 0]


@needs_tool("php")
async def test_php_gets_arrays_where_core_walks_them(node: ServedNode, alice: FakePublisherV2) -> None:
    # What wp_update_plugins() does with an answer: a missing or a null list is a TypeError.
    script = """
        error_reporting(E_ALL);
        set_error_handler(function ($n, $message) { throw new ErrorException($message); });
        $response = json_decode(stream_get_contents(STDIN), true);
        foreach (['plugins', 'no_update'] as $list) {
            array_walk($response[$list], function (&$item) {
                $item = (object) $item;
                unset($item->translations, $item->compatibility);
                foreach (['id', 'slug', 'plugin', 'new_version', 'url', 'package', 'tested'] as $name) {
                    if (!is_string($item->$name)) throw new Exception($name);
                }
                if (!is_array($item->icons) || !is_string($item->icons['default'])) throw new Exception('icons');
                if (version_compare($item->new_version, '1.0', '<=')) throw new Exception('version');
            });
        }
        if (!is_array($response['translations'])) throw new Exception('translations');
        echo count($response['plugins']), ' ', count($response['no_update']);
    """
    for version, counted in (("1.1", "1 0"), ("1.2", "0 1"), (None, "0 0")):
        plugins = {HELLO: plugin_header(version)} if version else {}
        form = {"plugins": json.dumps({"plugins": plugins, "active": []})}
        answer = await node.http.post("/plugins/update-check/1.1/", data=form, headers={"User-Agent": USER_AGENT})
        done = subprocess.run(["php", "-r", script], input=answer.content, capture_output=True, check=False)
        assert done.stdout.decode() == counted, done.stdout + done.stderr


async def test_the_version_that_counts_is_the_one_php_calls_newer(node: ServedNode) -> None:
    async with FakePublisher("ann") as ann:
        ann.add_plugin("hello", "1.0.0", content=plugin_zip("hello", "1.0.0"))
        await follow(node, ann)
        assert list((await check_plugins(node, {HELLO: plugin_header("1.0")}))["plugins"]) == [HELLO]
        assert list((await check_plugins(node, {HELLO: plugin_header("1.0.0")}))["no_update"]) == [HELLO]
