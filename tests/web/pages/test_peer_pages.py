"""The pages of peers: who there is and how each stands, who wants to be one, and no removal without being asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.network import ServedNode, serve_node
from tests.support.peers import make_peer
from tests.web.api.test_peer import spoil
from tests.web.pages.browser import Browser

from pfn.protocol.ed25519 import SigningKey, parse_public_key
from pfn.protocol.errors import Code
from pfn.protocol.source_id import source_id
from pfn.storage.log import halt_log
from pfn.storage.peer import Proposal, add_peer, put_proposal
from pfn.testing.publisher import FakePublisher

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
    suspended = await browser.submit(added, "/peers/1/suspend", reason="It moves house.")
    assert "Suspended" in suspended.text
    assert "It moves house." in suspended.text
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
    evidence = next(link for link in page.links() if link.startswith("/conflicts/logs/"))
    sides = await browser.open(evidence)
    assert sides.status == 200
    assert "/peers/1" in sides.links()
    assert (await browser.http.get(f"{evidence}/second")).content == b"other"
    assert evidence in (await browser.open("/conflicts")).links()
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
    for step in ("add", "1/accept", "1/suspend", "1/resume", "1/forgive", "1/remove", "1/sync", "1/policy"):
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


TERMS = {
    "operator": "Friends",
    "take": "chosen",
    "sources": "a@x.example, b@y.example",
    "tags": "forms",
    "minimum_trust": "0.25",
    "minimum_level": "artifact",
    "first": "peers",
}


async def test_terms_are_changed_and_what_cannot_be_used_is_kept(
    ours: ServedNode, theirs: ServedNode, browser: Browser
) -> None:
    await ours.post("peers", url=theirs.url)
    form = await browser.open("/peers/1/policy")
    assert form.form("/peers/1/policy").fields["take"] == "all"
    assert form.form("/peers/1/policy").fields["witness"] == "yes"
    wrong = await browser.submit(form, "/peers/1/policy", **{**TERMS, "minimum_trust": "7"})
    assert wrong.status == 422
    assert next(one for _, one in wrong.tags if one.get("aria-invalid"))["name"] == "minimum_trust"
    assert wrong.form("/peers/1/policy").fields["sources"] == TERMS["sources"]
    fields = {**wrong.form("/peers/1/policy").fields, **TERMS}
    del fields["witness"]
    changed = await browser.send("/peers/1/policy", fields)
    assert changed.path == "/peers/1"
    for said in ("of Friends", "a@x.example, b@y.example, tag forms", "trust of 0.25", "zips from its peers first"):
        assert said in changed.text
    assert "it is not asked" in changed.text
    again = (await browser.open("/peers/1/policy")).form("/peers/1/policy").fields
    assert {name: again[name] for name in TERMS} == TERMS
    assert "witness" not in again


async def test_a_peer_is_added_on_terms_and_read_at_a_persons_word(
    ours: ServedNode, theirs: ServedNode, browser: Browser
) -> None:
    added = await browser.submit(await browser.open("/peers"), "/peers/add", url=theirs.url, take="nothing")
    assert "Taken of itnothing;" in added.text
    assert "Reading a peer's log" in added.text
    await theirs.post("peers", url=ours.url)
    accepted = [one for one in await theirs.get("peers") if one["state"] == "proposed"]
    for one in accepted:
        await theirs.post(f"peers/{one['id']}/accept")
    done = await browser.submit(added, "/peers/1/sync")
    assert done.path == "/peers/1"
    assert "entries of its log were gone through" in done.text


async def test_a_fingerprint_that_is_typed_must_be_that_of_the_node(
    ours: ServedNode, theirs: ServedNode, browser: Browser
) -> None:
    await theirs.post("peers", url=ours.url)
    page = await browser.open("/peers/1")
    wrong = await browser.submit(page, "/peers/1/accept", fingerprint=f"SHA256:{'A' * 43}")
    assert wrong.status == Code.PEER_KEYS.status
    right = await browser.submit(page, "/peers/1/accept", fingerprint=theirs.services.public_key.fingerprint)
    assert "proved its key and is a peer" in right.text


async def propose(node: ServedNode, publisher: FakePublisher, *keys: str) -> str:
    """Have peers propose a source, each by its key, and give its id."""
    name = source_id(publisher.url, publisher.username)
    known = {peer["id"] for peer in await node.get("peers")}
    async with node.database.write() as connection:
        for number in {*range(1, len(keys) + 1)} - known:
            await add_peer(connection, make_peer(number))
        for number, key in enumerate(keys, 1):
            await put_proposal(connection, Proposal(name, number, publisher.url, publisher.username, key, number))
    return name


async def test_a_proposed_source_is_looked_at_and_accepted(ours: ServedNode, browser: Browser) -> None:
    async with FakePublisher("alice") as publisher:
        other = SigningKey.generate().public_key
        name = await propose(ours, publisher, other.pem, publisher.public_key_pem)
        listed = await browser.open("/peers")
        assert "Peers name different keys" in listed.text
        here = f"/proposals/{name}"
        assert here in listed.links()
        page = await browser.open(here)
        shown = [other.fingerprint, parse_public_key(publisher.public_key_pem).fingerprint]
        assert [one for one in shown if one in page.text] == shown
        right = next(form for form in page.forms if form.action.endswith("/accept") and form.fields["peer"] == "2")
        done = await browser.send(right.action, right.fields)
        assert done.path == f"/sources/{name}"
        assert "proved that it holds the registered key" in done.text
        assert (await browser.open(here)).status == 404


async def test_a_refused_source_is_proposed_no_more(ours: ServedNode, browser: Browser) -> None:
    async with FakePublisher("alice") as publisher:
        name = await propose(ours, publisher, publisher.public_key_pem)
        here = f"/proposals/{name}"
        done = await browser.submit(await browser.open(here), f"{here}/refuse")
        assert done.path == "/peers"
        assert "is refused. It can still be added by hand." in done.text
        assert "Sources that peers propose" not in done.text
        await propose(ours, publisher, publisher.public_key_pem)
        assert here not in (await browser.open("/peers")).links()
        assert await ours.get("sources") == []


async def test_the_log_says_who_signed_it_and_is_resumed(
    ours: ServedNode, theirs: ServedNode, browser: Browser
) -> None:
    page = await browser.open("/log")
    assert "No peer witnesses this log yet." in page.text
    assert ours.services.log.origin in page.text
    await ours.post("peers", url=theirs.url, operator="Friends")
    page = await browser.open("/log")
    assert "Friends" in page.text
    assert "has not signed yet" in page.text
    assert not page.has_form("/log/resume")
    async with ours.database.write() as connection:
        await halt_log(connection, "The database was set back.", 1)
    halted = await browser.open("/log")
    assert "The database was set back." in halted.text
    resumed = await browser.submit(halted, "/log/resume")
    assert "The log takes new entries again." in resumed.text
    assert not resumed.has_form("/log/recover")
    async with ours.database.write() as connection:
        await halt_log(connection, "The database was set back.", 1)
    recovered = await browser.submit(halted, "/log/recover")
    assert "Nothing was missing. The log takes new entries again." in recovered.text
    stranger = Browser(ours.url)
    assert (await stranger.open("/log")).status == 401
    await stranger.http.aclose()
