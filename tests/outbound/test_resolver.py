import asyncio
import socket

import pytest

from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.resolver import AddressRefused, JudgingResolver

PUBLIC = OutboundPolicy()


def answering(*answers):
    async def lookup(host):
        return answers

    return lookup


async def resolve(host, lookup, policy=PUBLIC, seconds=5.0):
    resolver = JudgingResolver(policy, seconds=seconds, lookup=lookup)
    try:
        return [(entry["host"], entry["family"]) for entry in await resolver.resolve(host, 443)]
    finally:
        await resolver.close()


async def test_public_answers_pass_in_order_and_once_each():
    lookup = answering("2606:4700:4700::1111", "1.1.1.1", "1.1.1.1", "1.0.0.1")
    assert await resolve("publisher.example", lookup) == [
        ("2606:4700:4700::1111", socket.AF_INET6),
        ("1.1.1.1", socket.AF_INET),
        ("1.0.0.1", socket.AF_INET),
    ]


@pytest.mark.parametrize(
    "answers",
    [
        ("127.0.0.1",),
        ("1.1.1.1", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1"),
        ("1.1.1.1", "::1"),
        ("1.1.1.1", "fe80::1%eth0"),
        ("1.1.1.1", "::ffff:169.254.169.254"),
        ("1.1.1.1", "64:ff9b::10.0.0.1"),
        (*(f"1.1.1.{last}" for last in range(40)), "192.168.0.1"),
    ],
)
async def test_one_bad_answer_refuses_the_name(answers):
    with pytest.raises(AddressRefused):
        await resolve("publisher.example", answering(*answers))


async def test_a_host_the_operator_opened_may_be_private():
    policy = OutboundPolicy(allowed_hosts=frozenset({"publisher.test"}))
    assert await resolve("publisher.test", answering("10.0.0.1"), policy) == [("10.0.0.1", socket.AF_INET)]


async def test_few_of_many_answers_are_dialled():
    answers = answering(*(f"1.1.1.{last}" for last in range(40)))
    assert len(await resolve("publisher.example", answers)) == 8


async def test_no_answer_is_an_error():
    with pytest.raises(OSError, match="no address"):
        await resolve("publisher.example", answering())


async def test_a_lookup_that_hangs_is_given_up():
    async def hang(host):
        await asyncio.sleep(60)

    with pytest.raises(OSError, match="not resolved within"):
        await resolve("publisher.example", hang, seconds=0.02)


async def test_the_system_is_asked_for_absolute_names_except_where_opened(monkeypatch):
    asked = []

    def getaddrinfo(name, *_, **__):
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 0))]

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    policy = OutboundPolicy(allowed_hosts=frozenset({"builder"}))
    for host in ("publisher.example", "builder"):
        assert await resolve(host, None, policy) == [("1.1.1.1", socket.AF_INET)]
    assert asked == ["publisher.example.", "builder"]
