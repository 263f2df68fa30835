"""A plugin's page for whoever installs it: ways that work, commands that can be pasted, and no promise too much."""

import hashlib
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

from tests.support.tools import needs_tool
from tests.web.pages.browser import Page
from tests.web.pages.conftest import Held

from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.pages import words

README = b"""=== One ===
Tags: gallery

Short.

== Description ==
Some **bold** words. <script>alert(1)</script> <img src="https://elsewhere.example/x.png">

= A heading =
[Here](https://one.example/) and [there](javascript:alert(1)). \xe2\x80\xaegnp.exe

== Frequently Asked Questions ==
Why not.

== Changelog ==
= 1.0 =
* First.
"""


def commands(page: Page) -> list[str]:
    """Give what the copy buttons copy, line by line."""
    found = [given["data-copy"] for tag, given in page.tags if tag == "button" and "data-copy" in given]
    return [line for text in found for line in text.split("\n")]


async def test_what_is_signed_can_be_installed_in_every_way(held: Held, signing: FakePublisherV2) -> None:
    content = signing.add_plugin("one", "1.0")
    source_id = await held.register(signing)
    page = await held.stranger.open(f"/plugins/{source_id}/one")
    helper = next(link for link in page.links() if link.startswith("/wordpress/"))
    answer = await held.stranger.http.get(helper)
    assert answer.status_code == 200
    assert source_id in answer.text
    zip_url = next(link for link in page.links() if "/dl/" in link)
    assert (await held.stranger.http.get(zip_url)).content == content
    assert "composer require alice/one" in commands(page)
    assert (await held.stranger.http.get("/composer/p2/alice/one.json")).status_code == 200
    typed = commands(page)
    assert f"pfn verify one.1.0.zip --source {source_id} --key author.pem" in typed
    proof = next(shlex.split(line)[-1] for line in typed if "/federation/proof" in line)
    assert (await held.stranger.http.get(proof)).status_code == 200
    assert f"echo '{hashlib.sha256(content).hexdigest()}  one.1.0.zip' | sha256sum -c" in typed


async def test_no_command_promises_what_no_signature_covers(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await held.register(publisher)
    page = await held.stranger.open(f"/plugins/{source_id}/one")
    assert "No signature covers the bytes of this zip" in page.text
    assert "The site helper cannot bring it:" in page.text
    assert not [line for line in commands(page) if line.startswith("pfn verify")]
    assert not [link for link in page.links() if link.startswith("/wordpress/")]


async def test_whose_the_slug_is_not_is_told_so(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("one", "1.0")
    first = await held.register(signing)
    async with FakePublisherV2("bob", now=int(held.clock.now)) as second:
        second.add_plugin("one", "2.0")
        source_id = await held.register(second)
        page = await held.stranger.open(f"/plugins/{source_id}/one")
    assert f"one is {first}'s here" in page.text
    assert not [link for link in page.links() if link.startswith("/wordpress/")]


@needs_tool("sha256sum")
@needs_tool("sh")
async def test_the_digest_command_works_as_it_stands(held: Held, signing: FakePublisherV2, tmp_path: Path) -> None:
    content = signing.add_plugin("one", "1.0")
    source_id = await held.register(signing)
    typed = commands(await held.stranger.open(f"/plugins/{source_id}/one"))
    line = next(line for line in typed if "sha256sum" in line)
    (tmp_path / "one.1.0.zip").write_bytes(content)
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "one.1.0.zip: OK\n"
    (tmp_path / "one.1.0.zip").write_bytes(content + b"x")
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, check=False).returncode == 1


async def test_the_readme_is_shown_by_section_and_harmless(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("one", "1.0", files={"readme.txt": README})
    source_id = await held.register(signing)
    page = await held.stranger.open(f"/plugins/{source_id}/one")
    ids = [given["id"] for tag, given in page.tags if tag == "section" and "id" in given]
    assert ids == ["description", "faq", "changelog", "versions"]
    assert {f"#{name}" for name in ids} <= page.links()
    assert "Some bold words." in page.text
    assert "⟨U+202E⟩gnp.exe" in page.text
    assert "https://one.example/" in page.links()
    assert page.foreign_scripts() == []
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [link for link in page.links() if link.startswith("javascript:")]
    headings = [int(tag[1]) for tag, _ in page.tags if tag in {"h1", "h2", "h3", "h4"}]
    assert all(later <= before + 1 for before, later in pairwise(headings))


async def test_of_many_versions_the_newest_are_shown(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("one", "1.0")
    source_id = await held.register(signing)
    for number in range(1, 12):
        signing.add_plugin("one", f"1.{number}")
        await held.api.sync(source_id)
    here = f"/plugins/{source_id}/one"
    page = await held.stranger.open(here)
    assert f"{here}/verify?version=1.11" in page.links()
    assert f"{here}/verify?version=1.1" not in page.links()
    assert f"{here}?versions=all#versions" in page.links()
    page = await held.stranger.open(here, versions="all")
    assert f"{here}/verify?version=1.1" in page.links()
    assert f"{here}?versions=all#versions" not in page.links()


async def test_numbers_of_use_are_shown_where_there_are_any(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("one", "1.0")
    source_id = await held.register(signing)
    here = f"/plugins/{source_id}/one"
    assert "Downloads here" not in (await held.stranger.open(here)).text
    for _ in range(3):
        held.services.usage.count_download(source_id, "one", "1.0")
    held.services.usage.count_sites("https://site.example", [(source_id, "one", "1.0")])
    await held.services.usage.flush()
    page = await held.stranger.open(here)
    assert "Downloads here3" in page.text
    assert "Sites that run it" not in page.text


async def test_the_sentence_about_the_log_is_the_apis(held: Held, signing: FakePublisherV2) -> None:
    standing = await held.services.log.standing()
    for index in (0, 4):
        place = standing.place(index)
        assert place is not None
        assert words.placed(place) == place.sentence
