"""The overview: it says what needs the operator, each with a way there, and says so where nothing does."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.support.rows import own_rows
from tests.web.pages.browser import Browser, Page
from tests.web.pages.conftest import Held

from pfn.app import build_app, prepare
from pfn.domain.trust import DAY
from pfn.protocol.ed25519 import SigningKey
from pfn.services.access import hash_master_key
from pfn.settings import Settings
from pfn.testing import faults
from pfn.testing.faults import Answer
from pfn.testing.publisher import FakePublisher


@pytest.fixture
async def quiet(held: Held) -> Held:
    """A node of which nothing is to be said: that it may reach this machine is said everywhere."""
    page = await held.operator.open("/console")
    assert "1 thing needs you Waits Publishers on this machine may be reached over http" in page.text
    return held


async def needs(held: Held) -> Page:
    # What is measured is a few seconds old.
    held.clock.now += 10
    return await held.operator.open("/console")


async def test_a_warning_is_said_once_with_the_way_to_the_settings(quiet: Held) -> None:
    page = await needs(quiet)
    assert page.text.count("(allow_loopback)") == 1
    assert "/settings" in page.links()
    # Elsewhere it stands on top.
    assert "(allow_loopback)" in (await quiet.operator.open("/syncs")).text


async def test_where_nothing_needs_anybody_it_says_so(tmp_path: Path) -> None:
    key = secrets.token_urlsafe(32)
    settings = Settings(data=tmp_path, public_url="https://node.example", work=False, **own_rows(tmp_path))
    app = build_app(replace(prepare(settings), master_hash=hash_master_key(key)))
    browser = Browser(settings.address, httpx.ASGITransport(app=app))
    async with app.router.lifespan_context(app), browser.http:
        await browser.sign_in(key)
        page = await browser.open("/console")
    assert "Nothing needs you now" in page.text
    assert "/sources/add" in page.links()


async def test_a_source_that_fails_its_proof_is_named(quiet: Held, publisher: FakePublisher) -> None:
    source_id = await quiet.api.add(publisher)
    publisher.proof_key = SigningKey.generate()
    await quiet.api.post("verify-source", sourceId=source_id)
    page = await needs(quiet)
    assert f"Stopped {source_id} did not prove that it holds its key" in page.text
    assert f"/sources/{source_id}" in page.links()


async def test_what_is_held_back_is_counted(quiet: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("bad", "1.0.0", content=b"no zip")
    publisher.add_plugin("bare", "1.0.0", signature=None)
    await quiet.register(publisher)
    page = await needs(quiet)
    assert "1 release is in quarantine" in page.text
    assert "2 things that were listed did not come through." in page.text
    assert {"/quarantine", "/syncs#failures"} <= page.links()


async def test_a_contradiction_is_the_worst(quiet: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("hello", "1.0.0")
    source_id = await quiet.register(publisher)
    publisher.add_plugin("hello", "1.0.0", description="Other bytes.")
    await quiet.api.sync(source_id, recheck=True)
    page = await needs(quiet)
    assert page.text.index("contradicted itself") < page.text.index("did not come through")
    assert "/conflicts" in page.links()


async def test_a_key_that_ends_soon_is_said_to_who_may_renew_it_or_has_it(quiet: Held) -> None:
    made = (await quiet.api.post("create-admin-key", description="the agency", expires_in_days=20)).json()
    assert "(the agency) ends" not in (await needs(quiet)).text
    quiet.clock.now += 7 * DAY
    await quiet.operator.sign_in(quiet.key)
    assert f"The key {made['id']} (the agency) ends in 12 days." in (await needs(quiet)).text
    await quiet.operator.sign_in(made["key"])
    assert "The key you are signed in with ends in 12 days." in (await needs(quiet)).text


async def test_work_that_nobody_does_is_noticed(quiet: Held, publisher: FakePublisher) -> None:
    await quiet.api.add(publisher)
    quiet.clock.now += 7200
    await quiet.operator.sign_in(quiet.key)
    page = await needs(quiet)
    assert "nobody does it. Is a worker running?" in page.text
    assert "#health" in page.links()


async def test_a_running_sync_is_shown_while_it_runs(quiet: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("slow", "1.0")
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(honest: Answer, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.write(honest.head() + honest.body)
        await writer.drain()

    publisher.faults[publisher.zip_path("slow", "1.0")] = wait
    source_id = await quiet.api.add(publisher)
    work = asyncio.create_task(quiet.api.post("subscribe", sourceId=source_id))
    await asked.wait()
    for path in ("/console", "/syncs"):
        page = await quiet.operator.open(path)
        (region,) = (given for _, given in page.tags if given.get("id") == "running-syncs")
        assert region["data-poll"] == "2000"
        assert "0 of 1 fetched" in page.text
        assert [given["max"] for tag, given in page.tags if tag == "progress"] == ["1"]
    go_on.set()
    await work
    page = await quiet.operator.open("/console")
    assert "No sync runs now." in page.text
    (region,) = (given for _, given in page.tags if given.get("id") == "running-syncs")
    assert "data-poll" not in region


async def test_the_charts_have_the_numbers_behind_them(quiet: Held, publisher: FakePublisher) -> None:
    for number in range(3):
        publisher.add_plugin(f"p{number}", "1.0")
    await quiet.register(publisher)
    quiet.clock.now += 61
    page = await quiet.operator.open("/console")
    assert "Versions mirrored, by day" in page.text
    assert "highest 3, last 3." in page.text


async def test_it_is_for_operators(stranger: Browser, subscriber: Browser) -> None:
    for path in ("/console", "/audit", "/settings", "/keys"):
        assert (await stranger.open(path)).status == 401
        assert (await subscriber.open(path)).status == 403


async def test_a_source_that_is_down_is_named_and_so_is_its_sync(quiet: Held, publisher: FakePublisher) -> None:
    source_id = await quiet.register(publisher)
    publisher.faults["*"] = faults.hang_up()
    assert (await quiet.api.sync(source_id))["state"] == "failed"
    page = await needs(quiet)
    assert "The last sync of 1 source failed." in page.text


@pytest.mark.parametrize("path", ["/console", "/syncs", "/keys", "/audit", "/settings", "/sources/add"])
async def test_it_speaks_german_too(held: Held, path: str) -> None:
    page = await held.operator.open(path, lang="de")
    assert dict(page.tags)["html"] == {"lang": "de"}
    assert page.status == 200
