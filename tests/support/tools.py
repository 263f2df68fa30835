"""Outside tools a test may need: skipped with the reason on a laptop, a failure in CI."""

import os
import shutil

import pytest


def needs_tool(name: str, *, why: str = "") -> pytest.MarkDecorator:
    """Mark a test that needs the command ``name``: in CI it runs and fails where the command is missing."""
    missing = shutil.which(name) is None and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"{name} is not installed here{': ' + why if why else ''}")
