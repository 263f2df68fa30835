"""Filters over HTTP: what they take, how they are changed, what is refused, and what a preview tells beforehand."""

from typing import Any

import pytest
from tests.support.node import RunningNode
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api

from pfn.protocol.errors import Code
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher


@pytest.fixture
def offering(publisher: FakePublisher) -> FakePublisher:
    """A publisher with three plugins; one is not signed."""
    publisher.add_plugin("forms", "1.0", tags=("forms", "privacy"))
    publisher.add_plugin("gallery", "2.5.1", tags=("images",))
    publisher.add_plugin("raw", "0.1", tags=("privacy",), signature=None)
    return publisher


async def preview(api: Api, source_id: str, **filters: Any) -> dict[str, Any]:
    answer = await api.post("preview-subscription", sourceId=source_id, filters=filters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def subscribe(api: Api, source_id: str, **filters: Any) -> dict[str, Any]:
    answer = await api.post("subscribe", sourceId=source_id, filters=filters)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ({}, {"forms", "gallery", "raw"}),
        ({"tags": ["PRIVACY"]}, {"forms", "raw"}),
        ({"slugs": ["gallery", "forms"]}, {"forms", "gallery"}),
        ({"authors": ["somebody-else"]}, set()),
        ({"minimum_trust": 1}, set()),
        ({"minimum_trust": 0}, {"forms", "gallery", "raw"}),
        ({"minimum_level": "metadata"}, {"forms", "gallery"}),
        ({"minimum_level": "artifact"}, set()),
        ({"versions": ">=1.0, <2.5.1"}, {"forms"}),
        ({"minimum_age_days": 7}, set()),
        ({"tags": ["privacy"], "slugs": ["forms", "gallery"]}, {"forms"}),
    ],
)
async def test_a_preview_shows_what_subscribing_takes(
    api: Api, offering: FakePublisher, filters: dict[str, Any], taken: set[str]
) -> None:
    source_id = await api.add(offering, allow_unsigned=True)
    found = await preview(api, source_id, **filters)
    assert {one["plugin"] for one in found["plugins"] if one["taken"]} == taken
    assert (found["total"], found["taken"], found["skipped"]) == (3, len(taken), 3 - len(taken))
    assert all(one["taken"] == (one["reasons"] == []) for one in found["plugins"])
    await subscribe(api, source_id, **filters)
    assert set(await api.versions(source_id)) == taken


async def test_a_preview_tells_every_reason_and_takes_nothing(api: Api, offering: FakePublisher) -> None:
    source_id = await api.add(offering)
    # Nobody has heard this source yet: it is asked, once.
    found = await preview(api, source_id, tags=["images"], versions="<2", minimum_level="artifact")
    assert found["description"] == "tagged images; signature level artifact or better; versions <2"
    gallery = next(one for one in found["plugins"] if one["plugin"] == "gallery")
    assert {name: gallery[name] for name in ("version", "name", "taken", "mirrored")} == {
        "version": "2.5.1",
        "name": "Gallery",
        "taken": False,
        "mirrored": False,
    }
    assert found == await preview(api, source_id, tags=["images"], versions="<2", minimum_level="artifact")
    assert [(one["name"], one["until"]) for one in gallery["reasons"]] == [("level", None), ("version", None)]
    assert "outside <2" in gallery["reasons"][1]["sentence"]
    status = await api.get("source-status", sourceId=source_id)
    assert [sync["wanted"] for sync in status["syncs"]] == [0]
    assert status["failures"] == []
    assert await api.get("subscriptions", sourceId=source_id) == []
    assert await api.versions(source_id) == {}
    assert not [one for one in offering.requests if one.path.endswith(".zip")]


async def test_a_preview_tells_until_when_a_version_is_too_young(api: Api, offering: FakePublisher) -> None:
    source_id = await api.add(offering)
    first = await preview(api, source_id, minimum_age_days=7)
    until = {one["plugin"]: one["reasons"][0]["until"] for one in first["plugins"]}
    # A sync has seen it listed by then, and the days are counted from that.
    await subscribe(api, source_id, minimum_age_days=7)
    again = await preview(api, source_id, minimum_age_days=14)
    for one in again["plugins"]:
        assert [reason["name"] for reason in one["reasons"]] == ["age"]
        assert 0 <= one["reasons"][0]["until"] - 7 * 86_400 - until[one["plugin"]] < 60


async def test_a_preview_knows_what_is_mirrored(api: Api, offering: FakePublisher) -> None:
    source_id = await api.add(offering)
    await subscribe(api, source_id, slugs=["forms"])
    offering.add_plugin("gallery", "2.6")
    found = await preview(api, source_id)
    assert {one["plugin"]: one["mirrored"] for one in found["plugins"]} == {
        "forms": True,
        "gallery": False,
        "raw": False,
    }


async def test_a_preview_needs_a_verified_source_that_answers(api: Api, offering: FakePublisher) -> None:
    source_id = await api.add(offering)
    offering.faults["/author-data"] = faults.status(500)
    assert_problem(await api.post("preview-subscription", sourceId=source_id), Code.PUBLISHER_STATUS)
    await api.post("suspend-source", sourceId=source_id)
    assert_problem(await api.post("preview-subscription", sourceId=source_id), Code.SOURCE_SUSPENDED)
    assert_problem(await api.post("preview-subscription", sourceId="nobody@nowhere.example"), Code.SOURCE_UNKNOWN)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tags", "seo"),
        ("tags", [""]),
        ("slugs", [1]),
        ("authors", None),
        ("minimum_trust", 1.5),
        ("minimum_trust", "0.5"),
        ("minimum_trust", True),
        ("minimum_level", "gold"),
        ("minimum_level", 1),
        ("versions", "~1.0"),
        ("versions", [">1"]),
        ("minimum_age_days", -1),
        ("minimum_age_days", 1e300),
    ],
)
async def test_filters_that_make_no_sense_are_refused(api: Api, field: str, value: object) -> None:
    for name in ("subscribe", "preview-subscription"):
        answer = await api.post(name, sourceId="nobody@nowhere.example", filters={field: value})
        assert_problem(answer, Code.INVALID_FIELD)
    assert_problem(await api.post("change-subscription", id=1, filters={field: value}), Code.INVALID_FIELD)


