"""Debian's Composer against a node: install, lock, update, tampering, dates, takedown, audit, counts."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.composer import Project, Proxy, open_proxy
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.tools import needs_tool

from pfn.testing.publisher_v2 import FakePublisherV2

pytestmark = [pytest.mark.slow, pytest.mark.clients, needs_tool("composer")]

NAME = "alice/calm-gallery"
P2 = f"/composer/p2/{NAME}.json"
ROOT = "/composer/packages.json"


@dataclass
class Shop:
    """A publisher, a node that mirrors it, the proxy before it, and a project that wants a plugin."""

    alice: FakePublisherV2
    node: ServedNode
    proxy: Proxy
    project: Project
    source: str

    async def publish(self, version: str) -> bytes:
        """Publish a release and have the node mirror it; a second passes."""
        content = self.alice.add_plugin("calm-gallery", version)
        await sync(self.node, self.source)
        self.node.clock.now += 1
        return content

    async def downloads(self) -> int:
        await self.node.services.usage.flush()
        key = (self.source, "calm-gallery")
        return (await self.node.services.usage.totals([key]))[key].downloads

    def installed(self) -> str:
        """Give the main file as it was installed."""
        return (self.project.path / "vendor" / NAME / "calm-gallery.php").read_text()


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with (
        FakePublisherV2("alice") as alice,
        open_proxy() as proxy,
        serve_node(tmp_path / "node", public_url=proxy.url) as node,
    ):
        proxy.behind = f"http://127.0.0.1:{node.prepared.settings.port}"
        alice.add_plugin("calm-gallery", "1.0.0")
        source = await follow(node, alice)
        node.clock.now += 1
        project = Project.create(tmp_path, f"{proxy.url}/composer", calm_gallery="^1.0")
        yield Shop(alice, node, proxy, project, source)


async def test_install_lock_and_update(shop: Shop) -> None:
    await shop.project.run("update")
    assert "Version: 1.0.0" in shop.installed()
    assert await shop.downloads() == 1
    assert ("POST", "/composer/notify-batch", 200) in shop.proxy.seen

    content = await shop.publish("1.1.0")
    await shop.project.run("update")
    assert "Version: 1.1.0" in shop.installed()
    locked = shop.project.locked(NAME)
    assert locked["version"] == "1.1.0"
    assert locked["dist"]["reference"] == hashlib.sha256(content).hexdigest()
    assert locked["dist"]["shasum"] == hashlib.sha1(content).hexdigest()
    assert locked["extra"]["pfn"]["sha384"] == hashlib.sha384(content).hexdigest()
    assert locked["type"] == "wordpress-plugin"
    assert await shop.downloads() == 2

    shop.project.forget()
    await shop.project.run("install")
    assert "Version: 1.1.0" in shop.installed()
    assert "calm-gallery" in await shop.project.run("search", "calm")
    assert "* 1.1.0" in await shop.project.run("show", "--all", NAME)


async def test_what_did_not_change_is_not_sent_again(shop: Shop) -> None:
    await shop.project.run("update")
    assert shop.proxy.statuses(P2) == [200]
    shop.proxy.forget()
    await shop.project.run("update")
    assert set(shop.proxy.statuses(P2) + shop.proxy.statuses(ROOT)) == {304}
    await shop.publish("1.1.0")
    shop.proxy.forget()
    assert "1.1.0" in await shop.project.run("update")
    assert shop.proxy.statuses(P2) == [200]
    assert set(shop.proxy.statuses(ROOT)) == {304}


async def test_a_tampered_zip_is_refused(shop: Shop) -> None:
    await shop.project.run("update", "--no-install")
    shop.proxy.tampering = True
    said = await shop.project.run("install", status=1)
    assert "checksum verification of the file failed" in said
    assert not (shop.project.path / "vendor" / NAME).exists()
    shop.proxy.tampering = False
    await shop.project.run("install")
    assert "Version: 1.0.0" in shop.installed()


async def test_a_yanked_release_is_reported_and_left(shop: Shop) -> None:
    await shop.publish("1.1.0")
    await shop.project.run("update")
    assert "No security vulnerability" in await shop.project.run("audit")
    shop.alice.yank("calm-gallery", "1.1.0", "It loses photos.")
    await sync(shop.node, shop.source)

    said = await shop.project.run("audit", "--format=plain", status=1)
    assert NAME in said
    assert "It loses photos." in said
    # The lock file still works: a site must not break because it is warned.
    shop.project.forget()
    await shop.project.run("install")
    assert "Version: 1.1.0" in shop.installed()

    await shop.project.run("update")
    assert "Version: 1.0.0" in shop.installed()
    assert "No security vulnerability" in await shop.project.run("audit")


async def test_nothing_of_a_suspended_source_is_installed(shop: Shop) -> None:
    await shop.project.run("update")
    await shop.node.services.sources.suspend("test", shop.source, "It phones home.")
    assert "It phones home." in await shop.project.run("audit", "--format=plain", status=1)
    shop.project.forget()
    await shop.project.run("install", status=None)
    await shop.project.run("update", status=2)
