"""Who a source is: a username at an instance, ``username@host`` (protocol.md section 1).

Answers for: one spelling of each instance URL, so that no source can be registered twice under two, and for
the id made from it. The port belongs to the id where it is not the scheme's own; scheme and path do not.

Does not answer for: whether the address may be contacted. ``outbound`` judges that; here ``localhost``, IP
addresses and plain http are well-formed.
"""

import ipaddress
import re

import idna

from pfn.protocol.errors import Code, PfnError

MAX_URL_LENGTH = 2000
MAX_HOST_LENGTH = 253

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LARGEST_PORT = 65535
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/:\[\]]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/.*)?",
    re.IGNORECASE | re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Browsers and resolvers read a host that ends in such a label as a number, that is an IPv4 address.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def is_username(text: str) -> bool:
    """Whether ``text`` can be a username: 1 to 64 of ``A-Za-z0-9._-``, the first a letter or digit."""
    return _USERNAME.fullmatch(text) is not None


def source_id(instance_url: str, username: str) -> str:
    """The id of ``username`` at ``instance_url``, in any spelling that ``normalize_instance_url`` takes.

    Raises PfnError: INVALID_URL, or INVALID_FIELD for the username.
    """
    if not is_username(username):
        raise PfnError(
            Code.INVALID_FIELD,
            "A username has 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first.",
        )
    authority = normalize_instance_url(instance_url).split("/")[2]
    return f"{username}@{authority}"


def normalize_instance_url(text: str) -> str:
    """The one spelling of an instance's URL: lower-case scheme and ASCII host, no default port or last slash.

    A path may follow the host; user names, queries and fragments may not. Raises PfnError(INVALID_URL).
    """
    stripped = text.strip()
    if len(stripped) > MAX_URL_LENGTH:
        raise _invalid(f"The URL is longer than {MAX_URL_LENGTH} characters.")
    if not stripped.isprintable() or " " in stripped or "\\" in stripped:
        raise _invalid("The URL has a space, a backslash or a control character in it.")
    for mark, name in (("@", "a user name"), ("?", "a query"), ("#", "a fragment")):
        if mark in stripped:
            raise _invalid(f"The URL must not have {name} ({mark}).")
    found = _URL.fullmatch(stripped)
    if found is None:
        raise _invalid("The URL must look like https://plugins.example.com, with http or https.")
    scheme = found["scheme"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port <= _LARGEST_PORT:
        raise _invalid(f"The URL's port, {port}, does not exist.")
    shown_port = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{_normalize_host(found['host'])}{shown_port}{_normalize_path(found['path'] or '')}"


def _normalize_host(host: str) -> str:
    try:
        if host.startswith("["):
            return f"[{_read_ipv6(host[1:-1])}]"
        ascii_host = host.lower()
        if not host.isascii():
            ascii_host = idna.encode(host, uts46=True, std3_rules=True).decode("ascii")
        labels = ascii_host.split(".")
        if _NUMERIC_LABEL.fullmatch(labels[-1]):
            return str(ipaddress.IPv4Address(ascii_host))
        for label in labels:
            if label.startswith("xn--"):
                idna.ulabel(label)
    except ValueError as error:
        raise _invalid("The URL's host is neither a domain name nor an IP address.") from error
    if len(ascii_host) > MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid("The URL's host is not a domain name.")
    return ascii_host


def _read_ipv6(text: str) -> ipaddress.IPv6Address:
    address = ipaddress.IPv6Address(text)
    if address.ipv4_mapped:
        raise ValueError("an IPv4 address in IPv6 spelling is a second spelling")
    return address


def _normalize_path(path: str) -> str:
    trimmed = path.removesuffix("/")
    for segment in trimmed.split("/")[1:]:
        if not _PATH_SEGMENT.fullmatch(segment) or segment in {".", ".."}:
            raise _invalid(
                "The URL's path may have letters, digits and ._~- between single slashes, and no dots alone."
            )
    return trimmed


def _invalid(detail: str) -> PfnError:
    return PfnError(Code.INVALID_URL, detail)
