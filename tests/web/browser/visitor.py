"""A person at Debian's Chromium, and what must never happen there whatever is done."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Dialog, Page, Response

CHROMIUM = "/usr/bin/chromium"
WIDE, PHONE = (1280, 800), (390, 844)
FRIGHT = "A policy was violated:"
# Told on the console, which is heard without scripts too.
_LISTEN = f"""
document.addEventListener("securitypolicyviolation", (event) => {{
  console.error("{FRIGHT} " + event.effectiveDirective + " " + event.blockedURI + " " + event.sample);
}});
window.shifted = 0;
new PerformanceObserver((list) => {{
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}}).observe({{ type: "layout-shift", buffered: true }});
"""


@dataclass(slots=True)
class Visitor:
    """Somebody with one window open. ``frights`` are what should never have happened."""

    page: Page
    address: str
    frights: list[str] = field(default_factory=list)

    async def open(self, path: str) -> Response:
        """Open a page and give its answer."""
        answer = await self.page.goto(f"{self.address}{path}")
        assert answer is not None
        return answer

    async def press(self, name: str) -> None:
        """Press the one button of this name in the page's main part, and wait for where it leads."""
        async with self.page.expect_navigation():
            await self.page.locator("main").get_by_role("button", name=name).click()

    async def follow(self, name: str) -> None:
        """Follow the first link of this name in the page's main part, and wait for where it leads."""
        async with self.page.expect_navigation():
            await self.page.locator("main").get_by_role("link", name=name).first.click()

    async def text(self) -> str:
        """Give what the page's main part says, and the note above it, with single spaces."""
        pieces = await self.page.locator("[role=status].notice, main").all_inner_texts()
        return " ".join(" ".join(pieces).split())

    async def too_wide(self) -> Sequence[str]:
        """Give what reaches over the right edge of the window, where anything makes the page scroll sideways."""
        found: list[str] = await self.page.evaluate(_TOO_WIDE)
        return found


_TOO_WIDE = """() => {
  const all = document.scrollingElement;
  if (all.scrollWidth <= window.innerWidth) return [];
  const over = (one) => one.getBoundingClientRect().right > window.innerWidth + 0.5;
  const found = [...document.body.querySelectorAll("*")].filter(over);
  return [all.scrollWidth + " px", ...found.map((one) => one.outerHTML.slice(0, 120))];
}"""


@asynccontextmanager
async def visit(
    browser: Browser,
    address: str,
    *,
    size: tuple[int, int] = WIDE,
    scripts: bool = True,
    language: str = "en",
    state: Any = None,
    **options: Any,
) -> AsyncIterator[Visitor]:
    """Open a window until the block ends; ``state`` is the cookies of who is signed in. Nothing may go wrong."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        java_script_enabled=scripts,
        locale=language,
        reduced_motion="reduce",
        storage_state=state,
        **options,
    )
    context.set_default_timeout(30_000)
    visitor = Visitor(await context.new_page(), address)
    await _watch(context, visitor)
    yield visitor
    await context.close()
    assert visitor.frights == []


async def _watch(context: BrowserContext, visitor: Visitor) -> None:
    async def dismiss(dialog: Dialog) -> None:
        visitor.frights.append(f"a dialog: {dialog.message}")
        await dialog.dismiss()

    def judge(url: str) -> None:
        if urlsplit(url).netloc != urlsplit(visitor.address).netloc:
            visitor.frights.append(f"a request to {url}")

    await context.add_init_script(_LISTEN)
    context.on("dialog", dismiss)
    context.on("request", lambda request: judge(request.url))
    context.on("weberror", lambda told: visitor.frights.append(f"a script failed: {told.error}"))
    context.on("console", lambda told: visitor.frights.append(told.text) if _is_fright(told.text) else None)


def _is_fright(text: str) -> bool:
    return text.startswith(FRIGHT) or "Content Security Policy" in text or "Trusted" in text


async def sign_in(browser: Browser, address: str, key: str) -> Any:
    """Sign in and give the cookies of that."""
    async with visit(browser, address) as visitor:
        await visitor.open("/sign-in")
        await visitor.page.get_by_label("API key").fill(key)
        await visitor.press("Sign in")
        assert urlsplit(visitor.page.url).path == "/"
        return await visitor.page.context.storage_state()
