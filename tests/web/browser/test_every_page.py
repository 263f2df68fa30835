"""What holds for every page in a browser: for assistive technology, phones and keyboards; light and still."""

from collections.abc import AsyncIterator, Sequence
from itertools import product
from typing import Any, Literal

import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, Page
from scripts.lived_node import PAGES, PUBLIC_PAGES, ServedNode, list_pages
from tests.support.tools import needs_tool
from tests.web.browser.visitor import PHONE, WIDE, Visitor, visit

pytestmark = [needs_tool("chromium"), pytest.mark.asyncio(loop_scope="session")]

ERRORS = {"error-missing": "/nowhere", "error-signed-out": "/keys", "nothing-found": "/plugins?q=nothing-like-it"}
# Every page to those who may see it: the operator all, a stranger what is public and what goes wrong. The reference of
# the API is one page of many thousand elements, and the same for both.
LONG = "docs"
SEEN = [(name, True) for name in PAGES if name != LONG]
SEEN += [(name, False) for name in (*PUBLIC_PAGES, *ERRORS) if name != LONG]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MOST_BYTES = 100_000
WHO = {True: "operator", False: "stranger"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def windows(chromium: Browser, lived: ServedNode, signed_in: Any) -> AsyncIterator[dict[bool, Visitor]]:
    """The operator's window and a stranger's."""
    async with (
        visit(chromium, lived.address, state=signed_in) as operator,
        visit(chromium, lived.address) as stranger,
    ):
        yield {True: operator, False: stranger}


@pytest_asyncio.fixture(
    params=[*SEEN, (LONG, False)],
    ids=lambda seen: f"{seen[0]}-{WHO[seen[1]]}",
    loop_scope="session",
)
async def visitor(
    request: pytest.FixtureRequest, windows: dict[bool, Visitor], lived: ServedNode
) -> AsyncIterator[Visitor]:
    """Somebody in front of one page, just opened on a wide window."""
    name, operator = request.param
    visitor = windows[operator]
    await visitor.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    await visitor.open(ERRORS[name] if name in ERRORS else (await list_pages(lived))[name])
    yield visitor
    frights, visitor.frights = visitor.frights, []
    assert frights == []


@pytest.mark.slow
async def test_axe_finds_nothing(visitor: Visitor) -> None:
    await visitor.page.evaluate(AXE_SCRIPT)
    found = {}
    looks = list(product((WIDE, PHONE), SCHEMES))
    # What is long is looked at once in each width and once in each scheme.
    for (width, height), scheme in looks[::3] if visitor.page.url.endswith("/docs") else looks:
        await visitor.page.set_viewport_size({"width": width, "height": height})
        await visitor.page.emulate_media(color_scheme=scheme)
        found[width, scheme] = await run_axe(visitor.page)
    assert not any(found.values()), found


async def run_axe(page: Page) -> Sequence[str]:
    """Give what axe finds on a page as it stands: the rule, where, and why."""
    answer = await page.evaluate("(rules) => axe.run({ runOnly: rules, resultTypes: ['violations'] })", RULES)
    return [
        f"{violation['id']}: {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for violation in answer["violations"]
        for node in violation["nodes"]
    ]


async def test_it_fits_a_phone(visitor: Visitor) -> None:
    await visitor.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert await visitor.too_wide() == []
    await visitor.page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
    assert await visitor.too_wide() == []


async def test_nothing_moves_while_it_loads_and_it_is_small(visitor: Visitor) -> None:
    await visitor.page.reload()
    assert await visitor.page.evaluate("window.shifted") == 0
    # What a first visit transfers: the page, and what is kept for good after it.
    most = MOST_BYTES if not visitor.page.url.endswith("/docs") else 2 * MOST_BYTES
    assert 0 < await visitor.page.evaluate(SIZE) < most


SIZE = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, one) => sum + one.encodedBodySize + 300, 0)"""


async def test_focus_is_seen_wherever_it_goes(visitor: Visitor) -> None:
    assert await visitor.page.evaluate(UNSEEN_FOCUS) == []


UNSEEN_FOCUS = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")];
  const hidden = [];
  for (const one of all) {
    if (one.type === "hidden" || one.disabled || !one.checkVisibility({ visibilityProperty: true })) continue;
    one.focus({ focusVisible: true });
    const style = getComputedStyle(one);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    if (document.activeElement !== one || !outlined) hidden.push(one.outerHTML.slice(0, 120));
  }
  return hidden;
}"""
