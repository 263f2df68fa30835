"""The activity page: filters without a script, and pages that keep them."""

from datetime import UTC, datetime, timedelta

from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser, Page

from pfn.testing.publisher import FakePublisher


def sentences(page: Page) -> int:
    """How many events a page shows."""
    return sum(tag == "time" for tag, _ in page.tags)


async def show(browser: Browser, **given: str) -> Page:
    """Fill in the form and send it as a browser does: empty fields too."""
    form = (await browser.open("/activity")).form("/activity")
    assert form.method == "get"
    page = await browser.open("/activity", **(form.fields | given))
    assert page.status == 200, page.text
    return page


async def publish(api: Api, publisher: FakePublisher) -> str:
    publisher.add_plugin("one", "1.0")
    publisher.add_plugin("two", "1.0")
    source_id = await api.add(publisher)
    await api.post("subscribe", sourceId=source_id)
    return source_id


async def test_the_form_narrows_what_is_shown(operator: Browser, api: Api, publisher: FakePublisher) -> None:
    source_id = await publish(api, publisher)
    said = "was mirrored for the first time"
    whole = await show(operator, source=source_id)
    assert whole.text.count(said) == 2
    assert f"subscribed to {source_id}" in whole.text

    assert (await show(operator, source=source_id, plugin="one")).text.count(said) == 1
    updates = await show(operator, source=source_id, kind="version_update")
    assert updates.text.count(said) == sentences(updates) == 2
    assert updates.form("/activity").fields == {
        "kind": "version_update",
        "source": source_id,
        "plugin": "",
        "first": "",
        "last": "",
    }
    private = await show(operator, source=source_id, private="yes")
    assert sentences(private) == 1
    assert f"subscribed to {source_id}" in private.text
    assert "Nothing here matches." in (await show(operator, source="nobody@nowhere.example")).text


async def test_days_are_whole_and_both_included(operator: Browser, api: Api, publisher: FakePublisher) -> None:
    source_id = await publish(api, publisher)
    today = datetime.now(UTC).date()
    days = {name: (today + timedelta(days=by)).isoformat() for name, by in (("before", -1), ("after", 1))}
    assert sentences(await show(operator, source=source_id, first=days["before"], last=days["after"])) > 0
    assert sentences(await show(operator, source=source_id, first=days["after"])) == 0
    assert sentences(await show(operator, source=source_id, last=days["before"])) == 0
    assert sentences(await show(operator, source=source_id, first="0001-01-01", last="9999-12-31")) > 0
    assert (await operator.open("/activity", first="yesterday")).status == 422


async def test_a_subscriber_is_not_offered_what_is_private(subscriber: Browser, operator: Browser) -> None:
    assert "Only private events" not in (await subscriber.open("/activity")).text
    assert "Only private events" in (await operator.open("/activity")).text
    assert (await subscriber.open("/activity", private="yes")).status == 403


async def test_pages_and_feeds_keep_the_filter(operator: Browser, api: Api, publisher: FakePublisher) -> None:
    source_id = await publish(api, publisher)
    for number in range(60):
        await api.post("source-policy", sourceId=source_id, allow_unsigned=bool(number % 2))
    page = await operator.open("/activity", source=source_id)
    assert sentences(page) == 50
    older = next(link for link in page.links() if "before=" in link and "lang=" not in link)
    second = await operator.open(older)
    assert 10 <= sentences(second) < 50
    assert "was registered" in second.text
    newest = next(link for link in second.links() if link.startswith("/activity?") and "lang=" not in link)
    assert (await operator.open(newest)).text == page.text
    feeds = [link for link in page.links() if link.startswith("/federation/activity.") and "?" in link]
    assert len(feeds) == 2
    for link in feeds:
        assert source_id in (await operator.http.get(link)).text
