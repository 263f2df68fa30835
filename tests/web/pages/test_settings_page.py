"""The settings in force: what they are, where they came from, and no secret."""

import re
from pathlib import Path

import pytest
from tests.support.node import RunningNode, run_node
from tests.web.pages.browser import Browser
from tests.web.pages.conftest import Held

from pfn.settings import Settings


async def test_every_setting_is_there_with_what_it_means(held: Held) -> None:
    page = await held.operator.open("/settings")
    for name, about in Settings.model_fields.items():
        assert f" {name} " in page.text
        assert re.sub(r"[`]", "", about.description or "?") in page.text


@pytest.fixture
def chosen(tmp_path: Path) -> RunningNode:
    """A node some of whose settings were chosen."""
    data = tmp_path / "node"
    data.mkdir()
    (data / "pfn.toml").write_text("quota_plugins = 77\n")
    with run_node(
        data, environment={"PFN_MASTER_KEY": "a-master-key-of-some-length", "PFN_SYNC_EVERY": "1234"}
    ) as node:
        yield node


async def test_where_each_came_from_is_said_and_secrets_are_not(chosen: RunningNode) -> None:
    browser = Browser(chosen.url)
    await browser.sign_in("a-master-key-of-some-length")
    page = await browser.open("/settings")
    await browser.http.aclose()
    given, _, defaults = page.text.partition("As they come")
    assert re.search(r"quota_plugins .* 77 from \S+pfn\.toml; the default is 20000", given)
    assert re.search(r"sync_every .* 1234 from PFN_SYNC_EVERY; the default is 3600", given)
    assert "allow_loopback For development: reach publishers on this machine" in given
    assert "true from --allow-loopback; the default is false" in given
    assert "******** from PFN_MASTER_KEY" in given
    assert "a-master-key-of-some-length" not in page.answer.text
    assert "verify_every" in defaults
