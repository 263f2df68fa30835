"""The pages of webhooks: what stands how, a test, once more, and no removal without having been asked."""

import secrets
from collections.abc import AsyncIterator

import pytest
from tests.outbound.raw_server import reply
from tests.support.node import RunningNode
from tests.support.webhooks import Receiver
from tests.web.pages.browser import Browser

HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def owner(node: RunningNode) -> AsyncIterator[tuple[Browser, str]]:
    """The browser of a subscriber that nobody else is, and its key."""
    key = node.create_key("subscriber", owner=f"agency-{secrets.token_hex(4)}")["key"]
    browser = Browser(node.url)
    await browser.sign_in(key)
    yield browser, key
    await browser.http.aclose()


async def make(node: RunningNode, key: str, url: str, **more: object) -> str:
    """Make a webhook and give its page."""
    async with node.async_client(key) as http:
        made = await http.post("/federation/webhooks", json={"url": url, **more})
        return f"/webhooks/{made.json()['webhook']['id']}"


async def test_an_owner_sees_how_its_webhooks_stand(
    node: RunningNode, owner: tuple[Browser, str], operator: Browser, stranger: Browser, receiver: Receiver
) -> None:
    browser, key = owner
    empty = await browser.open("/webhooks")
    assert "There is no webhook yet." in empty.text
    assert "/webhooks" in (await browser.open("/")).links()
    page = await make(node, key, receiver.hook, description=HOSTILE, kinds=["version_update"])
    listed = await browser.open("/webhooks")
    assert page in listed.links()
    for said in ("Active", "0 messages waiting", "0 failed", "<script>alert(1)</script>"):
        assert said in listed.text
    assert "\u202e" not in listed.answer.text
    assert page in (await operator.open("/webhooks")).links()
    shown = await browser.open(page)
    for said in (receiver.hook, "whpk_", "only Release", "Nothing was to be sent yet."):
        assert said in shown.text
    assert "whsec_" not in shown.answer.text
    for path in ("/webhooks", page, f"{page}/remove"):
        assert (await stranger.open(path)).status == 401
    assert "/webhooks" not in (await stranger.open("/")).links()


async def test_another_ones_webhook_is_unknown(
    node: RunningNode, owner: tuple[Browser, str], operator: Browser, subscriber: Browser, receiver: Receiver
) -> None:
    page = await make(node, owner[1], receiver.hook)
    assert (await operator.open(page)).status == 200
    form = (await subscriber.open("/webhooks")).form("/sign-out").fields
    for path in (page, f"{page}/remove"):
        assert (await subscriber.open(path)).status == 404
    for action in ("test", "redeliver", "enable", "remove"):
        refused = await subscriber.send(f"{page}/{action}", form)
        assert refused.status == 404
        assert page in refused.links()
    assert receiver.received == []


async def test_a_test_says_how_it_went_and_failures_can_be_sent_again(
    node: RunningNode, owner: tuple[Browser, str], receiver: Receiver
) -> None:
    browser, key = owner
    page = await make(node, key, receiver.hook)
    shown = await browser.submit(await browser.open(page), f"{page}/test")
    assert shown.path == page
    assert "The test was delivered: status 204" in shown.text
    assert "Delivered ping 1 try, last answer 204" in shown.text
    assert not shown.has_form(f"{page}/redeliver")
    receiver.say(reply(status="500 Internal Server Error"))
    shown = await browser.submit(shown, f"{page}/test")
    assert "The test was not delivered. The receiver answered with status 500." in shown.text
    shown = await browser.submit(shown, f"{page}/redeliver")
    assert "1 failed message will be sent again." in shown.text
    assert "Waiting" in shown.text


async def test_a_disabled_webhook_says_why_and_can_be_enabled(
    node: RunningNode, owner: tuple[Browser, str], receiver: Receiver
) -> None:
    browser, key = owner
    page = await make(node, key, receiver.hook)
    receiver.say(reply(status="410 Gone"))
    shown = await browser.submit(await browser.open(page), f"{page}/test")
    assert "Its receiver answered 410" in shown.text
    assert "Disabled" in (await browser.open("/webhooks")).text
    shown = await browser.submit(shown, f"{page}/enable")
    assert "It is active again." in shown.text
    assert not shown.has_form(f"{page}/enable")


async def test_removing_asks_first(node: RunningNode, owner: tuple[Browser, str], receiver: Receiver) -> None:
    browser, key = owner
    page = await make(node, key, receiver.hook)
    receiver.say(reply(status="500 Internal Server Error"))
    await browser.submit(await browser.open(page), f"{page}/test")
    ask = await browser.open(f"{page}/remove")
    assert "1 message not delivered so far is dropped." in ask.text
    done = await browser.submit(ask, f"{page}/remove")
    assert done.path == "/webhooks"
    assert "is removed" in done.text
    assert (await browser.open(page)).status == 404


async def test_a_long_log_is_paged(node: RunningNode, owner: tuple[Browser, str], receiver: Receiver) -> None:
    browser, key = owner
    page = await make(node, key, receiver.hook)
    async with node.async_client(key) as http:
        for _ in range(21):
            await http.post(f"/federation{page}/test")
    shown = await browser.open(page)
    older = next(link for link in shown.links() if "before=" in link)
    oldest = await browser.open(older.split("?")[0], before=older.split("=")[1])
    assert oldest.text.count("ping 1 try") == 1
    assert page in oldest.links()


