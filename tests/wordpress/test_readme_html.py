"""What authors write becomes HTML that shows it, and nothing that runs, loads or leads astray."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.wordpress.readme import parse_readme
from pfn.wordpress.readme_html import SECTION_CHARACTERS, render_markup, render_sections


@pytest.mark.parametrize(
    ("markup", "html"),
    [
        ("= 1.0 =", "<h4>1.0</h4>"),
        ("Text\n= FAQ? =\nMore", "<p>Text</p>\n<h4>FAQ?</h4>\n<p>More</p>"),
        ("=1.0=", "<h4>1.0</h4>"),
        ("### Sub", "<h4>Sub</h4>"),
        ("# Loud", "<h4>Loud</h4>"),
        ("Under\n=====", "<h4>Under</h4>"),
        ("##### Small", "<h5>Small</h5>"),
        ("= *New* in `1.0` =", "<h4><em>New</em> in <code>1.0</code></h4>"),
        ("*one* **two** `three`", "<p><em>one</em> <strong>two</strong> <code>three</code></p>"),
        ("* a\n* b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("1. a\n2. b", "<ol>\n<li>a</li>\n<li>b</li>\n</ol>"),
        ("```\n= code =\n```", "<pre><code>= code =\n</code></pre>"),
        ("    = code =", "<pre><code>= code =\n</code></pre>"),
        ("a = b", "<p>a = b</p>"),
        ("> quoted", "<blockquote>\n<p>quoted</p>\n</blockquote>"),
        ("a<br>b <strong>c</strong>", "<p>a<br>b <strong>c</strong></p>"),
        ("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>"),
        ("", ""),
    ],
)
def test_markup_of_readmes(markup: str, html: str) -> None:
    assert render_markup(markup) == html


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://site.example/a?b=1", True),
        ("http://site.example", True),
        ("mailto:ann@site.example", True),
        ("/wp-admin/", False),
        ("page.html", False),
        ("#top", False),
        ("?page=x", False),
        ("//evil.example/", False),
        ("javascript:alert(1)", False),
        ("JavaScript:alert(1)", False),
        ("java\tscript:alert(1)", False),
        ("data:text/html,x", False),
        ("https:", False),
        ("http://[", False),
    ],
)
def test_links_lead_to_absolute_addresses_only(link: str, kept: bool) -> None:
    for markup in (f"[x]({link})", f'<a href="{link}" target="_top" onclick="x()">x</a>'):
        html = render_markup(markup)
        assert ("href=" in html) is kept, html
        assert "onclick" not in html.replace(markup, "")
        assert "target" not in html


@pytest.mark.parametrize(
    "markup",
    [
        "<script>alert(1)</script>",
        "<ScRiPt src=https://evil.example/x.js></sCrIpT>",
        "<img src=https://evil.example/x.png onerror=alert(1)>",
        "![x](https://evil.example/x.png)",
        "<svg><script>alert(1)</script></svg>",
        "<iframe src=https://evil.example></iframe>",
        "<style>body{display:none}</style>",
        "<div style='position:fixed' class='notice' id='wpbody' onclick=alert(1)>x</div>",
        "<form action=https://evil.example><input name=password></form>",
        "<a href='javascript&colon;alert(1)'>x</a>",
        "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
        "<meta http-equiv=refresh content='0;https://evil.example'>",
        "<base href=https://evil.example/>",
        "<!--<img src=x onerror=alert(1)>-->",
    ],
)
def test_nothing_runs_or_loads(markup: str) -> None:
    assert_harmless(render_markup(markup))


@given(st.text(st.sampled_from(list("=*#<>/`[]()!&\"' \n\tabsx1.:-")) | st.characters(codec="utf-8")))
def test_no_text_gets_out_of_the_allowed_tags(markup: str) -> None:
    assert_harmless(render_markup(markup))


def assert_harmless(html: str) -> None:
    allowed = r"a|abbr|acronym|code|pre|em|strong|div|span|p|br|ul|ol|li|blockquote|h[456]"
    attributes = r'(?:href="(?:https?|mailto):[^"<]*"|title="[^"<]*"|rel="[a-z ]*")'
    for tag in re.findall(r"<[^>]*>?", html):
        assert re.fullmatch(rf"</?(?:{allowed})(?: {attributes})*>", tag, re.IGNORECASE), tag


def test_what_is_too_long_is_cut_between_lines() -> None:
    line = "word " * 19 + "end\n"
    html = render_markup(line * 1_000)
    assert html.endswith("end</p>")
    assert len(html) < SECTION_CHARACTERS + 100
    assert len(render_markup("x" * (2 * SECTION_CHARACTERS))) == SECTION_CHARACTERS + len("<p></p>")


def test_sections_of_a_readme_in_their_usual_order() -> None:
    readme = parse_readme(
        "=== Hello ===\nTags: a\n\nShort.\n\n== Changelog ==\n= 1.0 =\n* First\n\n== Screenshots ==\n1. One\n\n"
        "== Upgrade Notice ==\n= 1.0 =\nDo.\n\n== FAQ ==\n= Why? =\nSo.\n\n== Extra ==\nMore."
    )
    sections = render_sections(readme.sections, readme.short_description)
    assert list(sections) == ["description", "faq", "changelog"]
    assert sections["description"] == "<h4>Extra</h4>\n<p>More.</p>"
    assert sections["changelog"] == "<h4>1.0</h4>\n<ul>\n<li>First</li>\n</ul>"


def test_there_always_is_a_description() -> None:
    assert render_sections({}, "What <b>it</b> does") == {"description": "<p>What it does</p>"}
    assert render_sections({}) == {"description": ""}
