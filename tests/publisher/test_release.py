"""From a zip to a release: where each fact comes from, and what cannot be published."""

import hashlib

import pytest
from tests.support.zips import STYLE, Member, build, plugin

from pfn.publisher.release import Refused, Release, read_release
from pfn.testing.plugin import plugin_zip

MAIN = b"""<?php
/*
Plugin Name: The Header
Version: 1.2
Description: From the header.
Author: Alice
Plugin URI: https://a.example/p
%s
*/
"""
README = (
    b"=== The Readme ===\nTags: one, two\nTested up to: 6.1\n\nFrom the readme.\n\n== Description ==\n\nAt length.\n"
)


def test_every_fact_of_a_zip_with_a_readme() -> None:
    zip_ = plugin(Member("sample/readme.txt", README), main=MAIN % b"Requires at least: 5.9\nRequires PHP: 7.4")
    assert read_release(zip_, released_at=17) == Release(
        slug="sample",
        version="1.2",
        name="The Header",
        short_description="From the readme.",
        description="At length.",
        author="Alice",
        homepage="https://a.example/p",
        tags=("one", "two"),
        requires_wp="5.9",
        tested_up_to="6.1",
        requires_php="7.4",
        size=len(zip_),
        sha256=hashlib.sha256(zip_).hexdigest(),
        released_at=17,
    )


def test_without_a_readme_the_header_speaks() -> None:
    release = read_release(plugin(main=MAIN % b"Tags: three"), released_at=0)
    assert isinstance(release, Release)
    assert (release.short_description, release.description, release.tags) == (
        "From the header.",
        "From the header.",
        ("three",),
    )


@pytest.mark.parametrize(
    ("zip_", "codes"),
    [
        (b"", ["not_a_zip"]),
        (plugin()[:-5], ["not_a_zip"]),
        (plugin(Member("stray.txt")), ["stray_file"]),
        (plugin(main=b"<?php\n"), ["no_main_file"]),
        (build(Member("sample/style.css", STYLE), Member("sample/index.php", b"<?php\n")), ["not_a_plugin"]),
        (plugin(slug="Sample_Plugin"), ["folder_not_a_slug"]),
        (plugin(main=b"<?php\n// Plugin Name: x\n// Version: 1.0/../2\n"), ["version_unusable"]),
        (plugin(main=b"<?php\n// Plugin Name: x\n// Version: 1 beta\n"), ["version_unusable"]),
    ],
)
def test_what_cannot_be_published(zip_: bytes, codes: list[str]) -> None:
    verdict = read_release(zip_, released_at=0)
    assert isinstance(verdict, Refused)
    assert [reason.code for reason in verdict.reasons] == codes
    assert all(reason.sentence for reason in verdict.reasons)


def test_a_made_up_plugin_can_be_published() -> None:
    zip_ = plugin_zip("hello-you", "2.0", description="Greets.", tags=("a", "b"), files={"lib/x.php": b"<?php\n"})
    release = read_release(zip_, released_at=0)
    assert isinstance(release, Release)
    assert (release.slug, release.version, release.name) == ("hello-you", "2.0", "Hello You")
    assert (release.short_description, release.tags) == ("Greets.", ("a", "b"))
    assert plugin_zip("hello-you", "2.0") == plugin_zip("hello-you", "2.0")
