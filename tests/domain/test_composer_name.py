"""Names of packages: what sources may be called, and what Composer takes."""

import json
import subprocess
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tools import needs_tool

from pfn.domain.composer_name import is_package_slug, propose_vendors, split_name
from pfn.protocol.source_id import is_username
from pfn.wordpress.slug import is_slug

usernames = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True).filter(is_username)


@pytest.mark.parametrize(
    ("username", "vendor"),
    [
        ("alice", "alice"),
        ("Alice", "alice"),
        ("Acme.Inc", "acme.inc"),
        ("a--b", "a-b"),
        ("a._-b", "a.b"),
        ("bob_", "bob"),
        ("7", "7"),
    ],
)
def test_a_vendor_is_the_username_cleaned(username: str, vendor: str) -> None:
    assert next(propose_vendors(f"{username}@one.example")) == vendor


@pytest.mark.parametrize("username", ["con", "NUL", "com1", "composer"])
def test_a_name_that_would_break_or_fool_composer_is_given_to_nobody(username: str) -> None:
    assert username.lower() not in set(propose_vendors(f"{username}@one.example"))


@given(usernames, usernames)
def test_there_is_always_a_name_that_nobody_else_can_have(first: str, second: str) -> None:
    mine = list(propose_vendors(f"{first}@one.example"))
    theirs = set(propose_vendors(f"{second}@two.example"))
    assert all(split_name(f"{vendor}/x") for vendor in mine)
    assert mine[-1] not in theirs
    # It is too long for a username, so it is no other source's first choice.
    assert not is_username(mine[-1])


def test_a_second_name_is_the_same_every_time() -> None:
    assert [*islice(propose_vendors("alice@two.example"), 2)] == ["alice", "alice-2740cc74"]


NAMES = ["a", "a-b", "a--b", "a---b", "a-", "con", "lpt9", "com10", "x", "0", "a1-2-3", "packages-json", "nul", "aux"]


@pytest.mark.parametrize("name", ["alice/x", "Alice/X"])
def test_names_are_split_in_any_case(name: str) -> None:
    assert split_name(name) == ("alice", "x")


@pytest.mark.parametrize("name", ["", "alice", "/x", "alice/", "alice/x/y", "a/x~dev", "a--b/x", "a/%", "a/x\0"])
def test_what_is_no_name_is_none(name: str) -> None:
    assert split_name(name) is None


PHP = """
require 'Composer/autoload.php';
foreach (json_decode(stream_get_contents(STDIN)) as $name) {
    $out[] = Composer\\Package\\Loader\\ValidatingArrayLoader::hasPackageNamingError($name) === null;
}
echo json_encode($out);
"""


@needs_tool("composer", why="its rule is the oracle")
@needs_tool("php", why="it runs Composer's rule")
def test_composer_takes_the_names_and_no_other_slugs() -> None:
    vendors = ["alice", "acme.inc", "a-b", *propose_vendors("con@x.example"), *propose_vendors("composer@x.example")]
    slugs = [slug for slug in NAMES if is_slug(slug)]
    names = [f"{vendor}/x" for vendor in vendors] + [f"alice/{slug}" for slug in slugs]
    ran = subprocess.run(["php", "-r", PHP], input=json.dumps(names), capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [True] * len(vendors) + [is_package_slug(slug) for slug in slugs]
