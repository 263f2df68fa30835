"""The pages of peers: who there is and how each stands, who wants to be one, and no removal without being asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.network import ServedNode, serve_node
from tests.web.api.test_peer import spoil
from tests.web.pages.browser import Browser

from pfn.protocol.errors import Code
from pfn.storage.log import halt_log

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "ours") as node:
        yield node


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "theirs", operator=HOSTILE, node_name=HOSTILE) as node:
        yield node


@pytest.fixture
async def browser(ours: ServedNode) -> AsyncIterator[Browser]:
    """The operator's."""
    browser = Browser(ours.url)
    await browser.sign_in(ours.key)
    yield browser
    await browser.http.aclose()


async def steps(node: ServedNode) -> list[str]:
    """Give what happened to peers, oldest first."""
    return [action for action in await node.actions() if action.startswith("peer_")]


async def test_an_operator_adds_a_peer_and_follows_it(ours: ServedNode, theirs: ServedNode, browser: Browser) -> None:
    empty = await browser.open("/peers")
    assert "There is no peer yet." in empty.text
    assert ours.services.public_key.fingerprint in empty.text
    assert "/peers" in (await browser.open("/")).links()
    wrong = await browser.submit(empty, "/peers/add", url=theirs.url, fingerprint="SHA256:other")
    assert wrong.status == Code.PEER_KEYS.status
    added = await browser.submit(empty, "/peers/add", url=theirs.url)
    assert added.path == "/peers/1"
    for said in ("its operator has to accept it", "Active", theirs.services.public_key.fingerprint, "everything"):
        assert said in added.text
    assert "<script>" not in added.answer.text
    assert HOSTILE in added.text
    suspended = await browser.submit(added, "/peers/1/suspend")
    assert "Suspended" in suspended.text
    resumed = await browser.submit(suspended, "/peers/1/resume")
    assert "is resumed" in resumed.text
    asked = await browser.open("/peers/1/remove")
    assert "/peers/1/remove" in resumed.links()
    removed = await browser.submit(asked, "/peers/1/remove")
    assert removed.path == "/peers"
    assert "There is no peer yet." in removed.text
    assert await steps(ours) == ["peer_unproven", "peer_added", "peer_suspended", "peer_resumed", "peer_removed"]


async def test_an_operator_accepts_who_introduced_itself(
    ours: ServedNode, theirs: ServedNode, browser: Browser
) -> None:
    await theirs.post("peers", url=ours.url)
    listed = await browser.open("/peers")
    assert "Waits for you" in listed.text
    page = await browser.open("/peers/1")
    assert "Compare the fingerprint" in page.text
    assert page.form("/peers/1/accept").fields["operator"] == HOSTILE
    accepted = await browser.submit(page, "/peers/1/accept", operator="Friends")
    assert "proved its key and is a peer" in accepted.text
    assert "of Friends" in accepted.text


async def test_a_proposal_may_be_refused(ours: ServedNode, theirs: ServedNode, browser: Browser) -> None:
    await theirs.post("peers", url=ours.url)
    asked = await browser.open("/peers/1/remove")
    assert "It may introduce itself again." in asked.text
    await browser.submit(asked, "/peers/1/remove")
    assert await ours.get("peers") == []


async def test_a_faulty_peer_shows_why_and_can_be_forgiven(
    ours: ServedNode, theirs: ServedNode, browser: Browser
) -> None:
    await spoil(ours, theirs)
    async with ours.database.write() as connection:
        await ours.services.peers.mark_faulty(connection, 1, Code.LOG_FORK, "It has two trees.")
    page = await browser.open("/peers/1")
    said = ("Faulty", "It has two trees.", "log_fork", "4 of 9 entries", "hello 1.0 of a@x.org: It is away.")
    for one in (*said, "Two trees of 5.", "the nodes do not hold the same"):
        assert one in page.text
    forgiven = await browser.submit(page, "/peers/1/forgive")
    assert "Active" in forgiven.text


async def test_others_look_or_do_not(ours: ServedNode, theirs: ServedNode, browser: Browser) -> None:
    await ours.post("peers", url=theirs.url)
    key = (await ours.post("create-subscriber-key", description="test", owner="agency")).json()["key"]
    subscriber, stranger = Browser(ours.url), Browser(ours.url)
    await subscriber.sign_in(key)
    for path in ("/peers", "/peers/1"):
        page = await subscriber.open(path)
        assert page.status == 200
        assert [form.action for form in page.forms] == ["/sign-out"]
        assert (await stranger.open(path)).status == 401
    form = page.form("/sign-out").fields
    assert (await subscriber.open("/peers/1/remove")).status == 403
    for step in ("add", "1/accept", "1/suspend", "1/resume", "1/forgive", "1/remove"):
        assert (await subscriber.send(f"/peers/{step}", form)).status == 403
        assert (await stranger.send(f"/peers/{step}", {})).status == 401
    assert (await browser.open("/peers/2")).status == 404
    assert await steps(ours) == ["peer_added"]
    for one in (subscriber, stranger):
        await one.http.aclose()


async def test_a_halted_log_is_said_on_every_page_to_the_operator(ours: ServedNode, browser: Browser) -> None:
    assert "halted" not in (await browser.open("/")).text
    async with ours.database.write() as connection:
        await halt_log(connection, "The database was set back.", 1)
    stranger = Browser(ours.url)
    for path in ("/", "/peers"):
        assert "The log is halted" in (await browser.open(path)).text
        assert "The database was set back." not in (await stranger.open(path)).text
    await stranger.http.aclose()
