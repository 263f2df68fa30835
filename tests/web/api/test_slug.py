"""Slugs over HTTP and in the terminal: who speaks for which, and the operator's word."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.contest import SLUG, Contested, contest
from tests.support.network import ServedNode, serve_node
from tests.support.node import PFN
from tests.support.problem import assert_problem

from pfn.protocol.errors import Code


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node") as node:
        yield node


@pytest.fixture
async def two(node: ServedNode) -> AsyncIterator[Contested]:
    async with contest(node) as two:
        yield two


async def test_a_contest_is_listed_and_shown_with_what_each_offers(node: ServedNode, two: Contested) -> None:
    [row] = await node.get("slugs")
    assert (row["slug"], row["source_id"], row["pinned"], row["decided_by"]) == (SLUG, two.holder, False, "node")
    assert [(one["source_id"], one["state"]) for one in row["contests"]] == [(two.newcomer, "held")]
    assert await node.get("slugs", contested="true") == [row]
    shown = await node.get(f"slugs/{SLUG}")
    assert {name: shown[name] for name in row} == row
    assert [(one["source_id"], one["version"]) for one in shown["offered"]] == [
        (two.holder, "1.0"),
        (two.newcomer, "9.0"),
    ]


async def test_the_slugs_of_a_source_are_those_it_holds_or_contests(node: ServedNode, two: Contested) -> None:
    for source, expected in ((two.holder, [SLUG]), (two.newcomer, [SLUG, "other"])):
        assert [row["slug"] for row in await node.get("slugs", source=source)] == expected
    assert [row["slug"] for row in await node.get("slugs", source=two.newcomer, contested="true")] == [SLUG]
    assert await node.get("slugs", source="nobody@nowhere.example") == []


async def test_a_pin_moves_a_slug_and_pinning_back_undoes_it(node: ServedNode, two: Contested) -> None:
    pinned = await node.post("slugs/pin", slug=SLUG, sourceId=two.newcomer)
    assert (pinned.status_code, pinned.json()["success"]) == (200, True)
    assert "sites that run it are offered its releases" in pinned.json()["message"]
    shown = await node.get(f"slugs/{SLUG}")
    assert (shown["source_id"], shown["pinned"]) == (two.newcomer, True)
    assert [one["source_id"] for one in shown["contests"]] == [two.holder]
    await node.post("slugs/pin", slug=SLUG, sourceId=two.holder)
    shown = await node.get(f"slugs/{SLUG}")
    assert (shown["source_id"], [one["source_id"] for one in shown["contests"]]) == (two.holder, [two.newcomer])
    assert (await node.actions()).count("slug_pinned") == 2


async def test_a_refused_contest_waits_no_more_and_can_still_be_pinned(node: ServedNode, two: Contested) -> None:
    refused = await node.post("slugs/refuse", slug=SLUG, sourceId=two.newcomer)
    assert refused.json()["slug"]["contests"][0]["state"] == "refused"
    assert await node.get("slugs", contested="true") == []
    assert len(await node.get("slugs")) == 1
    # What comes again is not reported again.
    two.mallory.add_plugin(SLUG, "9.1")
    await node.services.syncs.run_now(two.newcomer)
    assert await node.get("slugs", contested="true") == []
    actions = await node.actions()
    assert (actions.count("slug_contested"), actions.count("slug_refused")) == (1, 1)
    await node.post("slugs/pin", slug=SLUG, sourceId=two.newcomer)
    assert (await node.get(f"slugs/{SLUG}"))["source_id"] == two.newcomer


@pytest.mark.parametrize(
    ("path", "slug", "source", "code"),
    [
        ("pin", "unheard-of", "newcomer", Code.PLUGIN_UNKNOWN),
        ("pin", SLUG, "nobody@nowhere.example", Code.SOURCE_UNKNOWN),
        ("refuse", SLUG, "holder", Code.WRONG_STATE),
        ("refuse", "unheard-of", "newcomer", Code.WRONG_STATE),
        ("pin", "", "newcomer", Code.INVALID_FIELD),
    ],
)
async def test_what_cannot_be_decided(
    node: ServedNode, two: Contested, path: str, slug: str, source: str, code: Code
) -> None:
    source = getattr(two, source, source)
    assert_problem(await node.post(f"slugs/{path}", slug=slug, sourceId=source), code)
    assert (await node.get(f"slugs/{SLUG}"))["source_id"] == two.holder


async def test_a_slug_nobody_has(node: ServedNode) -> None:
    assert_problem(await node.http.get("/federation/slugs/unheard-of"), Code.PLUGIN_UNKNOWN)


async def pfn(node: ServedNode, *arguments: str, says: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PFN_NODE": node.url, "PFN_KEY": node.key, "COLUMNS": "300"}
    more: dict[str, Any] = {"env": environment, "capture_output": True, "text": True, "check": False}
    return await asyncio.to_thread(subprocess.run, [PFN, *arguments], input=says, **more)


async def test_the_terminal_names_what_follows_and_asks(node: ServedNode, two: Contested) -> None:
    listed = (await pfn(node, "slug", "list", "--contested")).stdout
    assert two.holder in listed
    assert two.newcomer in listed
    shown = (await pfn(node, "slug", "show", SLUG)).stdout
    assert "Calm Gallery Pro" in shown
    pin = ("slug", "pin", SLUG, two.newcomer)
    asked = await pfn(node, *pin, says="n\n")
    assert asked.returncode == 1
    assert f"Sites that run {SLUG} from {two.holder} will be offered {two.newcomer}'s" in asked.stderr
    assert (await node.get(f"slugs/{SLUG}"))["source_id"] == two.holder
    done = await pfn(node, *pin, "--yes", "--json")
    assert json.loads(done.stdout)["slug"]["source_id"] == two.newcomer
    again = await pfn(node, *pin, says="y\n")
    assert "speaks for calm-gallery already" in again.stderr
    refused = await pfn(node, "slug", "refuse", SLUG, two.holder)
    assert refused.returncode == 0
    assert f"{two.holder} (refused)" in (await pfn(node, "slug", "show", SLUG)).stdout
    assert (await pfn(node, "slug", "list", "--contested")).stdout == "No slug is contested.\n"


async def test_the_terminal_shows_numbers_of_use(node: ServedNode, two: Contested) -> None:
    for _ in range(12):
        node.services.usage.count_download(two.holder, SLUG, "1.0")
    for number in range(25):
        node.services.usage.count_sites(f"https://{number}.example", [(two.holder, SLUG, "0.9")])
    await node.services.usage.flush()
    shown = (await pfn(node, "usage", two.holder, SLUG)).stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["downloads", "12"] in lines
    assert ["sites", "20+"] in lines
    assert lines[-1][1:] == ["1.0", "12", "0"]
    assert lines[-2][1:] == ["(others)", "0", "25"]
    usage = json.loads((await pfn(node, "usage", two.holder, SLUG, "--json")).stdout)
    assert (usage["downloads"], usage["installs"]) == (12, 20)
