"""What updaters of plugins get, read by PHP as they read it; and whose plugin an author's name stands for."""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.problem import assert_problem
from tests.support.tools import needs_tool

from pfn.protocol.errors import Code
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.links import zip_path

READER = Path(__file__).parent / "read_update.php"
README = b"""=== Reading Time ===
Tested up to: 6.6
Stable tag: 1.10

Tells how long it takes.

== Description ==

It *tells* <script>alert(1)</script> readers "how long".

== Installation ==

Upload it.

== Changelog ==

= 1.10 =
* Counts better.

== Upgrade Notice ==

= 1.10 =
Fixes a bug.
"""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node") as served:
        yield served


async def ask(node: ServedNode, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=node.url) as anybody:
        return await anybody.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})


def read_as(reader: str, body: bytes, installed: str) -> dict[str, Any]:
    """Have PHP read a document as ``reader`` would on a site that has version ``installed``."""
    run = subprocess.run(["php", str(READER), reader, installed], input=body, capture_output=True, check=False)
    assert run.returncode == 0, run.stdout.decode() + run.stderr.decode()
    made: dict[str, Any] = json.loads(run.stdout)
    return made


@needs_tool("php")
async def test_updaters_read_it_and_find_the_update(node: ServedNode) -> None:
    async with FakePublisher() as publisher:
        zipped = plugin_zip("reading-time", "1.10", name="Reading Time", files={"readme.txt": README})
        publisher.add_plugin("reading-time", "1.9", name="Reading Time")
        source = await follow(node, publisher)
        publisher.add_plugin("reading-time", "1.10", name="Reading Time", content=zipped)
        await sync(node, source)
    package = node.url + zip_path(source, "reading-time", "1.10")
    answer = await ask(
        node, f"/puc/{source}/reading-time.json?installed_version=1.9&php=8.2&locale=de&checking_for_updates=1"
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300, s-maxage=5"

    seen = read_as("plugin-update-checker", answer.content, "1.9")
    assert (seen["newer"], seen["name"], seen["download_url"]) == (True, "Reading Time", package)
    assert set(seen["sections"]) == {"description", "installation", "changelog"}
    assert "<script" not in seen["sections"]["description"]
    assert seen["icons"]["default"].startswith(node.url)
    assert read_as("plugin-update-checker", answer.content, "1.10")["newer"] is False

    core = read_as("update-uri", answer.content, "1.9")
    assert (core["newer"], core["new_version"], core["slug"], core["package"]) == (
        True,
        "1.10",
        "reading-time",
        package,
    )
    assert (core["tested"], core["requires_php"]) == ("6.6", "7.4")
    assert answer.json()["upgrade_notice"] == "Fixes a bug."

    array = await ask(node, "/mpp/alice/reading-time/reading-time.json")
    assert array.headers["cache-control"] == "public, max-age=300, s-maxage=5"
    old = read_as("micro-plugin-publisher", array.content, "1.9")
    assert (old["version"], old["newer"], old["slug"]) == ("1.10", True, "reading-time")
    assert old["flat"] == [old["sections"][name] for name in ("description", "installation", "changelog")]
    whole = await ask(node, "/mpp/alice/reading-time/reading-time.zip")
    assert whole.content == zipped == (await ask(node, package)).content
    assert whole.headers["cache-control"] == "public, max-age=300, s-maxage=5"
    assert whole.headers["content-disposition"] == 'attachment; filename="reading-time.zip"'

    for path, shown in (
        (f"/puc/{source}/reading-time.json", answer),
        ("/mpp/alice/reading-time/reading-time.json", array),
    ):
        again = await ask(node, path, If_None_Match=shown.headers["etag"])
        assert (again.status_code, again.content) == (304, b"")
        head = await ask(node, path, "HEAD")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(shown.content))


async def test_what_is_gone_is_said_to_be_gone(node: ServedNode) -> None:
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        publisher.add_plugin("two", "1.0")
        source = await follow(node, publisher)
        publisher.add_plugin("one", "2.0")
        publisher.yank("two", "1.0", reason="It loses posts.")
        await sync(node, source)
        assert (await ask(node, f"/puc/{source}/one.json")).json()["version"] == "2.0"
        publisher.yank("one", "2.0", reason="Worse than before.")
        await sync(node, source)
    # A yanked newest version is not offered; the one before is.
    assert (await ask(node, f"/puc/{source}/one.json")).json()["version"] == "1.0"
    for path in (f"/puc/{source}/two.json", "/mpp/alice/two/two.json", "/mpp/alice/two/two.zip"):
        gone = await ask(node, path, Accept="text/html")
        assert_problem(gone, Code.RELEASE_YANKED)
        assert gone.status_code == 410
        assert "It loses posts." in gone.json()["detail"]
    assert_problem(await ask(node, f"/puc/{source}/three.json"), Code.PLUGIN_UNKNOWN)
    assert_problem(await ask(node, "/puc/eve@127.0.0.1/one.json"), Code.SOURCE_UNKNOWN)
    assert_problem(await ask(node, "/mpp/eve/one/one.json"), Code.PLUGIN_UNKNOWN)
    assert_problem(await ask(node, "/mpp/alice/one/other.json"), Code.NOT_FOUND)
    assert_problem(await ask(node, "/mpp/alice/one/other.zip"), Code.NOT_FOUND)
    await node.services.sources.suspend("test", source, "We look into it.")
    assert_problem(await ask(node, f"/puc/{source}/one.json"), Code.SOURCE_SUSPENDED)
    assert_problem(await ask(node, "/mpp/alice/one/one.zip"), Code.SOURCE_SUSPENDED)


async def test_of_several_authors_of_one_name_none_is_guessed(node: ServedNode) -> None:
    async with FakePublisher("bob") as bob, FakePublisher() as first, FakePublisher() as second:
        # Bob has the slug first, so no Alice speaks for it.
        for publisher, version in ((bob, "3.0"), (first, "1.0"), (second, "9.0")):
            publisher.add_plugin("shared", version)
        await follow(node, bob)
        one = await follow(node, first)

        async def version() -> str:
            return str((await ask(node, "/mpp/alice/shared/shared.json")).json()[0]["version"])

        assert await version() == "1.0"
        # The second Alice is another one: nobody is handed over to her, whatever becomes of the first.
        two = await follow(node, second)
        for path in ("/mpp/alice/shared/shared.json", "/mpp/alice/shared/shared.zip"):
            told = assert_problem(await ask(node, path), Code.AUTHOR_AMBIGUOUS)["detail"]
            assert one in str(told)
            assert two in str(told)
        await node.services.slugs.pin("test", "shared", two)
        assert await version() == "9.0"
        await node.services.slugs.pin("test", "shared", one)
        assert await version() == "1.0"
        await node.services.sources.suspend("test", one, "We look into it.")
        assert_problem(await ask(node, "/mpp/alice/shared/shared.zip"), Code.SOURCE_SUSPENDED)
        assert (await ask(node, f"/puc/{two}/shared.json")).json()["version"] == "9.0"
