"""Composer's form of a version: named cases, and equal to Composer's own parser."""

import json
import random
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tools import needs_tool

from pfn.domain.composer_version import normalize_version
from pfn.wordpress.version import is_version

KNOWN = [
    ("1", "1.0.0.0"),
    ("v2", "2.0.0.0"),
    ("1.0", "1.0.0.0"),
    ("6.1.2.3", "6.1.2.3"),
    ("07.1", "07.1.0.0"),
    ("1.0+b1", "1.0.0.0"),
    ("1.0-alpha-2", "1.0.0.0-alpha2"),
    ("1.0a", "1.0.0.0-alpha"),
    ("1.0b2", "1.0.0.0-beta2"),
    ("1.0RC1", "1.0.0.0-RC1"),
    ("1.0.0-rc.1", "1.0.0.0-RC1"),
    ("1.0p1", "1.0.0.0-patch1"),
    ("1.0-pl2", "1.0.0.0-patch2"),
    ("1.0-stable", "1.0.0.0"),
    ("1.0-dev", "1.0.0.0-dev"),
    ("1.0-beta-dev", "1.0.0.0-beta-dev"),
    ("2024.01.15", "2024.01.15.0"),
    ("2024-01-15", "2024.01.15"),
    ("20240115", "20240115"),
]
UNKNOWN = ["6.1.2.3.4", "1.0-foo", "1.0-1", "1.2_3", "trunk", "dev-main", "1.x-dev", "1.0+", "x1"]


@pytest.mark.parametrize(("version", "normal"), KNOWN)
def test_a_version_has_composers_form(version: str, normal: str) -> None:
    assert normalize_version(version) == normal


@pytest.mark.parametrize("version", UNKNOWN)
def test_what_is_no_release_to_composer_has_none(version: str) -> None:
    assert normalize_version(version) is None


@given(st.from_regex(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}", fullmatch=True))
def test_a_form_is_its_own_form(version: str) -> None:
    normal = normalize_version(version)
    if normal is not None:
        assert normalize_version(normal) == normal


PHP = """
require 'Composer/Semver/autoload.php';
$parser = new Composer\\Semver\\VersionParser;
foreach (json_decode(stream_get_contents(STDIN)) as $version) {
    try {
        $normal = $parser->normalize($version);
        $out[] = [$normal, (string) $parser->parseConstraints($version) === "== $normal"];
    } catch (\\UnexpectedValueException $error) {
        $out[] = [null, false];
    }
}
echo json_encode($out);
"""
PIECES = [
    *(
        "0",
        "1",
        "9",
        "07",
        "10",
        "2024",
        "20240115",
        "12345",
        "123456",
        ".",
        ".",
        ".",
        "-",
        "_",
        "+",
        "v",
        "V",
        "a",
        "b",
    ),
    *("alpha", "beta", "RC", "rc", "Rc", "p", "pl", "patch", "stable", "Stable", "dev", "Dev", "x", "foo", "trunk"),
]


@needs_tool("composer", why="its parser is the oracle")
@needs_tool("php", why="it runs Composer's parser")
def test_forms_are_composers_own() -> None:
    chance = random.Random(5)
    made = {"".join(chance.choices(PIECES, k=chance.randint(1, 7))) for _ in range(8_000)}
    versions = [
        version for version in sorted(made | {known for known, _ in KNOWN} | set(UNKNOWN)) if is_version(version)
    ]
    ran = subprocess.run(["php", "-r", PHP], input=json.dumps(versions), capture_output=True, text=True, check=True)
    known = 0
    for version, (theirs, is_exact) in zip(versions, json.loads(ran.stdout), strict=True):
        ours = normalize_version(version)
        if ours is None:
            # Branches are no releases.
            assert theirs is None or theirs.startswith("dev-") or theirs.endswith("9999999-dev"), version
        else:
            known += 1
            assert ours == theirs, version
            # An advisory's constraint hits this version and no other.
            assert is_exact, version
    assert known > 300
