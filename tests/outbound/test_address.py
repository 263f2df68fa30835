from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.outbound.address import NOT_GLOBAL_UNICAST, REFUSED_IPV4, REFUSED_IPV6, judge_address

# One line per range, written down here once more and on purpose: first, last, name.
RANGES = [
    ("0.0.0.0", "0.255.255.255", "this network"),
    ("10.0.0.0", "10.255.255.255", "private use"),
    ("100.64.0.0", "100.127.255.255", "shared address space"),
    ("127.0.0.0", "127.255.255.255", "loopback"),
    ("168.63.129.16", "168.63.129.16", "cloud host services"),
    ("169.254.0.0", "169.254.255.255", "link local"),
    ("172.16.0.0", "172.31.255.255", "private use"),
    ("192.0.0.0", "192.0.0.255", "IETF protocol assignments"),
    ("192.0.2.0", "192.0.2.255", "documentation"),
    ("192.31.196.0", "192.31.196.255", "AS112"),
    ("192.52.193.0", "192.52.193.255", "automatic multicast tunneling"),
    ("192.88.99.0", "192.88.99.255", "6to4 relay"),
    ("192.168.0.0", "192.168.255.255", "private use"),
    ("192.175.48.0", "192.175.48.255", "AS112"),
    ("198.18.0.0", "198.19.255.255", "benchmarking"),
    ("198.51.100.0", "198.51.100.255", "documentation"),
    ("203.0.113.0", "203.0.113.255", "documentation"),
    ("224.0.0.0", "239.255.255.255", "multicast"),
    ("255.255.255.255", "255.255.255.255", "limited broadcast"),
    ("240.0.0.0", "255.255.255.254", "reserved"),
    ("::", "::", "unspecified"),
    ("::1", "::1", "loopback"),
    ("::2", "::ffff:ffff", "IPv4-compatible"),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "local-use translation"),
    ("100::", "100::ffff:ffff:ffff:ffff", "discard only"),
    ("100:0:0:1::", "100::1:ffff:ffff:ffff:ffff", "dummy prefix"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "IETF protocol assignments"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"),
    ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "AS112"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link local"),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site local"),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
]

ALLOWED = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2000::",
    "2001:200::",
    "2001:db7:ffff::",
    "2001:db9::",
    "2003::",
    "2606:4700:4700::1111",
    "2620:4f:8001::",
    "3ffe:ffff::",
    "3fff:1000::",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
]

# What Python's own is_global has let through in one release or another (facts: fetch and zip safety).
KNOWN_ESCAPES = {
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a9fe:a9fe": "link local",
    "64:ff9b:1::1": "local-use translation",
    "2002:7f00:1::": "6to4",
    "::127.0.0.1": "IPv4-compatible",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private use",
    "::ffff:169.254.169.254": "link local",
    "fec0::1": "site local",
    "192.0.0.8": "IETF protocol assignments",
    "192.88.99.1": "6to4 relay",
    "224.0.0.1": "multicast",
    "ff0e::1": "multicast",
    "2001:0:7f00:1::": "IETF protocol assignments",
    "fe80::1%eth0": "link local",
    "4000::1": NOT_GLOBAL_UNICAST,
    "1fff::1": NOT_GLOBAL_UNICAST,
    "64:ff9b:0:0:0:1:7f00:1": NOT_GLOBAL_UNICAST,
}


@pytest.mark.parametrize(("first", "last", "name"), RANGES, ids=[f"{row[0]} {row[2]}" for row in RANGES])
def test_both_ends_of_every_range_are_refused_by_its_row(first, last, name):
    assert judge_address(ip_address(first)) == name
    assert judge_address(ip_address(last)) == name


def test_the_table_and_this_list_name_the_same_rows():
    assert sorted(row[2] for row in RANGES) == sorted(name for _, name in (*REFUSED_IPV4, *REFUSED_IPV6))


@pytest.mark.parametrize("address", ALLOWED)
def test_public_neighbours_of_the_ranges_are_allowed(address):
    assert judge_address(ip_address(address)) is None


@pytest.mark.parametrize(("address", "name"), KNOWN_ESCAPES.items())
def test_known_escapes_are_refused(address, name):
    assert judge_address(ip_address(address)) == name


@given(st.ip_addresses(v=4))
def test_whatever_python_calls_special_is_refused(address):
    if address.is_private or address.is_multicast or address.is_reserved or address.is_link_local:
        assert judge_address(address) is not None


@given(st.ip_addresses(v=4))
def test_ipv4_carried_in_ipv6_is_judged_as_ipv4(address):
    expected = judge_address(address)
    assert judge_address(IPv6Address(f"::ffff:{address}")) == expected
    assert judge_address(IPv6Address(f"64:ff9b::{address}")) == expected


@given(st.ip_addresses(v=6))
def test_no_ipv6_outside_global_unicast_is_allowed(address):
    carries_ipv4 = address.ipv4_mapped is not None or address in IPv6Network("64:ff9b::/96")
    if address not in IPv6Network("2000::/3") and not carries_ipv4:
        assert judge_address(address) is not None


@given(st.sampled_from([network for network, _ in REFUSED_IPV4]), st.integers(0, 2**32 - 1))
def test_every_address_within_a_row_is_refused(network: IPv4Network, offset):
    assert judge_address(IPv4Address(int(network[0]) + offset % network.num_addresses)) is not None
