"""readme.txt: what is read from a proper one, from odd ones, and from anything at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.wordpress.readme import (
    SHORT_DESCRIPTION_CHARACTERS,
    UPGRADE_NOTICE_CHARACTERS,
    Readme,
    parse_readme,
)

PROPER = """=== Plain Example ===
Contributors: zoe, max, zoe
Donate link: https://zoe.example/give?a=b:c
Tags: hello, plain text
Requires at least: 6.1
Tested up to: 6.4.2
Requires PHP: 7.4
Stable tag: 1.2.3
License: GPL-2.0-or-later
License URI: https://www.gnu.org/licenses/gpl-2.0.html

Says hello,
and no more.

== Description ==

Two *paragraphs*.

The second.

= Sub =

In.

== Frequently Asked Questions ==

= Why? =

Why not.

== Roadmap ==

Later.

== Changelog ==

= 1.2.3 =
* Mended.

== Upgrade Notice ==

= 1.2.3 =
Please
update.

= v1.2.0 - 2024-01-01 =
Take care.

= Version 1.1 =
More.

= Thanks =
To all.
"""


def test_a_proper_readme_is_read_whole() -> None:
    assert parse_readme(PROPER) == Readme(
        name="Plain Example",
        contributors=("zoe", "max"),
        donate_link="https://zoe.example/give?a=b:c",
        tags=("hello", "plain text"),
        requires_at_least="6.1",
        tested_up_to="6.4.2",
        requires_php="7.4",
        stable_tag="1.2.3",
        license="GPL-2.0-or-later",
        license_uri="https://www.gnu.org/licenses/gpl-2.0.html",
        short_description="Says hello, and no more.",
        sections={
            "description": "Two *paragraphs*.\n\nThe second.\n\n= Sub =\n\nIn.\n\n\n= Roadmap =\n\nLater.",
            "faq": "= Why? =\n\nWhy not.",
            "changelog": "= 1.2.3 =\n* Mended.",
            "upgrade_notice": "= 1.2.3 =\nPlease\nupdate.\n\n= v1.2.0 - 2024-01-01 =\nTake care."
            "\n\n= Version 1.1 =\nMore.\n\n= Thanks =\nTo all.",
        },
        upgrade_notices={"1.2.3": "Please update.", "1.2.0": "Take care.", "1.1": "More."},
    )


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(end: str) -> None:
    assert parse_readme("\ufeff" + PROPER.replace("\n", end)) == parse_readme(PROPER)


def test_a_markdown_readme_reads_the_same() -> None:
    markdown = """# Plain Example

- **Contributors:** zoe
* **Tags:** hello

**Tested up to:** 6.1

Says hello.

## Description

Text.

## Upgrade Notice

### 1.0

Go.
"""
    readme = parse_readme(markdown)
    assert readme.name == "Plain Example"
    assert readme.contributors == ("zoe",)
    assert readme.tags == ("hello",)
    assert readme.tested_up_to == "6.1"
    assert readme.short_description == "Says hello."
    assert readme.sections["description"] == "Text."
    assert readme.upgrade_notices == {"1.0": "Go."}


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("Tested up to: 6.1", "6.1"),
        ("tested up to:6.1 or higher", "6.1"),
        ("Tested Up To: WordPress 6.1-RC2", "6.1"),
        ("Tested up to: 6", "6"),
        ("Tested up to: newest", ""),
        ("Tested up to: " + "9" * 500, "9" * 64),
        ("Tested up to: 5.9\nTested up to: 6.0", "6.0"),
        ("Unknown: 1\nTested up to: 6.0", "6.0"),
        ("\nTested up to: 6.0", "6.0"),
        ("Short.\nTested up to: 6.0", ""),
        ("== Description ==\nTested up to: 6.0", ""),
        ("## Note: this\nTested up to: 6.0", ""),
    ],
)
def test_a_field_is_found_where_it_belongs(line: str, number: str) -> None:
    assert parse_readme(f"=== A ===\n{line}\n").tested_up_to == number


def test_a_colon_in_the_short_description_after_a_blank_line_makes_no_field_of_it() -> None:
    readme = parse_readme("=== A ===\nTags: a\n\nNote: says hello.\n\n== Description ==\nText")
    assert readme.short_description == "Note: says hello."


@pytest.mark.parametrize(
    ("text", "name", "tags"),
    [
        ("Tags: a", "", ("a",)),
        ("\n\n== Odd Title ==\nTags: a", "Odd Title", ("a",)),
        ("== Description ==\nTags: a", "", ()),
        ("Odd Title\nTags: a", "", ()),
        ("===\nTags: a", "", ("a",)),
    ],
)
def test_a_missing_title_hides_no_field(text: str, name: str, tags: tuple[str, ...]) -> None:
    readme = parse_readme(text)
    assert (readme.name, readme.tags) == (name, tags)


def test_without_a_short_description_the_first_paragraph_of_the_description_stands_in() -> None:
    readme = parse_readme("=== A ===\nTags: a\n\n== Description ==\n\nFirst\nlines.\n\nSecond.")
    assert readme.short_description == "First lines."


def test_long_texts_are_cut_between_words() -> None:
    readme = parse_readme(f"=== A ===\n\n{'word ' * 100}\n== Upgrade Notice ==\n= 1.0 =\n{'x' * 400}\n= 2.0 =\n")
    assert readme.short_description == ("word " * 30).strip() + "…"
    assert len(readme.short_description) <= SHORT_DESCRIPTION_CHARACTERS
    assert readme.upgrade_notices == {"1.0": "x" * (UPGRADE_NOTICE_CHARACTERS - 1) + "…"}


def test_a_section_said_twice_is_joined_and_an_empty_one_left_out() -> None:
    readme = parse_readme("=== A ===\n== Changelog ==\none\n== FAQ ==\n== Change Log ==\ntwo")
    assert readme.sections == {"changelog": "one\n\ntwo"}


LINES = [
    "=== A ===",
    "== Description ==",
    "== Upgrade Notice ==",
    "= 1.0 =",
    "==",
    "= =",
    "## X",
    "#",
    ":",
    "",
]
TEXTS = st.one_of(st.sampled_from([*LINES, "Tags: a,,", "Stable tag: 1"]), st.text(max_size=20))


@given(st.one_of(st.text(), st.lists(TEXTS).map("\n".join)))
def test_any_text_is_read_within_its_bounds(text: str) -> None:
    readme = parse_readme(text)
    assert len(readme.short_description) <= SHORT_DESCRIPTION_CHARACTERS
    assert all(len(notice) <= UPGRADE_NOTICE_CHARACTERS for notice in readme.upgrade_notices.values())
    assert all(readme.sections.values())
    one_line = [readme.name, readme.short_description, readme.stable_tag, *readme.tags, *readme.contributors]
    assert not any("\n" in value for value in [*one_line, *readme.upgrade_notices.values()])
