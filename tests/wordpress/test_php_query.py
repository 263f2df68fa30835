"""Brackets in queries mean what they mean to PHP, and nothing else makes the reader fall."""

import json
import subprocess
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tools import needs_tool

from pfn.wordpress.php_query import DEEPEST, MOST_FIELDS, branch, leaf, number, parse_query

# As core asks, with add_query_arg().
CORE = (
    "action=query_plugins&request%5Bbrowse%5D=recommended&request%5Binstalled_plugins%5D%5B0%5D=akismet"
    "&request%5Binstalled_plugins%5D%5B1%5D=hello-dolly&request%5Bpage%5D=2&request%5Bper_page%5D=36"
    "&request%5Blocale%5D=en_US&request%5Bwp_version%5D=6.1"
)
QUERIES = [
    CORE,
    "",
    "a",
    "a=",
    "a=1&a=2",
    "a[]=1&a[]=2&a[x]=3&a[]=4",
    "a[5]=x&a[]=y",
    "a[b][c]=1&a[b][d]=2&a[b]=3",
    "a=1&a[b]=2",
    "a[b]=1&a=2",
    "a[][x]=1&a[][x]=2",
    "request[fields][sections]=0&request[slug]=hello+world",
    "a[ä]=%C3%A4",
    "=x",
    "&&&",
    "a[b]c=1&d=2",
    "[a]=1",
]


@needs_tool("php")
def test_what_php_writes_is_read_as_php_reads_it() -> None:
    script = (
        "foreach (json_decode(stream_get_contents(STDIN)) as $q) { parse_str($q, $t); "
        'echo json_encode($t, JSON_FORCE_OBJECT), "\\n"; }'
    )
    # The last two are names that nothing writes so, and where PHP has ways of its own.
    asked = QUERIES[:-2]
    done = subprocess.run(["php", "-r", script], input=json.dumps(asked), capture_output=True, text=True, check=True)
    for query, line in zip(asked, done.stdout.splitlines(), strict=True):
        assert parse_query(query) == json.loads(line), query


def test_a_question_of_core() -> None:
    asked = parse_query(CORE)
    request = branch(asked, "request")
    assert leaf(asked, "action") == "query_plugins"
    assert list(branch(request, "installed_plugins").values()) == ["akismet", "hello-dolly"]
    assert number(request, "per_page", 24) == 36
    assert number(request, "wp_version", 7) == 7
    assert number(request, "missing", 7) == 7
    assert branch(request, "browse") == {}
    assert leaf(request, "installed_plugins") == ""


@pytest.mark.parametrize("query", QUERIES)
def test_the_odd_ones_are_survived(query: str) -> None:
    assert isinstance(parse_query(query), dict)


@given(st.text())
def test_no_text_makes_it_fall(text: str) -> None:
    parse_query(text)


_keys = st.text(st.characters(codec="utf-8", exclude_characters="[]\0"), min_size=1).filter(
    lambda key: not key.isdigit()
)
_values = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.dictionaries(_keys, st.dictionaries(_keys, _values, min_size=1)))
def test_what_is_written_with_brackets_comes_back(tree: dict[str, dict[str, str]]) -> None:
    pairs = [(f"{name}[{key}]", value) for name, below in tree.items() for key, value in below.items()]
    assert parse_query(urlencode(pairs)) == tree


def test_it_is_bounded() -> None:
    assert len(parse_query("&".join(f"a{i}=1" for i in range(MOST_FIELDS + 50)))) == MOST_FIELDS
    assert parse_query("a" + "[b]" * DEEPEST + "=1") == {}
    assert parse_query("a[]=1&" * 400)["a"] == {str(i): "1" for i in range(400)}


def test_a_nul_is_left_out() -> None:
    assert parse_query("a=x%00y") == {"a": "xy"}
