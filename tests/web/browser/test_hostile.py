"""Whatever strangers write, a page shows it as text: nothing runs, nothing is fetched, nothing breaks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from scripts.lived_node import MASTER, ServedNode, Time, open_node
from tests.support.hostile import LONG, MARKUP, SCRIPT, TEXTS, publish_attacks
from tests.support.tools import needs_tool
from tests.web.browser.visitor import PHONE, WIDE, Visitor, sign_in, visit

from pfn.domain.access import OPERATOR
from pfn.domain.subscription import Filters
from pfn.domain.verification import VerificationType
from pfn.services.webhook import Wish
from pfn.testing.peer import FakePeer
from pfn.testing.publisher_v2 import FakePublisherV2

pytestmark = [needs_tool("chromium"), pytest.mark.asyncio(loop_scope="session")]

PAGES = (
    *(
        "/",
        "/plugins",
        "/plugins?tag=hostile",
        f"/plugins?q={quote(SCRIPT + MARKUP)}",
        f"/plugins?tag={quote(LONG[:200])}",
    ),
    *("/sources", "/sources/{source}", "/activity", "/about", "/console", "/syncs", "/audit", "/subscriptions"),
    *("/quarantine", "/quarantine/{item}", "/quarantine/{item}/drop", "/conflicts", "/keys", "/keys/{key}/revoke"),
    *(
        "/webhooks",
        "/webhooks/{webhook}",
        "/webhooks/{webhook}/remove",
        "/peers",
        "/peers/{peer}",
        "/peers/{peer}/remove",
    ),
    *("/log", "/plugins/{source}/hostile-yanked", "/subscriptions/new?source={source}&tags=hostile"),
    *(f"/plugins/{{source}}/{slug}" for slug in TEXTS),
    *(f"/plugins/{{source}}/{slug}/verify" for slug in TEXTS),
)


@dataclass(frozen=True, slots=True)
class Attacked:
    """A node that took the attacks in, who is signed in there, and what stands for what in ``PAGES``."""

    node: ServedNode
    cookies: Any
    ids: dict[str, object]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacked]:
    """A node with a hostile publisher, a hostile peer, and an operator who lets himself be told what to write."""
    folder: Path = tmp_path_factory.mktemp("attacked")
    clock = Time(1_800_000_000.0)
    now = int(clock())
    async with (
        FakePublisherV2("h" * 64, now=now) as publisher,
        FakePeer(operator=(SCRIPT + MARKUP)[:200], now=now) as peer,
        open_node(folder, clock) as node,
    ):
        publish_attacks(publisher)
        services = node.services
        source = await services.sources.add(OPERATOR, publisher.url, publisher.username, publisher.public_key_pem)
        await services.verifications.verify(source.id, VerificationType.INITIAL, OPERATOR)
        await services.subscriptions.subscribe(MASTER, source.id, Filters())
        await services.syncs.run_now(source.id)
        key = await services.access.create(MASTER, (SCRIPT + MARKUP + LONG)[:200], owner=LONG[:200])
        webhook = await services.webhooks.add(MASTER, Wish(f"{peer.url}/hook", description=(MARKUP + LONG)[:200]))
        added = await services.introductions.add(OPERATOR, peer.url)
        held = await services.quarantine.list()
        ids = {
            "source": source.id,
            "item": held[0].id,
            "key": key.key.id,
            "webhook": webhook.webhook.id,
            "peer": added.peer.id,
        }
        yield Attacked(node, await sign_in(chromium, node.address, node.key), ids)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def window(chromium: Browser, attacked: Attacked) -> AsyncIterator[Visitor]:
    """The operator's window there."""
    async with visit(chromium, attacked.node.address, state=attacked.cookies) as visitor:
        yield visitor


@pytest.mark.parametrize("path", PAGES)
async def test_no_attack_does_anything(window: Visitor, attacked: Attacked, path: str) -> None:
    page = window.page
    for width, height in (WIDE, PHONE):
        await page.set_viewport_size({"width": width, "height": height})
        answer = await window.open(path.format(**attacked.ids))
        assert answer.status == 200
        await page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
        assert await window.too_wide() == []
        assert page.url.startswith(attacked.node.address)
        assert await page.evaluate(FOREIGN) == []
        # What the page is made of still stands around what strangers wrote.
        assert await page.locator("body > footer.colophon").is_visible()
        assert await page.locator("h1").count() == 1
    frights, window.frights = window.frights, []
    assert frights == []


# Links lead to pages or to where a source says it is; nothing else is loaded, sent or run.
FOREIGN = """() => {
const acts = (one) => one.getAttributeNames().some((name) => /^on|^style$/.test(name));
return [
  ...[...document.querySelectorAll("a[href]")].filter((one) => !["http:", "https:"].includes(one.protocol)),
  ...document.querySelectorAll("main :is(script, style, iframe, object, embed, img, meta, base, link, video, audio)"),
  ...[...document.querySelectorAll("form")].filter((one) => new URL(one.action).origin !== location.origin),
  ...[...document.querySelectorAll("*")].filter(acts),
].map((one) => one.outerHTML.slice(0, 200));
}"""


async def test_every_plugin_was_taken_in_and_is_shown(window: Visitor, attacked: Attacked) -> None:
    await window.open("/plugins?tag=hostile")
    listed = await window.page.locator("ul.plugins h3 a").evaluate_all("(all) => all.map((one) => one.pathname)")
    assert {path.rpartition("/")[2] for path in listed} == set(TEXTS)
    # As text, to the letter.
    name = window.page.locator("h3 a[href$=hostile-script] bdi")
    assert await name.inner_text() == (SCRIPT + MARKUP)[:200]
