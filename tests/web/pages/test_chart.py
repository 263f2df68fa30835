"""Charts: what is drawn is what the table says, within the frame, and told apart without colours."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.web.pages.chart import HEIGHT, STEP, Chart, Series, draw_bars, draw_lines, draw_strip
from pfn.web.pages.language import number

DAY = 86_400
MAY = 1_777_593_600  # 1 May 2026
PAIR = re.compile(r"([\d.]+) ([\d.]+)")
some = st.one_of(st.none(), st.floats(0, 1e12, allow_nan=False))


def days(count: int) -> list[int]:
    return [MAY + day * DAY for day in range(count)]


def percent(share: float) -> str:
    return f"{number(100 * share)} %"


def draw(*shares: float | None) -> Chart:
    return draw_strip("c", "Answered", days(len(shares)), Series("Share", shares, percent))


def test_a_strip_shows_what_was_answered_and_lost_and_never_asked() -> None:
    found = [(bar.kind, bar.x, bar.y, bar.height) for bar in draw(1, 0.25, 0, None).bars]
    assert found == [
        ("answered", 0, 0, 100),
        ("answered", 10, 75, 25),
        ("lost", 10, 0, 75),
        ("lost", 20, 0, 100),
        ("none", 30, 98, 2),
    ]


def test_one_loss_of_many_is_seen() -> None:
    lost = [bar for bar in draw(0.999).bars if bar.kind == "lost"]
    assert [bar.height for bar in lost] == [6]


def test_only_what_is_drawn_is_explained() -> None:
    assert [key.kind for key in draw(1, 1).keys] == ["answered"]
    assert [key.kind for key in draw(0.5, None).keys] == ["answered", "lost", "none"]


def test_the_table_has_the_newest_first_and_no_empty_days() -> None:
    probes = Series("Probes", [3, None, 1])
    chart = draw_strip("c", "Answered", days(3), Series("Share", [1, None, 0.5], percent), more=[probes])
    assert chart.columns == ("Day (UTC)", "Share", "Probes")
    assert chart.rows == (("3 May 2026", "50 %", "1"), ("1 May 2026", "100 %", "3"))
    assert chart.span == ("1 May 2026", "3 May 2026")
    assert chart.summary == "From 1 May 2026 to 3 May 2026: lowest 50 %, highest 100 %, last 50 %."


def test_nothing_yet_is_said() -> None:
    chart = draw_bars("c", "New", days(2), Series("New", [None, None]))
    assert chart.summary == "From 1 May 2026 to 2 May 2026: nothing yet."
    assert chart.rows == ()
    assert [bar.kind for bar in chart.bars] == ["none", "none"]


def test_bars_stand_on_the_ground_and_say_their_number() -> None:
    chart = draw_bars("c", "New", days(3), Series("New", [0, 1_500, 1]))
    assert [(bar.kind, bar.y, bar.height) for bar in chart.bars] == [
        ("none", 98, 2),
        ("value", 25, 75),
        ("value", 98, 2),
    ]
    assert chart.bars[1].title == "2 May 2026: 1,500"
    assert chart.scale == ("2,000", "1,000", "0")


def test_a_line_breaks_where_nothing_is_known() -> None:
    chart = draw_lines("c", "Score", days(5), [Series("Score", [0.5, 1, None, 0, None])], top=1)
    (line,) = chart.lines
    assert line.path == "M5 50 L15 0 M35 100"
    assert line.area == "M5 100 L5 50 L15 0 L15 100Z M35 100 L35 100 L35 100Z"
    assert line.dots == "M35 100h0"
    assert chart.keys == ()


def test_two_lines_are_told_apart() -> None:
    both = [Series("Score", [0.5]), Series("Earned", [0.7])]
    chart = draw_lines("c", "Score", days(1), both, top=1)
    assert [(key.kind, key.name) for key in chart.keys] == [("first", "Score"), ("second", "Earned")]
    assert [line.kind for line in chart.lines] == ["first", "second"]
    assert chart.columns == ("Day (UTC)", "Score", "Earned")


@given(st.lists(some, min_size=1, max_size=40))
def test_nothing_leaves_the_frame(values: list[float | None]) -> None:
    bars = draw_bars("c", "t", days(len(values)), Series("v", values)).bars
    assert len(bars) == len(values)
    for bar in bars:
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 1e-9
        assert bar.x + bar.width <= STEP * len(values)
    (line,) = draw_lines("c", "t", days(len(values)), [Series("v", values)]).lines
    for x, y in PAIR.findall(line.path):
        assert 0 <= float(x) <= STEP * len(values)
        assert 0 <= float(y) <= HEIGHT
    assert len(PAIR.findall(line.path)) == sum(value is not None for value in values)


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (7, 8), (9, 10), (11, 20), (45, 60), (999, 1000), (0.3, 0.4)]
)
def test_the_scale_reads_well(highest: float, top: float) -> None:
    chart = draw_bars("c", "t", days(1), Series("v", [highest], lambda value: f"{value:g}"))
    assert chart.scale == (f"{top:g}", f"{top / 2:g}", "0")
