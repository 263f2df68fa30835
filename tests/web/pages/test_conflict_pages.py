"""The pages of conflicts: who waits for a decision, both sides beside each other, and byte for byte to keep."""

from tests.support.rows import database_for
from tests.web.pages.conftest import Held

from pfn.domain.trust import Gate
from pfn.storage.database import Database
from pfn.storage.signed_document import Evidence, add_evidence
from pfn.testing.publisher_v2 import FakePublisherV2

HOSTILE = "<script>alert(1)</script>\u202e"


async def contradict(held: Held, publisher: FakePublisherV2) -> str:
    """Have a publisher sign two different things as one version."""
    publisher.add_plugin("one", "1.0", description="The first bytes.")
    source_id = await held.register(publisher)
    publisher.add_plugin("one", "1.0", description=f"Other {HOSTILE} bytes.")
    await held.api.sync(source_id)
    return source_id


def split_sides(text: str) -> tuple[str, str]:
    """Give what stands on either side."""
    one, found, other = text.partition("What came first")[2].partition("What came later")
    assert found
    return one, other


async def test_without_conflicts_the_page_says_so(held: Held) -> None:
    page = await held.operator.open("/conflicts")
    assert "No source is gated." in page.text
    assert "No publisher was found to contradict itself." in page.text


async def test_a_conflict_is_found_looked_at_and_its_gate_lifted(held: Held, signing: FakePublisherV2) -> None:
    source_id = await contradict(held, signing)
    listed = await held.operator.open("/conflicts")
    assert Gate.EQUIVOCATION.sentence in listed.text
    assert f"/sources/{source_id}/lift-gate" in listed.links()
    assert "Conflicts 1 waits for you" in (await held.operator.open("/")).text
    (evidence,) = await held.api.get("evidence", sourceId=source_id)
    here = f"/conflicts/{source_id}/{evidence['digest']}"
    assert here in listed.links()
    page = await held.operator.open(here)
    assert evidence["details"] in page.text
    first, later = split_sides(page.text)
    assert 'differs:≠ "description": "The first bytes."' in first
    assert 'differs:≠ "description": "Other <script>alert(1)</script>' in later
    assert 'differs:≠ "slug"' not in first
    assert '"slug": "one"' in first
    assert "\u202e" not in page.answer.text
    assert page.foreign_scripts() == []
    for which in ("first", "second"):
        answer = await held.operator.http.get(f"{here}/{which}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.text == evidence[which]
    lift = f"/sources/{source_id}/lift-gate"
    await held.operator.submit(await held.operator.open(lift), lift)
    after = await held.operator.open("/conflicts")
    assert "No source is gated." in after.text
    assert here in after.links()
    assert "No gate stands on it now." in (await held.operator.open(here)).text


async def test_conflicts_of_one_source_are_paged(held: Held, signing: FakePublisherV2) -> None:
    source_id = await held.register(signing)
    database = Database(database_for(held.api.data))
    async with database.write() as connection:
        for number in range(51):
            item = Evidence(source_id, "release_conflict", f"No. {number}.", b"a", b"b", f"{number:064x}", number + 1)
            await add_evidence(connection, item)
    await database.close()
    page = await held.operator.open(f"/conflicts?source={source_id}")
    assert "No. 50." in page.text
    assert "No. 0." not in page.text
    older = await held.operator.open(next(link for link in page.links() if "before=" in link))
    assert "No. 0." in older.text
    assert "No. 1." not in older.text
    other = await held.operator.open("/conflicts?source=somebody@else.example")
    assert "No. 50." not in other.text


async def test_conflicts_are_the_operators(held: Held, signing: FakePublisherV2) -> None:
    source_id = await contradict(held, signing)
    (evidence,) = await held.api.get("evidence", sourceId=source_id)
    here = f"/conflicts/{source_id}/{evidence['digest']}"
    for path in ("/conflicts", here, f"{here}/first", f"/conflicts/logs/{'0' * 64}"):
        assert (await held.stranger.open(path)).status == 401
    for path in (
        f"/conflicts/{source_id}/{'0' * 64}",
        f"/conflicts/logs/{'0' * 64}",
        f"/conflicts/logs/{'0' * 64}/first",
    ):
        assert (await held.operator.open(path)).status == 404
    for path in (f"/conflicts/{source_id}/nonsense", f"{here}/third"):
        assert (await held.operator.open(path)).status == 422
