"""Asset URLs: the schemes publishers use, and that none leads away from the registered origin."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.naming_scheme import asset_url, names_version

DOMAIN = "https://assets.example.com"


@pytest.mark.parametrize(
    ("scheme", "path", "versioned"),
    [
        ("plugins/author/slug/slug.zip", "plugins/ada/my-plugin/my-plugin.zip", False),
        ("/plugins/author/slug/slug.zip", "plugins/ada/my-plugin/my-plugin.zip", False),
        ("author/slug/version/slug.zip", "ada/my-plugin/1.2.0/my-plugin.zip", True),
        ("slug.zip", "my-plugin.zip", False),
        ("{author}/{slug}/{slug}.{version}.zip", "ada/my-plugin/my-plugin.1.2.0.zip", True),
        ("author/slug/{slug}-{version}.zip", "ada/my-plugin/my-plugin-1.2.0.zip", True),
        ("dl/{slug}{version}/plugin.zip", "dl/my-plugin1.2.0/plugin.zip", True),
        ("authors/slugs/versions/slug.zip.sig", "authors/slugs/versions/slug.zip.sig", False),
        ("slug-version.zip", "slug-version.zip", False),
        ("Author/SLUG/x", "Author/SLUG/x", False),
        ("a@b/~c+d/..e/f..", "a@b/~c+d/..e/f..", False),
    ],
)
def test_schemes(scheme: str, path: str, versioned: bool):
    url = asset_url(DOMAIN, scheme, author="ada", slug="my-plugin", version="1.2.0")
    assert url == f"{DOMAIN}/{path}"
    assert names_version(scheme) is versioned


@pytest.mark.parametrize(
    ("domain", "base"),
    [
        ("https://assets.example.com/", "https://assets.example.com"),
        ("https://Assets.Example.com:443/cdn/", "https://assets.example.com/cdn"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_domains(domain: str, base: str):
    assert asset_url(domain, "slug.zip", author="ada", slug="s", version="1") == f"{base}/s.zip"


@pytest.mark.parametrize(
    "domain", ["", "assets.example.com", "https://u@assets.example.com", "ftp://a.example", DOMAIN + "?"]
)
def test_refused_domains(domain: str):
    with pytest.raises(PfnError) as refusal:
        asset_url(domain, "slug.zip", author="ada", slug="s", version="1")
    assert refusal.value.code is Code.ASSET_SCHEME


@pytest.mark.parametrize(
    "scheme",
    [
        "",
        "/",
        "//evil.example/slug.zip",
        "///slug.zip",
        "https://evil.example/slug.zip",
        "https:slug.zip",
        "../slug.zip",
        "plugins/../slug.zip",
        "plugins/./slug.zip",
        "plugins//slug.zip",
        "plugins/slug/",
        "plugins\\slug.zip",
        "%2e%2e/slug.zip",
        "slug.zip?x=1",
        "slug.zip#x",
        "plugins/slug .zip",
        "plugins/slug.zip\n",
        "plugins/ä/slug.zip",
        "{slugs}.zip",
        "{}.zip",
        "{Slug}.zip",
        "{slug.zip",
        "slug}.zip",
        "{{slug}}.zip",
        "{sl{slug}ug}.zip",
        "{slug!r}.zip",
        "{slug:>99999999}",
        "%s.zip",
        "@evil.example:80/slug.zip",
        "a" * 501,
    ],
)
def test_refused_schemes(scheme: str):
    for judge in (names_version, lambda text: asset_url(DOMAIN, text, author="ada", slug="s", version="1")):
        with pytest.raises(PfnError) as refusal:
            judge(scheme)
        assert refusal.value.code is Code.ASSET_SCHEME


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "..\\b", "a\nb", "a\x00", "\ud800", "a\u2028b"])
def test_refused_values(value: str):
    for scheme in ("x/version/slug.zip", "{version}/slug.zip"):
        with pytest.raises(PfnError) as refusal:
            asset_url(DOMAIN, scheme, author="ada", slug="s", version=value)
        assert refusal.value.code is Code.ASSET_SCHEME
    assert asset_url(DOMAIN, "slug.zip", author="ada", slug="s", version=value), "not used, not judged"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1.0 beta", "1.0%20beta"),
        ("1.0+5", "1.0%2B5"),
        ("ä?#%2e", "%C3%A4%3F%23%252e"),
        ("{slug}", "%7Bslug%7D"),
    ],
)
def test_values_are_percent_encoded(value: str, written: str):
    url = asset_url(DOMAIN, "v/version/{slug}.zip", author="ada", slug="s", version=value)
    assert url == f"{DOMAIN}/v/{written}/s.zip"


_scheme_texts = st.lists(
    st.sampled_from(
        [
            "author",
            "slug",
            "version",
            "{slug}",
            "{version}",
            "slug.zip",
            "/",
            ".",
            "..",
            "a",
            "@",
            ":",
            "//",
            "\\",
            "%2f",
        ]
    ),
    max_size=8,
).map("".join)


@given(st.one_of(_scheme_texts, st.text()), st.text(), st.text(), st.text())
def test_no_scheme_and_no_value_leads_elsewhere(scheme: str, author: str, slug: str, version: str):
    try:
        url = asset_url(DOMAIN + "/base", scheme, author=author, slug=slug, version=version)
    except PfnError as error:
        assert error.code is Code.ASSET_SCHEME  # noqa: PT017 - either outcome is right
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == (
        "https",
        "assets.example.com",
        "",
        "",
    )
    assert parts.path.startswith("/base/")
    assert not {".", "..", ""} & set(parts.path.split("/")[1:])
    assert url.isascii()
