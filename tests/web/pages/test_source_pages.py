"""The pages of sources: what they show to whom, and every form does what it says."""

import pytest
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser

from pfn.testing import faults
from pfn.testing.publisher import FakePublisher


async def test_adding_a_source_verifies_it_and_shows_it(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    form = await operator.open("/sources/add")
    page = await operator.submit(
        form,
        "/sources/add",
        instance_url=publisher.url,
        username=publisher.username,
        public_key=publisher.public_key_pem.replace("\n", "\r\n"),
    )
    page = await operator.submit(page, "/sources/add", use="shown")
    source_id = f"{publisher.username}@{publisher.url.removeprefix('http://')}"
    assert (page.status, page.path) == (200, f"/sources/{source_id}")
    assert "is registered and verified" in page.text
    status = await api.get("source-status", sourceId=source_id)
    assert status["source"]["status"] == "verified"
    assert status["verifications"][0]["verification_type"] == "initial"


async def test_a_failed_first_verification_says_why(operator: Browser, publisher: FakePublisher) -> None:
    publisher.faults["/verify-ownership"] = faults.status(403)
    form = await operator.open("/sources/add")
    given = {
        "instance_url": publisher.url,
        "username": publisher.username,
        "public_key": publisher.public_key_pem,
    }
    page = await operator.submit(form, "/sources/add", **given)
    assert "It would fail: " in page.text
    page = await operator.submit(page, "/sources/add", use="shown")
    assert "its verification failed" in page.text
    assert page.path.startswith("/sources/author-")


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("instance_url", "nonsense", 422),
        ("instance_url", "http://plugins.example.com", 422),
        ("username", "two words", 422),
        ("public_key", '"><script>alert(1)</script>', 422),
    ],
)
async def test_a_field_that_cannot_be_used_is_said_beside_it_and_the_others_are_kept(
    operator: Browser, publisher: FakePublisher, field: str, value: str, status: int
) -> None:
    given = {
        "instance_url": publisher.url,
        "username": publisher.username,
        "public_key": publisher.public_key_pem.strip(),
        field: value,
    }
    page = await operator.submit(await operator.open("/sources/add"), "/sources/add", **given)
    assert (page.status, page.path) == (status, "/sources/add")
    kept = page.form("/sources/add").fields
    assert {name: kept[name].strip() for name in given} == given
    wrong = [given for _, given in page.tags if given.get("aria-invalid") == "true"]
    assert [one["name"] for one in wrong] == [field]
    assert any(one.get("id") in wrong[0]["aria-describedby"].split() and one.get("role") for _, one in page.tags)
    assert page.foreign_scripts() == []


