"""Outside tools and oracles a test may need: skipped with the reason on a laptop, a failure in CI."""

import os
import shutil
from importlib.util import find_spec

import pytest


def needs_module(name: str) -> pytest.MarkDecorator:
    """Mark a test that needs the Python module ``name``: in CI it runs and fails where the module is missing."""
    missing = find_spec(name) is None and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"the Python module {name} is not installed here")


def needs_tool(name: str, *, why: str = "") -> pytest.MarkDecorator:
    """Mark a test that needs the command ``name``: in CI it runs and fails where the command is missing."""
    missing = shutil.which(name) is None and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"{name} is not installed here{': ' + why if why else ''}")
