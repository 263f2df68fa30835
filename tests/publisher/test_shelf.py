"""What a publisher's folder holds is what is served, however many ask while it is read again."""

import asyncio
import threading

import pytest
from tests.publisher.conftest import put_zip

from pfn.publisher import shelf as module
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.shelf import Shelf
from pfn.publisher.signed import Signed, read_signed


async def test_who_asks_while_a_change_is_read_waits_for_it(
    made: PublisherFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told of what was before, a node would come back much later."""
    put_zip(made, "one", "1.0")
    shelf = Shelf(made)
    before = shelf.current
    put_zip(made, "two", "1.0")
    reading, go_on = threading.Event(), threading.Event()

    def read_slowly(folder: PublisherFolder) -> Signed:
        reading.set()
        assert go_on.wait(60)
        return read_signed(folder)

    monkeypatch.setattr(module, "read_signed", read_slowly)
    first = asyncio.create_task(shelf.site())
    await asyncio.to_thread(reading.wait, 60)
    second = asyncio.create_task(shelf.site())
    await asyncio.sleep(0.1)
    go_on.set()
    assert await first is await second is not before
    assert {one.slug for one in shelf.current.plugins} == {"one", "two"}
