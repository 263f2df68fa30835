"""JavaScript's JSON, byte for byte: vectors that node.js once wrote, and node.js itself where it is."""

import json
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tools import needs_tool

from pfn.protocol.js_json import metadata_message, plugin_data_message, stringify
from pfn.protocol.strict_json import JsonValue, parse_json

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "js_stringify.json").read_text("ascii"))

# Reads a JSON array of JSON texts; writes, as ASCII, the array of what JSON.stringify makes of each.
NODE_PROGRAM = r"""
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
const written = JSON.stringify(texts.map((text) => JSON.stringify(JSON.parse(text))));
const escape = (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
process.stdout.write(written.replace(/[\u007f-\uffff]/g, escape));
"""


def ask_node(texts: list[str]) -> list[str]:
    answer = subprocess.run(
        ["node", "-e", NODE_PROGRAM], input=json.dumps(texts).encode("ascii"), capture_output=True, check=True
    )
    written: list[str] = json.loads(answer.stdout)
    return written


def rewrite(text: str) -> str:
    return stringify(parse_json(text.encode(), allow_surrogates=True))


@pytest.mark.parametrize(("text", "written"), [(case["text"], case["stringified"]) for case in VECTORS])
def test_vectors(text: str, written: str):
    assert rewrite(text) == written


@needs_tool("node")
def test_vectors_are_what_node_writes():
    assert ask_node([case["text"] for case in VECTORS]) == [case["stringified"] for case in VECTORS]


@needs_tool("node")
def test_thousands_of_texts_against_node():
    dice = random.Random(20250710)
    texts = [*number_texts(dice), *(document_text(dice) for _ in range(3000))]
    for text, expected in zip(texts, ask_node(texts), strict=True):
        assert rewrite(text) == expected, text


def number_texts(dice: random.Random) -> Iterator[str]:
    for exponent in range(-330, 308):
        yield f"{dice.randrange(1, 10)}e{exponent}"
        yield f"-{dice.random() * 9 + 0.99}E{exponent:+d}"
    for power in range(1024):
        yield str(2**power + dice.choice([-1, 0, 1]))
    for digits in range(1, 307):
        yield str(dice.randrange(-(10**digits), 10**digits))
    for _ in range(5000):
        (double,) = struct.unpack("<d", dice.randbytes(8))
        if double - double == 0:
            yield repr(double)


def document_text(dice: random.Random) -> str:
    return json.dumps(document(dice, 4), ensure_ascii=dice.random() < 0.9, separators=dice.choice([(",", ":"), None]))


def document(dice: random.Random, depth: int) -> JsonValue:
    match dice.randrange(9 if depth else 6):
        case 0:
            return dice.choice([None, True, False])
        case 1:
            return dice.choice([0, -0.0, 1, 2**53 + 1, -(2**63), 1e21, 1e-7, 10**25, dice.randrange(10**6)])
        case 2:
            return dice.uniform(-1, 1) * 10 ** dice.randrange(-12, 24)
        case 3 | 4 | 5:
            return string(dice)
        case 6:
            return [document(dice, depth - 1) for _ in range(dice.randrange(4))]
        case _:
            return {key(dice): document(dice, depth - 1) for _ in range(dice.randrange(8))}


def string(dice: random.Random) -> str:
    ranges = [
        (0, 0x20),
        (0x20, 0x7F),
        (0x7F, 0x100),
        (0x2020, 0x2030),
        (0xFFF0, 0x10000),
        (0x10000, 0x110000),
    ]
    characters = [chr(dice.randrange(*dice.choice(ranges))) for _ in range(dice.randrange(8))]
    return "".join(characters) + dice.choice(["", "", '"', "\\", "/", "\u2028", "</script>"])


def key(dice: random.Random) -> str:
    odd = [
        "__proto__",
        "constructor",
        "toJSON",
        "",
        "-0",
        "-1",
        "01",
        "1.0",
        "1e3",
        "4294967294",
        "4294967295",
    ]
    return dice.choice([*odd, str(dice.randrange(20)), str(dice.randrange(2**33)), string(dice)])


@needs_tool("node")
def test_lone_surrogates_against_node():
    units = ["\\ud800", "\\uDBFF", "\\udc00", "\\uDFFF", "\\ud83d\\ude00", "a", "é", "\\\\"]
    texts = [f'{{"{a}{b}":"{b}{c}{a}"}}' for a in units for b in units for c in units]
    assert [rewrite(text) for text in texts] == ask_node(texts)


_keys = st.text() | st.integers(0, 99).map(str)
_keys = st.text() | st.integers(0, 99).map(str)
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=20,
)


@given(_values)
def test_with_numbers_as_doubles_writing_loses_nothing_and_settles_at_once(value: JsonValue):
    written = stringify(value)
    assert json.loads(written, parse_int=float) == json.loads(json.dumps(value), parse_int=float)
    assert rewrite(written) == written


@given(st.text(st.characters(exclude_categories=())))
def test_every_string_can_be_written_as_utf8(text: str):
    written = stringify(text).encode()
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert parse_json(written, allow_surrogates=True) == joined


def test_both_halves_of_a_character_are_that_character():
    assert stringify("\ud83d" + "\ude00" + "\ud83d") == '"\U0001f600\\ud83d"'


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 10**309, -(10**400)])
def test_numbers_beyond_a_double_are_null(number: float):
    assert stringify([number]) == "[null]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("my-plugin", "A “Plugin”", "1.2", "It's <b>good</b>.\nYes"),
            '{"id":"my-plugin","name":"A “Plugin”","version":"1.2","description":"It\'s <b>good</b>.\\nYes"}',
        ),
        (("a", "A", "1", None), '{"id":"a","name":"A","version":"1"}'),
        (("a", "A", "1", ""), '{"id":"a","name":"A","version":"1","description":""}'),
        (("a", "\ud800", "1", None), '{"id":"a","name":"\\ud800","version":"1"}'),
    ],
)
def test_metadata_message(arguments: tuple[str, str, str, str | None], message: str):
    assert metadata_message(*arguments) == message.encode()


def test_plugin_data_message_keeps_the_order_javascript_would():
    data = parse_json('[{"slug": "a", "rating": 4.50, "2": "ü", "10": null, "1": []}]'.encode())
    assert plugin_data_message(data) == '[{"1":[],"2":"ü","10":null,"slug":"a","rating":4.5}]'.encode()
