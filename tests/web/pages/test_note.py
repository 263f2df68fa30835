"""A note says what was done, and leads nowhere but to a page of this site, whoever wrote the cookie."""

import base64

import pytest
from tests.support.node import RunningNode
from tests.web.pages.browser import Browser, Page


async def read(browser: Browser, *lines: str) -> Page:
    """Open a page with a note that somebody forged."""
    text = base64.urlsafe_b64encode("\n".join(lines).encode()).decode()
    browser.http.cookies.set("pfn-note", text, domain="127.0.0.1", path="/")
    return await browser.open("/about")


async def test_a_note_is_said_once(stranger: Browser) -> None:
    page = await read(stranger, "Done <b>it</b>.", "/subscriptions/new?source=a@b.example&tags=a+b%2Cc", "Undo")
    assert "Done <b>it</b>." in page.text
    assert "/subscriptions/new?source=a@b.example&tags=a+b%2Cc" in page.links()
    assert "Done" not in (await stranger.open("/about")).text


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "https://evil.example", "javascript:alert(1)", "/\\evil.example", "", "/", "/a b", "/\t/e"],
)
async def test_a_forged_note_leads_nowhere_else(stranger: Browser, node: RunningNode, path: str) -> None:
    page = await read(stranger, "Done.", path, "Press here")
    assert page.status == 200
    assert "Done." in page.text
    assert "Press here" not in page.text
