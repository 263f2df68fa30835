"""The drawings in the docs are those of the tables in the code."""

from pathlib import Path

import pytest

from pfn.domain import delivery, health, peer, schedule, source, webhook
from pfn.domain.life_cycle import LifeCycle

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"


LIFE_CYCLES = [
    source.LIFE_CYCLE,
    schedule.LIFE_CYCLE,
    health.LIFE_CYCLE,
    webhook.WEBHOOK_LIFE_CYCLE,
    delivery.DELIVERY_LIFE_CYCLE,
    peer.LIFE_CYCLE,
]


@pytest.mark.parametrize("life_cycle", LIFE_CYCLES, ids=lambda one: one.name)
def test_a_life_is_drawn_as_it_is(life_cycle: LifeCycle) -> None:
    assert life_cycle.to_mermaid() in ARCHITECTURE.read_text(encoding="utf-8")
