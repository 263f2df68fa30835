"""The catalogue of texts: fresh, and every other language complete, with the same values and the same markup."""

import re
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

import pfn.web
from pfn.web.pages.language import ENGLISH, LANGUAGES

TEXTS = Path(pfn.web.__file__).parent / "texts"
OTHERS = sorted(LANGUAGES.keys() - {ENGLISH})


def read(name: str) -> list[Message]:
    with (TEXTS / name).open("rb") as file:
        return [message for message in read_po(file) if message.id]


def strings(of: object) -> list[str]:
    return list(of) if isinstance(of, tuple | list) else [str(of or "")]


def values(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


def tags(text: str) -> Counter[str]:
    """Count the tags of a text, each with its attributes."""
    return Counter(re.findall(r"<[^>]*>", text))


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    messages = read(f"{language}.po")
    assert {str(one.id) for one in messages} == {str(one.id) for one in read("pfn.pot")}
    assert [one.id for one in messages if one.fuzzy or not all(strings(one.string))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_translations_keep_values_and_markup(language: str) -> None:
    for message in read(f"{language}.po"):
        for said in filter(None, strings(message.string)):
            of_all = set().union(*(values(one) for one in strings(message.id)))
            assert values(said) <= of_all, message.id
            assert of_all - values(said) <= {"num"}, message.id
            assert tags(said) == tags(strings(message.id)[-1]), message.id
            said % dict.fromkeys(of_all, "x")


def test_no_text_could_end_an_attribute() -> None:
    for name in ("pfn.pot", *(f"{language}.po" for language in OTHERS)):
        for message in read(name):
            for said in (*strings(message.id), *strings(message.string)):
                assert '"' not in re.sub(r"<[^>]*>", "", said), message.id
