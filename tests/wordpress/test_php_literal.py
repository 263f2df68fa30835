"""PHP literals: what PHP reads is the value that was written, whatever tries to break out of it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.tools import needs_tool

from pfn.wordpress.php_literal import write_php

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))

HOSTILE = [
    "'); system('id'); ('",
    "\\'); system('id'); //",
    "\\",
    "\\\\",
    "\\\\'",
    "'",
    "?><script>alert(1)</script><?php",
    "*/ evil(); /*",
    "$x {$y} ${z}",
    "\n'\r\n",
    "\x00'",
    "ünïcödé 🦊",
    "<<<EOT",
    "%s %1$s",
]


def read_back(values: list[Any], folder: Path) -> Any:
    """Have PHP read a file of ours and say what it found."""
    file = folder / "values.php"
    source = "<?php\nreturn " + write_php(values) + ";\n"
    file.write_bytes(source.encode("utf-8"))
    shown = "echo json_encode(require $argv[1], JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);"
    done = subprocess.run(["php", "-r", shown, str(file)], capture_output=True, check=True)
    return json.loads(done.stdout)


@needs_tool("php")
def test_nothing_breaks_out(tmp_path: Path) -> None:
    assert read_back(HOSTILE, tmp_path) == HOSTILE
    # As keys too; PHP turns those that look like numbers into numbers, which JSON shows as text again.
    assert read_back([{text: text} for text in HOSTILE], tmp_path) == [{text: text} for text in HOSTILE]


@needs_tool("php")
@pytest.mark.slow
def test_php_reads_what_was_written(tmp_path: Path) -> None:
    collected: list[str] = []

    @settings(max_examples=300, database=None)
    @given(st.lists(TEXTS, max_size=5))
    def collect(texts: list[str]) -> None:
        collected.extend(texts)

    collect()
    # All in one process: starting PHP hundreds of times takes minutes.
    assert read_back(collected, tmp_path) == collected


@given(VALUES)
def test_a_quote_always_closes_what_it_opened(value: Any) -> None:
    """Read as PHP's lexer reads single quotes: outside of strings there are only the marks of arrays."""
    text, outside, position = write_php(value), "", 0
    while position < len(text):
        if text[position] != "'":
            outside += text[position]
            position += 1
            continue
        position += 1
        while text[position] != "'":
            position += 2 if text[position] == "\\" else 1
        position += 1
    assert set(outside) <= set("array(),=> \n\t")


def test_arrays_are_written_as_wordpress_writes_them() -> None:
    assert write_php({"one": ["a", "b"], "none": []}, indent=1) == (
        "array(\n\t\t'one' => array(\n\t\t\t'a',\n\t\t\t'b',\n\t\t),\n\t\t'none' => array(),\n\t)"
    )
