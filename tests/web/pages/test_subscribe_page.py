"""Subscribing on pages: conditions, a preview that changes nothing, forms that keep what was typed."""

import pytest
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser, Page

from pfn.testing import faults
from pfn.testing.publisher import FakePublisher

EVERY_CONDITION = {
    "tags": "forms, privacy",
    "slugs": "kept, other",
    "authors": "alice",
    "minimum_trust": "0.1",
    "minimum_level": "metadata",
    "versions": ">=1, <2",
    "minimum_age_days": "0.5",
}


@pytest.fixture
async def here(api: Api, publisher: FakePublisher) -> str:
    """The page of a source with two plugins."""
    publisher.add_plugin("kept", "1.0.0", tags=("forms",))
    publisher.add_plugin("left", "2.0.0")
    return f"/sources/{await api.add(publisher)}"


def typed(page: Page, here: str) -> dict[str, str]:
    """What the filter fields of a page hold."""
    fields = page.form(f"{here}/subscribe").fields
    return {name: fields.get(name, "") for name in EVERY_CONDITION}


async def test_every_condition_is_kept_and_shown_in_words(operator: Browser, here: str, api: Api) -> None:
    page = await operator.submit(await operator.open(here), f"{here}/subscribe", **EVERY_CONDITION)
    assert "Subscribed." in page.text
    assert typed(page, here) == EVERY_CONDITION
    source_id = here.removeprefix("/sources/")
    assert [one["filters"] for one in await api.get("subscriptions", sourceId=source_id)] == [
        {
            "tags": ["forms", "privacy"],
            "slugs": ["kept", "other"],
            "authors": ["alice"],
            "minimum_trust": 0.1,
            "minimum_level": "metadata",
            "versions": ">=1, <2",
            "minimum_age_days": 0.5,
        }
    ]
    assert "plugins kept or other; tagged forms or privacy; by alice; trust 0.1 or more" in page.text
    page = await operator.submit(page, f"{here}/subscribe", **dict.fromkeys(EVERY_CONDITION, ""))
    assert typed(page, here) == dict.fromkeys(EVERY_CONDITION, "")
    assert [one["filters"] for one in await api.get("subscriptions", sourceId=source_id)] == [{}]


async def test_a_preview_shows_what_would_be_taken_and_why_not(
    subscriber: Browser, here: str, api: Api, publisher: FakePublisher
) -> None:
    page = await subscriber.submit(
        await subscriber.open(here), f"{here}/subscribe", do="preview", tags="forms", versions="<2"
    )
    assert page.status == 200
    assert "1 of 2 listed plugins would be taken" in page.text
    assert "It has none of the tags: forms. tag" in page.text
    assert "Its version 2.0.0 is outside <2. version" in page.text
    assert await api.get("subscriptions", sourceId=here.removeprefix("/sources/")) == []
    assert not [one for one in publisher.requests if one.path.endswith(".zip")]
    # The same form goes on from here.
    page = await subscriber.submit(page, f"{here}/subscribe")
    assert "Subscribed. Synced: 1 of 2 listed plugins are newly mirrored." in page.text
    page = await subscriber.submit(page, f"{here}/subscribe", do="preview", tags="", versions="")
    assert "2 of 2 listed plugins would be taken" in page.text
    assert page.text.count("Mirrored already") == 1


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("versions", "^1.0", "is no condition"),
        ("minimum_trust", "7", "must lie between 0 and 1"),
        ("minimum_trust", "much", "must be a number"),
        ("minimum_level", "gold", "choose one of"),
        ("minimum_age_days", "-1", "must lie between"),
        ("tags", ",".join(["a"] + ["b"] * 100), "name 100 at most"),
    ],
)
@pytest.mark.parametrize("do", ["", "preview"])
async def test_a_field_that_cannot_be_used_says_so_and_keeps_the_rest(
    operator: Browser, here: str, api: Api, field: str, value: str, sentence: str, do: str
) -> None:
    given = {**EVERY_CONDITION, field: value}
    page = await operator.submit(await operator.open(here), f"{here}/subscribe", do=do, **given)
    assert page.status == 422
    assert sentence in page.text
    wrong = next(given for _, given in page.tags if given.get("aria-invalid"))
    assert wrong["name"] == field
    assert f"{field}-wrong" in wrong["aria-describedby"].split()
    # A select has nothing chosen where it has no such choice.
    assert typed(page, here) == given | ({field: ""} if field == "minimum_level" else {})
    assert await api.get("subscriptions", sourceId=here.removeprefix("/sources/")) == []


async def test_a_preview_of_a_publisher_in_trouble_says_so(
    operator: Browser, here: str, publisher: FakePublisher
) -> None:
    publisher.faults["/author-data"] = faults.status(500)
    page = await operator.submit(await operator.open(here), f"{here}/subscribe", do="preview", **EVERY_CONDITION)
    assert page.status == 502
    assert any(given.get("role") == "alert" for _, given in page.tags)
    assert "/author-data answered with status 500" in page.text
    assert typed(page, here) == EVERY_CONDITION


async def test_a_preview_can_be_read_aloud(operator: Browser, here: str) -> None:
    page = await operator.submit(await operator.open(here), f"{here}/subscribe", do="preview")
    tags = [tag for tag, _ in page.tags]
    assert page.open == []
    assert tags.count("h1") == 1
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids))
    for _, given in page.tags:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert set(given.get(name, "").split()) <= set(ids)
