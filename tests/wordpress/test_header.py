"""Plugin and theme headers: core's rule case by case, and against core's own reader."""

import base64
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.wordpress.header import (
    HEADER_BYTES,
    PluginHeader,
    ThemeHeader,
    parse_plugin_header,
    parse_theme_header,
)

PLUGIN = b"""<?php
/**
 * Plugin Name:       Plain Example
 * Plugin URI:        https://plugins.example/plain
 * Description:       Says hello: twice.
 * Version:           1.2.3
 * Requires at least: 6.1
 * Requires PHP:      7.4
 * Author:            Zo\xc3\xab
 * Author URI:        https://zoe.example
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:       plain-example
 * Domain Path:       /languages
 * Network:           True
 * Update URI:        https://node.example/plain
 * Requires Plugins:  akismet, , Not_A_Slug, akismet ,plain-base
 * Tags:              hello, plain text
 */
"""


def test_every_field_of_a_plugin_is_read() -> None:
    assert parse_plugin_header(PLUGIN) == PluginHeader(
        name="Plain Example",
        plugin_uri="https://plugins.example/plain",
        version="1.2.3",
        description="Says hello: twice.",
        author="Zoë",
        author_uri="https://zoe.example",
        text_domain="plain-example",
        domain_path="/languages",
        network=True,
        requires_wp="6.1",
        requires_php="7.4",
        update_uri="https://node.example/plain",
        requires_plugins=("akismet", "plain-base"),
        license="GPL-2.0-or-later",
        license_uri="https://www.gnu.org/licenses/gpl-2.0.html",
        tags=("hello", "plain text"),
    )


def test_every_field_of_a_theme_is_read() -> None:
    style = b"""/*
Theme Name: Plain Theme
Theme URI: https://themes.example/plain
Author: Zoe
Author URI: https://zoe.example
Description: One column.
Version: 2.0
Template: plain-parent
Status: publish
Requires at least: 6.0
Tested up to: 6.1
Requires PHP: 7.4
Update URI: https://node.example/theme
License: GPL-2.0-or-later
License URI: https://www.gnu.org/licenses/gpl-2.0.html
Text Domain: plain-theme
Domain Path: /languages
Tags: one-column, blog
*/"""
    assert parse_theme_header(style) == ThemeHeader(
        name="Plain Theme",
        theme_uri="https://themes.example/plain",
        version="2.0",
        description="One column.",
        author="Zoe",
        author_uri="https://zoe.example",
        template="plain-parent",
        status="publish",
        text_domain="plain-theme",
        domain_path="/languages",
        requires_wp="6.0",
        requires_php="7.4",
        tested_up_to="6.1",
        update_uri="https://node.example/theme",
        license="GPL-2.0-or-later",
        license_uri="https://www.gnu.org/licenses/gpl-2.0.html",
        tags=("one-column", "blog"),
    )
    assert parse_plugin_header(style) is None
    assert parse_theme_header(PLUGIN) is None


NAMES: list[tuple[bytes, str | None]] = [
    (b"Plugin Name: A", "A"),
    (b"<?php // Plugin Name: A ?>", "A"),
    (b" \t<?PHP/*@# plugin NAME:A*/", "A"),
    (b"<?php\r * Plugin Name: A\r * Version: 1\r", "A"),
    (b"Plugin Name: first\nPlugin Name: second", "first"),
    (b"Plugin Name:\nPlugin Name: second", None),
    (b"Plugin Name: a */ b ?> c", "a"),
    (b"Plugin Name: \0 a \v\t", "a"),
    (b"Plugin Name: \xff", "\N{REPLACEMENT CHARACTER}"),
    (b"Plugin Name:0", None),
    (b"Plugin Name: 0", "0"),
    (b"My Plugin Name: A", None),
    (b"x /* Plugin Name: A", None),
    (b"Plugin Name : A", None),
    (b"Plugin  Name: A", None),
    (b"<?php <?php Plugin Name: A", None),
    (b"/* <?php Plugin Name: A", None),
    (b"\xef\xbb\xbfPlugin Name: A", None),
    (b"", None),
]


