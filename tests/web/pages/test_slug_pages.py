"""The pages about slugs: what waits for a word, what each source offers, and what follows before it is done."""

from tests.web.pages.conftest import Held

from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

HOSTILE = "<script>alert(1)</script>\u202e"


async def contest(held: Held, publisher: FakePublisher, signing: FakePublisherV2) -> tuple[str, str]:
    """Have two sources with one slug; give who holds it and who came later."""
    publisher.add_plugin("calm-gallery", "1.0", name="Calm Gallery")
    signing.add_plugin("calm-gallery", "9.0", name=HOSTILE)
    return await held.register(publisher), await held.register(signing)


async def test_a_contest_waits_until_the_operator_says_a_word(
    held: Held, publisher: FakePublisher, signing: FakePublisherV2
) -> None:
    assert "No slug is contested." in (await held.operator.open("/slugs")).text
    holder, newcomer = await contest(held, publisher, signing)
    page = await held.operator.open("/slugs")
    assert f"{holder} speaks for it" in page.text
    assert f"Contested by {newcomer}" in page.text
    assert {"/slugs/calm-gallery"} <= page.links()
    page = await held.operator.open("/slugs/calm-gallery")
    assert f"sites that run calm-gallery from {holder} will be offered {newcomer}’s releases" in page.text
    assert "9.0" in page.text
    page = await held.operator.submit(page, f"/slugs/calm-gallery/{newcomer}/pin")
    assert page.path == "/slugs/calm-gallery"
    assert f"{newcomer} speaks for calm-gallery now" in page.text
    assert (await held.api.get("slugs/calm-gallery"))["source_id"] == newcomer
    page = await held.operator.submit(page, f"/slugs/calm-gallery/{holder}/pin")
    assert (await held.api.get("slugs/calm-gallery"))["source_id"] == holder
    assert not page.has_form(f"/slugs/calm-gallery/{holder}/pin")


async def test_a_refused_contest_is_settled(held: Held, publisher: FakePublisher, signing: FakePublisherV2) -> None:
    _, newcomer = await contest(held, publisher, signing)
    refuse = f"/slugs/calm-gallery/{newcomer}/refuse"
    page = await held.operator.submit(await held.operator.open("/slugs/calm-gallery"), refuse)
    assert "You refused it." in page.text
    assert not page.has_form(refuse)
    page = await held.operator.open("/slugs")
    assert "No slug is contested." in page.text
    assert f"Refused by {newcomer}" in page.text


async def test_who_offers_nothing_cannot_be_chosen(
    held: Held, publisher: FakePublisher, signing: FakePublisherV2
) -> None:
    _, newcomer = await contest(held, publisher, signing)
    await held.api.post("suspend-source", sourceId=newcomer)
    page = await held.operator.open("/slugs/calm-gallery")
    assert "It offers nothing of this name at present" in page.text
    assert not page.has_form(f"/slugs/calm-gallery/{newcomer}/pin")


async def test_the_pages_are_for_who_may_see_sources_and_names_are_text(
    held: Held, publisher: FakePublisher, signing: FakePublisherV2
) -> None:
    await contest(held, publisher, signing)
    for path in ("/slugs", "/slugs/calm-gallery"):
        assert (await held.stranger.open(path)).status == 401
    page = await held.operator.open("/slugs/calm-gallery")
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in page.answer.text
    assert "<script>alert" not in page.answer.text
    assert (await held.operator.open("/slugs/unheard-of")).status == 404
