"""Who is told of what."""

from dataclasses import replace

import pytest

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Candidate, Filters
from pfn.domain.version_range import VersionRange
from pfn.domain.webhook import GONE, Webhook, WebhookState, wanted_from, webhook_event
from pfn.protocol.webhook import WebhookKeys

NOW = 1_800_000_000
DAY = 86_400
ANN, BOB = "ann@one.example", "bob@two.example"
WEBHOOK = Webhook(1, "agency", "https://hooks.example:8443/in?key=hidden", NOW, WebhookKeys.generate())
UPDATE, EVENT = ActivityType.VERSION_UPDATE, ActivityType.FEDERATION_EVENT


def event(kind: ActivityType = EVENT, **changes: object) -> Activity:
    activity = Activity(kind, NOW, "node", describe("done", "It was done."), source_id=ANN)
    return replace(activity, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("wish", "activity", "asked"),
    [
        ({}, event(), True),
        ({}, event(UPDATE), True),
        ({}, event(private=True), False),
        ({"everything": True}, event(private=True), True),
        ({}, event(timestamp=NOW - 1), False),
        ({"everything": True}, event(timestamp=NOW - 1), False),
        ({"kinds": (UPDATE,)}, event(), False),
        ({"kinds": (UPDATE,)}, event(UPDATE), True),
        ({"kinds": (UPDATE,), "everything": True}, event(private=True), False),
        ({"sources": (ANN,)}, event(), True),
        ({"sources": (BOB,)}, event(), False),
        ({"sources": (BOB,), "everything": True}, event(source_id=None), False),
        ({"everything": True}, event(source_id=None), True),
    ],
)
def test_what_a_webhook_asks_for(wish: dict[str, object], activity: Activity, asked: bool) -> None:
    assert replace(WEBHOOK, **wish).asks_for(activity) is asked  # type: ignore[arg-type]  # fields by name


CANDIDATE = Candidate("hello", "2.0", ("seo",), "ann", SignatureLevel.METADATA, NOW - DAY, 0.5)


@pytest.mark.parametrize(
    ("filters", "of_version", "of_plugin"),
    [
        (Filters(), NOW, NOW),
        (Filters(tags=("SEO",), slugs=("hello",), authors=("ann",)), NOW, NOW),
        (Filters(tags=("other",)), None, None),
        (Filters(slugs=("other",)), None, None),
        (Filters(authors=("other",)), None, None),
        # A contradiction lowers trust; who follows the plugin must hear of it all the same.
        (Filters(minimum_trust=0.9), None, NOW),
        (Filters(minimum_level=SignatureLevel.ARTIFACT), None, NOW),
        (Filters(versions=VersionRange.parse("<2")), None, NOW),
        (Filters(minimum_age_days=3), NOW + 2 * DAY, NOW),
        (Filters(minimum_age_days=1), NOW, NOW),
        (Filters(minimum_age_days=3, slugs=("other",)), None, None),
    ],
)
def test_a_subscriber_hears_of_what_his_filters_take(
    filters: Filters, of_version: int | None, of_plugin: int | None
) -> None:
    assert wanted_from(event(UPDATE, plugin_id="hello"), filters, CANDIDATE, NOW) == of_version
    assert wanted_from(event(plugin_id="hello"), filters, CANDIDATE, NOW) == of_plugin
    assert wanted_from(event(), filters, None, NOW) == NOW


def test_old_keys_sign_for_a_while() -> None:
    old = WebhookKeys.generate()
    webhook = replace(WEBHOOK, old_keys=old, old_until=NOW + 10)
    assert webhook.living_keys(NOW + 9) == [webhook.keys, old]
    assert webhook.living_keys(NOW + 10) == [webhook.keys]
    assert WEBHOOK.living_keys(NOW) == [WEBHOOK.keys]


def test_nothing_that_is_shown_holds_a_secret() -> None:
    webhook = replace(WEBHOOK, old_keys=WebhookKeys.generate(), old_until=NOW + 10)
    assert webhook.old_keys is not None
    shown = f"{webhook!r} {webhook.to_json(NOW)}"
    for keys in (webhook.keys, webhook.old_keys):
        assert keys.secret.text not in shown
        assert repr(keys.signing.seed) not in shown
    assert webhook.keys.public_text in shown


def test_an_event_about_a_webhook_is_private_and_keeps_its_url() -> None:
    activity = webhook_event(WEBHOOK, NOW, "webhook_added", "was added", actor="key")
    assert activity.private
    assert activity.sentence == "Webhook 1 of agency (hooks.example:8443) was added."
    assert "hidden" not in str(activity.to_json())


def test_one_that_ended_is_not_disabled_again() -> None:
    for state in (WebhookState.DISABLED, WebhookState.REMOVED):
        ended = replace(WEBHOOK, state=state, state_detail="before")
        assert ended.disable(GONE, "again") == ended
