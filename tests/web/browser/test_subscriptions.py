"""What an operator does with subscriptions: sees what one would take, makes it, changes it, ends it."""

import re

import pytest
from playwright.async_api import expect
from scripts.lived_node import ServedNode
from tests.support.tools import needs_tool
from tests.web.browser.visitor import Visitor

from pfn.domain.access import OPERATOR
from pfn.domain.verification import VerificationType
from pfn.testing.publisher_v2 import FakePublisherV2

pytestmark = [needs_tool("chromium"), pytest.mark.asyncio(loop_scope="session")]


async def test_a_subscription_is_previewed_made_changed_and_ended(
    operator: Visitor, publisher: FakePublisherV2, lived: ServedNode
) -> None:
    source = await lived.services.sources.add(OPERATOR, publisher.url, publisher.username, publisher.public_key_pem)
    await lived.services.verifications.verify(source.id, VerificationType.INITIAL, OPERATOR)
    page = operator.page

    await operator.open("/subscriptions")
    await operator.follow("Subscribe…")
    await page.get_by_label("Source", exact=True).fill(source.id)
    await page.get_by_label("Only plugins with one of these tags").fill("sea")
    await operator.press("Preview")
    await expect(page.locator("#preview-heading")).to_contain_text("2 of 3")
    skipped = page.locator("#preview li", has_text="rope-works")
    await expect(skipped).to_contain_text("Skipped")
    assert await operator.too_wide() == []

    await operator.press("Subscribe and sync")
    await expect(page).to_have_url(re.compile("/sources/"))
    await expect(page.get_by_role("heading", level=1)).to_have_text(source.id)

    await operator.open(f"/subscriptions?source={source.id}")
    await operator.follow("Change…")
    await page.get_by_label("Only plugins with one of these tags").fill("craft")
    await operator.press("Change it")
    await operator.open(f"/subscriptions?source={source.id}")
    assert "craft" in await operator.text()

    await operator.follow("End…")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("End your subscription")
    await operator.press("End it")
    await expect(page.locator("[role=status].notice")).to_contain_text("ended")
    await operator.open(f"/subscriptions?source={source.id}")
    assert "No subscription is like this" in await operator.text()
