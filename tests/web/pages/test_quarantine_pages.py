"""The quarantine's pages: every item with its reason, a second look, and no drop without having been asked."""

import hashlib

from tests.support.rows import database_for
from tests.web.pages.conftest import Held

from pfn.domain.quarantine import Quarantined
from pfn.protocol.errors import Code
from pfn.storage.database import Database
from pfn.storage.quarantine import put_quarantined
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.pages.refusal import explain

HOSTILE = "<script>alert(1)</script>\u202e"


async def put(held: Held, item: Quarantined, content: bytes) -> None:
    """Put something into quarantine by hand, as an older version of the node would have."""
    database = Database(database_for(held.api.data))
    async with database.write() as connection:
        await put_quarantined(connection, item)
    await database.close()
    kept = held.api.data / "blobs" / "quarantine" / item.sha256
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(content)


async def test_the_operator_sees_every_item_with_its_reason_on_every_page_how_many(
    held: Held, publisher: FakePublisher, signing: FakePublisherV2
) -> None:
    assert "Nothing is in quarantine." in (await held.operator.open("/quarantine")).text
    assert "Quarantine Conflicts" in (await held.operator.open("/")).text
    publisher.add_plugin("broken", "1.2.3", content=b"not a zip at all")
    signing.add_plugin("swapped", "4.5", content=plugin_zip("swapped", "4.5", description="Other bytes."))
    first, second = await held.register(publisher), await held.register(signing)
    page = await held.operator.open("/quarantine")
    for said in ("broken 1.2.3", first, "zip_refused", "The zip breaks the rules for plugin zips."):
        assert said in page.text
    for said in ("swapped 4.5", second, "artifact_digest", "The zip is not the one the publisher signed."):
        assert said in page.text
    items = await held.api.get("quarantine")
    assert len(items) == 2
    for item in items:
        assert item["sha256"] in page.text
        assert f"{item['size']:,} bytes" in page.text
        for code, sentence in item["findings"]:
            assert f"{sentence} {code}" in page.text
    assert any(item["findings"] for item in items)
    assert "Quarantine 2 wait for you Conflicts" in (await held.operator.open("/")).text


async def test_the_page_of_a_source_leads_to_its_items_alone(
    held: Held, publisher: FakePublisher, signing: FakePublisherV2
) -> None:
    publisher.add_plugin("broken", "1.0", content=b"no")
    signing.add_plugin("swapped", "1.0", content=b"no")
    first = await held.register(publisher)
    await held.register(signing)
    page = await held.operator.open(f"/sources/{first}")
    assert "1 release in quarantine" in page.text
    link = next(one for one in page.links() if one.startswith("/quarantine?"))
    of_one = await held.operator.open(link)
    assert "broken" in of_one.text
    assert "swapped" not in of_one.text
    assert not [one for one in (await held.stranger.open(f"/sources/{first}")).links() if "quarantine" in one]


