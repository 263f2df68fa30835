"""``pfn log`` on a data folder: what it shows, what it finds wrong, and that mending is refused while it would lie."""

import asyncio
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pfn.app import open_services, prepare
from pfn.cli.main import app
from pfn.protocol.log.policy_text import parse_policy
from pfn.settings import Settings

SIZE = 5


async def make_log(data: Path) -> None:
    prepared = prepare(Settings(data=data))
    async with open_services(prepared, time.time) as services:
        for number in range(SIZE):
            url, key = f"https://p{number}.example.org", prepared.identity.public_key.pem
            await services.sources.add("test", url, "alice", key)
        await services.log.sign()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    asyncio.run(make_log(tmp_path / "node"))
    return tmp_path / "node"


def run(data: Path, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["log", *words, "--data", str(data)])
    return result.exit_code, result.stdout, result.stderr


def asked(data: Path, *words: str) -> Any:
    code, said, error = run(data, *words, "--json")
    assert code == 0, error
    return json.loads(said)


def set_back(data: Path) -> None:
    with sqlite3.connect(data / "node.db") as rows:
        rows.execute("DELETE FROM log_leaves WHERE idx >= 2")
        rows.execute("DELETE FROM log_heads WHERE size > 2")
        rows.execute("UPDATE log_tiles SET hashes = substr(hashes, 1, 64)")
    rows.close()


def test_it_is_shown_and_looked_over(data: Path) -> None:
    shown = asked(data, "show")
    assert (shown["size"], shown["halted"], shown["witnesses"], shown["quorum"]) == (SIZE, None, [], 0)
    code, said, _ = run(data, "show")
    assert code == 0
    assert shown["verifier_key"].partition("+")[0] in said
    assert "No peer witnesses this log" in said
    assert asked(data, "check") == {"holds": True, "size": SIZE, "heads": 1, "releases": 0}
    code, said, _ = run(data, "check")
    assert (code, f"{SIZE} entries" in said) == (0, True)
    code, said, _ = run(data, "policy")
    assert [log.key.text for log in parse_policy(said.encode()).logs] == [shown["verifier_key"]]


def test_what_is_changed_is_found(data: Path) -> None:
    with sqlite3.connect(data / "node.db") as rows:
        rows.execute("UPDATE log_leaves SET leaf = ? WHERE idx = 3", [b"nonsense"])
    rows.close()
    code, _, _ = run(data, "check")
    assert code == 1
    found = run(data, "check", "--json")
    assert (found[0], json.loads(found[1])["holds"], json.loads(found[1])["code"]) == (1, False, "leaf_mismatch")


def test_a_log_that_was_set_back_is_halted_and_neither_resumed_nor_made_up(data: Path) -> None:
    set_back(data)
    assert "set back" in asked(data, "show")["halted"]
    code, said, _ = run(data, "show")
    assert "The log is halted" in said
    for words in (["resume"], ["recover"]):
        code, _, _ = run(data, *words)
        assert code == 1
    assert "set back" in asked(data, "show")["halted"]


def test_a_sound_log_is_resumed(data: Path) -> None:
    async def halt() -> None:
        async with open_services(prepare(Settings(data=data)), time.time) as services:
            await services.log.halt("A test halted it.")

    asyncio.run(halt())
    assert asked(data, "show")["halted"] == "A test halted it."
    assert asked(data, "resume")["success"] is True
    assert asked(data, "show")["halted"] is None
    assert asked(data, "recover")["entries"] == 0


def test_there_must_be_a_node(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["log", "check", "--data", str(tmp_path / "none")]).exit_code != 0
