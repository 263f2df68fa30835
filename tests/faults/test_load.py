"""Mixed reads on a real node while its sources change: no error, no growth of memory (``make load`` for longer)."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from scripts.load import run, show

SECONDS = float(os.environ.get("PFN_LOAD_SECONDS", "60"))
RATE = 40.0

pytestmark = [pytest.mark.slow, pytest.mark.grown, pytest.mark.timeout(SECONDS + 180)]


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not installed here")
def test_a_node_under_load_makes_no_error_and_does_not_grow(tmp_path: Path) -> None:
    findings = asyncio.run(run(tmp_path, SECONDS, RATE))
    show(findings, SECONDS, RATE)
    assert findings.complaints() == []
    assert sum(map(len, findings.latencies.values())) == int(SECONDS * RATE)
    assert findings.syncs > 0
