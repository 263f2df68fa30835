"""Which URLs the node may ask for, judged before any name is resolved.

Answers for the form of a URL (facts: fetch and zip safety, fetching rule 1) and for what an operator opens
on purpose. It resolves nothing: the addresses behind a host are judged by the resolver and again at the
socket, with ``OutboundPolicy.refusal``.

Rules: ``https`` on an allowed port; no user name, password or fragment; the host is a DNS name with a dot,
in ASCII after IDNA; no address literals and nothing a C library would read as a number. Only a host the
operator opened may use http, another port, a literal or a name without a dot.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote

from yarl import URL

from pfn.outbound.address import Address, carried_ipv4, judge_address
from pfn.protocol.errors import Code, PfnError

MAX_URL_LENGTH = 2048
MAX_HOST_LENGTH = 253
DEFAULT_PORTS = {"https": 443, "http": 80}

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(#.*)?")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;="  # RFC 3986: kept as they are, so that signed query strings survive


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """What an operator allows, beyond https on port 443 to public addresses.

    ``allowed_hosts`` names hosts, in lower case ("localhost", "10.0.0.5", "::1", "publisher.test"), for
    which http, any port and any address are allowed. ``allow_loopback`` does the same for hosts that are
    loopback by their very name; a public name that resolves to loopback stays refused.
    """

    allowed_ports: frozenset[int] = frozenset({443})
    allowed_hosts: frozenset[str] = frozenset()
    allow_loopback: bool = False

    def exempts(self, host: str) -> bool:
        """Say whether the operator opened ``host``."""
        return host in self.allowed_hosts or (self.allow_loopback and _is_loopback_host(host))

    def refusal(self, host: str, address: Address) -> str | None:
        """Return why ``host`` must not be reached at ``address``, or None when it may be."""
        if host in self.allowed_hosts:
            return None
        if self.allow_loopback and _is_loopback_host(host):
            return None if _is_loopback(address) else "not a loopback address"
        return judge_address(address)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that passed: its parts, and ``url``, the ASCII form to send.

    ``exempt`` says that the operator opened this host: a redirect from the public internet must not lead
    here.
    """

    scheme: str
    host: str
    port: int
    url: str
    exempt: bool


def check_url(url: str, policy: OutboundPolicy) -> Target:
    """Judge the form of ``url`` and return its parts; nothing is resolved.

    Raises ``PfnError(Code.INVALID_URL)`` with a sentence that names the rule broken.
    """
    if len(url) > MAX_URL_LENGTH:
        raise _invalid(f"it is longer than {MAX_URL_LENGTH} characters")
    if _FORBIDDEN.search(url) or url != url.strip():
        raise _invalid("it holds a control character, a backslash, or space around it")
    parts = _URL.fullmatch(url)
    if parts is None or parts[1].lower() not in DEFAULT_PORTS:
        raise _invalid("it must begin with https://")
    scheme, authority, rest, fragment = parts[1].lower(), parts[2], parts[3], parts[4]
    if fragment is not None:
        raise _invalid("it must not have a fragment (#)")
    if "@" in authority:
        raise _invalid("it must not hold a user name or password")
    split = _AUTHORITY.fullmatch(authority)
    if split is None:
        raise _invalid("its host or port cannot be read")
    host, exempt = _check_host(split[1], policy)
    if scheme != "https" and not exempt:
        raise _invalid("it must begin with https://")
    port = int(split[2]) if split[2] else DEFAULT_PORTS[scheme]
    _check_port(port, policy, exempt=exempt)
    origin = f"{scheme}://" + (f"[{host}]" if ":" in host else host)
    if port != DEFAULT_PORTS[scheme]:
        origin += f":{port}"
    path = quote(rest if rest.startswith("/") else "/" + rest, safe=_URL_CHARACTERS)
    return Target(scheme, host, port, origin + path, exempt)


@lru_cache(maxsize=1024)  # thousands of downloads name the same few hosts
def _check_host(text: str, policy: OutboundPolicy) -> tuple[str, bool]:
    """Return the host in lower-case ASCII, without brackets, and whether the operator opened it."""
    literal = _read_literal(text)
    if literal is not None:
        host = str(literal)
        if not policy.exempts(host):
            raise _invalid("its host must be a name, not an IP address")
        return host, True
    host = _to_ascii(text)
    labels = host.split(".")
    # Full-width digits and the like become a number only in ASCII, so the ASCII form is what is judged.
    if _NUMBER.fullmatch(labels[-1]):
        raise _invalid("its host must be a name, not a number")
    if len(host) > MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid("its host is not a valid DNS name")
    exempt = policy.exempts(host)
    if len(labels) == 1 and not exempt:
        raise _invalid("its host must be a full DNS name, with a dot")
    return host, exempt


def _check_port(port: int, policy: OutboundPolicy, *, exempt: bool) -> None:
    if exempt and 0 < port <= 0xFFFF:
        return
    if port not in policy.allowed_ports:
        allowed = ", ".join(str(number) for number in sorted(policy.allowed_ports))
        raise _invalid(f"port {port} is not allowed here (allowed: {allowed})")


def _read_literal(host: str) -> Address | None:
    if host.startswith("["):
        try:
            address = IPv6Address(host[1:-1])
        except AddressValueError as error:
            raise _invalid("its host or port cannot be read") from error
        if address.scope_id is not None:
            raise _invalid("its address must not name a network interface")
        return address
    try:
        return IPv4Address(host)
    except AddressValueError:
        return None


def _to_ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return (URL.build(scheme="https", host=host).raw_host or "").lower()
    except ValueError as error:
        raise _invalid("its host is not a valid DNS name") from error


def _is_loopback_host(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost") or host == "::1":
        return True
    try:
        return IPv4Address(host).is_loopback
    except AddressValueError:
        return False


def _is_loopback(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        carried = carried_ipv4(address)
        return address.is_loopback if carried is None else carried.is_loopback
    return address.is_loopback


def _invalid(reason: str) -> PfnError:
    return PfnError(Code.INVALID_URL, f"The URL cannot be used: {reason}.")
