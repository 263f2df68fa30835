"""What a source's page says of its proofs and findings, and what an operator can do: gates, evidence, custody."""

import re
from urllib.parse import quote

import pytest
from tests.web.pages.conftest import Held

from pfn.domain.access import ALL_SCOPES, Grant
from pfn.domain.subscription import Filters
from pfn.domain.trust import DAY, Gate
from pfn.domain.verification import VerificationType
from pfn.protocol.ed25519 import SigningKey
from pfn.services.ownership import ORACLE_SENTENCE
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.pages import words

HOSTILE = "<script>alert(1)</script>"


async def contradict(held: Held, publisher: FakePublisherV2, description: str = "Other bytes.") -> str:
    """Have a publisher sign two different things as one version."""
    publisher.add_plugin("one", "1.0", description="The first bytes.")
    source_id = await held.register(publisher)
    publisher.add_plugin("one", "1.0", description=description)
    await held.api.sync(source_id)
    return source_id


def test_every_gate_says_what_follows() -> None:
    assert set(words.GATE_MEANS) == set(Gate)


async def test_the_protocol_is_told_in_words(held: Held, publisher: FakePublisher, signing: FakePublisherV2) -> None:
    first, second = await held.register(publisher), await held.register(signing)
    page = await held.stranger.open(f"/sources/{first}")
    assert "Metadata signatures only" in page.text
    assert "not the bytes of its zip" in page.text
    assert "Signed documents" not in page.text
    page = await held.stranger.open(f"/sources/{second}")
    assert "Signed documents" in page.text
    assert "Metadata signatures only" not in page.text
    documents = next(link for link in page.links() if link.startswith("/federation/key-documents?"))
    assert len((await held.stranger.http.get(documents)).json()["documents"]) == 1


async def test_a_source_that_signs_anything_is_named(held: Held, signing: FakePublisherV2) -> None:
    source_id = await held.register(signing)
    page = await held.stranger.open(f"/sources/{source_id}")
    assert ORACLE_SENTENCE not in page.text
    async with FakePublisherV2("mallory", now=int(held.clock.now)) as mallory:
        mallory.oracle_key = mallory.ownership_key
        page = await held.stranger.open(f"/sources/{await held.register(mallory)}")
    assert ORACLE_SENTENCE in page.text
    assert Gate.SIGNING_ORACLE.sentence in page.text


async def test_a_stale_catalogue_is_said(held: Held, signing: FakePublisherV2) -> None:
    source_id = await held.register(signing)
    assert Gate.STALE_CATALOG.sentence not in (await held.stranger.open(f"/sources/{source_id}")).text
    held.clock.pass_days(15)
    page = await held.stranger.open(f"/sources/{source_id}")
    assert Gate.STALE_CATALOG.sentence in page.text
    assert words.GATE_MEANS[Gate.STALE_CATALOG] in page.text


async def test_a_contradiction_is_laid_out_for_the_operator_alone(held: Held, signing: FakePublisherV2) -> None:
    source_id = await contradict(held, signing, f"Other {HOSTILE} bytes.")
    here = f"/sources/{source_id}"
    page = await held.operator.open(here)
    evidence = (await held.api.get("evidence", sourceId=source_id))[0]
    for said in (Gate.EQUIVOCATION.sentence, evidence["details"], evidence["kind"], "one 1.0"):
        assert said in page.text
    _, first, later = re.split("What came first|What came later", page.text)
    assert '"description": "The first bytes."' in first
    assert f'"description": "Other {HOSTILE} bytes."' in later
    assert page.foreign_scripts() == []
    assert f"{here}/lift-gate" in page.links()
    for browser in (held.stranger, held.operator):
        assert Gate.EQUIVOCATION.sentence in (await browser.open(here)).text
    public = await held.stranger.open(here)
    assert "What came first" not in public.text
    assert evidence["details"] not in public.text
    assert f"{here}/lift-gate" not in public.links()


async def test_lifting_a_gate_asks_first_and_keeps_the_evidence(held: Held, signing: FakePublisherV2) -> None:
    source_id = await contradict(held, signing)
    here, lift = f"/sources/{source_id}", f"/sources/{source_id}/lift-gate"
    assert (await held.stranger.open(lift)).status == 401
    ask = await held.operator.open(lift)
    for said in (Gate.EQUIVOCATION.sentence, "taken again", "The evidence stays on record", "stays what is served"):
        assert said in ask.text
    assert "equivocation" in await held.api.gates(source_id)
    page = await held.operator.submit(ask, lift)
    assert page.path == here
    assert f"The gate of {source_id} is lifted" in page.text
    assert "equivocation" not in await held.api.gates(source_id)
    assert "No gate stands on it now." in page.text
    assert "What came later" in page.text
    assert lift not in page.links()
    assert (await held.operator.open(lift)).status == 409
    assert (await held.operator.submit(ask, lift)).status == 409


