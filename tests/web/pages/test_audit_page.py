"""The audit trail: what people did, by whom, and nothing the node did by itself."""

import csv
import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.web.pages.browser import Page
from tests.web.pages.conftest import Held

import pfn.services
from pfn.domain.access import ALL_SCOPES, Grant, Scope
from pfn.domain.feed import ATOM
from pfn.domain.trust import DAY
from pfn.testing.publisher import FakePublisher
from pfn.web.pages import audit_file
from pfn.web.pages.audit import ACTIONS

HERE = "/audit"
MASTER = Grant("master", "operator", ALL_SCOPES)


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


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


async def test_the_file_has_what_the_page_has_and_all_of_it(held: Held) -> None:
    for number in range(450):
        await held.services.access.create(MASTER, f"key {number}")
    page = await held.operator.open(HERE, kind="keys")
    (link,) = (link for link in page.links() if link.startswith("/audit.csv"))
    answer = await held.operator.http.get(link)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert answer.headers["cache-control"] == "no-store"
    rows = read_csv(answer.text)
    assert [re.findall(r"\(key (\d+)\)", row["sentence"]) for row in rows] == [[str(n)] for n in range(449, -1, -1)]
    assert {(row["action"], row["key"]) for row in rows} == {("key_created", "master")}
    assert rows[0]["time"] == datetime.fromtimestamp(held.clock.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = await held.operator.http.get(link, params={"kind": "keys", "before": rows[-3]["seq"]})
    assert read_csv(answer.text) == rows[-2:]


async def test_the_file_is_bounded(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_file, "MOST_ROWS", 200)
    for number in range(250):
        await held.services.access.create(MASTER, f"key {number}")
    assert len(read_csv((await held.operator.http.get("/audit.csv")).text)) == 200


@pytest.mark.parametrize("text", ['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    (row,) = csv.reader(StringIO(audit_file._line(("fine", text))))
    assert row == ["fine", f"'{text}"]


async def test_the_feed_has_the_newest_and_is_asked_for_again(held: Held) -> None:
    await held.api.post("create-admin-key", description="</entry><script>")
    answer = await held.operator.http.get("/audit.atom", params={"kind": "keys"})
    entries = ET.fromstring(answer.content).findall(f"{{{ATOM}}}entry")
    assert [entry.findtext(f"{{{ATOM}}}title") for entry in entries] == [
        entry.findtext(f"{{{ATOM}}}content") for entry in entries
    ]
    assert "</entry><script>) was made for operator. (by master)" in str(entries[0].findtext(f"{{{ATOM}}}title"))
    again = {"If-None-Match": answer.headers["etag"]}
    assert (await held.operator.http.get("/audit.atom?kind=keys", headers=again)).status_code == 304
    await held.api.post("create-admin-key", description="one more")
    assert (await held.operator.http.get("/audit.atom?kind=keys", headers=again)).status_code == 200


@pytest.mark.parametrize("path", ["/audit.csv", "/audit.atom"])
async def test_both_are_for_who_may_see_the_page(held: Held, path: str) -> None:
    assert (await held.stranger.http.get(path)).status_code == 401
    reader = (await held.services.access.create(MASTER, "reads", scopes={Scope.SOURCES_READ})).text
    for key, status in ((held.key, 200), (reader, 403), ("fadmin_wrong", 401)):
        answer = await held.stranger.http.get(path, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == status
    await held.operator.sign_in(reader)
    assert (await held.operator.http.get(path)).status_code == 403
