"""About this node: what strangers compare, whom it knows, what it takes; less of it where the catalogue is closed."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.support.rows import own_rows
from tests.web.pages.browser import Browser
from tests.web.pages.conftest import Held

from pfn.app import build_app, prepare
from pfn.services.access import hash_master_key
from pfn.settings import Settings
from pfn.testing.publisher import FakePublisher


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Browser]:
    """A stranger at a node whose catalogue is closed, and whose operator has decided otherwise than by default."""
    settings = Settings(
        data=tmp_path / "closed",
        public_url="http://closed.test",
        node_name="The Closed Node",
        operator="Example <Society>",
        open_catalogue=False,
        allow_unsigned=True,
        accept_peer_sources=True,
        quota_plugins=0,
        events_keep_days=0,
        verify_every=90,
        work=False,
        **own_rows(tmp_path / "closed"),
    )
    app = build_app(replace(prepare(settings), master_hash=hash_master_key(secrets.token_urlsafe(32))))
    async with app.router.lifespan_context(app):
        browser = Browser(settings.address, httpx.ASGITransport(app=app))
        yield browser
        await browser.http.aclose()


async def test_its_keys_are_there_to_compare(held: Held) -> None:
    page = await held.stranger.open("/about")
    own = (await held.stranger.http.get("/federation/node")).json()
    for said in (own["name"], own["operator"], own["url"], own["origin"], own["log_key"], own["witness_key"]):
        assert said in page.text
    assert held.services.public_key.fingerprint in page.text
    assert " ".join(own["identity_key"].split()) in page.text
    copied = {given["data-copy"] for tag, given in page.tags if tag == "button" and "data-copy" in given}
    assert {held.services.public_key.fingerprint, own["log_key"], own["witness_key"]} <= copied


async def test_what_it_holds_and_how_its_log_stands(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("one", "1.0")
    await held.register(publisher)
    held.clock.now += 60
    page = await held.stranger.open("/about")
    assert "1 plugin, 1 release" in page.text
    assert "of 1 source" in page.text
    size = (await held.services.log.standing()).size
    assert size > 0
    assert f"Entries{size}" in page.text
    assert "/log/checkpoint" in page.links()
    assert (await held.stranger.http.get("/log/checkpoint")).status_code == 200
    assert "It has none yet." in page.text


async def test_it_says_how_to_point_others_at_it(held: Held) -> None:
    page = await held.stranger.open("/about")
    fingerprint = held.services.public_key.fingerprint
    for command in (
        f"pfn peer add http://node.test --identity-key {fingerprint}",
        "pfn site-helper --node http://node.test PLUGIN -o pfn-site.php",
        '"url": "http://node.test/composer"',
    ):
        assert command in page.text
    for link in page.links():
        if link.startswith(("/federation/", "/docs", "/log/")):
            assert (await held.stranger.http.get(link)).status_code == 200, link


async def test_its_terms_are_those_of_its_settings(held: Held, closed: Browser) -> None:
    page = await held.stranger.open("/about")
    for said in (
        "are held back",
        "by the operator alone",
        "up to 20,000 plugins",
        "activity for 730 days",
        "every 1 day",
    ):
        assert said in page.text
    page = await closed.open("/about")
    for said in ("are taken, and marked", "where a peer has proven them", "any number of plugins", "activity for good"):
        assert said in page.text
    assert "key every 90 seconds" in page.text


async def test_where_the_catalogue_is_closed_its_keys_are_still_shown(closed: Browser) -> None:
    page = await closed.open("/about")
    assert page.status == 200
    assert "The Closed Node" in page.text
    assert "run by Example <Society>." in page.text
    assert "SHA256:" in page.text
    assert "It holds" not in page.text
    assert "Its peers" not in page.text
