import string
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from pfn.outbound.policy import OutboundPolicy, Target, check_url
from pfn.protocol.errors import Code, PfnError

PUBLIC = OutboundPolicy()
LOOPBACK = OutboundPolicy(allow_loopback=True)

ACCEPTED = {
    "https://publisher.example": "https://publisher.example/",
    "https://publisher.example?a=1": "https://publisher.example/?a=1",
    "HTTPS://Publisher.EXAMPLE:443/A/b?C=d": "https://publisher.example/A/b?C=d",
    "https://bücher.example/": "https://xn--bcher-kva.example/",
    "https://xn--bcher-kva.example/": "https://xn--bcher-kva.example/",
    "https://a.b.c.d.example/x/../y": "https://a.b.c.d.example/x/../y",
    "https://publisher.example/my plugin/ä.zip": "https://publisher.example/my%20plugin/%C3%A4.zip",
    "https://publisher.example/?sig=a%2Bb%3D%3D&x=%7E": "https://publisher.example/?sig=a%2Bb%3D%3D&x=%7E",
    "https://publisher.example/@user/:80//x": "https://publisher.example/@user/:80//x",
    "https://1.2.3.example/": "https://1.2.3.example/",
    "https://0x7f.example/": "https://0x7f.example/",
}

REFUSED = {
    # scheme
    "http://publisher.example/": "begin with https",
    "ftp://publisher.example/": "begin with https",
    "file:///etc/passwd": "begin with https",
    "gopher://publisher.example/": "begin with https",
    "//publisher.example/": "begin with https",
    "publisher.example": "begin with https",
    "javascript:alert(1)": "begin with https",
    "": "begin with https",
    # user information and fragment
    "https://user@publisher.example/": "user name",
    "https://user:secret@publisher.example/": "user name",
    "https://publisher.example@127.0.0.1/": "user name",
    "https://@publisher.example/": "user name",
    "https://publisher.example/#top": "fragment",
    "https://publisher.example/#": "fragment",
    "https://publisher.example#@evil.example/": "fragment",
    # ports
    "https://publisher.example:80/": "port 80",
    "https://publisher.example:8443/": "port 8443",
    "https://publisher.example:0/": "port 0",
    "https://publisher.example:22/": "port 22",
    "https://publisher.example:65979/": "port 65979",
    "https://publisher.example:/": "cannot be read",
    "https://publisher.example:+443/": "cannot be read",
    "https://publisher.example:443:443/": "cannot be read",
    "https://publisher.example:４４３/": "cannot be read",
    "https://publisher.example:000443/": "cannot be read",
    # addresses, in every spelling a resolver may understand
    "https://127.0.0.1/": "not an IP address",
    "https://8.8.8.8/": "not an IP address",
    "https://[::1]/": "not an IP address",
    "https://[::ffff:127.0.0.1]/": "not an IP address",
    "https://[2606:4700:4700::1111]/": "not an IP address",
    "https://[fe80::1%25eth0]/": "network interface",
    "https://[v1.x]/": "cannot be read",
    "https://[]/": "cannot be read",
    "https://[::1/": "cannot be read",
    "https://2130706433/": "not a number",
    "https://0x7f000001/": "not a number",
    "https://0x7f.1/": "not a number",
    "https://127.1/": "not a number",
    "https://0177.0.0.1/": "not a number",
    "https://017700000001/": "not a number",
    "https://0x7f.0x0.0x0.0x1/": "not a number",
    "https://127.0.0.0x1/": "not a number",
    "https://1.2.3.4.5/": "not a number",
    "https://999.999.999.999/": "not a number",
    "https://example.0x/": "not a number",
    "https://１２７.０.０.１/": "not a number",
    "https://①②⑦.⓪.⓪.①/": "not a number",
    "https://127。0。0。1/": "not a number",
    # names that are none
    "https://localhost/": "with a dot",
    "https://metadata/": "with a dot",
    "https:///path": "valid DNS name",
    "https://publisher.example./": "valid DNS name",
    "https://.publisher.example/": "valid DNS name",
    "https://publisher..example/": "valid DNS name",
    "https://-publisher.example/": "valid DNS name",
    "https://publisher-.example/": "valid DNS name",
    "https://under_score.example/": "valid DNS name",
    "https://%6c%6f%63%61%6c.example/": "valid DNS name",
    "https://pub lisher.example/": "valid DNS name",
    "https://publisher.example,evil.example/": "valid DNS name",
    f"https://{'a' * 64}.example/": "valid DNS name",
    f"https://{'a.' * 130}example/": "valid DNS name",
    "https://\u202epublisher.example/": "valid DNS name",
    # characters
    "https://publisher.example\\@127.0.0.1/": "backslash",
    "https://publisher.example/a\r\nHost: x": "control",
    "https://publisher.example/\x00": "control",
    "https://publisher.example/\ud800": "control",
    " https://publisher.example/": "space",
    "https://publisher.example/ ": "space",
    "https://publisher.example/" + "a" * 2048: "longer than 2048",
}


