"""Where one can go: what is for everybody, what a key opens, and how much waits there."""

from tests.web.pages.browser import Browser, Page
from tests.web.pages.conftest import Held

from pfn.testing.publisher import FakePublisher

PUBLIC = {"/plugins", "/sources", "/activity", "/about", "/docs"}
CONSOLE = {"/console", "/syncs", "/quarantine", "/conflicts", "/slugs", "/subscriptions", "/webhooks", "/peers"}
OPERATORS = {"/console", "/quarantine", "/conflicts", "/audit", "/settings"}


def current(page: Page) -> set[str]:
    return {given["href"] for tag, given in page.tags if tag == "a" and given.get("aria-current") == "page"}


async def test_each_is_shown_what_it_may_open(stranger: Browser, subscriber: Browser, operator: Browser) -> None:
    for_all, for_subscribers, for_operators = [
        (await browser.open("/docs")).links() for browser in (stranger, subscriber, operator)
    ]
    assert for_all >= PUBLIC
    assert not (CONSOLE | OPERATORS) & for_all
    assert for_operators >= PUBLIC | CONSOLE | OPERATORS
    assert not OPERATORS & for_subscribers
    assert "/webhooks" in for_subscribers


async def test_one_place_is_where_the_reader_is(operator: Browser) -> None:
    assert current(await operator.open("/sources/add")) == {"/sources"}
    assert current(await operator.open("/peers")) == {"/peers"}
    assert current(await operator.open("/")) == set()


async def test_the_console_says_how_much_waits(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("broken", "1.0", content=b"no zip")
    await held.register(publisher)
    page = await held.operator.open("/docs")
    assert "Quarantine 1 waits for you" in page.text
    assert "waits for you" not in (await held.stranger.open("/docs")).text
