"""What an operator does with who is told of things and who is asked: webhooks and peers."""

import re

import pytest
from playwright.async_api import expect
from scripts.lived_node import ServedNode
from tests.support.tools import needs_tool
from tests.web.browser.visitor import Visitor

from pfn.testing.peer import FakePeer

pytestmark = [needs_tool("chromium"), pytest.mark.asyncio(loop_scope="session")]


async def test_a_webhook_is_added_tried_given_a_new_secret_and_removed(operator: Visitor) -> None:
    page = operator.page
    await operator.open("/webhooks")
    await operator.follow("Add a webhook")
    await page.get_by_label("URL").fill("http://127.0.0.1:9/hooks")
    await page.get_by_label("What it is for").fill("Tells nobody")
    await operator.press("Add and show the secret")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Copy the secret now")
    first = re.search(r"whsec_\S+", await operator.text())
    assert first
    await operator.follow("I have it")
    await operator.press("Send a test")
    await expect(page.locator("[role=status].notice")).to_be_visible()
    assert await operator.too_wide() == []

    await operator.follow("New secret")
    await operator.press("Make a new secret")
    second = re.search(r"whsec_\S+", await operator.text())
    assert second
    assert second[0] != first[0]
    await operator.follow("I have it")

    await operator.follow("Remove…")
    await page.locator("main button.danger").click()
    await expect(page).to_have_url(re.compile("/webhooks$"))
    assert "Tells nobody" not in await operator.text()


async def test_a_peer_is_added_suspended_and_removed(operator: Visitor, lived: ServedNode) -> None:
    page = operator.page
    async with FakePeer(operator="Southern Hosting", now=int(lived.clock())) as peer:
        await operator.open("/peers")
        await page.get_by_label("Address").fill(peer.url)
        await page.get_by_label("Fingerprint of its key").fill(peer.identity.public_key.fingerprint)
        await operator.press("Add")
        await expect(page.locator("[role=status].notice")).to_contain_text("proved its key")
        await operator.open("/peers")
        await operator.follow(peer.url.partition("://")[2])
        await page.get_by_text("Suspend this peer…").click()
        await page.get_by_label("Reason").fill("Moves to another house")
        await operator.press("Suspend")
        await expect(page.locator("main")).to_contain_text("Suspended")
        await operator.press("Resume")
        assert await operator.too_wide() == []
        await operator.follow("Remove…")
        await page.locator("main button.danger").click()
        await expect(page).to_have_url(re.compile("/peers$"))
        await expect(page.locator("main").get_by_role("link", name=peer.url.partition("://")[2])).to_have_count(0)
