"""Make docs/images: a node with four months of history behind it, photographed page by page, wide and on a phone."""

import asyncio
import sys
import tempfile
from contextlib import chdir
from itertools import product
from pathlib import Path

from lived_node import PUBLIC_PAGES, ROOT, ServedNode, list_pages, open_lived_node
from playwright.async_api import Browser, StorageState, async_playwright

IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
DAYS = 120
MOST_BYTES = 150_000

# One that is wide, one that is held in a hand; the first page is in the README, and shown in full.
WIDE, PHONE = (1280, 800), (390, 844)
HEIGHTS = {"home": 900, "activity": 660, "console": 1080}
# What operators see of these says more.
FOR_OPERATORS = {"source", "activity"}


async def main() -> int:
    """Make every picture; return 1 where one is too large."""
    # Within it, so that the pictures show no path of this machine.
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        async with open_lived_node(Path("pfn-data"), days=DAYS) as node:
            return await photograph(node)


async def photograph(node: ServedNode) -> int:
    """Take every page, light and dark, wide and on a phone."""
    IMAGES.mkdir(exist_ok=True)
    too_large = []
    pages = await list_pages(node)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        operator = await sign_in(browser, node)
        for (width, height), scheme in product((WIDE, PHONE), ("light", "dark")):
            for name, path in pages.items():
                dark = "-dark" if scheme == "dark" else ""
                phone = "-phone" if width < WIDE[0] else ""
                target = IMAGES / f"{name}{dark}{phone}.png"
                public = name in PUBLIC_PAGES and name not in FOR_OPERATORS
                size = (width, height if phone else HEIGHTS.get(name, height))
                await take(
                    browser, node.address, path, target, size, dark=bool(dark), state=None if public else operator
                )
                print(f"{target.relative_to(ROOT)}  {target.stat().st_size // 1000} kB")
                if target.stat().st_size > MOST_BYTES:
                    too_large.append(target.name)
        await browser.close()
    if too_large:
        print(f"larger than {MOST_BYTES // 1000} kB: {', '.join(too_large)}", file=sys.stderr)
    return int(bool(too_large))


async def sign_in(browser: Browser, node: ServedNode) -> StorageState:
    """Sign in once, for it is written down each time, and give the cookies of that."""
    page = await browser.new_page()
    await page.goto(f"{node.address}/sign-in")
    await page.fill("#key", node.key)
    await page.click("main button")
    await page.wait_for_url(f"{node.address}/")
    state = await page.context.storage_state()
    await page.close()
    return state


async def take(
    browser: Browser,
    address: str,
    path: str,
    target: Path,
    size: tuple[int, int],
    *,
    dark: bool,
    state: StorageState | None,
) -> None:
    """Take the first screen of one page, signed in where there are cookies of that."""
    width, height = size
    page = await browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        reduced_motion="reduce",
        storage_state=state,
    )
    answer = await page.goto(f"{address}{path}")
    assert answer is not None
    assert answer.ok, f"{path}: {answer.status}"
    await page.screenshot(path=target)
    await page.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
