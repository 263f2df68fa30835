"""The drawings in the docs are those of the tables in the code."""

from pathlib import Path

from pfn.domain.source import LIFE_CYCLE

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_life_of_a_source_is_drawn_as_it_is() -> None:
    assert LIFE_CYCLE.to_mermaid() in ARCHITECTURE.read_text(encoding="utf-8")
