"""Zips are judged once per digest, in a process that may die of them."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import pytest
from tests.support.records import make_release, make_source

from pfn.domain.zip_verdict import ZipVerdict, check_claim, from_report
from pfn.protocol.errors import Code, PfnError
from pfn.services import zip_check
from pfn.services.zip_check import ZipCheck
from pfn.services.zip_judge import judge_all
from pfn.storage.database import Database, sqlite_url
from pfn.storage.migrate import migrate
from pfn.storage.release import add_release
from pfn.storage.source import add_source
from pfn.testing.plugin import plugin_zip
from pfn.wordpress.plugin_zip import inspect_zip


async def test_bytes_that_were_judged_are_not_judged_again(database: Database, tmp_path: Path) -> None:
    content = plugin_zip("hello", "1.0")
    digest = hashlib.sha256(content).hexdigest()
    path = tmp_path / "one.zip"
    path.write_bytes(content)
    zips = ZipCheck(database, 1)
    try:
        verdict = await zips.judge(path, digest)
        check_claim(verdict, "hello", "1.0")
        async with database.write() as connection:
            await add_source(connection, make_source())
            await add_release(connection, make_release(content=content), verdict)
        path.unlink()
        again = await zips.judge(path, digest)
    finally:
        zips.close()
    assert json.dumps(again.to_json()) == json.dumps(verdict.to_json())
    assert list(again.manifest) == list(verdict.manifest)


async def test_a_zip_that_kills_its_judge_is_refused_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path / "node.db")
    migrate(url)
    database = Database(url)
    deadly, honest = tmp_path / "deadly.zip", tmp_path / "honest.zip"
    for path in (deadly, honest):
        path.write_bytes(plugin_zip("hello", "1.0"))
    monkeypatch.setattr(zip_check, "judge_all", _die_of_the_deadly_one)
    zips = ZipCheck(database, 1)
    try:
        outcomes = await asyncio.gather(
            zips.judge(deadly, "0" * 64), *(zips.judge(honest, "1" * 64) for _ in range(3)), return_exceptions=True
        )
    finally:
        zips.close()
        await database.close()
    refused, *judged = outcomes
    assert isinstance(refused, PfnError)
    assert refused.code is Code.ZIP_REFUSED
    assert [isinstance(one, ZipVerdict) and one.faults for one in judged] == [(), (), ()]


async def test_nobody_who_asks_as_the_last_rounds_end_is_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rounds of as many steps as a digest says, and one more question in whatever step they end."""
    verdict = from_report(inspect_zip(plugin_zip("hello", "1.0")))

    async def know_all(_connection: object, digests: set[str]) -> dict[str, ZipVerdict]:
        await step(int(min(digests)))
        return dict.fromkeys(digests, verdict)

    async def step(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    monkeypatch.setattr(zip_check, "find_verdicts", know_all)
    monkeypatch.setattr(Database, "read", lambda _database: nullcontext())
    for first, late, second in product(range(1, 6), repeat=3):
        zips = ZipCheck(database, 1)

        async def ask(zips: ZipCheck, *steps: int) -> None:
            for one in steps:
                await zips.judge(Path("nowhere"), str(one))

        async def ask_later(zips: ZipCheck, late: int, steps: int) -> None:
            await step(late)
            await ask(zips, steps)

        async with asyncio.timeout(60):
            await asyncio.gather(ask(zips, first, 0), ask_later(zips, late, second))
        zips.close()


async def test_a_judge_loads_what_it_needs_and_no_node() -> None:
    """Each is a process of its own, and there may be as many as cores."""
    program = """
import sys
import {module}
print(*{{"aiohttp", "fastapi", "httpx", "pydantic", "sqlalchemy", "typer"}} & set(sys.modules))
"""
    for module in ("pfn.__main__", "pfn.services.zip_judge"):
        command = [sys.executable, "-c", program.format(module=module)]
        answer = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert answer.stdout.split() == []


def _die_of_the_deadly_one(paths: Sequence[Path]) -> Sequence[ZipVerdict | Exception]:
    if any(path.name == "deadly.zip" for path in paths):
        os._exit(9)
    return judge_all(paths)
