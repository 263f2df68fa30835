"""A running sync on its source's page: how far it is, again and again while it runs, and no longer."""

import asyncio

from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser, Page

from pfn.testing.faults import Answer
from pfn.testing.publisher import FakePublisher

PLUGINS = 9


def bars(page: Page) -> list[dict[str, str]]:
    return [attributes for tag, attributes in page.tags if tag == "progress"]


def refreshes(page: Page) -> list[str]:
    return [one["content"] for tag, one in page.tags if tag == "meta" and one.get("http-equiv") == "refresh"]


async def test_a_running_sync_shows_a_bar_and_the_page_reads_itself_again(
    operator: Browser, stranger: Browser, publisher: FakePublisher, api: Api
) -> None:
    for number in range(PLUGINS):
        publisher.add_plugin(f"p{number}", "1.0")
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(honest: Answer, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.write(honest.head() + honest.body)
        await writer.drain()

    publisher.faults[publisher.zip_path("p8", "1.0")] = wait
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    work = asyncio.create_task(api.post("subscribe", sourceId=source_id))
    await asked.wait()
    page = await operator.open(here)
    async with asyncio.timeout(60):
        while bars(page)[0].get("value") != str(PLUGINS - 1):
            await asyncio.sleep(0.1)
            page = await operator.open(here)
    assert bars(page) == [{"id": "sync-progress", "max": str(PLUGINS), "value": str(PLUGINS - 1)}]
    assert refreshes(page) == ["3"]
    assert f"{PLUGINS - 1} of {PLUGINS} fetched" in page.text
    # What is under way is not said to be done, and to ask again is to look on.
    page = await operator.submit(page, f"{here}/sync")
    assert "A sync is running already" in page.text
    # Histories are for readers, and so is this.
    seen = await stranger.open(here)
    assert (bars(seen), refreshes(seen)) == ([], [])
    go_on.set()
    assert (await work).json()["syncResult"]["mirroredCount"] == PLUGINS
    page = await operator.open(here)
    assert (bars(page), refreshes(page)) == ([], [])
