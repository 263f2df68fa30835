"""Health on a source's page: the state in words, 30 days at a glance, and the same in numbers."""

import re

from tests.web.pages.conftest import Held

from pfn.domain.health import HealthState
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher
from pfn.web.pages import words

INFO = "/federation-info"


async def verify(held: Held, source_id: str, times: int) -> None:
    for _ in range(times):
        await held.api.post("verify-source", sourceId=source_id)


def test_every_state_has_its_words() -> None:
    assert set(words.HEALTH) == set(words.HEALTH_SENTENCE) == set(HealthState)


async def test_a_healthy_source(held: Held, publisher: FakePublisher) -> None:
    source_id = await held.api.add(publisher)
    page = await held.stranger.open(f"/sources/{source_id}")
    assert f"Healthy {words.HEALTH_SENTENCE[HealthState.HEALTHY]}" in page.text
    assert "100.0 %, 100.0 %, 100.0 %" in page.text
    bars = [given for tag, given in page.tags if tag == "rect" and "class" in given and "x" in given]
    assert [given["class"] for given in bars] == ["none"] * 29 + ["answered"]
    assert (bars[-1]["y"], bars[-1]["height"]) == ("0", "100")
    assert "Last error" not in page.text


async def test_a_source_that_is_down_says_since_when_and_why(held: Held, publisher: FakePublisher) -> None:
    source_id = await held.api.add(publisher)
    publisher.faults[INFO] = faults.status(503)
    await verify(held, source_id, 3)
    page = await held.operator.open(f"/sources/{source_id}")
    assert f"Down {words.HEALTH_SENTENCE[HealthState.DOWN]}" in page.text
    assert "25.0 %" in page.text
    assert "Last error/federation-info answered with status 503" in page.text
    # Reasons are for those who may read them through the API.
    page = await held.stranger.open(f"/sources/{source_id}")
    assert "Down" in page.text
    assert "status 503" not in page.text


async def test_every_chart_has_its_table(held: Held, publisher: FakePublisher) -> None:
    source_id = await held.api.add(publisher)
    page = await held.stranger.open(f"/sources/{source_id}")
    assert "Show as a table: Probes answered, by day Day (UTC)AnsweredProbes" in page.text
    assert "Show as a table: Time to answer, by day Day (UTC)Mean time" in page.text
    rows = [given for tag, given in page.tags if tag == "th" and given.get("scope") == "row"]
    assert len(rows) == 2
    assert len([given for tag, given in page.tags if tag == "svg" and given.get("role") == "img"]) == 2


async def test_trust_is_drawn_once_there_is_a_history(held: Held, publisher: FakePublisher) -> None:
    source_id = await held.register(publisher)
    here = f"/sources/{source_id}"
    assert "Trust over time" not in (await held.stranger.open(here)).text
    seen = []
    for _ in range(3):
        await held.services.housekeeping.tidy()
        seen.insert(0, (await held.api.status(source_id))["trust"]["score"])
        held.clock.pass_days(1)
    seen.insert(0, (await held.api.status(source_id))["trust"]["score"])
    page = await held.stranger.open(here)
    table = page.text.partition("Show as a table: Trust over time Day (UTC)Trust")[2].partition("Formula")[0]
    # The newest first: as it is now, and as housekeeping found it on the days before.
    assert re.findall(r"\d{4}(\d\.\d\d)", table) == [f"{score:.2f}" for score in seen]


async def test_the_terms_of_trust_show_their_evidence(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("hello", "1.0")
    source_id = await held.register(publisher)
    page = await held.stranger.open(f"/sources/{source_id}")
    assert page.text.count("Good 1.0, bad 0.0, uncertainty 0.67.") == 3
