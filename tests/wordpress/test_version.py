"""The order of versions: PHP's own, case by case and against PHP itself."""

import json
import random
import subprocess
from functools import cmp_to_key

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tools import needs_tool

from pfn.wordpress.version import compare_versions, is_newer, is_version, newest, sort_versions

OLDER_TO_NEWER = [
    ("1.0", "1.1"),
    ("1.9", "1.10"),
    ("1.0", "1.0.0"),
    ("1", "1.0"),
    ("1.0-dev", "1.0-alpha"),
    ("1.0-alpha", "1.0-beta"),
    ("1.0a9", "1.0b1"),
    ("1.0-beta", "1.0RC"),
    ("1.0RC1", "1.0"),
    ("1.0RC1", "1.0rc2"),
    ("1.0rc", "1.0"),
    ("1.0", "1.0p1"),
    ("1.0.1", "1.0p1"),
    ("1.0+b1", "1.0+b2"),
    ("1.0+build", "1.0"),
    ("1.0-whatever", "1.0-dev"),
    ("1.0Rc1", "1.0-dev"),
    ("foo", "1"),
    ("", "1"),
    ("", "foo"),
    ("1.", "1"),
    ("1", "1..2"),
    ("-1", "1"),
    ("1.0-pl1", "1.0-pl2"),
    ("2023.10.31", "2024.01.01"),
    ("1.9", "1.9223372036854775808"),
    ("é1", "1"),
    ("+", "_1"),
    ("1.0-foo", "1.0-bar"),
]

EQUAL = [
    ("", ""),
    ("1.0", "1.0"),
    ("1.0-rc1", "1.0RC1"),
    ("1.0_1", "1.0+1"),
    ("1.0alpha", "1.0a"),
    ("1.0-beta2", "1.0b2"),
    ("1.0-patch", "1.0p"),
    ("1.0-foo", "1.0-zoo"),
    ("01.002", "1.2"),
    ("1#", "1"),
    ("1..0", "1.0"),
    ("9223372036854775807", "99999999999999999999999"),
]


@pytest.mark.parametrize(("older", "newer"), OLDER_TO_NEWER)
def test_one_is_older_and_the_other_newer(older: str, newer: str) -> None:
    assert compare_versions(older, newer) == -1
    assert compare_versions(newer, older) == 1
    assert is_newer(newer, older)
    assert not is_newer(older, newer)


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_two_texts_are_the_same_version(a: str, b: str) -> None:
    assert compare_versions(a, b) == compare_versions(b, a) == 0
    assert not is_newer(a, b)


def test_php_calls_a_version_that_ends_in_a_separator_older_than_itself() -> None:
    assert compare_versions("1.", "1.") == -1


RELEASE_CHARACTERS = "0123456789abcdehlprvABCR.-_+"
ANY_CHARACTERS = RELEASE_CHARACTERS + "#~ :/N\té漢\x7f"
WORDS = [
    "dev",
    "alpha",
    "a",
    "beta",
    "b",
    "RC",
    "rc",
    "#",
    "pl",
    "p",
    "#N#",
    "foo",
    "Rc",
    "ALPHA",
    "0",
    "1",
    "10",
    "007",
]
WORDS += ["9223372036854775807", "9223372036854775808", "é", ".", "-", "+", "_", "..", "--", " ", "v"]


def random_version(rng: random.Random) -> str:
    if rng.random() < 0.6:
        return "".join(rng.choices(WORDS, k=rng.randrange(7)))
    return "".join(rng.choices(ANY_CHARACTERS, k=rng.randrange(12)))


def php_compares(pairs: list[tuple[str, str]]) -> list[int]:
    program = """
        $answers = array();
        foreach (json_decode(stream_get_contents(STDIN), true, 8, JSON_THROW_ON_ERROR) as $pair) {
            $answers[] = version_compare($pair[0], $pair[1]);
        }
        echo json_encode($answers);
    """
    run = subprocess.run(["php", "-r", program], input=json.dumps(pairs).encode(), capture_output=True, check=True)
    answers: list[int] = json.loads(run.stdout)
    return answers


@needs_tool("php", why="it is the oracle")
def test_forty_thousand_pairs_compare_as_in_php() -> None:
    rng = random.Random(20261031)
    versions = [random_version(rng) for _ in range(8_000)]
    pairs = list(zip(versions, rng.sample(versions, len(versions)), strict=True))
    # A version against itself with a small change: most pairs of strangers differ in the first part.
    for version in versions:
        at = rng.randrange(len(version) + 1)
        pairs.append((version, version[:at] + rng.choice(WORDS) + version[at:]))
        pairs.append((version[:at] + rng.choice(WORDS) + version[at:], version))
        pairs.append((version, version[:at] + version[at + 1 :]))
        pairs.append((version, version))
    pairs += OLDER_TO_NEWER + EQUAL
    expected = php_compares(pairs)
    wrong = [(pair, want) for pair, want in zip(pairs, expected, strict=True) if compare_versions(*pair) != want]
    assert wrong == []


@given(st.text(), st.text())
def test_any_two_strings_compare(a: str, b: str) -> None:
    assert compare_versions(a, b) in (-1, 0, 1)


release_versions = st.text(RELEASE_CHARACTERS, min_size=1, max_size=16).filter(is_version)


@given(st.lists(release_versions, max_size=8), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_arrival(versions: list[str], rng: random.Random) -> None:
    shuffled = list(versions)
    rng.shuffle(shuffled)
    assert sort_versions(shuffled) == sort_versions(versions)
    assert newest(shuffled) == newest(versions)


@given(st.lists(st.from_regex(r"([0-9]{1,2}|[0-9]{17,20})(\.([0-9]{1,2}|[0-9]{17,20})){0,3}", fullmatch=True)))
def test_numbers_and_dots_sort_as_they_compare(versions: list[str]) -> None:
    assert sort_versions(versions) == sorted(sorted(versions), key=cmp_to_key(compare_versions))


def test_versions_sort_oldest_first() -> None:
    versions = ["1.10", "1.0", "1.0-beta", "1.0.0", "1.0RC1", "1.0-rc1", "1.9", "1.0-dev"]
    ordered = ["1.0-dev", "1.0-beta", "1.0-rc1", "1.0RC1", "1.0", "1.0.0", "1.9", "1.10"]
    assert sort_versions(iter(versions)) == ordered
    assert newest(versions) == "1.10"
    assert newest([]) is None


@pytest.mark.parametrize("text", ["1", "1.0", "1.0.0-rc.1+build_5", "v2", "2024.01.01", "a" * 64])
def test_a_release_may_have_this_version(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize(
    "text",
    ["", ".1", "-1", "+1", "1..0", "1/2", "1 0", "1.0\n", "1.0#", "१", "é", "1%2e", "1\\2", "1:0", "a" * 65],
)
def test_a_release_may_not_have_this_version(text: str) -> None:
    assert not is_version(text)
