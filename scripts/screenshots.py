"""Make docs/images: a node with four months of history behind it, photographed page by page.

Everything is real but two things: time, which the script holds and moves day by day, and names, which lead to
publishers on this machine. Keys are new each time, so the pictures differ a little from run to run.
"""

import asyncio
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from unittest.mock import patch

import uvicorn
from aiohttp.abc import ResolveResult
from fastapi import FastAPI
from playwright.async_api import Browser, async_playwright

from pfn.app import build_app, prepare
from pfn.domain.access import ALL_SCOPES, OPERATOR, Grant
from pfn.domain.subscription import Filters
from pfn.domain.verification import VerificationType
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.resolver import JudgingResolver
from pfn.publisher.pack import pack_folder
from pfn.publisher.release import Release, read_release
from pfn.services.access import hash_master_key
from pfn.services.node import Services
from pfn.settings import Settings
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
DAY = 86_400
DAYS = 120
MOST_BYTES = 150_000

MENUS = "Sorts the admin menu and hides what nobody needs."
FORMS = "Contact forms that keep nothing of what visitors write."
ADA, BOREAL, KITE = "plugins.ada.example", "boreal.example", "kite-works.example"
SOURCE = f"ada@{ADA}"
# One that is wide, one that is held in a hand; the first page is in the README, and shown in full.
WIDE, PHONE = (1280, 800), (390, 844)
HOME_HEIGHT = 900
PAGES = {
    "home": "/",
    "source": f"/sources/{SOURCE}",
    "plugin": f"/plugins/{SOURCE}/plain-reading-time",
    "activity": "/activity",
    "quarantine": "/quarantine",
    "docs": "/docs",
}
FOR_EVERYONE = {"home", "plugin", "docs"}


class Time:
    """A clock that only moves when it is told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Names(JudgingResolver):
    """Leads the publishers' names to this machine."""

    ports: dict[str, int]

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the one address there is."""
        found = ResolveResult(
            hostname=host,
            host="127.0.0.1",
            port=self.ports[host],
            family=socket.AF_INET,
            proto=socket.IPPROTO_TCP,
            flags=socket.AI_NUMERICHOST,
        )
        return [found]


async def main() -> int:
    """Make every picture; return 1 where one is too large."""
    clock = Time(time.time() - DAYS * DAY)
    async with AsyncExitStack() as stack:
        publishers = {
            host: await stack.enter_async_context(publisher)
            for host, publisher in {
                ADA: FakePublisherV2("ada", now=int(clock())),
                BOREAL: FakePublisherV2("studio", now=int(clock())),
                KITE: FakePublisher("kite"),
            }.items()
        }
        Names.ports = {host: int(one.url.rpartition(":")[2]) for host, one in publishers.items()}
        for host, publisher in publishers.items():
            publisher.url = f"http://{host}"
            if isinstance(publisher, FakePublisherV2):
                publisher.start_over()
        policy = OutboundPolicy(allowed_hosts=frozenset(publishers))
        stack.enter_context(patch("pfn.app.outbound_policy", lambda _: policy))
        stack.enter_context(patch("pfn.outbound.fetch.JudgingResolver", Names))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        key = secrets.token_urlsafe(32)
        prepared = prepare(Settings(data=Path(folder), public_url="https://pfn.example.org", work=False))
        app = build_app(replace(prepared, master_hash=hash_master_key(key)), clock=clock)
        address = await stack.enter_async_context(serve(app))
        await live(app.state.services, clock, publishers[ADA], publishers[BOREAL], publishers[KITE])
        return await photograph(address, key)


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncIterator[str]:
    """Serve the node until the block ends, and give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  # it has nothing to wait for
            await asyncio.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def live(node: Services, clock: Time, ada: FakePublisher, boreal: FakePublisher, kite: FakePublisher) -> None:
    """Let four months pass: proofs are asked for daily, releases come, and in the end some things go wrong."""
    first, later = read_examples("1.0.0"), read_examples("1.1.0")
    for release in first:
        publish(ada, release)
    boreal.add_plugin("tidy-menus", "2.3.1", description=MENUS)
    boreal.add_plugin("image-dates", "0.9.0", description="Shows when a photograph was taken.", tags=("images",))
    kite.add_plugin("wind-forms", "1.4.0", description=FORMS, tags=("forms",))
    publishers = (ada, boreal, kite)
    sources = [await register(node, publisher) for publisher in publishers]
    for day in range(1, DAYS + 1):
        clock.now += DAY
        for publisher in publishers:
            publisher.now = int(clock())
        if day % 7 == 0:
            renew(ada, boreal)
        if day > DAYS - len(later):
            publish(ada, later[DAYS - day])
        if day == DAYS - 1:
            trouble(boreal, kite)
        for source_id in sources:
            await node.verifications.verify(source_id, VerificationType.PERIODIC, "node")
            await node.health.probe(source_id)
            if day % 7 == 0 or day > DAYS - len(later):
                await node.syncs.run_now(source_id)
    clock.now += 3 * 3600