async def test_a_second_look_that_still_fails_says_so(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("broken", "1.0", content=b"not a zip at all")
    await held.register(publisher)
    item = (await held.api.get("quarantine"))[0]
    page = await held.operator.submit(await held.operator.open("/quarantine"), f"/quarantine/{item['id']}/recheck")
    assert page.path == f"/quarantine/{item['id']}"
    assert "broken 1.0: It still fails." in page.text
    assert len(await held.api.get("quarantine")) == 1


async def test_what_passes_a_second_look_is_let_go(held: Held, publisher: FakePublisher) -> None:
    source_id = await held.register(publisher)
    content = plugin_zip("one", "1.0")
    digest = hashlib.sha256(content).hexdigest()
    item = Quarantined(source_id, "one", "1.0", "zip_refused", "By an older rule.", 1_800_000_000, digest, len(content))
    await put(held, item, content)
    page = await held.operator.open("/quarantine")
    action = next(form.action for form in page.forms if form.action.endswith("/recheck"))
    page = await held.operator.submit(page, action)
    assert "one 1.0: It passes now and is tried afresh at the next sync." in page.text
    assert await held.api.get("quarantine") == []
    gone = await held.operator.send(action, {"csrf": page.form("/sign-out").fields["csrf"]})
    assert (gone.status, "/quarantine" in gone.links()) == (404, True)


async def test_what_was_refused_before_its_bytes_came_cannot_be_looked_at(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("one", "1.0")
    signing.replace_signature("one", "1.0", b"\0" * 64)
    await held.register(signing)
    item = (await held.api.get("quarantine"))[0]
    assert item["sha256"] is None
    page = await held.operator.open("/quarantine")
    assert "No bytes were kept" in page.text
    assert not page.has_form(f"/quarantine/{item['id']}/recheck")
    assert f"/quarantine/{item['id']}/drop" in page.links()


async def test_dropping_asks_first_and_names_what_follows(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("broken", "1.0", content=b"not a zip at all")
    source_id = await held.register(publisher)
    item = (await held.api.get("quarantine"))[0]
    kept = held.api.data / "blobs" / "quarantine" / item["sha256"]
    drop = f"/quarantine/{item['id']}/drop"
    ask = await held.operator.open(drop)
    for said in ("broken 1.0", source_id, "zip_refused", "16 bytes", "are deleted", "tries the release afresh"):
        assert said in ask.text
    assert kept.exists()
    page = await held.operator.submit(ask, drop)
    assert page.path == "/quarantine"
    assert f"broken 1.0 of {source_id} was dropped" in page.text
    assert not kept.exists()
    assert await held.api.get("quarantine") == []
    assert "was let go from quarantine" in (await held.operator.open("/activity")).text
    assert (await held.operator.open(drop)).status == 404


async def test_numbers_that_cannot_be_ids_are_refused(held: Held) -> None:
    csrf = (await held.operator.open("/")).form("/sign-out").fields
    for number in ("0", "-1", str(2**63), "x"):
        assert (await held.operator.open(f"/quarantine/{number}/drop")).status == 422
        assert (await held.operator.send(f"/quarantine/{number}/drop", csrf)).status == 422


async def test_the_quarantine_is_the_operators(held: Held) -> None:
    assert (await held.stranger.open("/quarantine")).status == 401
    assert (await held.stranger.open("/quarantine/1/drop")).status == 401
    assert not [link for link in (await held.stranger.open("/")).links() if "quarantine" in link]


async def test_hostile_reasons_are_text(held: Held, publisher: FakePublisher) -> None:
    publisher.add_plugin("trap", "1.0", content=plugin_zip("trap", HOSTILE))
    await held.register(publisher)
    item = (await held.api.get("quarantine"))[0]
    for path in ("/quarantine", f"/quarantine/{item['id']}/drop", f"/sources/{item['source_id']}"):
        page = await held.operator.open(path)
        assert page.status == 200
        assert "<script>alert(1)</script>" in page.text
        assert "\u202e" not in page.answer.text
        assert page.foreign_scripts() == []


async def test_an_items_page_says_what_its_refusal_means_and_what_can_be_done(
    held: Held, publisher: FakePublisher, signing: FakePublisherV2
) -> None:
    publisher.add_plugin("trap", "1.0", content=plugin_zip("trap", HOSTILE))
    signing.add_plugin("swapped", "1.0", content=b"no")
    await held.register(publisher)
    await held.register(signing)
    for item in await held.api.get("quarantine"):
        here = f"/quarantine/{item['id']}"
        assert here in (await held.operator.open("/quarantine")).links()
        page = await held.operator.open(here)
        explained = explain(item["code"])
        for said in (item["code"], item["sha256"], explained.means, explained.remedy):
            assert said in page.text
        assert f"{here}/drop" in page.links()
        assert page.has_form(f"{here}/recheck")
        assert "\u202e" not in page.answer.text
        # Nothing accepts it by hand, and nothing gives its bytes away.
        assert {form.action for form in page.forms} == {"/sign-out", f"{here}/recheck"}
        assert not [link for link in page.links() if "download" in link]
        assert (await held.stranger.open(here)).status == 401
    signed = next(item for item in await held.api.get("quarantine") if item["statement"])
    page = await held.operator.open(f"/quarantine/{signed['id']}")
    assert "What its publisher signed" in page.text
    assert '"slug": "swapped"' in page.text
    assert (await held.operator.open("/quarantine/999")).status == 404


async def test_the_quarantine_is_narrowed_down_to_a_reason_and_paged(held: Held, publisher: FakePublisher) -> None:
    source_id = await held.register(publisher)
    for number in range(52):
        item = Quarantined(source_id, f"one-{number:02}", "1.0", "zip_refused", "Broken.", 1_800_000_000 + number)
        await put(held, item, b"")
    await put(held, Quarantined(source_id, "other", "1.0", "artifact_digest", "Swapped.", 1_700_000_000), b"")
    first = await held.operator.open("/quarantine")
    assert "one-51" in first.text
    assert "other" not in first.text
    assert "The zip breaks the rules for plugin zips 52" in first.text
    last = await held.operator.open(next(link for link in first.links() if "page=2" in link))
    assert "one-01" in last.text
    assert "one-02" not in last.text
    swapped = await held.operator.open("/quarantine?code=artifact_digest")
    assert "Swapped." in swapped.text
    assert "Broken." not in swapped.text
    assert "/quarantine" in swapped.links()
    nothing = await held.operator.open("/quarantine?code=unheard_of")
    assert "Nothing is in quarantine for this reason." in nothing.text


def test_every_reason_has_an_explanation() -> None:
    for code in Code:
        explained = explain(code.slug)
        assert explained.means
        assert explained.remedy
    assert explain("of_a_later_version") == explain(Code.OWNERSHIP_SIGNATURE.slug)
