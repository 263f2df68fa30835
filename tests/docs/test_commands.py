"""What readers copy from the docs is real: every command and option exists, every table made from code is current."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from pfn.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                text = line.split("#")[0].strip()
                if text.startswith("pfn "):
                    yield page.name, text


@pytest.mark.parametrize(("page", "text"), sorted(set(commands())))
def test_a_command_in_the_docs_is_one(page: str, text: str) -> None:
    del page
    _, *words = shlex.split(text)
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, f"{text}: there is no {name}"
        command = command.commands[name]
    # Parsing checks names, types and required arguments, and runs nothing.
    command.make_context(command.name, words, resilient_parsing=False)


def test_the_table_of_error_codes_is_current() -> None:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.make_table() in made.API.read_text(encoding="utf-8")