async def test_another_key_needs_two_steps_and_names_what_follows(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("one", "1.0")
    source_id = await held.register(signing)
    custody = f"/sources/{source_id}/custody"
    old = (await held.api.status(source_id))["source"]["public_key"]
    assert custody in (await held.operator.open(f"/sources/{source_id}")).links()
    form = await held.operator.open(custody)
    wrong = await held.operator.submit(form, custody, public_key=HOSTILE)
    assert wrong.status == 422
    assert wrong.form(custody).fields["public_key"] == HOSTILE
    signing.start_over()
    ask = await held.operator.submit(form, custody, public_key=signing.public_key_pem.replace("\n", "\r\n"))
    assert (ask.status, ask.path) == (200, custody)
    new = signing.root_keys[0].public_key.fingerprint
    for said in (new, "must prove that it holds the new key", "seven days", "still offered: 1 plugin"):
        assert said in ask.text
    assert (await held.api.status(source_id))["source"]["public_key"] == old
    page = await held.operator.submit(ask, custody)
    assert page.path == f"/sources/{source_id}"
    assert "has a new key. It proved that it holds the new key." in page.text
    assert Gate.CUSTODY_COOL_DOWN.sentence in page.text
    assert "Nothing new of it is taken until" in page.text
    assert new in page.text
    assert await held.api.versions(source_id) == {"one": ["1.0"]}
    assert (await held.stranger.http.get(f"/federation/download?source={source_id}&plugin=one")).status_code == 200
    held.clock.pass_days(8)
    assert Gate.CUSTODY_COOL_DOWN.sentence not in (await held.stranger.open(f"/sources/{source_id}")).text


async def test_only_the_key_that_was_looked_at_can_be_confirmed(held: Held, signing: FakePublisherV2) -> None:
    source_id = await held.register(signing)
    custody = f"/sources/{source_id}/custody"
    first, second = SigningKey.generate().public_key, SigningKey.generate().public_key
    ask = await held.operator.submit(await held.operator.open(custody), custody, public_key=first.pem)
    page = await held.operator.submit(ask, custody, public_key=second.pem)
    assert page.path == custody
    assert second.fingerprint in page.text
    assert (await held.api.status(source_id))["source"]["public_key"] == signing.public_key_pem


async def test_the_registered_key_is_no_new_one(held: Held, signing: FakePublisherV2) -> None:
    source_id = await held.register(signing)
    custody = f"/sources/{source_id}/custody"
    ask = await held.operator.submit(await held.operator.open(custody), custody, public_key=signing.public_key_pem)
    assert (await held.operator.submit(ask, custody)).status == 409


async def test_keys_are_told_step_by_step(held: Held, signing: FakePublisherV2) -> None:
    source_id = await held.register(signing)
    page = await held.stranger.open(f"/sources/{source_id}")
    first = signing.release_key.public_key.fingerprint
    assert f"New root key{signing.root_keys[0].public_key.fingerprint} · the registered key" in page.text
    assert f"New release key{first}" in page.text
    signing.revoke_release_key()
    await held.api.sync(source_id, recheck=True)
    page = await held.stranger.open(f"/sources/{source_id}")
    newest = page.text[page.text.index("Key document 2") : page.text.index("Key document 1")]
    assert f"New release key{signing.release_key.public_key.fingerprint}" in newest
    assert re.search(rf"Revoked\s*{re.escape(first)}", newest)
    assert "other hands" not in page.text


async def test_strangers_see_that_verifications_held_and_readers_why(held: Held, signing: FakePublisherV2) -> None:
    source_id = await held.register(signing)
    stranger, reader = [await one.open(f"/sources/{source_id}") for one in (held.stranger, held.operator)]
    assert "First verification" in stranger.text
    assert "First verification" in reader.text
    checks = [given for tag, given in reader.tags if given.get("class") == "held"]
    assert checks
    assert not [given for tag, given in stranger.tags if given.get("class") == "held"]


@pytest.mark.slow
async def test_the_page_of_a_busy_source_is_no_book(held: Held, signing: FakePublisherV2) -> None:
    for number in range(30):
        signing.add_plugin(f"good-{number:02}", "1.0.0", description="What it does, in a sentence or two. " * 3)
        signing.add_plugin(f"held-{number:02}", "1.0.0", content=b"no zip")
    source_id = await held.register(signing)
    for number in range(30):
        owner = Grant(f"key-{number}", f"subscriber-{number}", ALL_SCOPES)
        await held.services.subscriptions.subscribe(owner, source_id, Filters(tags=("one", "two", "three")))
    for day in range(90):
        held.clock.now += DAY
        signing.now = int(held.clock.now)
        if day % 6 == 0:
            signing.renew_catalog()
        if day > 50:
            if day % 2:
                signing.faults["/verify-ownership"] = faults.status(403)
            else:
                signing.faults.clear()
            await held.services.verifications.verify(source_id, VerificationType.PERIODIC, "node")
            await held.services.health.probe(source_id)
            if not day % 2:
                await held.services.syncs.run_now(source_id)
        await held.services.housekeeping.tidy()
    await held.operator.sign_in(held.key)
    page = await held.operator.open(f"/sources/{source_id}")
    assert len(page.answer.content) < 60_000
    few = {f"/syncs?source={quote(source_id)}", f"/subscriptions?source={quote(source_id)}"}
    assert few <= page.links()
    assert "All 31 subscriptions" in page.text
    # The newest verification in full, of the others what failed.
    checked = [given["class"] for _, given in page.tags if given.get("class") in {"held", "broke"}]
    assert len(checked) < 10
    assert page.text.count("declined to sign the challenge") >= 5