async def test_what_a_newer_client_says_is_not_heard(api: Api, offering: FakePublisher) -> None:
    source_id = await api.add(offering)
    made = await subscribe(api, source_id, slugs=["forms"], moon="full")
    assert made["subscription"]["filters"] == {"slugs": ["forms"]}


async def test_a_change_keeps_the_subscription_and_what_it_brought(api: Api, offering: FakePublisher) -> None:
    source_id = await api.add(offering)
    made = (await subscribe(api, source_id, slugs=["forms"]))["subscription"]
    answer = await api.post("change-subscription", id=made["id"], filters={"slugs": ["gallery"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["subscription"] == {**made, "filters": {"slugs": ["gallery"]}}
    assert [one["filters"] for one in await api.get("subscriptions", sourceId=source_id)] == [{"slugs": ["gallery"]}]
    await api.sync(source_id)
    assert await api.versions(source_id) == {"forms": ["1.0"], "gallery": ["2.5.1"]}
    # Subscribing again is a change, too.
    again = await subscribe(api, source_id, tags=["forms"])
    assert again["subscription"] == {**made, "filters": {"tags": ["forms"]}}
    offering.add_plugin("gallery", "2.6", tags=("images",))
    await api.sync(source_id)
    assert await api.versions(source_id) == {"forms": ["1.0"], "gallery": ["2.5.1"]}


async def test_what_one_no_longer_wants_comes_on_for_another(
    api: Api, node: RunningNode, offering: FakePublisher
) -> None:
    source_id = await api.add(offering)
    mine = (await subscribe(api, source_id, slugs=["forms"]))["subscription"]
    async with node.async_client(node.create_key("subscriber", owner="the other")["key"]) as http:
        theirs = (await Api(http).post("subscribe", sourceId=source_id, filters={"tags": ["privacy"]})).json()
    await api.post("change-subscription", id=mine["id"], filters={"slugs": ["gallery"]})
    offering.add_plugin("forms", "1.1", tags=("forms", "privacy"))
    await api.sync(source_id)
    assert await api.versions(source_id) == {"forms": ["1.1", "1.0"], "gallery": ["2.5.1"]}
    # Nobody wants it any more: nothing new of it comes, and nothing of it goes.
    await api.post("unsubscribe", id=theirs["subscription"]["id"])
    offering.add_plugin("forms", "1.2", tags=("forms", "privacy"))
    await api.sync(source_id)
    assert await api.versions(source_id) == {"forms": ["1.1", "1.0"], "gallery": ["2.5.1"]}


async def test_only_the_owner_or_an_operator_changes_a_living_subscription(
    api: Api, node: RunningNode, offering: FakePublisher
) -> None:
    source_id = await api.add(offering)
    key = node.create_key("subscriber", owner="agency")["key"]
    async with node.async_client(key) as http, node.async_client(node.create_key("subscriber")["key"]) as stranger:
        agency = Api(http)
        made = (await subscribe(agency, source_id, slugs=["forms"]))["subscription"]
        asked: dict[str, Any] = {"id": made["id"], "filters": {"slugs": ["raw"]}}
        assert_problem(await Api(stranger).post("change-subscription", **asked), Code.SUBSCRIPTION_UNKNOWN)
        assert (await agency.post("change-subscription", **asked)).status_code == 200
        asked["filters"] = {"slugs": ["gallery"]}
        assert (await api.post("change-subscription", **asked)).json()["subscription"]["subscriber"] == "agency"
        await agency.post("unsubscribe", id=made["id"])
        assert_problem(await agency.post("change-subscription", **asked), Code.WRONG_STATE)
    assert_problem(await api.post("change-subscription", id=999_999, filters={}), Code.SUBSCRIPTION_UNKNOWN)


async def test_who_subscribes_is_for_operators_to_read(api: Api, node: RunningNode, offering: FakePublisher) -> None:
    source_id = await api.add(offering)
    key = node.create_key("subscriber", owner="a quiet agency")["key"]
    async with node.async_client(key) as http:
        agency = Api(http)
        made = (await subscribe(agency, source_id, slugs=["forms"]))["subscription"]
        await subscribe(agency, source_id, slugs=["forms"])
        await subscribe(agency, source_id, slugs=["raw"])
        await api.post("change-subscription", id=made["id"], filters={})
        await agency.post("unsubscribe", id=made["id"])
        seen = await agency.get("activity", source=source_id)
    assert seen["activities"]
    assert "a quiet agency" not in str(seen)
    rows = (await api.get("activity", source=source_id))["activities"]
    said = [one["details"]["sentence"] for one in reversed(rows) if "subscription_id" in one["details"]]
    assert said[0] == f"a quiet agency subscribed to {source_id}: plugins forms."
    assert said[1] == f"a quiet agency changed its subscription to {source_id}: plugins raw."
    assert said[2].endswith(f" changed the subscription of a quiet agency to {source_id}: everything.")
    assert said[3:] == [f"a quiet agency ended its subscription to {source_id}."]