@pytest.mark.parametrize(("content", "name"), NAMES)
def test_a_name_is_found_where_core_finds_it(content: bytes, name: str | None) -> None:
    header = parse_plugin_header(content)
    assert (header and header.name) == name


def test_only_the_first_eight_kibibytes_count() -> None:
    line = b"\nPlugin Name: Cut"
    inside = b"x" * (HEADER_BYTES - len(line)) + line
    header = parse_plugin_header(inside + b" off")
    assert header is not None
    assert header.name == "Cut"
    assert parse_plugin_header(b"x" * HEADER_BYTES + line) is None


@pytest.mark.parametrize(
    ("lines", "network"),
    [
        (b"Network: true", True),
        (b"Site Wide Only: TRUE", True),
        (b"Network: false\nSite Wide Only: true", False),
        (b"Network: yes", False),
        (b"", False),
    ],
)
def test_network_is_true_only_when_it_says_so(lines: bytes, network: bool) -> None:
    header = parse_plugin_header(b"Plugin Name: A\n" + lines)
    assert header is not None
    assert header.network is network


@given(st.binary())
def test_any_bytes_are_read(content: bytes) -> None:
    for header in (parse_plugin_header(content), parse_theme_header(content)):
        assert header is None or header.name


CORE = Path("/usr/share/wordpress/wp-includes/functions.php")
needs_core = pytest.mark.skipif(
    (not CORE.exists() or shutil.which("php") is None) and "CI" not in os.environ,
    reason="WordPress core and php are not installed here: they are the oracle",
)
PIECES = [b"Plugin Name:", b"plugin name:", b"Version:", b"Author:", b"Plugin Name", b":", b"<?php", b"<?PHP"]
PIECES += [
    b"?>",
    b"*/",
    b" ",
    b"\t",
    b"/",
    b"*",
    b"#",
    b"@",
    b"\n",
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"\v",
    b"\f",
]
PIECES += [b"\r\n", b"0", b"1.0", b"a", b"\xc3\xa9", b"\xff", b"\xa0", b"\x85", b"\xe2\x80\xa8"]


def random_content(rng: random.Random) -> bytes:
    content = b"".join(rng.choices(PIECES, k=rng.randrange(30)))
    if rng.random() < 0.2:
        content = rng.choice([b"x", b" ", b"\n", b"/"]) * (HEADER_BYTES - rng.randrange(40)) + content
    return content


@needs_core
def test_five_thousand_files_read_as_core_reads_them(tmp_path: Path) -> None:
    rng = random.Random(711)
    contents = [random_content(rng) for _ in range(5_000)] + [content for content, _ in NAMES]
    program = """
        define('ABSPATH', $argv[1]);
        define('WPINC', 'wp-includes');
        define('KB_IN_BYTES', 1024);
        require ABSPATH . WPINC . '/plugin.php';
        require ABSPATH . WPINC . '/functions.php';
        $wanted = array('name' => 'Plugin Name', 'version' => 'Version', 'author' => 'Author');
        $answers = array();
        foreach (json_decode(stream_get_contents(STDIN)) as $content) {
            file_put_contents($argv[2], base64_decode($content));
            $answers[] = array_map('base64_encode', get_file_data($argv[2], $wanted));
        }
        echo json_encode($answers);
    """
    run = subprocess.run(
        [
            "php",
            "-d",
            "error_reporting=0",
            "-r",
            program,
            "--",
            f"{CORE.parent.parent}/",
            str(tmp_path / "plugin.php"),
        ],
        input=json.dumps([base64.b64encode(content).decode() for content in contents]).encode(),
        capture_output=True,
        check=True,
    )
    expected = [
        {name: base64.b64decode(value).decode("utf-8", "replace") for name, value in answer.items()}
        for answer in json.loads(run.stdout)
    ]
    assert len(expected) == len(contents)
    named = 0
    for content, fields in zip(contents, expected, strict=True):
        header = parse_plugin_header(content)
        if header is None:
            assert fields["name"] == "", content
        else:
            named += 1
            ours = {"name": header.name, "version": header.version, "author": header.author}
            assert ours == fields, content
    assert named > 500
