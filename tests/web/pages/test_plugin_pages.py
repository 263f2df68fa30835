"""The first page and the pages of plugins: found, described honestly, and harmless whatever their publishers write."""

from urllib.parse import parse_qs, urlsplit

from tests.support.node import RunningNode
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser

from pfn.testing.publisher import FakePublisher


async def publish(api: Api, publisher: FakePublisher) -> str:
    source_id = await api.add(publisher)
    answer = await api.post("subscribe", sourceId=source_id)
    assert answer.json()["syncResult"]["success"] is True
    return source_id


async def test_the_first_page_says_what_the_node_is(stranger: Browser, node: RunningNode) -> None:
    page = await stranger.open("/")
    assert page.status == 200
    assert node.url in page.text
    assert "SHA256:" in page.text
    assert not any(form.method == "post" for form in page.forms)


async def test_a_new_plugin_is_on_the_first_page_with_a_download_that_works(
    stranger: Browser, publisher: FakePublisher, api: Api
) -> None:
    content = publisher.add_plugin("quiet-clock", "1.2.3", name="Quiet Clock", description="Tells the time.")
    source_id = await publish(api, publisher)
    page = await stranger.open("/")
    for said in ("Quiet Clock", "1.2.3", "Tells the time.", source_id, "Name and version signed, not the bytes"):
        assert said in page.text
    assert f"/plugins/{source_id}/quiet-clock" in page.links()
    downloads = [link for link in page.links() if "quiet-clock" in link and "/federation/download" in link]
    assert parse_qs(urlsplit(downloads[0]).query)["version"] == ["1.2.3"]
    assert (await stranger.http.get(downloads[0])).content == content


async def test_the_first_page_leads_to_the_catalogue(stranger: Browser) -> None:
    form = (await stranger.open("/")).form("/plugins")
    assert (form.method, form.fields) == ("get", {"q": ""})


async def test_sources_are_on_the_first_page_with_status_and_trust(
    stranger: Browser, publisher: FakePublisher, api: Api
) -> None:
    source_id = await api.add(publisher)
    score = next(row["trust_score"] for row in await api.get("sources") if row["id"] == source_id)
    page = await stranger.open("/")
    assert source_id in page.text
    assert f"Trust {score:.2f}" in page.text
    assert "Last verification held" in page.text


async def test_activity_is_for_everyone_and_private_events_for_operators(
    stranger: Browser, subscriber: Browser, operator: Browser, publisher: FakePublisher, api: Api
) -> None:
    source_id = await api.add(publisher)
    said = f"{source_id} proved that it holds its key."
    for browser in (stranger, subscriber, operator):
        assert said in (await browser.open("/")).text
        assert said in (await browser.open("/activity")).text
    assert "was made for agency-blue" in (await operator.open("/activity")).text
    for browser in (stranger, subscriber):
        assert "was made for agency-blue" not in (await browser.open("/activity")).text
    assert (await stranger.open("/activity", private="yes")).status == 401


async def test_warnings_are_shown_to_the_operator_alone(
    stranger: Browser, subscriber: Browser, operator: Browser
) -> None:
    for path in ("/", "/docs"):
        assert "allow_loopback" in (await operator.open(path)).text
        assert "allow_loopback" not in (await stranger.open(path)).text
        assert "allow_loopback" not in (await subscriber.open(path)).text


async def test_a_plugin_shows_every_version_with_its_digests(
    stranger: Browser, publisher: FakePublisher, api: Api
) -> None:
    publisher.add_plugin("kept", "1.0.0", tags=("one", "two"))
    source_id = await publish(api, publisher)
    publisher.add_plugin("kept", "1.10.0", tags=("one", "two"))
    await api.sync(source_id)
    page = await stranger.open(f"/plugins/{source_id}/kept")
    assert "2 versions" in page.text
    assert page.text.index("1.10.0 newest") < page.text.index(" 1.0.0 ")
    for version in (await api.get("plugins", source=source_id))["plugins"][0]["versions"]:
        for digest in ("sha256", "sha384", "sha1"):
            assert version[digest] in page.text
        assert f"/plugins/{source_id}/kept/verify?version={version['version']}" in page.links()
    assert page.text.count("but not the bytes of the zip.") == 1 + 2
    assert {"/plugins?tag=one", "/plugins?tag=two"} <= page.links()


async def test_verify_looks_at_the_bytes_again(
    stranger: Browser, publisher: FakePublisher, api: Api, node: RunningNode
) -> None:
    publisher.add_plugin("sealed", "1.0.0")
    source_id = await publish(api, publisher)
    path = f"/plugins/{source_id}/sealed/verify"
    assert "Everything holds" in (await stranger.open(path)).text
    digest = (await api.get("plugins", source=source_id))["plugins"][0]["versions"][0]["sha256"]
    blob = node.data / "blobs" / "sha256" / digest[:2] / digest[2:]
    content = bytearray(blob.read_bytes())
    content[50] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(content)
    page = await stranger.open(path)
    assert "It does not hold" in page.text
    assert "Everything holds" not in page.text
    assert (await stranger.open(path, version="9.9")).status == 404


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7*7 }}"


async def test_hostile_text_is_shown_and_never_obeyed(
    operator: Browser, stranger: Browser, publisher: FakePublisher, api: Api
) -> None:
    publisher.add_plugin("trap", "6.6.6", name=f"{HOSTILE} \u202egnp.exe", description=HOSTILE, tags=(HOSTILE,))
    source_id = await publish(api, publisher)
    paths = [
        "/plugins?q=trap",
        f"/plugins/{source_id}/trap",
        f"/plugins/{source_id}/trap/verify",
        f"/sources/{source_id}",
    ]
    for browser in (stranger, operator):
        for path in paths:
            page = await browser.open(path)
            assert page.status == 200
            # The description is the zip's, where the publisher kit may shorten it; the name is whole everywhere.
            assert HOSTILE in page.text
            assert "⟨U+202E⟩" in page.text
            assert "\u202e" not in page.answer.text
            assert "49" not in page.text.split("alert", 1)[1][:40]
            assert page.foreign_scripts() == []
            assert not [given for tag, given in page.tags if tag == "img" or "onerror" in given]


async def test_an_unknown_plugin_is_not_found(stranger: Browser, publisher: FakePublisher, api: Api) -> None:
    source_id = await api.add(publisher)
    page = await stranger.open(f"/plugins/{source_id}/nothing")
    assert page.status == 404
    assert "plugin_unknown" in page.text
