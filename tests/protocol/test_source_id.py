"""One spelling of an instance, one id of a source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.source_id import is_username, normalize_instance_url, source_id

SPELLINGS = [
    ("https://plugins.example.com", "https://plugins.example.com"),
    ("HTTPS://Plugins.Example.COM/", "https://plugins.example.com"),
    ("  https://plugins.example.com\n", "https://plugins.example.com"),
    ("https://plugins.example.com:443", "https://plugins.example.com"),
    ("https://plugins.example.com:00443/", "https://plugins.example.com"),
    ("https://plugins.example.com:8443", "https://plugins.example.com:8443"),
    ("http://plugins.example.com:80", "http://plugins.example.com"),
    ("http://plugins.example.com:443", "http://plugins.example.com:443"),
    ("https://example.com/Store/v1.0/", "https://example.com/Store/v1.0"),
    ("https://example.com/~me", "https://example.com/~me"),
    ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("https://XN--Bcher-kva.example", "https://xn--bcher-kva.example"),
    ("https://faß.example", "https://xn--fa-hia.example"),
    ("https://例え。example", "https://xn--r8jz45g.example"),
    ("https://r3---sn.example.com", "https://r3---sn.example.com"),
    ("http://localhost:8080", "http://localhost:8080"),
    ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
    ("http://[0:0::1]:8080", "http://[::1]:8080"),
    ("https://[2001:DB8::A]", "https://[2001:db8::a]"),
]


@pytest.mark.parametrize(("text", "normal"), SPELLINGS)
def test_one_spelling(text: str, normal: str):
    assert normalize_instance_url(text) == normal
    assert normalize_instance_url(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plugins.example.com",
        "//plugins.example.com",
        "ftp://plugins.example.com",
        "httpſ://plugins.example.com",
        "javascript:alert(1)",
        "https:/plugins.example.com",
        "https://",
        "https:///path",
        "https://user@example.com",
        "https://user:secret@example.com",
        "https://example.com?x=1",
        "https://example.com/?",
        "https://example.com#",
        "https://example.com\\@evil.example",
        "https://exa mple.com",
        "https://exam\tple.com",
        "https://exam\nple.com",
        "https://exam\u200bple.com",
        "https://exam\x00ple.com",
        "https://\ud800.example.com",
        "https://example.com:",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:8o",
        "https://example.com:８０",
        "https://example.com:-1",
        "https://example..com",
        "https://.example.com",
        "https://example.com.",
        "https://-example.com",
        "https://example-.com",
        "https://my_site.example.com",
        "https://exa%6dple.com",
        "https://xn--a.example",
        "https://xn--.example",
        "https://\u2100.example",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 130}example",
        "https://" + "é" * 200 + ".example",
        "https://2130706433",
        "https://0x7f.1",
        "https://127.1",
        "https://0177.0.0.1",
        "https://256.1.1.1",
        "https://example.0x7f",
        "https://example.com.1",
        "https://[::1",
        "https://[::ffff:127.0.0.1]",
        "https://[fe80::1%25eth0]",
        "https://[1.2.3.4]",
        "https://[]",
        "https://example.com//a",
        "https://example.com//",
        "https://example.com/a//b",
        "https://example.com/./a",
        "https://example.com/a/..",
        "https://example.com/%2e%2e/a",
        "https://example.com/a%2fb",
        "https://example.com/ä",
        "https://example.com/" + "a" * 2000,
    ],
)
def test_refused(text: str):
    with pytest.raises(PfnError) as refusal:
        normalize_instance_url(text)
    assert refusal.value.code is Code.INVALID_URL


def test_digits_of_another_script_are_an_address_all_the_same():
    assert normalize_instance_url("https://１２７.0.0.1") == "https://127.0.0.1"


@given(
    st.text(alphabet="aA.-:/0189[]xn%@?#_~é。ſ \\", max_size=30),
    st.sampled_from(["https://", "http://", "HTTP://a"]),
)
def test_any_text_is_settled_or_refused(text: str, start: str):
    try:
        normal = normalize_instance_url(start + text)
    except PfnError:
        return
    assert normal.isascii()
    assert normalize_instance_url(normal) == normal


@pytest.mark.parametrize(
    ("instance_url", "expected"),
    [
        ("https://plugins.example.com", "ada@plugins.example.com"),
        ("http://plugins.example.com/", "ada@plugins.example.com"),
        ("https://Plugins.example.com:443/shop/", "ada@plugins.example.com"),
        ("https://plugins.example.com:8443", "ada@plugins.example.com:8443"),
        ("http://plugins.example.com:443", "ada@plugins.example.com:443"),
        ("http://[::1]:8080", "ada@[::1]:8080"),
        ("https://bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_source_id(instance_url: str, expected: str):
    assert source_id(instance_url, "ada") == expected


def test_source_id_refuses_what_could_not_be_told_apart():
    with pytest.raises(PfnError) as refusal:
        source_id("https://example.com", "ada@evil.example")
    assert refusal.value.code is Code.INVALID_FIELD
    with pytest.raises(PfnError) as refusal:
        source_id("https://example.com#", "ada")
    assert refusal.value.code is Code.INVALID_URL


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("plugin-author", True),
        ("Ada.L_1815", True),
        ("0day", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("-a", False),
        (".a", False),
        ("_a", False),
        ("a b", False),
        ("a\n", False),
        ("a/b", False),
        ("a@b", False),
        ("zoë", False),
        ("١٢", False),
    ],
)
def test_usernames(text: str, valid: bool):
    assert is_username(text) is valid
