"""What an operator does with sources: adds one by its fingerprint, sees what is wrong with another one."""

import re

import pytest
from playwright.async_api import Browser, expect
from scripts.lived_node import BOREAL, ServedNode
from tests.support.tools import needs_tool
from tests.web.browser.visitor import Visitor, visit

from pfn.protocol.source_id import source_id
from pfn.testing.publisher_v2 import FakePublisherV2

pytestmark = [needs_tool("chromium"), pytest.mark.asyncio(loop_scope="session")]

GATED = f"studio@{BOREAL}"


async def test_a_source_is_added_once_its_fingerprint_was_compared(
    operator: Visitor, publisher: FakePublisherV2, lived: ServedNode
) -> None:
    await operator.open("/")
    await operator.follow("Add a source")
    await operator.page.get_by_label("Instance URL").fill(publisher.url)
    await operator.page.get_by_label("Username").fill(publisher.username)
    await operator.press("Go on")
    await expect(operator.page.get_by_role("heading", level=1)).to_have_text("Compare the key")
    fingerprint = publisher.root_keys[0].public_key.fingerprint
    await expect(operator.page.locator(".compared")).to_have_text(fingerprint)
    told = operator.page.get_by_label("The fingerprint you were given")
    if await told.is_visible():
        await told.fill("SHA256:something-else")
        await expect(operator.page.locator("#told-same")).to_have_text(re.compile("differ"))
        await told.fill(fingerprint)
        await expect(operator.page.locator("#told-same")).to_have_text(re.compile("the same"))
    assert await operator.too_wide() == []
    await operator.press("It is the same: add and verify")
    name = source_id(publisher.url, publisher.username)
    await expect(operator.page.get_by_role("heading", level=1)).to_have_text(name)
    assert "is registered and verified" in await operator.text()
    assert (await lived.services.sources.get(name)).status.value == "verified"
    assert await operator.too_wide() == []


async def test_an_address_that_cannot_be_says_so_beside_its_field(operator: Visitor) -> None:
    await operator.open("/sources/add")
    await operator.page.get_by_label("Instance URL").fill("http://192.0.2.1/")
    await operator.page.get_by_label("Username").fill("nobody")
    await operator.press("Go on")
    field = operator.page.get_by_label("Instance URL")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_value("http://192.0.2.1/")


async def test_a_gate_explains_itself_and_leads_to_what_happened(operator: Visitor) -> None:
    await operator.open(f"/sources/{GATED}")
    trust = operator.page.locator("section[aria-labelledby=trust]")
    assert "It caps the score" in await trust.inner_text()
    await operator.follow("See what it is")
    await expect(operator.page.get_by_role("heading", level=1)).to_have_text("Quarantine")
    assert "tidy-menus" in await operator.text()


async def test_why_a_plugin_was_held_back_is_two_clicks_from_the_overview(operator: Visitor) -> None:
    await operator.open("/console")
    await operator.page.get_by_role("navigation", name="Console").get_by_role("link", name="Quarantine").click()
    await operator.page.locator("main").get_by_role("link", name="tidy-menus").first.click()
    await expect(operator.page.get_by_role("heading", level=1)).to_contain_text("tidy-menus 2.4.0 is held back")
    said = await operator.text()
    assert "What that means" in said
    assert "What you can do" in said
    assert await operator.too_wide() == []


async def test_a_conflict_shows_both_sides_and_what_deciding_it_means(operator: Visitor) -> None:
    await operator.open("/console")
    await operator.page.get_by_role("navigation", name="Console").get_by_role("link", name="Conflicts").click()
    await operator.follow("See both sides")
    sides = operator.page.locator("figure pre")
    await expect(sides).to_have_count(2)
    assert [("≠" in text) for text in await sides.all_inner_texts()] == [True, True]
    await operator.follow("Lift the gate…")
    assert "The evidence stays on record" in await operator.text()
    assert await operator.too_wide() == []
    await operator.follow("Leave it")
    await expect(operator.page.get_by_role("heading", level=1)).to_have_text(GATED)


async def test_a_source_is_added_with_the_keyboard_alone(
    chromium: Browser, lived: ServedNode, signed_in: object, publisher: FakePublisherV2
) -> None:
    async with visit(chromium, lived.address, state=signed_in) as visitor:
        press, write = visitor.page.keyboard.press, visitor.page.keyboard.type
        await visitor.open("/sources/add")
        await press("Tab")
        skip = visitor.page.get_by_role("link", name="Skip to the content")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        await press("Enter")
        await tab_to(visitor, "#instance_url")
        await write(publisher.url)
        await press("Tab")
        await write(publisher.username)
        await press("Enter")
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Compare the key")
        await tab_to(visitor, "#told")
        await write(publisher.root_keys[0].public_key.fingerprint)
        # It must not send the form.
        await press("Enter")
        await expect(visitor.page.locator("#told-same")).to_have_text(re.compile("the same"))
        await tab_to(visitor, "button[name=use][value=shown]")
        await press("Enter")
        name = source_id(publisher.url, publisher.username)
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text(name)


async def tab_to(visitor: Visitor, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(60):
        if await visitor.page.locator(f"{selector}:focus").count():
            return
        await visitor.page.keyboard.press("Tab")
    raise AssertionError(f"nobody gets to {selector} by Tab")


async def test_a_source_is_added_in_german(
    chromium: Browser, lived: ServedNode, signed_in: object, publisher: FakePublisherV2
) -> None:
    async with visit(chromium, lived.address, state=signed_in, language="de") as visitor:
        await visitor.open("/sources/add")
        assert await visitor.page.locator("html").get_attribute("lang") == "de"
        await visitor.page.get_by_label("URL der Instanz").fill(publisher.url)
        await visitor.page.get_by_label("Benutzername").fill(publisher.username)
        await visitor.press("Weiter")
        await visitor.press("Er ist gleich: eintragen und prüfen")
        name = source_id(publisher.url, publisher.username)
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text(name)
        assert "Vertrauen" in await visitor.text()
        assert await visitor.page.locator("html").get_attribute("lang") == "de"
