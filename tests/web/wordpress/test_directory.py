"""The directory over HTTP, asked as WordPress's install screens ask: lists, search, tags, details, closed plugins."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time
from tests.support.tools import needs_tool
from tests.support.wordpress import ask, theme_zip

from pfn.protocol.source_id import source_id
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

README = b"""=== Contact Forms ===
Contributors: ann, bob
Donate link: javascript:alert(1)
Tags: forms, contact
Tested up to: 6.1

Makes forms.

== Description ==

Makes *forms* <script>alert(1)</script> and [links](https://forms.example/).

= Sub =

== Changelog ==

= 1.1 =
* New

== Upgrade Notice ==

= 1.1 =
Do it.
"""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node", clock=Time()) as node:
        yield node


@pytest.fixture
async def ann(node: ServedNode) -> AsyncIterator[FakePublisherV2]:
    """A publisher with three plugins that the node offers, the newest first mirrored last."""
    async with FakePublisherV2("ann", now=int(node.clock.now)) as ann:
        ann.add_plugin("contact-forms", "1.0", name="Contact Forms", description="Makes forms.", tags=("Contact Form",))
        await follow(node, ann)
        node.clock.now += 60
        ann.now = int(node.clock.now)
        ann.add_plugin("maps", "2.0", description="Shows maps, no forms.", tags=("maps", "error"))
        ann.add_plugin("calm", "1.0", description="Does 100% nothing.", tags=("maps",))
        await sync(node, name_of(ann))
        yield ann


def name_of(publisher: FakePublisher) -> str:
    return source_id(publisher.url, publisher.username)


async def slugs(node: ServedNode, **request: Any) -> list[str]:
    body = await ask(node, "query_plugins", **request)
    found = [plugin["slug"] for plugin in body["plugins"]]
    assert body["info"]["results"] >= len(found)
    return found


async def test_search_finds_all_words_and_the_name_before_the_description(
    node: ServedNode, ann: FakePublisherV2
) -> None:
    assert await slugs(node, search="forms") == ["contact-forms", "maps"]
    assert await slugs(node, search="MAPS") == ["maps", "calm"]
    assert await slugs(node, search="contact forms") == ["contact-forms"]
    assert await slugs(node, search="100%") == ["calm"]
    # Signs are no words.
    assert await slugs(node, search="%") == []
    assert await slugs(node, search="nowhere") == []


async def test_lists_by_tag_author_and_order(node: ServedNode, ann: FakePublisherV2) -> None:
    assert await slugs(node, tag="contact-form") == ["contact-forms"]
    assert await slugs(node, tag="maps") == ["calm", "maps"]
    assert await slugs(node, tag="errors") == ["maps"]
    assert await slugs(node, tag=["maps", "errors"]) == ["maps"]
    assert await slugs(node, tag="none") == []
    assert await slugs(node, author="ann") == ["calm", "contact-forms", "maps"]
    assert await slugs(node, author=name_of(ann)) == ["calm", "contact-forms", "maps"]
    assert await slugs(node, author="bob") == []
    assert await slugs(node, user="ann") == []
    assert await slugs(node, browse="new") == ["calm", "maps", "contact-forms"]
    assert await slugs(node, browse="recommended", installed_plugins=["calm", "x' OR 1"]) == ["contact-forms", "maps"]
    node.services.usage.count_download(name_of(ann), "maps", "2.0")
    await node.services.usage.flush()
    popular = await ask(node, "query_plugins", browse="popular")
    assert [one["slug"] for one in popular["plugins"]] == ["maps", "calm", "contact-forms"]
    assert [one["downloaded"] for one in popular["plugins"]] == [1, 0, 0]


async def test_pages_meet_everything_once(node: ServedNode, ann: FakePublisherV2) -> None:
    pages = [await ask(node, "query_plugins", browse="new", page=page, per_page=2) for page in (1, 2, 3)]
    assert [page["info"] for page in pages] == [{"page": number, "pages": 2, "results": 3} for number in (1, 2, 3)]
    assert [one["slug"] for page in pages for one in page["plugins"]] == ["calm", "maps", "contact-forms"]
    for odd in ({"page": 0}, {"page": -1}, {"page": "x"}, {"page": "9" * 30}, {"per_page": 0}, {"per_page": 10**6}):
        assert (await ask(node, "query_plugins", **odd))["info"]["results"] == 3


async def test_details_have_the_readme_as_harmless_html_and_every_version(
    node: ServedNode, ann: FakePublisherV2
) -> None:
    async with FakePublisher("bob") as bob:
        bob.add_plugin("readable", "1.0")
        source = await follow(node, bob)
        bob.add_plugin(
            "readable", "1.1", content=plugin_zip("readable", "1.1", files={"readme.txt": README}), name="A & B"
        )
        await sync(node, source)
        found = await ask(node, "plugin_information", slug="readable", fields={"banners": False})
        assert found["name"] == "A &amp; B"
        assert (found["version"], found["slug"], found["external"]) == ("1.1", "readable", True)
        assert found["download_link"] == f"{node.url}/dl/{source}/readable/readable.1.1.zip"
        assert list(found["versions"]) == ["1.1", "1.0"]
        assert found["versions"]["1.0"] == f"{node.url}/dl/{source}/readable/readable.1.0.zip"
        assert found["sections"]["description"].startswith("<p>Makes <em>forms</em>  and <a href=")
        assert found["sections"]["changelog"] == "<h4>1.1</h4>\n<ul>\n<li>New</li>\n</ul>"
        assert list(found["sections"]) == ["description", "changelog"]
        assert found["upgrade_notice"] == {"1.1": "Do it."}
        assert list(found["contributors"]) == ["ann", "bob"]
        assert found["donate_link"] == ""
        assert found["author_profile"] == f"{node.url}/sources/{source}"
        assert "banners" not in found
        older = (await node.http.get("/plugins/info/1.0/readable.json")).json()
        assert {**found, "banners": {}} == older


async def test_the_installer_asks_without_sections(node: ServedNode, ann: FakePublisherV2) -> None:
    found = await ask(node, "plugin_information", slug="maps", fields={"sections": False, "name": False})
    assert "sections" not in found
    assert {"name", "slug", "version", "download_link"} <= found.keys()


async def test_hot_tags(node: ServedNode, ann: FakePublisherV2) -> None:
    tags = await ask(node, "hot_tags")
    assert tags == {
        "maps": {"name": "maps", "slug": "maps", "count": 2},
        "contact-form": {"name": "contact form", "slug": "contact-form", "count": 1},
        "errors": {"name": "error", "slug": "errors", "count": 1},
    }
    assert list(await ask(node, "hot_tags", number=1)) == ["maps"]


async def test_what_is_not_there_is_an_error_that_core_shows(node: ServedNode, ann: FakePublisherV2) -> None:
    for slug in ("nothing", "", "No Slug", "a" * 300):
        assert await ask(node, "plugin_information", slug=slug, status=404) == {"error": "Plugin not found."}
    assert await ask(node, "theme_information", of="themes", slug="maps", status=404) == {"error": "Theme not found."}
    assert "error" in await ask(node, "hot_categories", status=400)
    for query in (
        "",
        "action[]=x",
        "action=plugin_information&request=a:1:{}",
        "action=query_plugins&request[page][]=1",
    ):
        answer = await node.http.get(f"/wordpress/plugins/info/1.2?{query}")
        assert answer.status_code in {200, 400, 404}
        assert isinstance(answer.json(), dict)
    # Core believes the body, so what the rest of the node refuses has an error in it too.
    refused = await node.http.get("/plugins/info/1.2/?action=query_plugins&request[search]=%00")
    assert "error" in refused.json()


async def test_a_withdrawn_plugin_is_closed_with_its_reason(node: ServedNode, ann: FakePublisherV2) -> None:
    ann.yank("maps", "2.0", "It <loses> data.")
    await sync(node, name_of(ann))
    assert await slugs(node, search="maps") == ["calm"]
    closed = await ask(node, "plugin_information", slug="maps", status=404)
    assert (closed["error"], closed["closed"], closed["slug"], closed["name"]) == ("closed", True, "maps", "Maps")
    assert "2.0: It &lt;loses&gt; data." in closed["description"]
    assert len(closed["closed_date"]) == len("2026-01-01")


async def test_plugins_of_a_suspended_source_are_closed_until_it_is_resumed(
    node: ServedNode, ann: FakePublisherV2
) -> None:
    await node.services.sources.suspend("test", name_of(ann), "looking into it")
    assert await slugs(node) == []
    assert await ask(node, "hot_tags") == {}
    closed = await ask(node, "plugin_information", slug="maps", status=404)
    assert closed["error"] == "closed"
    assert "suspended" in closed["description"]
    assert (await node.http.get("/wordpress/plugins/info/1.0/maps.json")).json() == closed
    await node.services.sources.resume("test", name_of(ann))
    assert (await ask(node, "plugin_information", slug="maps"))["version"] == "2.0"
    await node.services.sources.remove("test", name_of(ann))
    assert await ask(node, "plugin_information", slug="maps", status=404) == {"error": "Plugin not found."}


async def test_a_later_source_with_the_slug_is_not_shown(node: ServedNode, ann: FakePublisherV2) -> None:
    async with FakePublisherV2("mallory", now=int(node.clock.now)) as mallory:
        mallory.add_plugin("maps", "9.0", description="Shows maps, and more.")
        await follow(node, mallory)
        assert (await ask(node, "plugin_information", slug="maps"))["version"] == "2.0"
        assert await slugs(node, search="maps") == ["maps", "calm"]
        assert await slugs(node, author="mallory") == []


async def test_themes(node: ServedNode, ann: FakePublisherV2) -> None:
    async with FakePublisher("sky-maker") as maker:
        maker.add_plugin("sky", "1.1", content=theme_zip("sky", "1.1"))
        source = await follow(node, maker)
        body = await ask(node, "query_themes", of="themes", per_page=20, fields={"reviews_url": True})
        assert body["info"] == {"page": 1, "pages": 1, "results": 1}
        (theme,) = body["themes"]
        assert theme["slug"] == "sky"
        assert theme["author"]["display_name"]
        found = await ask(node, "theme_information", of="themes", slug="sky", fields={"sections": False})
        assert found["download_link"] == f"{node.url}/dl/{source}/sky/sky.1.1.zip"
        assert "sections" not in found
        assert await ask(node, "feature_list", of="themes") == {}
        assert await ask(node, "hot_tags", of="themes") == {}
        assert await slugs(node, search="sky") == []
        assert await ask(node, "plugin_information", slug="sky", status=404) == {"error": "Plugin not found."}


async def test_an_answer_may_be_asked_for_again(node: ServedNode, ann: FakePublisherV2) -> None:
    path = "/plugins/info/1.2/?action=query_plugins"
    first = await node.http.get(path)
    assert first.headers["access-control-allow-origin"] == "*"
    assert first.headers["cache-control"] == "public, max-age=60"
    again = await node.http.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    posted = await node.http.post("/plugins/info/1.2/", data={"action": "query_plugins", "request[search]": "calm"})
    assert [one["slug"] for one in posted.json()["plugins"]] == ["calm"]
    assert posted.headers["cache-control"] == "no-store"


@needs_tool("php")
async def test_php_sees_what_the_install_screens_read(node: ServedNode, ann: FakePublisherV2) -> None:
    # The members that the list and the details of core's install screens read, read as they do.
    script = """
        error_reporting(E_ALL);
        set_error_handler(function ($n, $message) { throw new ErrorException($message); });
        [$list, $one] = json_decode(stream_get_contents(STDIN), true);
        foreach ($list['plugins'] as $plugin) {
            foreach (['name', 'slug', 'version', 'author', 'short_description', 'last_updated'] as $name) {
                if (strip_tags($plugin[$name]) === '') throw new Exception($name);
            }
            if (strtotime($plugin['last_updated']) === false) throw new Exception('last_updated');
            $plugin['rating'] + $plugin['num_ratings'] + $plugin['active_installs'];
            $plugin['icons']['default'];
            [$plugin['requires'], $plugin['tested'], $plugin['requires_php']];
        }
        $api = (object) $one;
        foreach ((array) $api->sections as $name => $content) strip_tags($content);
        foreach ((array) $api->contributors as $name => $details) [$details['display_name'], $details['avatar']];
        if (array_sum((array) $api->ratings) > 0) throw new Exception('ratings');
        foreach (['homepage', 'download_link', 'external', 'donate_link', 'banners'] as $name) $api->$name;
        echo $list['info']['results'];
    """
    query = await node.http.get("/plugins/info/1.2/?action=query_plugins")
    one = await node.http.get("/plugins/info/1.2/?action=plugin_information&request[slug]=maps")
    given = f"[{query.text},{one.text}]"
    done = subprocess.run(["php", "-r", script], input=given, capture_output=True, text=True, check=False)
    assert done.stdout == "3", done.stdout + done.stderr
