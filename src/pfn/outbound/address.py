"""Which IP addresses a stranger's name may lead to, as a table.

Answers for one judgement: is this address on the public internet, and if not, which row of the table says
so. It reads no setting and resolves nothing; what an operator opens on purpose is ``pfn.outbound.policy``'s
matter.

The table is our own because ``ipaddress.is_global`` differs between Python releases and lets loopback
through in translated forms (facts: fetch and zip safety, fetching rule 2). It follows IANA's
special-purpose registries, with multicast, deprecated ranges and cloud host services that sit on a public
address added. IPv6 is closed by default: only 2000::/3 is ever allowed, and IPv4 carried inside IPv6
(mapped, NAT64) is judged as IPv4.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

REFUSED_IPV4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private use"),
        ("100.64.0.0/10", "shared address space"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud host services"),
        ("169.254.0.0/16", "link local"),
        ("172.16.0.0/12", "private use"),
        ("192.0.0.0/24", "IETF protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "automatic multicast tunneling"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private use"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "limited broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)

# The rows outside 2000::/3 would be refused without a row; they are here for their names.
REFUSED_IPV6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local-use translation"),
        ("100::/64", "discard only"),
        ("100:0:0:1::/64", "dummy prefix"),
        ("2001::/23", "IETF protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link local"),
        ("fec0::/10", "site local"),
        ("ff00::/8", "multicast"),
    )
)

NOT_GLOBAL_UNICAST = "outside global unicast"
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def judge_address(address: Address) -> str | None:
    """Return None when ``address`` is on the public internet, else the name of the row that refuses it."""
    if isinstance(address, IPv6Address):
        carried = carried_ipv4(address)
        if carried is None:
            return _judge_ipv6(address)
        address = carried
    return next((name for network, name in REFUSED_IPV4 if address in network), None)


def carried_ipv4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address a packet to an IPv4-mapped or NAT64 address would reach, else None."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


def _judge_ipv6(address: IPv6Address) -> str | None:
    for network, name in REFUSED_IPV6:
        if address in network:
            return name
    return None if address in _GLOBAL_UNICAST else NOT_GLOBAL_UNICAST
