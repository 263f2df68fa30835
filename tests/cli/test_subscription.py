"""``pfn subscribe`` and its kin, against a real node: every filter goes over, previews are read, changes are kept."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.node import PFN, RunningNode
from tests.web.api.conftest import Api

from pfn.testing.publisher import FakePublisher


async def pfn(node: RunningNode, *arguments: str, code: int = 0) -> str:
    """Run a command against the node and give what it prints."""
    process = await asyncio.create_subprocess_exec(
        PFN,
        *arguments,
        env={**os.environ, "COLUMNS": "300", "PFN_NODE": node.url, "PFN_KEY": node.admin_key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await process.communicate()
    assert process.returncode == code, complained.decode()
    return (printed or complained).decode()


@pytest.fixture
async def source(node: RunningNode) -> AsyncIterator[str]:
    """A verified source with two plugins."""
    async with FakePublisher() as publisher, node.async_client() as http:
        publisher.add_plugin("kept", "1.5", tags=("forms",))
        publisher.add_plugin("left", "2.0")
        yield await Api(http).add(publisher)


async def rows(node: RunningNode, source_id: str) -> list[dict[str, Any]]:
    found = json.loads(await pfn(node, "subscriptions", "--json"))
    return [row for row in found if row["source_id"] == source_id]


async def test_every_filter_goes_over_and_is_shown_in_words(node: RunningNode, source: str) -> None:
    await pfn(
        *(node, "subscribe", source, "--tag", "forms", "--tag", "seo", "--slug", "kept", "--author", "alice"),
        *("--min-trust", "0.1", "--min-level", "metadata", "--versions", ">=1, <2", "--min-age-days", "0.5"),
    )
    (row,) = await rows(node, source)
    assert row["filters"] == {
        "tags": ["forms", "seo"],
        "slugs": ["kept"],
        "authors": ["alice"],
        "minimum_trust": 0.1,
        "minimum_level": "metadata",
        "versions": ">=1, <2",
        "minimum_age_days": 0.5,
    }
    shown = await pfn(node, "subscriptions")
    assert "plugins kept; tagged forms or seo; by alice; trust 0.1 or more; signature level metadata" in shown


async def test_a_preview_tells_what_would_come_and_why_not(node: RunningNode, source: str) -> None:
    shown = await pfn(node, "subscribe", source, "--versions", "<2", "--preview")
    kept, left = (line for line in shown.splitlines() if line.startswith(("kept", "left")))
    assert kept.split() == ["kept", "1.5", "taken"]
    assert left.split(maxsplit=3) == ["left", "2.0", "skipped", "Its version 2.0 is outside <2."]
    assert "1 of 2 listed plugins would be taken. Nothing was changed." in shown
    assert await rows(node, source) == []
    await pfn(node, "subscribe", source, "--slug", "kept")
    found = json.loads(await pfn(node, "subscribe", source, "--preview", "--json"))
    assert [(one["plugin"], one["taken"], one["mirrored"]) for one in found["plugins"]] == [
        ("kept", True, True),
        ("left", True, False),
    ]
    assert "taken (mirrored already)" in await pfn(node, "subscribe", source, "--preview")


async def test_a_change_replaces_all_filters(node: RunningNode, source: str) -> None:
    made = json.loads(await pfn(node, "subscribe", source, "--tag", "forms", "--json"))["subscription"]
    assert "due for a sync" in await pfn(node, "change-subscription", str(made["id"]), "--slug", "left")
    assert [row["filters"] for row in await rows(node, source)] == [{"slugs": ["left"]}]
    changed = json.loads(await pfn(node, "change-subscription", str(made["id"]), "--json"))
    assert changed["subscription"] == {**made, "filters": {}}
    await pfn(node, "unsubscribe", str(made["id"]))
    assert "has ended" in await pfn(node, "change-subscription", str(made["id"]), code=1)


async def test_a_range_that_is_none_is_refused(node: RunningNode, source: str) -> None:
    assert "is no condition" in await pfn(node, "subscribe", source, "--versions", "^1", code=1)
    assert await rows(node, source) == []
