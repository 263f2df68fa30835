"""Text for pages: hidden characters made visible, times and sizes as people read them."""

import unicodedata
from collections.abc import Mapping
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from pfn.domain.access import Scope
from pfn.domain.activity import ActivityType
from pfn.domain.release import SignatureLevel
from pfn.domain.source import SourceStatus
from pfn.domain.sync import SyncState
from pfn.domain.verification import VerificationType
from pfn.web.pages import words
from pfn.web.pages.glyph import CENTRES, HUES, draw_glyph
from pfn.web.pages.text import ago, breakable, iso, moment, neutralize, prose, say, say_number, size

JOINERS = "\u200c\u200d"
DAY = 86_400


@given(st.text(st.characters(codec=None)))
def test_nothing_that_hides_or_reorders_is_left(text: str) -> None:
    shown = neutralize(text)
    assert isinstance(shown, str)
    left = {one for one in shown if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}}
    assert left <= {"\t", "\n"}
    assert not {one for one in shown if unicodedata.bidirectional(one) in {"LRE", "RLE", "LRO", "RLO", "PDF"}}
    assert not {one for one in shown if unicodedata.bidirectional(one) in {"LRI", "RLI", "FSI", "PDI"}}
    assert neutralize(shown) == shown
    shown.encode()


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert neutralize(text) == text


@pytest.mark.parametrize("text", ["می\u200cخواهم", "👩\u200d🚀", "line\n\tline", "שלום", "naïve"])
def test_scripts_and_emoji_stay_whole(text: str) -> None:
    assert neutralize(text) == text


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u2066", "\u200b", "\ufeff", "\x00", "\x1b", "\r", "\u00ad", "\U000e0041"]
)
def test_a_hidden_character_is_shown_by_its_number(hidden: str) -> None:
    assert neutralize(f"a{hidden}b") == f"a⟨U+{ord(hidden):04X}⟩b"


def test_markup_and_other_values_pass() -> None:
    markup = Markup("<b>\u202e</b>")
    assert neutralize(markup) is markup
    assert neutralize(7) == 7


@pytest.mark.parametrize(
    ("distance", "said"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3_599, "59 minutes ago"),
        (3_600, "1 hour ago"),
        (DAY - 1, "23 hours ago"),
        (DAY, "1 day ago"),
        (30 * DAY, "30 days ago"),
        (31 * DAY, "14 Dec 2023"),
        (-30, "in a moment"),
        (-900, "in 15 minutes"),
        (-2 * DAY, "in 2 days"),
    ],
)
def test_how_long_ago(distance: int, said: str) -> None:
    now = 1_705_190_400  # 14 January 2024
    assert ago(now - distance, now) == said


def test_times_in_full() -> None:
    assert moment(1_700_000_000) == "14 November 2023, 22:13 UTC"
    assert iso(1_700_000_000) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (64_500, "64.5 kB"),
        (67_108_864, "67.1 MB"),
    ],
)
def test_sizes(number: int, said: str) -> None:
    assert size(number) == said


def test_prose_marks_code_and_escapes_the_rest() -> None:
    assert prose("``a`` and `b` <c>") == "<code>a</code> and <code>b</code> &lt;c&gt;"
    assert prose("`<script>`") == "<code>&lt;script&gt;</code>"


@pytest.mark.parametrize(
    ("score", "word"), [(0.0, "none"), (0.001, "very low"), (0.2, "low"), (0.57, "fair"), (0.6, "good"), (1.0, "high")]
)
def test_trust_in_a_word(score: float, word: str) -> None:
    assert words.trust_word(score) == word


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (ActivityType, words.ACTIVITY),
        (Scope, words.SCOPE),
        (SignatureLevel, words.SIGNATURE),
        (SourceStatus, words.STATUS),
        (SourceStatus, words.STATUS_SENTENCE),
        (SyncState, words.SYNC),
        (VerificationType, words.VERIFICATION),
    ],
)
def test_there_are_words_for_everything(kind: type[StrEnum], table: Mapping[StrEnum, str]) -> None:
    assert set(table) == set(kind)


@given(st.text())
def test_a_glyph_closes_its_ring(seed: str) -> None:
    glyph = draw_glyph(seed)
    lengths = [int(one) for one in glyph.dashes.split()]
    assert sum(lengths) == 100
    assert len(lengths) == 6
    assert min(lengths) >= 9
    assert 0 <= glyph.hue < HUES
    assert 0 <= glyph.centre < CENTRES
    assert draw_glyph(seed) == glyph


def test_values_in_a_sentence_are_text_and_nothing_in_them_hides() -> None:
    said = say("Remove <bdi>%(source)s</bdi>?", source="<b>\u202e%(x)s")
    assert said == "Remove <bdi>&lt;b&gt;⟨U+202E⟩%(x)s</bdi>?"
    many = say_number("%(num)s of %(owner)s", "%(num)s of <i>%(owner)s</i>", 12_000, owner="\u200b<b>")
    assert many == "12,000 of <i>⟨U+200B⟩&lt;b&gt;</i>"
    assert say("%(when)s", when=Markup("<time>now</time>")) == "<time>now</time>"


def test_a_long_name_may_break_between_its_parts_and_stays_text() -> None:
    assert breakable("ada@plugins.example") == Markup("ada@<wbr>plugins.<wbr>example")
    assert breakable("<b>'\u202e@x") == Markup("&lt;b&gt;&#39;⟨U+202E⟩@<wbr>x")
