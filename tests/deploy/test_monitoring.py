"""The dashboard and the alerts ask for nothing a node does not tell, and each alert is explained."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.site import open_site

from pfn.domain.health import HealthState
from pfn.domain.peer import PeerState
from pfn.domain.webhook import WebhookState
from pfn.protocol.errors import Fault

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana-dashboard.json"
OPERATORS = ROOT / "docs" / "operators.md"

_NAME = re.compile(r"\bpfn_[a-z0-9_]+")
_CLOSED = {
    ("pfn_peers", "state"): PeerState,
    ("pfn_sources_health", "state"): HealthState,
    ("pfn_webhooks", "state"): WebhookState,
    ("pfn_sync_failures", "fault"): Fault,
}


def alerts() -> Iterator[tuple[str, str]]:
    yield from re.findall(r"- alert: (\S+)\n +expr: (.+)\n", ALERTS.read_text(encoding="utf-8"))


def shown() -> Iterator[str]:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query")


@pytest.fixture
async def told(tmp_path: Path) -> set[str]:
    """The names of the series that a node shows, or would once there is one."""
    async with open_site(tmp_path / "node", open_metrics=True, work=True) as site:
        client = await site.client()
        await client.get("/livez")
        text = (await client.get("/metrics")).text
    names = set()
    for family in text_string_to_metric_families(text):
        kinds = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        names |= {family.name + ending for ending in kinds.get(family.type, [""])}
    return names


async def test_what_is_asked_for_is_told(told: set[str]) -> None:
    asked = [expr for _, expr in alerts()]
    assert len(asked) == ALERTS.read_text(encoding="utf-8").count("- alert:")
    for expr in [*asked, *shown()]:
        names = set(_NAME.findall(expr))
        assert names or expr.startswith("up{"), expr
        assert names <= told, f"{expr}: {names - told}"


async def test_every_metric_is_on_the_dashboard(told: set[str]) -> None:
    on_it = {name for expr in shown() for name in _NAME.findall(expr)}
    hidden = {name for name in told if not name.endswith(("_sum", "_count", "_created"))} - on_it
    assert not hidden


def test_states_and_faults_are_ones_there_are() -> None:
    seen = 0
    for expr in [*(expr for _, expr in alerts()), *shown()]:
        for name, label, value in re.findall(r'(pfn_\w+)\{(?:instance=~"\$instance",)?(\w+)="(\w+)"', expr):
            assert value in {one.value for one in _CLOSED[name, label]}, expr
            seen += 1
    assert seen >= 5


def test_each_alert_is_explained() -> None:
    text = OPERATORS.read_text(encoding="utf-8")
    assert [name for name, _ in alerts()] == re.findall(r"^\| `(Pfn\w+)` \|", text, re.MULTILINE)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here")
def test_prometheus_takes_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
