"""A person at the plugin screens, in Chromium: finds, reads, installs, updates, and is told when something is refused.

With PFN_SCREENSHOTS naming a folder, the screens are kept there as pictures.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from tests.clients.conftest import Supply
from tests.support.relay import Passed
from tests.support.tools import needs_tool
from tests.support.wordpress_site import PASSWORD, WordPress, needs_wordpress

from pfn.testing.plugin import plugin_zip

pytestmark = [*needs_wordpress, needs_tool("chromium"), pytest.mark.clients]

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 60_000


@pytest.fixture
async def page(wordpress: WordPress) -> AsyncIterator[Page]:
    """A browser's page in which the administrator is signed in; no script on it fails."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1280, "height": 800}, base_url=wordpress.url)
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto("/wp-login.php")
        await page.fill("#user_login", "admin")
        await page.fill("#user_pass", PASSWORD)
        await page.click("#wp-submit")
        await page.wait_for_url("**/wp-admin/**")
        yield page
        await browser.close()
        assert faults == []


async def keep(page: Page, name: str) -> None:
    """Keep a picture of what is seen, where pictures are wanted."""
    if folder := os.environ.get("PFN_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def test_found_read_installed_and_active(page: Page, wordpress: WordPress, supply: Supply) -> None:
    await supply.release("two", "2.0", name="Plugin Two", description="Counts to two.")
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one", "two"))
    await page.goto("/wp-admin/plugin-install.php?tab=pfn")
    await expect(page.locator(".plugin-card")).to_have_count(2)
    await keep(page, "site-add")

    await page.goto("/wp-admin/plugin-install.php")
    await page.fill("#search-plugins", "counts to one")
    card = page.locator(".plugin-card-one")
    await expect(card).to_be_visible()
    await expect(page.locator(".plugin-card")).to_have_count(1)

    await card.locator("a.open-plugin-details-modal").first.click()
    details = page.frame_locator("#TB_iframeContent")
    await expect(details.locator("#plugin-information-title")).to_contain_text("Plugin One")
    await expect(details.locator("#plugin-information-content")).to_contain_text("Counts to one.")
    await keep(page, "site-details")
    await page.click("#TB_closeWindowButton")

    await card.locator("a.install-now").click()
    await expect(card.locator("a.activate-now")).to_be_visible()
    await card.locator("a.activate-now").click()
    row = page.locator("tr[data-plugin='one/one.php']").first
    await expect(row).to_contain_text(f"Updates from {supply.source}")
    await expect(row).to_contain_text("Version 1.0 on the node: every byte signed by its author")
    await expect(row).to_have_class("active")
    await keep(page, "site-plugins")


async def test_updated_on_the_plugins_screen(page: Page, wordpress: WordPress, supply: Supply) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "0.9", name="Plugin One"))
    await page.goto("/wp-admin/plugins.php")
    notice = page.locator("#one-update")
    await expect(notice).to_contain_text("There is a new version of Plugin One available")
    await notice.locator("a.update-link").click()
    await expect(notice).to_contain_text("Updated!")
    assert "Version: 1.0" in (wordpress.plugins / "one" / "one.php").read_text()


async def test_told_when_an_update_is_refused(page: Page, wordpress: WordPress, supply: Supply) -> None:
    def tamper(passed: Passed) -> None:
        if passed.path.endswith(".zip"):
            passed.body = plugin_zip("one", "1.0", description="Not what the author wrote.")

    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "0.9", name="Plugin One"))
    supply.relay.lie = tamper
    await page.goto("/wp-admin/plugins.php")
    notice = page.locator("#one-update")
    await notice.locator("a.update-link").click()
    await expect(notice).to_contain_text("could not be verified")
    await keep(page, "site-refused")
    assert "Version: 0.9" in (wordpress.plugins / "one" / "one.php").read_text()
