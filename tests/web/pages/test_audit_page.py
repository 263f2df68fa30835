"""The audit trail: what people did, by whom, and nothing the node did by itself."""

import re
from datetime import UTC, datetime
from pathlib import Path

from tests.web.pages.browser import Page
from tests.web.pages.conftest import Held

import pfn.services
from pfn.domain.trust import DAY
from pfn.testing.publisher import FakePublisher
from pfn.web.pages.audit import ACTIONS

HERE = "/audit"


def actions(page: Page) -> list[str]:
    """Give what was done, newest first, as the page says it."""
    known = set().union(*ACTIONS.values())
    return [word for word in re.findall(r"<code>(\w+)</code>", page.answer.text) if word in known]


def day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


async def test_it_has_what_people_did_with_which_key(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("hello", "1.0.0")
    source_id = await held.register(publisher)
    await held.api.post("suspend-source", sourceId=source_id, reason="under audit")
    made = (await held.api.post("create-admin-key", description="the agency")).json()
    page = await held.operator.open(HERE)
    assert actions(page) == ["key_created", "source_suspended", "subscribed", "source_added", "signed_in"]
    assert "plugin_added" not in page.text
    assert f"/sources/{source_id}" in page.links()
    assert f"{HERE}?actor=master" in page.links()
    # By another key.
    await held.operator.sign_in(made["key"])
    page = await held.operator.open(HERE, actor=made["id"])
    assert actions(page) == ["signed_in"]


async def test_it_is_narrowed_by_kind_and_time(held: Held) -> None:
    first = held.clock.now
    await held.api.post("create-admin-key", description="one")
    held.clock.now += 2 * DAY
    await held.api.post("create-admin-key", description="two")
    await held.operator.sign_in(held.key)
    assert actions(await held.operator.open(HERE, kind="keys")) == ["key_created", "key_created"]
    assert actions(await held.operator.open(HERE, kind="sessions")) == ["signed_in", "signed_in"]
    assert "(two)" not in (await held.operator.open(HERE, kind="keys", last=day(first))).text
    assert "(one)" not in (await held.operator.open(HERE, kind="keys", first=day(held.clock.now))).text
    assert "Nobody did anything like it." in (await held.operator.open(HERE, kind="slugs")).text
    # An address that somebody mistyped shows all.
    assert len(actions(await held.operator.open(HERE, kind="nonsense"))) == 4


async def test_pages_go_back_without_losing_the_filter(held: Held) -> None:
    for number in range(60):
        await held.api.post("create-admin-key", description=f"key {number}")
    page = await held.operator.open(HERE, kind="keys", actor="master")
    assert len(actions(page)) == 50
    (older,) = (link for link in page.links() if "before=" in link)
    page = await held.operator.open(older)
    assert actions(page) == ["key_created"] * 10
    assert f"{HERE}?actor=master&kind=keys" in page.links()


async def test_every_action_is_one_that_is_made() -> None:
    """A word that nothing says any more would be a filter that finds nothing."""
    text = "".join(path.read_text() for path in Path(pfn.services.__path__[0]).glob("*.py"))
    assert [action for kind in ACTIONS.values() for action in sorted(kind) if f'"{action}"' not in text] == []
