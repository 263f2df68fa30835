"""What anybody does in the catalogue, on a wide window, on a phone, and without scripts."""

import re

import pytest
from playwright.async_api import Browser, expect
from scripts.lived_node import SOURCE, ServedNode
from tests.support.tools import needs_tool
from tests.web.browser.visitor import Visitor, visit

pytestmark = [needs_tool("chromium"), pytest.mark.asyncio(loop_scope="session")]

PLUGIN = f"/plugins/{SOURCE}/plain-reading-time"


async def names(visitor: Visitor) -> list[str]:
    """Give the names of the plugins that the page lists."""
    return [text.strip() for text in await visitor.page.locator("ul.plugins h3 a").all_inner_texts()]


async def test_somebody_finds_a_plugin_by_words(stranger: Visitor) -> None:
    await stranger.open("/")
    await stranger.page.get_by_label("Search plugins").fill("contact forms")
    await stranger.press("Search")
    assert "/plugins?q=" in stranger.page.url
    assert await names(stranger) == ["Wind Forms"]
    await stranger.follow("Wind Forms")
    await expect(stranger.page.get_by_role("heading", level=1)).to_have_text("Wind Forms")


async def test_somebody_narrows_the_catalogue_down_and_widens_it_again(stranger: Visitor) -> None:
    await stranger.open("/plugins")
    everything = await names(stranger)
    await stranger.page.get_by_text("Narrow it down").click()
    await stranger.page.get_by_label("Signed at least").select_option("artifact")
    await stranger.press("Search")
    await stranger.page.wait_for_url(re.compile("level=artifact"))
    signed = await names(stranger)
    assert "Wind Forms" not in signed
    assert set(signed) < set(everything)
    await stranger.page.get_by_label("Tag").fill("images")
    await stranger.press("Search")
    await stranger.page.wait_for_url(re.compile("tag=images"))
    await expect(stranger.page.locator("ul.plugins h3 a")).to_have_text(["Image Dates"])
    await stranger.follow("Everything")
    assert await names(stranger) == everything
    assert await stranger.too_wide() == []


async def test_what_is_not_there_says_what_to_do(stranger: Visitor) -> None:
    await stranger.open("/plugins?q=nothing-like-it")
    assert "Nothing here matches" in await stranger.text()
    await stranger.follow("Show everything")
    assert await names(stranger)


async def test_somebody_reads_of_a_plugin_and_takes_it(stranger: Visitor) -> None:
    await stranger.open(PLUGIN)
    said = await stranger.text()
    assert "What vouches for it" in said
    assert "exact bytes" in said
    await stranger.page.locator("nav.tabs").get_by_role("link", name="versions").click()
    digest = await stranger.page.locator("#versions .digests dd").first.inner_text()
    assert re.search(r"[0-9a-f]{64}", digest)
    async with stranger.page.expect_download() as coming:
        await stranger.page.locator("main").get_by_role("link", name="Download").first.click()
    assert (await coming.value).suggested_filename.endswith(".zip")


async def test_somebody_reads_why_its_source_is_trusted(stranger: Visitor) -> None:
    await stranger.open(PLUGIN)
    await stranger.follow("Why its trust is what it is")
    trust = stranger.page.locator("section[aria-labelledby=trust]")
    await expect(trust.get_by_role("heading", level=2)).to_be_in_viewport()
    assert await trust.locator("ul.terms > li").count() >= 4
    assert "weighs" in await trust.inner_text()


async def test_the_list_follows_what_is_typed(chromium: Browser, lived: ServedNode) -> None:
    async with visit(chromium, lived.address) as visitor:
        await visitor.open("/plugins")
        await visitor.page.get_by_label("Search plugins").press_sequentially("menus")
        await expect(visitor.page.locator("ul.plugins h3 a")).to_have_text(["Tidy Menus"])
        await expect(visitor.page.locator("#said")).to_have_text(re.compile("1 plugin"))
        await expect(visitor.page.get_by_label("Search plugins")).to_be_focused()
        assert visitor.page.url.endswith("/plugins?q=menus&sort=newest") or "q=menus" in visitor.page.url


async def test_times_are_those_of_the_reader(chromium: Browser, lived: ServedNode) -> None:
    written = {}
    for zone in ("Pacific/Auckland", "America/Los_Angeles"):
        async with visit(chromium, lived.address, timezone_id=zone) as visitor:
            await visitor.open(f"/sources/{SOURCE}")
            written[zone] = await visitor.page.locator("time[data-time=moment]").first.inner_text()
    assert len(set(written.values())) == 2


async def test_a_digest_is_copied_at_a_press(chromium: Browser, lived: ServedNode) -> None:
    async with visit(chromium, lived.address, permissions=["clipboard-read", "clipboard-write"]) as visitor:
        await visitor.open(f"/sources/{SOURCE}")
        button = visitor.page.locator("button[data-copy]").first
        await button.click()
        await expect(button).to_have_text("Copied")
        copied = await visitor.page.evaluate("navigator.clipboard.readText()")
        assert copied == await button.get_attribute("data-copy")
