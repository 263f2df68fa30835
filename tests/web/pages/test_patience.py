"""Work that may take long: its outcome where it comes soon, and no lost work or error where it does not."""

import asyncio

import pytest

from pfn.protocol.errors import Code, PfnError
from pfn.services.background import Background
from pfn.web.pages import patience
from pfn.web.pages.patience import wait_briefly


async def test_a_quick_outcome_is_given() -> None:
    async def work() -> int:
        return 7

    assert await wait_briefly(Background(), "work", work()) == 7


async def test_an_error_is_raised_to_who_waits() -> None:
    async def work() -> int:
        raise PfnError(Code.SOURCE_UNKNOWN, "No such source.")

    with pytest.raises(PfnError) as caught:
        await wait_briefly(Background(), "work", work())
    assert caught.value.code is Code.SOURCE_UNKNOWN


@pytest.mark.parametrize("fails", [False, True])
async def test_slow_work_goes_on_alone(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0)
    tasks, go_on, done = Background(), asyncio.Event(), asyncio.Event()

    async def work() -> int:
        await go_on.wait()
        done.set()
        if fails:
            raise PfnError(Code.SOURCE_UNREACHABLE, "It is gone.")
        return 7

    assert await wait_briefly(tasks, "work", work()) is None
    go_on.set()
    await tasks.drain(5)
    assert done.is_set()
