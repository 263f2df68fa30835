"""What an operator does with API keys, and what anybody does with one: sign in, and out again."""

import re

import pytest
from playwright.async_api import Browser, expect
from scripts.lived_node import ServedNode
from tests.support.tools import needs_tool
from tests.web.browser.visitor import Visitor, visit

pytestmark = [needs_tool("chromium"), pytest.mark.asyncio(loop_scope="session")]


async def test_a_key_is_made_used_and_revoked(
    operator: Visitor, chromium: Browser, lived: ServedNode, way: dict[str, object]
) -> None:
    page = operator.page
    await operator.open("/keys")
    await page.get_by_label("What it is for").fill("A person's own")
    await operator.press("Make the key")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Copy the key now")
    key = re.search(r"fsub_\w+", await operator.text())
    assert key
    assert await operator.too_wide() == []
    await operator.follow("I have it")
    assert key[0] not in await page.content()

    async with visit(chromium, lived.address, **way) as visitor:
        await visitor.open("/subscriptions")
        await visitor.follow("Sign in")
        await visitor.page.get_by_label("API key").fill(key[0])
        await visitor.press("Sign in")
        # Where it was heading.
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Subscriptions")

        row = page.locator("li", has_text="A person's own").first
        await row.get_by_role("link", name="Revoke").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("A person's own")
        await operator.press("Revoke the key")
        assert (
            "A person's own" not in await page.locator("section, ul").filter(has=page.locator("#active")).inner_text()
        )

        await visitor.open("/subscriptions")
        await expect(visitor.page.get_by_role("heading", level=1)).not_to_have_text("Subscriptions")


async def test_a_wrong_key_says_so_and_signs_nobody_in(stranger: Visitor) -> None:
    await stranger.open("/sign-in")
    await stranger.page.get_by_label("API key").fill("pfn_not_a_key")
    await stranger.press("Sign in")
    await expect(stranger.page.get_by_role("alert")).to_be_visible()
    await expect(stranger.page.get_by_role("button", name="Sign out")).to_have_count(0)


async def test_who_signs_out_is_out(chromium: Browser, lived: ServedNode, way: dict[str, object]) -> None:
    async with visit(chromium, lived.address, **way) as visitor:
        await visitor.open("/sign-in")
        await visitor.page.get_by_label("API key").fill(lived.key)
        await visitor.press("Sign in")
        await visitor.page.get_by_role("button", name="Sign out").click()
        answer = await visitor.open("/console")
        assert answer.status == 401
