"""The pages of care: how the zips stand, garbage and old releases, each shown before it goes; for operators."""

import os
from pathlib import Path

from tests.web.pages.conftest import Held

from pfn.testing.faults import hang_up
from pfn.testing.publisher import ANY_PATH, FakePublisher

DAY = 86_400


def zips(held: Held) -> list[Path]:
    return sorted(path for path in (held.api.data / "blobs" / "sha256").glob("*/*"))


async def pass_time(held: Held, days: int) -> None:
    """Let days pass; sessions end meanwhile."""
    held.clock.now += days * DAY
    await held.operator.sign_in(held.key)


async def settle(held: Held, publisher: FakePublisher, *versions: str) -> str:
    """Mirror versions of one plugin, each in a sync of its own, and let a month pass."""
    publisher.add_plugin("hello", versions[0])
    source_id = await held.register(publisher)
    for version in versions[1:]:
        publisher.add_plugin("hello", version)
        await held.services.syncs.run_now(source_id)
    await pass_time(held, 30)
    return source_id


async def test_the_zips_are_looked_over_and_mended(held: Held, publisher: FakePublisher) -> None:
    await settle(held, publisher, "1.0", "2.0")
    page = await held.operator.open("/care")
    for said in ("No zip is known to be damaged.", "2 zips", "Never looked at again since they came 2"):
        assert said in page.text
    zips(held)[0].write_bytes(b"?")
    publisher.faults[ANY_PATH] = hang_up()
    page = await held.operator.submit(page, "/care/scrub")
    assert page.path == "/care"
    assert "The zips were looked over; some are damaged still." in page.text
    assert "1 zip is damaged or missing." in page.text
    assert "damaged still: 1" in page.text
    publisher.faults.clear()
    held.clock.now += 1
    page = await held.operator.submit(page, "/care/scrub")
    assert "The zips were looked over; all are whole." in page.text
    assert "mended: 1" in page.text
    assert "No zip is known to be damaged." in page.text


async def test_whole_zips_are_said_to_be_whole(held: Held, publisher: FakePublisher) -> None:
    await settle(held, publisher, "1.0")
    page = await held.operator.submit(await held.operator.open("/care"), "/care/scrub")
    assert "The zips were looked over; all are whole." in page.text
    assert "Never looked at again since they came 0" in page.text
    assert "Zips looked at: 1, mended: 0, damaged still: 0." in page.text


async def test_a_look_under_way_is_shown_and_one_that_was_killed_goes_on(held: Held, publisher: FakePublisher) -> None:
    await settle(held, publisher, "1.0", "2.0")
    lease = await held.services.scrubs.begin()
    page = await held.operator.open("/care")
    assert "They are looked over now: 2 of 2 are left." in page.text
    assert not page.has_form("/care/scrub")
    assert dict(page.tags)["progress"]["value"] == "0"
    assert [given for _, given in page.tags if given.get("data-poll")]
    await held.services.leases.end(lease)
    page = await held.operator.open("/care")
    assert "A look over them was interrupted: 2 of 2 are left." in page.text
    assert "Go on with it" in page.text
    assert "all are whole" in (await held.operator.submit(page, "/care/scrub")).text


async def test_garbage_is_shown_and_then_deleted(held: Held, publisher: FakePublisher) -> None:
    source_id = await settle(held, publisher, "1.0", "2.0")
    assert "There is no garbage." in (await held.operator.open("/care/garbage")).text
    await held.services.sources.remove("operator", source_id, purge=True)
    strange = held.api.data / "blobs" / "sha256" / "aa" / ("b" * 62)
    strange.parent.mkdir(exist_ok=True)
    strange.write_bytes(b"left by a crash")
    os.utime(strange, (1, 1))
    ask = await held.operator.open("/care/garbage")
    assert "3 stored zips that no release needs" in ask.text
    assert len(zips(held)) == 3
    page = await held.operator.submit(ask, "/care/garbage")
    assert page.path == "/care"
    assert "3 zips were deleted" in page.text
    assert "zips that nothing needs: 3" in page.text
    assert zips(held) == []
    assert "zips that nothing needs: 3" in (await held.operator.open("/audit")).text


async def test_old_releases_are_shown_retired_and_brought_back(held: Held, publisher: FakePublisher) -> None:
    source_id = await settle(held, publisher, "1.0", "2.0", "3.0")
    page = await held.operator.open("/care")
    assert "the setting keep_versions is 0" in page.text
    assert "No release is old enough" in (await held.operator.open("/care/retention")).text
    ask = await held.operator.open("/care/retention", versions="1", days="7", source=source_id)
    for said in ("2 releases", "hello", source_id, "2.0, 1.0"):
        assert said in ask.text
    assert ask.form("/care/retire").fields["versions"] == "1"
    page = await held.operator.submit(ask, "/care/retire")
    assert "2 releases are retired." in page.text
    assert "All of their zips are still here." in page.text
    plugin = await held.operator.open(f"/plugins/{source_id}/hello")
    assert "1.0 retired" in plugin.text
    gone = await held.stranger.http.get(f"/dl/{source_id}/hello/hello.1.0.zip")
    assert gone.status_code == 410
    page = await held.operator.submit(page, "/care/unretire")
    assert "2 releases are back." in page.text
    assert "2 releases are retired." not in page.text
    again = await held.stranger.http.get(f"/dl/{source_id}/hello/hello.1.0.zip")
    assert again.status_code == 200


async def test_after_the_garbage_they_are_fetched_again(held: Held, publisher: FakePublisher) -> None:
    await settle(held, publisher, "1.0", "2.0")
    await held.operator.submit(await held.operator.open("/care/retention?versions=1&days=0"), "/care/retire")
    await pass_time(held, 8)
    await held.operator.submit(await held.operator.open("/care/garbage"), "/care/garbage")
    page = await held.operator.open("/care")
    assert "The zip of 1 is gone." in page.text
    page = await held.operator.submit(page, "/care/unretire")
    assert "Zips that were deleted meanwhile are fetched by the next look over all of them." in page.text
    assert "1 zip is damaged or missing." in page.text


async def test_wrong_numbers_and_unknown_sources_are_refused(held: Held) -> None:
    for query in ("versions=-1", "versions=x", "days=99999999", "days=36501&versions=1"):
        assert (await held.operator.open(f"/care/retention?{query}")).status == 422
    assert (await held.operator.open("/care/retention?versions=1&source=x@nowhere.example")).status == 404


async def test_care_is_the_operators(held: Held) -> None:
    assert "/care" in (await held.operator.open("/")).links()
    assert "/care" not in (await held.stranger.open("/")).links()
    for path in ("/care", "/care/garbage", "/care/retention"):
        assert (await held.stranger.open(path)).status == 401
    for path in ("/care/scrub", "/care/garbage", "/care/retire", "/care/unretire"):
        assert (await held.stranger.send(path, {})).status == 401
