"""The swarm: honest publishers a node believes, the others wrong in the way they say, and all of it counted."""

import base64
from collections.abc import AsyncIterator

import aiohttp
import pytest

from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.challenge import new_challenge
from pfn.protocol.ed25519 import verify
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.js_json import metadata_message
from pfn.testing.swarm import RETRY_AFTER_S, Kind, Member, Misbehaviour, PublisherSwarm
from pfn.wordpress.plugin_zip import inspect_zip


@pytest.fixture
async def swarm() -> AsyncIterator[PublisherSwarm]:
    async with PublisherSwarm(80, 200) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[PublisherClient]:
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher:
        yield PublisherClient(fetcher)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def culprit(swarm: PublisherSwarm, misbehaviour: Misbehaviour) -> Member:
    return next(member for member in swarm.members if member.misbehaviour is misbehaviour)


def catalogue(member: Member) -> str:
    return f"{member.publisher.url}/author-data?author={member.publisher.username}"


def zip_url(member: Member) -> str:
    slug = next(iter(member.plugins))
    return member.publisher.zip_url(slug, member.version(slug))


async def test_plugins_are_spread_evenly_and_one_publisher_in_ten_misbehaves(swarm: PublisherSwarm) -> None:
    assert sorted({len(member.plugins) for member in swarm.members}) == [2, 3]
    assert len({slug for member in swarm.members for slug in member.plugins}) == 200
    assert {member.misbehaviour for member in swarm.members} == {None, *Misbehaviour}
    assert len(swarm.honest) == 72


async def test_every_publisher_proves_its_own_key(swarm: PublisherSwarm, client: PublisherClient) -> None:
    for member in swarm.members:
        publisher = member.publisher
        info = await client.get_info(publisher.url)
        assert info.public_key == publisher.shown_key.pem
        challenge = new_challenge(lambda size: b"7" * size)
        proof = await client.prove_ownership(publisher.url, publisher.username, challenge)
        assert verify(publisher.shown_key, challenge.encode(), base64.b64decode(proof.proof.signature))
        with pytest.raises(PfnError) as refused:
            await client.prove_ownership(publisher.url, publisher.username, "a text nobody should sign")
        assert refused.value.code is Code.OWNERSHIP_REFUSED


async def test_an_honest_catalogue_is_signed_and_its_zips_hold(
    swarm: PublisherSwarm, client: PublisherClient, http: aiohttp.ClientSession
) -> None:
    member = swarm.honest[0]
    listed = await client.get_author_data(member.publisher.url, member.publisher.username)
    assert {plugin.slug for plugin in listed.plugins} == set(member.plugins)
    for plugin in listed.plugins:
        assert plugin.signature is not None
        message = metadata_message(plugin.slug, plugin.name, plugin.version, plugin.short_description)
        assert verify(member.publisher.shown_key, message, base64.b64decode(plugin.signature))
        async with http.get(member.publisher.zip_url(plugin.slug, plugin.version)) as answer:
            content = await answer.read()
        report = inspect_zip(content)
        assert report.accepted
        assert report.header is not None
        assert (report.top_folder, report.header.version) == (plugin.slug, plugin.version)
        assert len(content) < 2000


async def test_a_catalogue_that_did_not_change_has_no_body(swarm: PublisherSwarm, http: aiohttp.ClientSession) -> None:
    member = swarm.honest[0]
    async with http.get(catalogue(member)) as first:
        etag = first.headers["ETag"]
        assert len(await first.read()) > 100
    async with http.get(catalogue(member), headers={"If-None-Match": etag}) as second:
        assert (second.status, await second.read()) == (304, b"")
    traffic = swarm.traffic([member])
    assert traffic.requests == {Kind.CATALOGUE: 1, Kind.UNCHANGED: 1}
    assert traffic.body_bytes[Kind.UNCHANGED] == 0
    assert swarm.traffic().requests == traffic.requests
    assert not (swarm.traffic() - traffic).requests


async def test_a_change_is_a_new_version_in_a_new_catalogue(
    swarm: PublisherSwarm, client: PublisherClient, http: aiohttp.ClientSession
) -> None:
    changes = swarm.change(10)
    assert len(changes) == 10
    for change in changes:
        assert change.version == "1.0.1" == change.member.version(change.slug)
    member = next(change.member for change in changes if change.member.misbehaviour is None)
    async with http.get(catalogue(member), headers={"If-None-Match": '"0"'}) as answer:
        assert answer.status == 200
    listed = await client.get_author_data(member.publisher.url, member.publisher.username)
    assert {plugin.slug: plugin.version for plugin in listed.plugins} == {
        slug: member.version(slug) for slug in member.plugins
    }
    untouched = next(one for one in swarm.honest if not any(change.member is one for change in changes))
    async with http.get(catalogue(untouched), headers={"If-None-Match": '"0"'}) as answer:
        assert answer.status == 304


async def test_no_plugin_changes_twice_before_all_did(swarm: PublisherSwarm) -> None:
    changed = [change.slug for _ in range(10) for change in swarm.change(20)]
    assert len(changed) == len(set(changed)) == 200
    assert {change.version for change in swarm.change(200)} == {"1.0.2"}


async def test_each_misbehaviour_does_what_it_says(swarm: PublisherSwarm, http: aiohttp.ClientSession) -> None:
    async with http.get(catalogue(culprit(swarm, Misbehaviour.ERROR))) as answer:
        assert answer.status == 500
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await http.get(catalogue(culprit(swarm, Misbehaviour.HANG_UP)))
    async with http.get(catalogue(culprit(swarm, Misbehaviour.NO_JSON))) as answer:
        assert (await answer.text()).startswith("<!doctype html>")
    async with http.get(catalogue(culprit(swarm, Misbehaviour.BUSY))) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, str(RETRY_AFTER_S))
    async with http.get(zip_url(culprit(swarm, Misbehaviour.TORN_ZIP))) as answer:
        assert not inspect_zip(await answer.read()).accepted
    async with http.get(zip_url(culprit(swarm, Misbehaviour.NO_ZIP))) as answer:
        assert answer.status == 404
    forger = culprit(swarm, Misbehaviour.WRONG_SIGNATURE)
    async with http.get(catalogue(forger)) as answer:
        entry = (await answer.json())["plugins"][0]
    message = metadata_message(entry["slug"], entry["name"], entry["version"], entry["short_description"])
    assert not verify(forger.publisher.shown_key, message, base64.b64decode(entry["signature"]))


async def test_a_catalogue_empties_with_the_first_change(swarm: PublisherSwarm, http: aiohttp.ClientSession) -> None:
    member = culprit(swarm, Misbehaviour.EMPTIED)
    async with http.get(catalogue(member)) as answer:
        assert len((await answer.json())["plugins"]) == len(member.plugins)
    swarm.change(0)
    async with http.get(catalogue(member), headers={"If-None-Match": '"0"'}) as answer:
        assert (await answer.json())["plugins"] == []


async def test_nobody_else_is_there(swarm: PublisherSwarm, http: aiohttp.ClientSession) -> None:
    honest = swarm.honest[0].publisher
    for url in (f"{swarm.url}/stranger/author-data", f"{honest.url}/nothing", honest.zip_url("plugin-00000", "9.9")):
        async with http.get(url) as answer:
            assert answer.status == 404
