"""A plugin's page says what each version's signature covers, which ones were withdrawn, and offers none of those."""

from urllib.parse import parse_qs, urlsplit

from tests.web.pages.browser import Page
from tests.web.pages.conftest import Held

from pfn.domain.release import SignatureLevel
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


def versions_at(page: Page, address: str) -> list[str]:
    """The versions that links to an address name."""
    found = [urlsplit(given["href"]) for tag, given in page.tags if tag == "a"]
    return [parse_qs(link.query)["version"][0] for link in found if link.path == address]


async def test_levels_are_told_in_plain_words(held: Held, publisher: FakePublisher, signing: FakePublisherV2) -> None:
    publisher.add_plugin("named", "1.0")
    publisher.add_plugin("bare", "1.0", signature=None)
    signing.add_plugin("sealed", "1.0")
    source_id = await held.api.add(publisher, allow_unsigned=True)
    await held.api.post("subscribe", sourceId=source_id)
    signed_id = await held.register(signing)
    home = await held.stranger.open("/")
    for level, path, short in (
        (SignatureLevel.NONE, f"/plugins/{source_id}/bare", "Not signed"),
        (SignatureLevel.METADATA, f"/plugins/{source_id}/named", "Name and version signed, not the bytes"),
        (SignatureLevel.ARTIFACT, f"/plugins/{signed_id}/sealed", "These exact bytes signed"),
    ):
        assert short in home.text
        page = await held.stranger.open(path)
        assert level.sentence in page.text
        assert versions_at(page, "/federation/statement") == (["1.0"] if level is SignatureLevel.ARTIFACT else [])


async def test_the_signed_statement_is_one_link_away(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("sealed", "1.0")
    source_id = await held.register(signing)
    for path in (f"/plugins/{source_id}/sealed", f"/plugins/{source_id}/sealed/verify"):
        page = await held.stranger.open(path)
        link = next(link for link in page.links() if link.startswith("/federation/statement?"))
        statement = await held.stranger.http.get(link)
        assert statement.status_code == 200
        assert statement.json()["payloadType"].endswith("+json")


async def test_a_yanked_version_is_marked_and_not_the_newest_but_can_be_had(
    held: Held, signing: FakePublisherV2
) -> None:
    signing.add_plugin("one", "1.0")
    source_id = await held.register(signing)
    signing.add_plugin("one", "1.1")
    await held.api.sync(source_id)
    signing.yank("one", "1.1", HOSTILE)
    await held.api.sync(source_id)
    page = await held.stranger.open(f"/plugins/{source_id}/one")
    assert "1.0 newest" in page.text
    assert "1.1 yanked" in page.text
    assert "<img src=x onerror=alert(1)>" in page.text
    assert "\u202e" not in page.answer.text
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert versions_at(page, "/federation/download") == ["1.0", "1.1", "1.0"]
    looked = await held.stranger.open(f"/plugins/{source_id}/one/verify", version="1.1")
    assert "It holds, but it was yanked" in looked.text
    assert "1.1" not in (await held.stranger.open(f"/sources/{source_id}")).text


async def test_a_blocked_version_is_marked_and_cannot_be_had(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("one", "1.0")
    source_id = await held.register(signing)
    held.clock.pass_days(2)
    signing.now = int(held.clock.now)
    signing.add_plugin("one", "1.1")
    await held.api.sync(source_id)
    signing.revoke_release_key(compromised_since=int(held.clock.now) - 86_400)
    await held.api.sync(source_id)
    page = await held.stranger.open(f"/plugins/{source_id}/one")
    assert "1.1 blocked" in page.text
    assert "It is not given out any more." in page.text
    assert "1.0 newest" in page.text
    for address in ("/federation/download", "/federation/statement", f"/plugins/{source_id}/one/verify"):
        assert set(versions_at(page, address)) == {"1.0"}
    assert (await held.stranger.open(f"/plugins/{source_id}/one/verify", version="1.1")).status == 410


async def test_a_plugin_of_which_everything_was_yanked_says_so(held: Held, signing: FakePublisherV2) -> None:
    signing.add_plugin("one", "1.0")
    signing.add_plugin("two", "1.0")
    source_id = await held.register(signing)
    signing.yank("one", "1.0", HOSTILE)
    await held.api.sync(source_id)
    page = await held.stranger.open(f"/plugins/{source_id}/one")
    assert page.status == 410
    assert "is withdrawn" in page.text
    assert "1.0: <img src=x onerror=alert(1)>" in page.text
    assert not [tag for tag, _ in page.tags if tag == "img"]
    fields = page.form("/federation/download").fields | {"version": "1.0"}
    got = await held.stranger.http.get("/federation/download", params=fields)
    assert got.status_code == 200
    home = await held.stranger.open("/")
    assert f"/plugins/{source_id}/one" not in home.links()
    assert f"/plugins/{source_id}/two" in home.links()
