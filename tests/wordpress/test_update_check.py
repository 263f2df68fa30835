"""Update checks: what a site says is read, and what it gets it survives."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.wordpress.update_check import (
    Installed,
    Offered,
    answer_plugins,
    answer_themes,
    is_ours,
    read_plugins,
    read_themes,
)

OFFER = Offered("hello/hello.php", "hello", "2.0", "https://node.example/p/hello", "https://node.example/dl/hello.zip")


def sent(**plugins: object) -> str:
    return json.dumps({"plugins": plugins, "active": []})


def test_plugins_are_read_with_what_decides() -> None:
    header = {"Name": "Hello", "Version": "1.0", "UpdateURI": "https://node.example/hello"}
    text = json.dumps({"plugins": {"hello/hello.php": header}, "active": ["hello/hello.php"]})
    assert read_plugins(text) == (Installed("hello/hello.php", "hello", "1.0", "https://node.example/hello"),)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "null",
        "[]",
        "{",
        "17",
        '{"plugins": []}',
        '{"plugins": null}',
        '{"plugins": {"hello/hello.php": "1.0"}}',
        '{"plugins": {"hello.php": {"Version": "1.0"}}}',
        '{"plugins": {"hello/deep/hello.php": {"Version": "1.0"}}}',
        '{"plugins": {"../hello.php": {"Version": "1.0"}}}',
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_nothing_installed(text: str | None) -> None:
    assert read_plugins(text) == ()
    assert answer_plugins((), {}) == {"plugins": {}, "no_update": {}, "translations": []}


@given(st.text())
def test_no_text_makes_it_fall(text: str) -> None:
    for read in (read_plugins, read_themes):
        assert isinstance(read(text), tuple)


@pytest.mark.parametrize(
    ("version", "where"),
    [("1.0", "plugins"), ("2.0-beta", "plugins"), ("2.0", "no_update"), ("2.0.1", "no_update"), ("", "plugins")],
)
def test_an_update_is_what_php_calls_newer(version: str, where: str) -> None:
    installed = [Installed("hello/hello.php", "hello", version, "")]
    body = answer_plugins(installed, {"hello/hello.php": OFFER})
    other = {"plugins": "no_update", "no_update": "plugins"}[where]
    assert body[other] == {}
    item = body[where]["hello/hello.php"]  # type: ignore[index]
    assert item["new_version"] == "2.0"
    assert item["package"] == OFFER.package


def test_only_what_was_asked_is_answered_and_nothing_updates_by_itself() -> None:
    installed = [Installed("hello/hello.php", "hello", "1.0", "")]
    offers = {"hello/hello.php": OFFER, "other/other.php": OFFER}
    text = json.dumps(answer_plugins(installed, offers))
    assert "other/other.php" not in text
    assert "autoupdate" not in text


@pytest.mark.parametrize(
    ("update_uri", "ours"),
    [
        ("", True),
        ("https://node.example/plugins/hello", True),
        ("https://NODE.example/", True),
        ("https://node.example:8443/x", True),
        ("https://elsewhere.example/hello", False),
        ("https://node.example.evil.example/", False),
        ("https://evil.example/node.example", False),
        ("false", False),
        ("node.example/hello", False),
        ("https://w.org/plugins/hello", False),
        ("http://[::1", False),
    ],
)
def test_a_foreign_update_uri_is_left_alone(update_uri: str, ours: bool) -> None:
    assert is_ours(update_uri, ["node.example"]) is ours


def test_themes_have_their_own_shape() -> None:
    text = json.dumps({"active": "sky", "themes": {"sky": {"Name": "Sky", "Version": "1.0"}, "Bad Name": {}}})
    installed = read_themes(text)
    assert [one.key for one in installed] == ["sky"]
    offer = Offered("sky", "sky", "1.1", "https://node.example/t/sky", "https://node.example/dl/sky.zip")
    body = answer_themes(installed, {"sky": offer})
    assert body["themes"] == {
        "sky": {
            "theme": "sky",
            "new_version": "1.1",
            "url": offer.page,
            "package": offer.package,
            "requires": None,
            "requires_php": None,
        }
    }
    assert body["no_update"] == {}
    assert body["translations"] == []
