"""The pages of subscriptions: which there are, a preview while one types, changes, and an end that can be undone."""

from urllib.parse import parse_qs, urlsplit

import pytest
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser, Page

from pfn.testing.publisher import FakePublisher


@pytest.fixture
async def source_id(api: Api, publisher: FakePublisher) -> str:
    """A source with two plugins."""
    publisher.add_plugin("kept", "1.0.0", tags=("forms",))
    publisher.add_plugin("left", "2.0.0")
    return await api.add(publisher)


async def subscribe(browser: Browser, source_id: str, **filters: str) -> str:
    """Subscribe on the page for any source; give the address of the subscription."""
    page = await browser.submit(
        await browser.open("/subscriptions/new"), "/subscriptions/new", source=source_id, **filters
    )
    assert "Subscribed." in page.text
    listed = await browser.open("/subscriptions", source=source_id)
    return next(link for link in listed.links() if link.removeprefix("/subscriptions/").isdecimal())


def field(page: Page, name: str) -> dict[str, str]:
    return next(given for tag, given in page.tags if tag == "input" and given.get("name") == name)


async def test_a_subscription_is_made_changed_and_ended_and_that_is_undone(
    subscriber: Browser, api: Api, source_id: str
) -> None:
    here = await subscribe(subscriber, source_id, tags="forms")
    assert await api.versions(source_id) == {"kept": ["1.0.0"]}
    page = await subscriber.open(here)
    assert field(page, "tags")["value"] == "forms"
    assert "1 of 2 listed plugins would be taken" in page.text
    assert "It has none of the tags: forms. tag" in page.text
    changed = await subscriber.submit(page, here, tags="", versions=">=2, <3")
    assert changed.path == "/subscriptions"
    assert "versions >=2, <3" in changed.text
    ask = await subscriber.open(f"{here}/end")
    for said in ("Nobody else subscribes to this source", "is still offered: 1 plugin", "It can be undone"):
        assert said in ask.text
    ended = await subscriber.submit(ask, f"{here}/end")
    assert ended.path == "/subscriptions"
    assert "has ended. What it brought stays mirrored." in ended.text
    again = next(link for link in ended.links() if link.startswith("/subscriptions/new?"))
    assert parse_qs(urlsplit(again).query) == {"source": [source_id], "versions": [">=2, <3"]}
    form = await subscriber.open(again)
    assert field(form, "source")["value"] == source_id
    assert "1 of 2 listed plugins would be taken" in form.text
    await subscriber.submit(form, "/subscriptions/new")
    (one,) = await api.get("subscriptions", sourceId=source_id)
    assert one["filters"] == {"versions": ">=2, <3"}


async def test_an_operator_sees_everybodys_and_ends_them_without_a_way_back(
    subscriber: Browser, operator: Browser, api: Api, source_id: str
) -> None:
    here = await subscribe(subscriber, source_id)
    await subscribe(operator, source_id, tags="forms")
    everybodys = await operator.open("/subscriptions", source=source_id)
    assert here in everybodys.links()
    assert here not in (await operator.open("/subscriptions", source=source_id, whose="mine")).links()
    ask = await operator.open(f"{here}/end")
    assert "1 other subscription to this source goes on" in ask.text
    assert "only agency-blue can subscribe again" in ask.text
    done = await operator.submit(ask, f"{here}/end")
    assert not [link for link in done.links() if link.startswith("/subscriptions/new?")]
    assert here not in (await operator.open("/subscriptions", source=source_id)).links()
    ended = await operator.open("/subscriptions", source=source_id, ended="too")
    assert "Ended" in ended.text
    assert "Subscribe again" not in ended.text
    assert "Subscribe again" in (await subscriber.open("/subscriptions", source=source_id, ended="too")).text
    changed = await operator.send(here, {"csrf": ended.form("/sign-out").fields["csrf"]})
    assert changed.status == 409


async def test_anothers_subscription_is_unknown(subscriber: Browser, operator: Browser, source_id: str) -> None:
    here = await subscribe(operator, source_id)
    assert (await subscriber.open("/subscriptions", source=source_id)).text.count(source_id) == 1  # what is asked for
    form = (await subscriber.open("/subscriptions")).form("/sign-out").fields
    for path in (here, f"{here}/end"):
        assert (await subscriber.open(path)).status == 404
        assert (await subscriber.send(path, form)).status == 404


async def test_typing_renews_the_preview_alone(operator: Browser, api: Api, source_id: str) -> None:
    page = await operator.open("/subscriptions/new", source=source_id, fragment="list", tags="forms")
    assert page.status == 200
    assert page.forms == []
    assert next(given for _, given in page.tags if given.get("id") == "preview")["data-said"] == (
        "1 of 2 listed plugins would be taken"
    )
    wrong = await operator.open("/subscriptions/new", source=source_id, fragment="list", versions="^1")
    assert wrong.status == 200
    assert "is no condition" in wrong.text
    unknown = await operator.open("/subscriptions/new", source="nobody@nowhere.example", fragment="list")
    assert "nobody@nowhere.example" in unknown.text
    assert await api.get("subscriptions", sourceId=source_id) == []
    form = next(given for tag, given in (await operator.open("/subscriptions/new")).tags if "data-search" in given)
    assert (form["data-from"], form["action"]) == ("/subscriptions/new", "/subscriptions/new")


async def test_what_cannot_be_used_is_kept(operator: Browser, source_id: str) -> None:
    form = await operator.open("/subscriptions/new")
    page = await operator.submit(form, "/subscriptions/new", source="nobody@nowhere.example", tags="forms")
    assert page.status == 404
    assert any(given.get("role") == "alert" for _, given in page.tags)
    assert field(page, "tags")["value"] == "forms"
    here = await subscribe(operator, source_id)
    page = await operator.submit(await operator.open(here), here, minimum_trust="7", tags="forms")
    assert page.status == 422
    assert next(given for _, given in page.tags if given.get("aria-invalid"))["name"] == "minimum_trust"
    assert field(page, "tags")["value"] == "forms"


async def test_the_list_is_paged_and_the_readers_alone(stranger: Browser, operator: Browser, source_id: str) -> None:
    assert (await stranger.open("/subscriptions")).status == 401
    assert (await stranger.open("/subscriptions/new")).status == 401
    for _ in range(51):
        here = await subscribe(operator, source_id)
        await operator.submit(await operator.open(f"{here}/end"), f"{here}/end")
    first = await operator.open("/subscriptions", source=source_id, ended="too")
    assert first.text.count("Subscribe again") == 50
    older = await operator.open(next(link for link in first.links() if "before=" in link))
    assert older.text.count("Subscribe again") == 1
