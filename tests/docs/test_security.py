"""Every threat in docs/security.md names a test that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(test_[a-z0-9_]+)`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def defined() -> set[str]:
    pattern = re.compile(r"^\s*(?:async )?def (test_[a-z0-9_]+)", re.MULTILINE)
    return {name for path in ROOT.glob("tests/**/test_*.py") for name in pattern.findall(path.read_text("utf-8"))}


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_a_named_test_exists(name: str, defined: set[str]) -> None:
    assert name in defined
