"""From a zip to a release: where each fact comes from, and what cannot be published."""

import hashlib

import pytest
from tests.support.zips import STYLE, Member, build, plugin

from pfn.protocol.document import Head
from pfn.protocol.ed25519 import SigningKey
from pfn.publisher.key_document import make_first_document
from pfn.publisher.release import Refused, Release, make_statement, read_release, recall_release
from pfn.testing.plugin import plugin_zip

ROOT, RELEASE, OWNERSHIP = (SigningKey(bytes([number]) * 32).public_key for number in (1, 2, 3))
DOCUMENT = make_first_document(
    username="alice",
    instance_url="https://a.example",
    root_keys=[ROOT],
    release_key=RELEASE,
    ownership_key=OWNERSHIP,
    now=0,
)
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
    main = MAIN % b"Requires at least: 5.9\nRequires PHP: 7.4"
    zip_ = plugin(Member("sample/readme.txt", README), main=main)
    files = [("sample/readme.txt", README), ("sample/sample.php", main)]
    lines = "".join(f"{hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in files)
    assert read_release(zip_, released_at=17) == Release(
        slug="sample",
        version="1.2",
        name="The Header",
        description="From the readme.",
        tags=("one", "two"),
        requires="5.9",
        tested="6.1",
        requires_php="7.4",
        length=len(zip_),
        sha256=hashlib.sha256(zip_).hexdigest(),
        sha384=hashlib.sha384(zip_).hexdigest(),
        manifest=hashlib.sha256(lines.encode()).hexdigest(),
        released_at=17,
    )


def test_without_a_readme_the_header_speaks() -> None:
    release = read_release(plugin(main=MAIN % b"Tags: three"), released_at=0)
    assert isinstance(release, Release)
    assert (release.description, release.tags) == ("From the header.", ("three",))


def test_what_is_too_long_for_a_statement_is_cut_or_left_out() -> None:
    header = (
        b"Requires PHP: " + b"8" * 33 + b"\nTags: " + b", ".join(b"t%d" % n for n in range(60)) + b", " + b"x" * 101
    )
    main = (MAIN % header).replace(b"The Header", b"N" * 300).replace(b"From the header.", b"D" * 3000)
    release = read_release(plugin(main=main), released_at=0)
    assert isinstance(release, Release)
    assert (len(release.name), len(release.description), len(release.tags)) == (200, 2000, 50)
    assert release.requires_php == ""
    assert make_statement(release, DOCUMENT, after=None).name == "N" * 200


def test_a_statement_says_all_of_a_release_and_gives_it_back() -> None:
    release = read_release(plugin(Member("sample/readme.txt", README), main=MAIN % b"Requires PHP: 7.4"), released_at=9)
    assert isinstance(release, Release)
    first = make_statement(release, DOCUMENT, after=None)
    assert (first.sequence, first.previous, first.publisher_version) == (1, None, 1)
    assert recall_release(first) == release
    second = make_statement(release, DOCUMENT, after=Head(7, "ab" * 32))
    assert (second.sequence, second.previous) == (8, "ab" * 32)
    bare = read_release(plugin(main=b"<?php\n// Plugin Name: x\n// Version: 1\n"), released_at=9)
    assert isinstance(bare, Release)
    assert recall_release(make_statement(bare, DOCUMENT, after=None)) == bare


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
        (plugin(main=b"<?php\n// Plugin Name: x\0y\n// Version: 1\n"), ["text_unusable"]),
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
    assert (release.description, release.tags) == ("Greets.", ("a", "b"))
    assert plugin_zip("hello-you", "2.0") == plugin_zip("hello-you", "2.0")
