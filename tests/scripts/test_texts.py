"""The gathered texts are those that the pages have now."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_catalogues_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "texts.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