async def register(node: Services, publisher: FakePublisher) -> str:
    """Add a source, have it proven and subscribed to."""
    source = await node.sources.add(OPERATOR, publisher.url, publisher.username, publisher.public_key_pem)
    await node.verifications.verify(source.id, VerificationType.INITIAL, OPERATOR)
    for owner in ("operator", "agency-blue", "northern-hosting"):
        await node.subscriptions.subscribe(Grant(owner, owner, ALL_SCOPES), source.id, Filters())
    return source.id


def read_examples(version: str) -> list[Release]:
    """Read what this version of the example plugins says of itself."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for plugin in sorted((ROOT / "examples" / "plugins").glob(f"*/{version}/*/")):
            packed = pack_folder(plugin, Path(folder) / "plugin.zip")
            release = read_release(packed.read_bytes(), released_at=0)
            assert isinstance(release, Release), release
            found.append(release)
    return found


def publish(publisher: FakePublisher, release: Release) -> None:
    """Publish a plugin of that name and version."""
    publisher.add_plugin(
        release.slug,
        release.version,
        name=release.name,
        description=release.description.replace("\n", " "),
        tags=release.tags,
    )


def renew(*publishers: FakePublisher) -> None:
    """Have publishers sign their catalogues again, before those run out."""
    for publisher in publishers:
        if isinstance(publisher, FakePublisherV2):
            publisher.renew_catalog()


def trouble(boreal: FakePublisher, kite: FakePublisher) -> None:
    """Have one zip swapped on its way and another one broken."""
    swapped = plugin_zip("tidy-menus", "2.4.0", description=MENUS, files={"inc/stats.php": b"<?php // not mine"})
    boreal.add_plugin("tidy-menus", "2.4.0", description=MENUS, content=swapped)
    whole = kite.add_plugin("wind-forms", "1.5.0", description=FORMS, tags=("forms",))
    kite.replace_zip("wind-forms", "1.5.0", whole[:-40])


async def photograph(address: str, key: str) -> int:
    """Take every page, light and dark, wide and on a phone."""
    IMAGES.mkdir(exist_ok=True)
    too_large = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for (width, height), scheme in product((WIDE, PHONE), ("light", "dark")):
            for name, path in PAGES.items():
                dark = "-dark" if scheme == "dark" else ""
                phone = "-phone" if width < WIDE[0] else ""
                target = IMAGES / f"{name}{dark}{phone}.png"
                signed_in = None if name in FOR_EVERYONE else key
                size = (width, HOME_HEIGHT if name == "home" and not phone else height)
                await take(browser, address, path, target, size, dark=bool(dark), key=signed_in)
                print(f"{target.relative_to(ROOT)}  {target.stat().st_size // 1000} kB")
                if target.stat().st_size > MOST_BYTES:
                    too_large.append(target.name)
        await browser.close()
    if too_large:
        print(f"larger than {MOST_BYTES // 1000} kB: {', '.join(too_large)}", file=sys.stderr)
    return int(bool(too_large))


async def take(
    browser: Browser, address: str, path: str, target: Path, size: tuple[int, int], *, dark: bool, key: str | None
) -> None:
    """Take the first screen of one page, signed in where a key is given."""
    width, height = size
    page = await browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    if key is not None:
        await page.goto(f"{address}/sign-in")
        await page.fill("#key", key)
        await page.click("main button")
    answer = await page.goto(f"{address}{path}")
    assert answer is not None
    assert answer.ok, f"{path}: {answer.status}"
    await page.screenshot(path=target)
    await page.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
