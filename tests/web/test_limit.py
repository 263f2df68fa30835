"""Rate limits, asked from several addresses: who asks too much waits, and nobody else does."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.support.problem import assert_problem
from tests.support.site import Site, open_site

from pfn.protocol.api_key import Prefix, generate_token
from pfn.protocol.errors import Code
from pfn.web.limit import FREE

ADDRESS_LIMIT, KEY_LIMIT = 5, 8
ANYTHING = "/federation/plugins"
FOR_READERS = "/federation/sources"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(
        tmp_path / "node", address_limit=ADDRESS_LIMIT, key_limit=KEY_LIMIT, bad_key_limit=3, trusted_proxies="10.0.0.1"
    ) as site:
        yield site


async def ask(client: httpx.AsyncClient, times: int, path: str = ANYTHING) -> list[int]:
    return [(await client.get(path)).status_code for _ in range(times)]


async def test_an_address_has_its_share_and_waits_as_long_as_it_is_told(site: Site) -> None:
    stranger = await site.client()
    first = await stranger.get(ANYTHING)
    assert first.headers["ratelimit-policy"] == f'"address";q={ADDRESS_LIMIT};w=60'
    assert first.headers["ratelimit"] == f'"address";r={ADDRESS_LIMIT - 1};t=12'
    assert await ask(stranger, ADDRESS_LIMIT) == [200] * (ADDRESS_LIMIT - 1) + [429]
    refused = await stranger.get(ANYTHING)
    assert_problem(refused, Code.TOO_MANY_REQUESTS)
    assert refused.headers["retry-after"] == "12"
    assert refused.headers["ratelimit"] == '"address";r=0;t=60'
    assert "12 seconds" in refused.json()["detail"]
    assert "default-src 'none'" in refused.headers["content-security-policy"]
    assert refused.headers["x-request-id"]
    assert await ask(await site.client(address="192.0.2.2"), 1) == [200]
    site.clock.now += 12
    assert await ask(stranger, 2) == [200, 429]


async def test_an_ipv6_customer_has_one_share(site: Site) -> None:
    for number in range(ADDRESS_LIMIT):
        assert await ask(await site.client(address=f"2001:db8:1:2::{number}"), 1) == [200]
    assert await ask(await site.client(address="2001:db8:1:2:ffff::1"), 1) == [429]
    assert await ask(await site.client(address="2001:db8:1:3::1"), 1) == [200]


async def test_behind_a_trusted_proxy_every_client_has_its_own_share(site: Site) -> None:
    proxy = await site.client(address="10.0.0.1")
    for client in ("203.0.113.1", "203.0.113.2"):
        proxy.headers["X-Forwarded-For"] = f"1.1.1.1, {client}"
        assert await ask(proxy, ADDRESS_LIMIT + 1) == [200] * ADDRESS_LIMIT + [429]
    stranger = await site.client(address="192.0.2.1")
    for number in range(ADDRESS_LIMIT):
        stranger.headers["X-Forwarded-For"] = f"203.0.113.{number + 10}"
        assert await ask(stranger, 1) == [200]
    assert await ask(stranger, 1) == [429]


async def test_a_key_has_a_share_of_its_own_wherever_it_comes_from(site: Site) -> None:
    key = (await site.create_key())["key"]
    first, second = await site.client(key), await site.client(key, address="192.0.2.2")
    # The first request proves the key, and is still its address's.
    assert await ask(first, 1, FOR_READERS) == [200]
    assert await ask(first, 4, FOR_READERS) == [200] * 4
    assert await ask(second, 4, FOR_READERS) == [200] * 4
    refused = await second.get(FOR_READERS)
    assert_problem(refused, Code.TOO_MANY_REQUESTS)
    assert "API key" in refused.json()["detail"]
    assert refused.headers["ratelimit-policy"] == f'"key";q={KEY_LIMIT};w=60'
    assert await ask(await site.client(), ADDRESS_LIMIT - 1) == [200] * (ADDRESS_LIMIT - 1)


async def test_a_stranger_behind_the_same_address_locks_nobody_out_who_has_a_key(site: Site) -> None:
    key = (await site.create_key())["key"]
    assert await ask(await site.client(), ADDRESS_LIMIT + 1) == [200] * ADDRESS_LIMIT + [429]
    # Not seen before, and from the address that has had its share: it is looked up, and let through.
    assert await ask(await site.client(key), KEY_LIMIT + 1, FOR_READERS) == [200] * KEY_LIMIT + [429]
    assert await ask(await site.client(site.key), 2, FOR_READERS) == [200, 200]


async def test_made_up_keys_spare_nobody_the_limit_of_the_address(site: Site) -> None:
    answers = []
    for number in range(ADDRESS_LIMIT + 3):
        made_up = generate_token(Prefix.ADMIN, lambda count, number=number: bytes([number] * count))
        answers += await ask(await site.client(made_up.text), 1)
    assert answers == [200] * ADDRESS_LIMIT + [429] * 3


async def test_the_id_of_a_key_is_not_enough_to_use_up_its_share(site: Site) -> None:
    key = (await site.create_key())["key"]
    owner = await site.client(key, address="192.0.2.2")
    assert await ask(owner, 1, FOR_READERS) == [200]
    same_id = key[: len("fadmin_") + 13]
    forged = await site.client(same_id + "x" * 49)
    assert await ask(forged, ADDRESS_LIMIT + 3) == [200] * ADDRESS_LIMIT + [429] * 3
    assert await ask(owner, KEY_LIMIT, FOR_READERS) == [200] * KEY_LIMIT


async def test_wrong_keys_are_still_counted_by_themselves(site: Site) -> None:
    wrong = await site.client("wrong")
    assert await ask(wrong, 4, FOR_READERS) == [401, 401, 401, 429]
    assert (await wrong.get(FOR_READERS)).json()["detail"].startswith("Too many wrong API keys")


async def test_a_session_is_counted_as_its_key(site: Site) -> None:
    browser = await site.client()
    made = await site.create_key()
    signed_in = await browser.post("/sign-in", data={"key": made["key"]}, headers={"Origin": "http://node.test"})
    assert signed_in.status_code == 303
    assert await ask(browser, 1, "/") == [200]
    assert await ask(await site.client(), ADDRESS_LIMIT - 1)  # the neighbours use up the address
    assert await ask(browser, KEY_LIMIT + 1, "/") == [200] * KEY_LIMIT + [429]


@pytest.mark.parametrize("path", [*FREE[:2], "/static/0/nothing.css"])
async def test_probes_and_the_pages_own_files_are_not_limited(site: Site, path: str) -> None:
    stranger = await site.client()
    answers = [await stranger.get(path) for _ in range(ADDRESS_LIMIT + 2)]
    assert all(answer.status_code in {200, 404} for answer in answers)
    assert not any("ratelimit" in answer.headers for answer in answers)


async def test_no_limit_says_nothing(tmp_path: Path) -> None:
    async with open_site(tmp_path / "node") as site:
        answer = await (await site.client()).get(ANYTHING)
        assert "ratelimit" not in answer.headers
