"""Slugs: what may name a plugin's folder."""

import pytest

from pfn.wordpress.slug import is_slug


@pytest.mark.parametrize("text", ["a", "0", "akismet", "plain-reading-time", "3d--viewer", "ends-", "a" * 63])
def test_a_plugin_may_have_this_slug(text: str) -> None:
    assert is_slug(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "A", "a_b", "a.b", "a b", "a/b", "..", "a\n", "é", "١", "a%2fb", "a\x00", "a" * 64]
)
def test_a_plugin_may_not_have_this_slug(text: str) -> None:
    assert not is_slug(text)