async def test_a_webhook_is_made_and_its_secret_shown_once(
    node: RunningNode, owner: tuple[Browser, str], receiver: Receiver
) -> None:
    browser, key = owner
    form = await browser.open("/webhooks/add")
    assert "everything" not in form.form("/webhooks/add").fields
    given = {"url": receiver.hook, "description": "<b>Ours</b>", "kind:version_update": "yes"}
    made = await browser.submit(form, "/webhooks/add", **given)
    assert made.status == 200
    assert "Copy the secret now" in made.text
    assert made.answer.text.count("whsec_") == 2  # to read, and to copy
    assert made.answer.headers["cache-control"] == "no-store"
    page = next(link for link in made.links() if link.startswith("/webhooks/"))
    shown = await browser.open(page)
    assert "whsec_" not in shown.answer.text
    assert "only Release" in shown.text
    assert "<b>Ours</b>" in shown.text
    async with node.async_client(key) as http:
        (webhook,) = (await http.get("/federation/webhooks")).json()
    assert (webhook["kinds"], webhook["everything"]) == (["version_update"], False)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "nonsense"}, "url"),
        ({"sources": "nobody@nowhere.example"}, "sources"),
        ({"description": "a\nb"}, "description"),
    ],
)
async def test_what_cannot_be_used_is_said_beside_it(
    owner: tuple[Browser, str], receiver: Receiver, given: dict[str, str], field: str
) -> None:
    browser, _ = owner
    sent = {"url": receiver.hook, "kind:health_change": "yes"} | given
    page = await browser.submit(await browser.open("/webhooks/add"), "/webhooks/add", **sent)
    assert page.status in {404, 422}
    assert next(one for _, one in page.tags if one.get("aria-invalid"))["name"] == field
    kept = page.form("/webhooks/add").fields
    assert kept["url"] == sent["url"]
    assert kept["kind:health_change"] == "yes"
    assert "There is no webhook yet." in (await browser.open("/webhooks")).text


async def test_an_operator_chooses_whether_all_is_told(operator: Browser, receiver: Receiver) -> None:
    form = await operator.open("/webhooks/add")
    assert form.form("/webhooks/add").fields["everything"] == "yes"
    made = await operator.submit(form, "/webhooks/add", url=receiver.hook)
    page = next(link for link in made.links() if link.startswith("/webhooks/"))
    assert "everything, private events too" in (await operator.open(page)).text
    form = await operator.open(f"{page}/change")
    assert form.form(f"{page}/change").fields["url"] == receiver.hook
    changed = await operator.submit(form, f"{page}/change", everything="no", description="For me")
    assert changed.path == page
    assert "what the subscriptions of operator take" in changed.text
    assert "For me" in changed.text


async def test_nobody_is_told_everything_by_another_ones_choice(
    node: RunningNode, owner: tuple[Browser, str], operator: Browser, receiver: Receiver
) -> None:
    page = await make(node, owner[1], receiver.hook)
    form = await operator.open(f"{page}/change")
    assert "everything" not in form.form(f"{page}/change").fields
    await operator.submit(form, f"{page}/change", everything="yes", description="Looked at")
    assert "everything, private events too" not in (await owner[0].open(page)).text


async def test_a_new_secret_is_asked_for_first_and_the_old_one_lives_on(
    node: RunningNode, owner: tuple[Browser, str], receiver: Receiver
) -> None:
    browser, key = owner
    page = await make(node, key, receiver.hook)
    ask = await browser.open(f"{page}/rotate")
    assert "For 1 day messages are signed with the old ones too" in ask.text
    made = await browser.submit(ask, f"{page}/rotate")
    assert "whsec_" in made.text
    assert "a signature with the old one too" in made.text
    assert "signed with the old secret too until" in (await browser.open(page)).text
    assert "stops working at once" in (await browser.open(f"{page}/rotate")).text


async def test_one_message_is_read_and_sent_again_and_the_log_is_narrowed_down(
    node: RunningNode, owner: tuple[Browser, str], receiver: Receiver
) -> None:
    browser, key = owner
    page = await make(node, key, receiver.hook)
    await browser.submit(await browser.open(page), f"{page}/test")
    receiver.say(reply(status="500 Internal Server Error"))
    shown = await browser.submit(await browser.open(page), f"{page}/test")
    assert '"sentence":"A test, sent on request."' in shown.text
    failed = await browser.open(f"{page}?state=failed")
    assert failed.text.count("ping 1 try") == 1
    (action,) = [form.action for form in failed.forms if "/deliveries/" in form.action]
    again = await browser.submit(failed, action)
    assert again.path == page
    assert "The message will be sent again" in again.text
    assert (await browser.open(f"{page}?state=pending")).text.count("ping 0 tries") == 1
    assert (await browser.submit(failed, action)).status == 409
    unknown = await browser.send(f"{page}/deliveries/999999/redeliver", failed.form(action).fields)
    assert unknown.status == 404
