"""Conditional requests: what is asked with, what counts as unchanged, how long a publisher says it holds."""

import asyncio

import pytest

from pfn.outbound.conditional import UNKNOWN, Validators
from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.errors import Code, PfnError
from pfn.testing import faults
from pfn.testing.faults import Answer
from pfn.testing.publisher import FakePublisher


@pytest.mark.parametrize(
    ("known", "headers"),
    [
        (UNKNOWN, {}),
        (Validators('"a"'), {"If-None-Match": '"a"'}),
        (Validators(None, "Tue, 01 Jul 2025 00:00:00 GMT"), {"If-Modified-Since": "Tue, 01 Jul 2025 00:00:00 GMT"}),
        (Validators('"a"', "Tue, 01 Jul 2025 00:00:00 GMT"), {"If-None-Match": '"a"'}),
    ],
)
def test_the_stronger_validator_goes_alone(known: Validators, headers: dict[str, str]) -> None:
    assert known.headers() == headers


async def test_a_document_comes_once() -> None:
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher, FakePublisher("alice") as publisher:
        client = PublisherClient(fetcher)
        first = await client.ask_author_data(publisher.url, "alice")
        assert first.body
        assert first.validators.etag
        again = await client.ask_author_data(publisher.url, "alice", first.validators)
        assert (again.body, again.validators) == (None, first.validators)
        publisher.add_plugin("one", "1.0")
        changed = await client.ask_author_data(publisher.url, "alice", first.validators)
        assert changed.body
        assert changed.validators != first.validators


async def not_modified(honest: Answer, writer: asyncio.StreamWriter) -> None:
    del honest
    writer.write(Answer(304, {"Connection": "close"}).head())
    await writer.drain()


async def test_unchanged_is_no_answer_to_who_knows_nothing() -> None:
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher, FakePublisher("alice") as publisher:
        publisher.faults["/author-data"] = not_modified
        with pytest.raises(PfnError) as caught:
            await PublisherClient(fetcher).ask_author_data(publisher.url, "alice")
        assert caught.value.code is Code.PUBLISHER_STATUS


@pytest.mark.parametrize(
    ("cache_control", "max_age"),
    [
        ("max-age=600", 600),
        ("public, MAX-AGE = 600", 600),
        ('private,max-age="600"', 600),
        ("max-age=99999999999999999999", 86_400),
        ("max-age=604800", 86_400),
        ("max-age=0", None),
        ("max-age=-5", None),
        ("max-age=soon", None),
        ("no-store, max-age=600", None),
        ("max-age=600, no-cache", None),
        ("s-maxage=600", None),
        ("", None),
    ],
)
async def test_how_long_an_answer_holds_is_a_hint_of_a_day_at_most(cache_control: str, max_age: int | None) -> None:
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher, FakePublisher("alice") as publisher:
        publisher.faults["/author-data"] = faults.headed(Cache_Control=cache_control)
        fresh = await PublisherClient(fetcher).ask_author_data(publisher.url, "alice")
        assert fresh.max_age == max_age


async def test_who_asks_too_often_is_told_how_long_to_wait_and_not_refused() -> None:
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher, FakePublisher("alice") as publisher:
        publisher.add_plugin("one", "1.0")
        publisher.faults["*"] = faults.status(429, Retry_After="77")
        client = PublisherClient(fetcher)
        with open("/dev/null", "wb") as nowhere:  # noqa: PTH123  # it never blocks
            url = publisher.url + publisher.zip_path("one", "1.0")
            for asked in (
                client.ask_author_data(publisher.url, "alice"),
                client.get_plugin_data(publisher.url, "alice", "one"),
                client.prove_ownership(publisher.url, "alice", "challenge"),
                client.download_zip(url, nowhere, max_bytes=1_000),
            ):
                with pytest.raises(PfnError) as caught:
                    await asked
                assert (caught.value.code, caught.value.retry_after) == (Code.PUBLISHER_STATUS, 77)
