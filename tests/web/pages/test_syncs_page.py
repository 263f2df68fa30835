"""The syncs of all sources: how they went, why something did not come through, and trying it again."""

from tests.web.pages.browser import Browser, Page
from tests.web.pages.conftest import Held

from pfn.testing import faults
from pfn.testing.publisher import FakePublisher

HERE = "/syncs"


def retries(page: Page) -> list[dict[str, str]]:
    """Give the forms that try again: of which source, and which failure."""
    fields = [form.fields for form in page.forms if form.action == "/syncs/retry"]
    return [{name: value for name, value in one.items() if name != "csrf"} for one in fields]


async def try_again(browser: Browser, page: Page, **which: str) -> Page:
    csrf = page.form("/sign-out").fields["csrf"]
    return await browser.send("/syncs/retry", {"csrf": csrf, **which})


async def test_an_empty_node_says_what_to_do_next(held: Held) -> None:
    page = await held.operator.open(HERE)
    assert "No sync runs now." in page.text
    assert "Everything that is wanted and listed came through." in page.text
    assert "A sync begins when somebody subscribes to a source." in page.text


async def test_what_failed_is_shown_with_its_reason_and_tried_again(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("good", "1.0.0")
    publisher.add_plugin("away", "2.0.0")
    publisher.faults[publisher.zip_path("away", "2.0.0")] = faults.status(500)
    source_id = await held.register(publisher)
    page = await held.operator.open(HERE)
    assert "away 2.0.0" in page.text
    assert "publisher_status" in page.text
    assert "Next try in 15 minutes" in page.text
    assert "1 mirrored, 1 not taken of 2 listed" in page.text
    (which,) = retries(page)
    assert which.keys() == {"source", "failure"}
    # It is asked for at once, long before its time.
    publisher.faults.clear()
    page = await try_again(held.operator, page, **which)
    assert page.path == HERE
    assert f"Tried again what failed of {source_id}. Synced: 1 of 2 listed plugins are newly mirrored." in page.text
    assert retries(page) == []
    assert await held.api.versions(source_id) == {"away": ["2.0.0"], "good": ["1.0.0"]}


async def test_what_only_a_person_may_try_is_tried_when_one_says_so(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("forged", "1.0.0", signature="wrong")
    source_id = await held.register(publisher)
    page = await held.operator.open(HERE)
    assert "Not tried again by itself: somebody has to look" in page.text
    publisher.add_plugin("forged", "1.0.0")
    await held.api.sync(source_id)
    assert await held.api.versions(source_id) == {}
    page = await try_again(held.operator, page, **retries(page)[0])
    assert await held.api.versions(source_id) == {"forged": ["1.0.0"]}
    assert "signature_invalid" not in page.text


async def test_one_failure_is_tried_and_the_other_waits(held: Held, publisher: FakePublisher) -> None:
    for slug in ("one", "two"):
        publisher.add_plugin(slug, "1.0.0")
        publisher.faults[publisher.zip_path(slug, "1.0.0")] = faults.status(500)
    source_id = await held.register(publisher)
    publisher.faults.clear()
    publisher.requests.clear()
    page = await held.operator.open(HERE, source=source_id)
    both, *single = retries(page)
    assert both == {"source": source_id}
    page = await try_again(held.operator, page, **single[0])
    assert len(await held.api.versions(source_id)) == 1
    page = await try_again(held.operator, page, **both)
    assert len(await held.api.versions(source_id)) == 2


async def test_what_is_no_failure_any_more_is_not_found(held: Held, publisher: FakePublisher) -> None:
    source_id = await held.register(publisher)
    page = await held.operator.open(HERE)
    assert (await try_again(held.operator, page, source=source_id, failure="7")).status == 404
    assert (await try_again(held.operator, page, source="nobody@there.example")).status == 404
    for wrong in ("x", "-1", "٣", "9" * 19):
        assert (await try_again(held.operator, page, source=source_id, failure=wrong)).status == 422


async def test_a_failure_of_another_source_is_not_tried(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("away", "2.0.0")
    publisher.faults[publisher.zip_path("away", "2.0.0")] = faults.status(500)
    await held.register(publisher)
    async with FakePublisher("other") as other:
        other_id = await held.register(other)
        page = await held.operator.open(HERE)
        failure = retries(page)[0]["failure"]
        assert (await try_again(held.operator, page, source=other_id, failure=failure)).status == 404


async def test_pages_of_syncs_and_of_failures(held: Held, publisher: FakePublisher) -> None:
    for number in range(60):
        publisher.add_plugin(f"p{number}", "1.0.0", signature=None)
    source_id = await held.register(publisher)
    for number in range(25):
        publisher.add_plugin("moving", f"1.{number}")
        await held.api.sync(source_id)
    page = await held.operator.open(HERE)
    assert len(retries(page)) == 50
    older = {link.partition("#")[2]: link for link in page.links() if "before=" in link or "failed=" in link}
    assert len(retries(await held.operator.open(older["failures"]))) == 10
    ended = await held.operator.open(older["ended"])
    assert ended.text.count(" listed") > 0
    assert "Newest" in ended.text


async def test_of_one_source_alone(held: Held, publisher: FakePublisher) -> None:
    source_id = await held.register(publisher)
    async with FakePublisher("other") as other:
        other_id = await held.register(other)
        page = await held.operator.open(HERE, source=source_id)
        assert source_id in page.text
        assert other_id not in page.text
