"""``make simulate``, small: every law holds, and one that does not is told and ends with exit code 1."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "simulate.py"
# Publishers that send their catalogue again each time, as if nobody ever had it.
FORGETFUL = f"""
import runpy, sys
from pfn.testing import swarm
if __name__ == "__main__":
    honest = swarm._list
    swarm._list = lambda member, known: honest(member, None)
    sys.argv[0] = {str(SCRIPT)!r}
    runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""


def simulate(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_laws_hold_among_honest_and_other_sources() -> None:
    done = simulate(str(SCRIPT), "--sources", "80", "--plugins", "400", "--changed", "0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All laws hold." in done.stdout
    assert "BROKEN" not in done.stdout


@pytest.mark.slow
def test_a_law_that_does_not_hold_is_told() -> None:
    done = simulate("-c", FORGETFUL, "--sources", "4", "--plugins", "8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN  catalogues sent again: " in done.stdout