@pytest.mark.parametrize(("url", "canonical"), ACCEPTED.items())
def test_accepted(url, canonical):
    target = check_url(url, PUBLIC)
    assert target.url == canonical
    assert (target.scheme, target.port, target.exempt) == ("https", 443, False)


@pytest.mark.parametrize(("url", "reason"), REFUSED.items())
def test_refused_with_a_reason(url, reason):
    with pytest.raises(PfnError) as caught:
        check_url(url, PUBLIC)
    assert caught.value.code is Code.INVALID_URL
    assert reason in caught.value.detail


def test_more_ports_can_be_allowed():
    policy = OutboundPolicy(allowed_ports=frozenset({443, 8443}))
    assert check_url("https://publisher.example:8443/x", policy) == Target(
        "https", "publisher.example", 8443, "https://publisher.example:8443/x", False
    )
    with pytest.raises(PfnError, match=r"port 8444 is not allowed here \(allowed: 443, 8443\)"):
        check_url("https://publisher.example:8444/", policy)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/",
        "http://127.9.9.9/",
        "http://localhost:1/",
        "http://a.localhost/",
        "http://[::1]:9/",
    ],
)
def test_loopback_switch_opens_loopback_hosts(url):
    assert check_url(url, LOOPBACK).exempt
    assert check_url(url, LOOPBACK).url == url
    with pytest.raises(PfnError):
        check_url(url, PUBLIC)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.5/",
        "http://publisher.example/",
        "http://2130706433/",
        "http://127.1/",
        "http://localhost.example/",
    ],
)
def test_loopback_switch_opens_nothing_else(url):
    with pytest.raises(PfnError):
        check_url(url, LOOPBACK)


def test_named_hosts_are_opened_and_no_others():
    policy = OutboundPolicy(allowed_hosts=frozenset({"10.0.0.5", "::1", "publisher.test", "builder"}))
    for url in ("http://10.0.0.5:81/", "http://[::1]/", "http://publisher.test/", "https://builder:8443/"):
        assert check_url(url, policy).exempt
    for url in ("http://10.0.0.6/", "http://sub.publisher.test/", "http://localhost/", "ftp://builder/"):
        with pytest.raises(PfnError):
            check_url(url, policy)
    with pytest.raises(PfnError, match="port 0"):
        check_url("http://builder:0/", policy)
    with pytest.raises(PfnError, match="port 70000"):
        check_url("http://builder:70000/", policy)


@pytest.mark.parametrize(
    ("policy", "host", "address", "reason"),
    [
        (PUBLIC, "publisher.example", "1.1.1.1", None),
        (PUBLIC, "publisher.example", "127.0.0.1", "loopback"),
        (LOOPBACK, "localhost", "127.0.0.1", None),
        (LOOPBACK, "localhost", "::1", None),
        (LOOPBACK, "localhost", "::ffff:127.0.0.1", None),
        (LOOPBACK, "localhost", "10.0.0.1", "not a loopback address"),
        (LOOPBACK, "localhost", "1.1.1.1", "not a loopback address"),
        (LOOPBACK, "publisher.example", "127.0.0.1", "loopback"),
        (OutboundPolicy(allowed_hosts=frozenset({"publisher.test"})), "publisher.test", "10.0.0.1", None),
        (
            OutboundPolicy(allowed_hosts=frozenset({"publisher.test"})),
            "other.test",
            "10.0.0.1",
            "private use",
        ),
    ],
)
def test_refusal_depends_on_the_host(policy, host, address, reason):
    assert policy.refusal(host, ip_address(address)) == reason


@given(st.text(string.printable + "äß。１@#\\[]", max_size=40))
def test_any_text_is_judged_and_the_result_is_stable(text):
    try:
        target = check_url("https://" + text, PUBLIC)
    except PfnError as error:
        assert error.code is Code.INVALID_URL  # noqa: PT017
        return
    assert target.url.isascii()
    assert check_url(target.url, PUBLIC) == target
    # The HTTP library reads from the URL what was judged.
    parsed = URL(target.url, encoded=True)
    assert (parsed.raw_host, parsed.port, parsed.scheme) == (target.host, target.port, target.scheme)
    assert parsed.raw_user is None