async def test_adding_it_twice_is_said_in_the_form(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    await api.add(publisher)
    given = {
        "instance_url": publisher.url,
        "username": publisher.username,
        "public_key": publisher.public_key_pem,
    }
    page = await operator.submit(await operator.open("/sources/add"), "/sources/add", **given)
    assert page.status == 409
    assert "is registered already" in page.text


async def test_verify_records_a_verification_on_request(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    source_id = await api.add(publisher)
    page = await operator.open(f"/sources/{source_id}")
    assert (
        "proved that it holds the registered key" in (await operator.submit(page, f"/sources/{source_id}/verify")).text
    )
    publisher.faults["*"] = faults.hang_up()
    failed = await operator.submit(page, f"/sources/{source_id}/verify")
    assert "The verification failed: " in failed.text
    history = (await api.get("source-status", sourceId=source_id))["verifications"]
    assert [one["verification_type"] for one in history] == ["manual", "manual", "initial"]


async def test_subscribing_mirrors_and_ending_keeps(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    publisher.add_plugin("wanted", "1.0.0", tags=("seo",))
    publisher.add_plugin("other", "1.0.0", tags=("gallery",))
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    page = await operator.submit(await operator.open(here), f"{here}/subscribe", tags=" seo, ,forms ")
    assert "Subscribed. Synced: 1 of 2 listed plugins are newly mirrored." in page.text
    assert await api.versions(source_id) == {"wanted": ["1.0.0"]}
    assert page.form(f"{here}/subscribe").fields["tags"] == "seo, forms"
    ending = next(link for link in page.links() if link.startswith("/subscriptions/") and link.endswith("/end"))
    page = await operator.submit(await operator.open(ending), ending)
    assert "has ended" in page.text
    assert await api.get("subscriptions", sourceId=source_id) == []
    assert await api.versions(source_id) == {"wanted": ["1.0.0"]}


async def test_a_subscriber_sees_and_ends_its_own_subscriptions_only(
    subscriber: Browser, operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    theirs = await operator.submit(await operator.open(here), f"{here}/subscribe")
    others = next(link for link in theirs.links() if link.startswith("/subscriptions/") and link.endswith("/end"))
    page = await subscriber.submit(await subscriber.open(here), f"{here}/subscribe")
    assert "agency-blue" in page.text
    assert others not in page.links()
    assert (await subscriber.open(others)).status == 404
    refused = await subscriber.send(others, {"csrf": page.form("/sign-out").fields["csrf"]})
    assert refused.status == 404
    assert len(await api.get("subscriptions", sourceId=source_id)) == 2


async def test_zips_are_compared_with_what_their_publisher_has_now(
    operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    publisher.add_plugin("good", "1.0.0")
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    page = await operator.submit(await operator.open(here), f"{here}/subscribe")
    publisher.add_plugin("good", "1.0.0", description="Other bytes.")
    await operator.submit(page, f"{here}/sync")
    assert await api.get("quarantine", sourceId=source_id) == []
    page = await operator.submit(page, f"{here}/compare")
    assert page.path == here
    assert [item["code"] for item in await api.get("quarantine", sourceId=source_id)] == ["release_conflict"]


async def test_sync_tells_what_came_and_what_did_not(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    publisher.add_plugin("good", "1.0.0")
    publisher.add_plugin("bare", "1.0.0", signature=None)
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    await operator.submit(await operator.open(here), f"{here}/subscribe")
    publisher.add_plugin("good", "1.1.0")
    publisher.add_plugin("forged", "2.0.0", signature="wrong")
    page = await operator.submit(await operator.open(here), f"{here}/sync")
    assert "Synced: 1 of 3 listed plugins are newly mirrored. 1 was not taken" in page.text
    assert "What did not come through" in page.text
    for said in ("signature_invalid", "Not tried again by itself", "unsigned", "Next try in"):
        assert said in page.text


async def test_the_policy_for_unsigned_plugins_is_kept(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    for choice, kept in (("accept", True), ("hold", False), ("follow", None)):
        page = await operator.submit(await operator.open(here), f"{here}/policy", allow_unsigned=choice)
        assert page.form(f"{here}/policy").fields["allow_unsigned"] == choice
        assert (await api.get("source-status", sourceId=source_id))["source"]["allow_unsigned"] is kept
    wrong = await operator.submit(await operator.open(here), f"{here}/policy", allow_unsigned="perhaps")
    assert wrong.status == 422


async def test_a_quota_is_kept_and_an_empty_one_follows_the_node(
    operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    node_limit = (await api.get("source-status", sourceId=source_id))["quota"]["plugins"]["limit"]
    page = await operator.submit(await operator.open(here), f"{here}/quota", plugins="12", megabytes="0")
    assert "It fills 0 of 12 plugins" in page.text
    assert page.form(f"{here}/quota").fields.items() >= {("plugins", "12"), ("megabytes", "0")}
    quota = (await api.get("source-status", sourceId=source_id))["quota"]
    assert (quota["plugins"]["limit"], quota["bytes"]["limit"]) == (12, None)
    page = await operator.submit(page, f"{here}/quota", plugins="", megabytes="3")
    quota = (await api.get("source-status", sourceId=source_id))["quota"]
    assert (quota["plugins"]["limit"], quota["bytes"]["limit"]) == (node_limit, 3_000_000)
    assert page.form(f"{here}/quota").fields["megabytes"] == "3"
    for wrong in ("-1", "1.5", "٣", "1" * 10):
        assert (await operator.submit(page, f"{here}/quota", plugins=wrong)).status == 422


async def test_what_a_source_announces_is_asked_again(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    publisher.faults["/federation-info"] = faults.status(503)
    page = await operator.submit(await operator.open(here), f"{here}/update")
    assert "did not say what it announces" in page.text
    publisher.faults.clear()
    publisher.requests.clear()
    page = await operator.submit(page, f"{here}/update")
    assert "is up to date" in page.text
    assert [one.path for one in publisher.requests] == ["/federation-info"]


async def test_suspend_and_resume(operator: Browser, stranger: Browser, publisher: FakePublisher, api: Api) -> None:
    publisher.add_plugin("hello", "1.0.0")
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    await operator.submit(await operator.open(here), f"{here}/subscribe")
    page = await operator.submit(await operator.open(here), f"{here}/suspend", reason="under audit")
    assert "is suspended" in page.text
    assert "under audit" in page.text
    assert not page.has_form(f"{here}/verify")
    public = await stranger.open(here)
    assert "Suspended" in public.text
    assert "under audit" not in public.text
    assert (await stranger.open(f"/plugins/{source_id}/hello")).status == 409
    page = await operator.submit(page, f"{here}/resume")
    assert "is resumed. It proved that it holds its key." in page.text
    assert (await stranger.open(f"/plugins/{source_id}/hello")).status == 200


async def test_suspending_twice_is_an_error_page_that_leads_back(
    operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    page = await operator.open(here)
    await operator.submit(page, f"{here}/suspend")
    again = await operator.submit(page, f"{here}/suspend")
    assert again.status == 409
    assert "wrong_state" in again.text
    assert here in again.links()


async def test_remove_says_what_it_would_do_first(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    publisher.add_plugin("hello", "1.0.0")
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    await operator.submit(await operator.open(here), f"{here}/subscribe")
    ask = await operator.open(f"{here}/remove")
    assert "1 plugin of this source will no longer be offered" in ask.text
    assert "1 subscription will end" in ask.text
    assert (await operator.open(here)).status == 200
    page = await operator.submit(ask, f"{here}/remove")
    assert page.path == "/sources"
    assert "1 plugin no longer offered, 1 subscription ended." in page.text
    assert (await operator.open(here)).status == 404
    assert await api.add(publisher) == source_id
    assert await api.versions(source_id) == {"hello": ["1.0.0"]}


async def test_remove_with_purge_deletes_for_good(operator: Browser, publisher: FakePublisher, api: Api) -> None:
    publisher.add_plugin("hello", "1.0.0")
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    await operator.submit(await operator.open(here), f"{here}/subscribe")
    page = await operator.submit(await operator.open(f"{here}/remove"), f"{here}/remove", purge="yes")
    assert "1 release deleted for good." in page.text
    await api.add(publisher)
    assert await api.versions(source_id) == {}


async def test_trust_is_shown_to_everyone_with_every_term_and_gate(
    stranger: Browser, operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    publisher.add_plugin("forged", "1.0.0", signature="wrong")
    source_id = await api.add(publisher)
    here = f"/sources/{source_id}"
    await operator.submit(await operator.open(here), f"{here}/subscribe")
    trust = (await api.get("source-status", sourceId=source_id))["trust"]
    page = await stranger.open(here)
    assert f"{trust['score']:.2f}" in page.text
    for term in trust["terms"]:
        assert term["sentence"] in page.text
        assert f"{term['value']:.2f} · weighs {100 * term['weight']:.0f} %" in page.text
    assert trust["gates"]
    for gate in trust["gates"]:
        assert gate["sentence"] in page.text


async def test_histories_are_for_readers(
    stranger: Browser, subscriber: Browser, publisher: FakePublisher, api: Api
) -> None:
    source_id = await api.add(publisher)
    public, reader = await stranger.open(f"/sources/{source_id}"), await subscriber.open(f"/sources/{source_id}")
    for check in (await api.get("source-status", sourceId=source_id))["verifications"][0]["checks"]:
        assert check["detail"] in reader.text
        assert check["detail"] not in public.text
    assert "Sign in" in public.text


async def test_an_unknown_source_is_not_found(stranger: Browser) -> None:
    page = await stranger.open("/sources/nobody@nowhere.example")
    assert page.status == 404
    assert "source_unknown" in page.text
