"""Adding a source in two steps: where it is, then the key it shows, compared by a person before anything is kept."""

import pytest
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser, Page
from tests.web.pages.conftest import Held

from pfn.protocol.ed25519 import SigningKey
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

ADD = "/sources/add"


async def first_step(browser: Browser, publisher: FakePublisher, **fields: str) -> Page:
    given = {"instance_url": f"{publisher.url}/", "username": publisher.username, **fields}
    return await browser.submit(await browser.open(ADD), ADD, **given)


async def test_the_key_is_shown_before_anything_is_kept_and_confirmed_as_shown(
    operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    page = await first_step(operator, publisher)
    assert (page.status, page.path) == (200, ADD)
    assert publisher.key.public_key.fingerprint in page.text
    assert "publishes with: Metadata signatures only." in page.text
    assert "It holds: the source proved that it has this key." in page.text
    source_id = f"{publisher.username}@{publisher.url.removeprefix('http://')}"
    assert source_id not in [row["id"] for row in await api.get("sources")]
    # Another key from now on: what the operator compared is registered, not what is shown meanwhile.
    shown, publisher.key = publisher.key, SigningKey.generate()
    page = await operator.submit(page, ADD, use="shown")
    assert page.path == f"/sources/{source_id}"
    status = await api.get("source-status", sourceId=source_id)
    assert status["source"]["public_key"] == shown.public_key.pem


async def test_a_key_pasted_instead_is_the_one_registered(
    operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    key = SigningKey.generate().public_key
    page = await first_step(operator, publisher)
    page = await operator.submit(page, ADD, use="pasted", public_key=key.pem)
    assert key.fingerprint in page.text
    assert "key_mismatch" in page.text
    page = await operator.submit(page, ADD, use="shown")
    assert "its verification failed" in page.text
    status = await api.get("source-status", sourceId=page.path.rpartition("/")[2])
    assert status["source"]["public_key"] == key.pem


async def test_nothing_pasted_is_asked_for_again(operator: Browser, publisher: FakePublisher) -> None:
    page = await operator.submit(await first_step(operator, publisher), ADD, use="pasted")
    assert (page.status, page.path) == (200, ADD)
    assert publisher.key.public_key.fingerprint in page.text


async def test_a_publisher_of_signed_documents_shows_its_root_key(held: Held, signing: FakePublisherV2) -> None:
    page = await first_step(held.operator, signing)
    assert "publishes with: Signed documents." in page.text
    assert "Its key document leads back to the registered key." in page.text
    assert await held.api.get("sources") == []
    assert signing.root_keys[0].public_key.fingerprint in page.text
    page = await held.operator.submit(page, ADD, use="shown")
    assert "is registered and verified" in page.text


@pytest.mark.parametrize("case", ["no answer", "no key", "no usable key"])
async def test_where_no_key_is_shown_it_is_asked_for(operator: Browser, publisher: FakePublisher, case: str) -> None:
    publisher.faults["/federation-info"] = {
        "no answer": faults.status(500),
        "no key": faults.without("publicKey"),
        "no usable key": faults.edited(publicKey="<script>alert(1)</script>"),
    }[case]
    page = await first_step(operator, publisher)
    assert (page.status, page.path) == (200, ADD)
    assert "shown_key" not in page.form(ADD).fields
    assert any(given.get("role") == "alert" for _, given in page.tags)
    assert page.foreign_scripts() == []
    publisher.faults.clear()
    page = await operator.submit(page, ADD, use="pasted", public_key=publisher.public_key_pem)
    page = await operator.submit(page, ADD, use="shown")
    assert "is registered and verified" in page.text


async def test_what_was_tried_leaves_no_trace(held: Held, signing: FakePublisherV2) -> None:
    before = await held.api.get("activity")
    page = await first_step(held.operator, signing)
    assert signing.requests
    assert "It holds: the source proved" in page.text
    signing.faults["/verify-ownership"] = faults.status(403)
    assert "It would fail: " in (await first_step(held.operator, signing)).text
    assert await held.api.get("activity") == before
    assert not [one for one in await held.api.get("schedule") if signing.username in one["subject"]]
    assert (
        await held.stranger.open(f"/sources/{signing.username}@{signing.url.removeprefix('http://')}")
    ).status == 404


async def test_a_source_that_is_there_is_said_before_it_is_asked(
    operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    await api.add(publisher)
    publisher.requests.clear()
    page = await first_step(operator, publisher, public_key=publisher.public_key_pem)
    assert page.status == 409
    assert "is registered already" in page.text
    assert publisher.requests == []


@pytest.mark.parametrize("url", ["nonsense", "http://plugins.example.com", "https://10.0.0.1"])
async def test_an_address_that_may_not_be_asked_is_said_beside_it(
    operator: Browser, publisher: FakePublisher, url: str
) -> None:
    page = await first_step(operator, publisher, instance_url=url)
    assert (page.status, page.path) == (422, ADD)
    wrong = [given["name"] for _, given in page.tags if given.get("aria-invalid") == "true"]
    assert wrong == ["instance_url"]
    assert page.form(ADD).fields["username"] == publisher.username


async def test_a_username_that_cannot_be_used_is_said_with_everything_kept(
    operator: Browser, publisher: FakePublisher
) -> None:
    page = await first_step(operator, publisher, username="two words", public_key=publisher.public_key_pem)
    assert page.status == 422
    wrong = [given["name"] for _, given in page.tags if given.get("aria-invalid") == "true"]
    assert wrong == ["username"]
    assert page.form(ADD).fields["public_key"].strip() == publisher.public_key_pem.strip()
