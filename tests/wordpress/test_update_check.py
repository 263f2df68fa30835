"""Update checks: what a site says is read, and what it gets it survives."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.wordpress.update_check import (
    Installed,
    Item,
    Offered,
    is_ours,
    read_plugins,
    read_themes,
    write_answer,
    write_plugin,
    write_theme,
)

HELLO = "hello/hello.php"
OFFER = Offered("hello", "2.0", "https://node.example/p/hello", "https://node.example/dl/hello.zip")


def answer(kind: str, installed: tuple[Installed, ...], items: Mapping[str, Item]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(write_answer(kind, installed, items))
    return body


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
        '{"plugins": {"hello/hello.php": {"Version": "1.0"}}} x',
        '{"plugins": {"hello/hello.php": {"Version": "\\ud800"}}}',
        '{"plugins": {"hello/hello.php": {"Name": "a\x01b"}}}',
        '{"plugins": {"hello/hello.php": {"Name": ' + "[" * 300 + "]" * 300 + "}}}",
    ],
)
def test_what_cannot_be_read_is_nothing_installed(text: str | None) -> None:
    assert read_plugins(text) == ()
    assert answer("plugin", (), {}) == {"plugins": {}, "no_update": {}, "translations": []}


def members(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Give objects as text, some with several members of one name."""
    pairs = st.lists(st.tuples(names.map(json.dumps), values).map(":".join), max_size=5)
    return pairs.map(",".join).map("{{{}}}".format)


VALUES = st.sampled_from([None, True, 7, 1.5, float("nan"), "", "1.0", "é" * 70, [], {}, [None, HELLO], HELLO]).map(
    json.dumps
)
HEADERS = members(st.sampled_from(["Version", "UpdateURI", "Name"]), VALUES) | VALUES
ENTRIES = members(st.sampled_from([HELLO, "b/b.php", "c.php", "a/x/y.php", "d/é.php", "sky"]), HEADERS) | VALUES


@given(members(st.sampled_from(["plugins", "themes", "active", "more"]), ENTRIES) | VALUES)
def test_a_site_is_read_as_any_reader_of_json_would(text: str) -> None:
    document = json.loads(text)
    if not isinstance(document, dict):
        document = {}

    def find(name: str) -> list[tuple[str, dict[str, object]]]:
        entries = document.get(name)
        found = entries.items() if isinstance(entries, dict) else ()
        return [(key, header) for key, header in found if isinstance(header, dict)]

    def take(header: dict[str, object], name: str) -> str:
        value = header.get(name)
        return value if isinstance(value, str) else ""

    active = document.get("active")
    assert [(one.key, one.version, one.update_uri, one.active) for one in read_plugins(text)] == [
        (key, take(header, "Version")[:64], take(header, "UpdateURI"), not isinstance(active, list) or key in active)
        for key, header in find("plugins")
        if key in {HELLO, "b/b.php", "d/é.php"}
    ]
    assert [(one.key, one.version, one.update_uri, one.active) for one in read_themes(text)] == [
        (key, take(header, "Version")[:64], take(header, "UpdateURI"), active is None or key == active)
        for key, header in find("themes")
        if key == "sky"
    ]


@given(st.text())
def test_no_text_makes_it_fall(text: str) -> None:
    for read in (read_plugins, read_themes):
        assert isinstance(read(text), tuple)


@pytest.mark.parametrize(
    ("version", "where"),
    [("1.0", "plugins"), ("2.0-beta", "plugins"), ("2.0", "no_update"), ("2.0.1", "no_update"), ("", "plugins")],
)
def test_an_update_is_what_php_calls_newer(version: str, where: str) -> None:
    body = answer("plugin", (Installed(HELLO, "hello", version, ""),), {HELLO: write_plugin(OFFER)})
    other = {"plugins": "no_update", "no_update": "plugins"}[where]
    assert body[other] == {}
    item = body[where][HELLO]
    assert item["new_version"] == "2.0"
    assert item["package"] == OFFER.package


def test_only_what_was_asked_is_answered_and_nothing_updates_by_itself() -> None:
    item = write_plugin(OFFER)
    text = write_answer("plugin", [Installed(HELLO, "hello", "1.0", "")], {HELLO: item, "other/other.php": item})
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
    offer = Offered("sky", "1.1", "https://node.example/t/sky", "https://node.example/dl/sky.zip")
    body = answer("theme", installed, {"sky": write_theme(offer)})
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


def test_a_plugin_has_its_whole_shape() -> None:
    offer = Offered(
        slug="hello",
        version="2.0",
        page="https://node.example/p/hello",
        package="https://node.example/dl/hello.zip",
        requires="5.9",
        tested="6.1",
        requires_php="7.4",
        requires_plugins=("first", "second"),
        upgrade_notice='Say "hallo" to Ærø\\\n</script>',
        icons={"default": "https://node.example/mark.svg"},
    )
    body = answer("plugin", (Installed(HELLO, "hello", "1.0", ""),), {HELLO: write_plugin(offer)})
    assert body["plugins"] == {
        HELLO: {
            "id": offer.page,
            "slug": "hello",
            "plugin": HELLO,
            "new_version": "2.0",
            "url": offer.page,
            "package": offer.package,
            "icons": offer.icons,
            "banners": {},
            "banners_rtl": {},
            "requires": "5.9",
            "tested": "6.1",
            "requires_php": "7.4",
            "requires_plugins": ["first", "second"],
            "upgrade_notice": offer.upgrade_notice,
        }
    }


@given(st.dictionaries(st.text() | st.just("a/\ud800.php"), st.sampled_from(["1.0", "2.0", "3.0"])))
def test_whatever_a_site_calls_its_files_comes_back(versions: Mapping[str, str]) -> None:
    installed = tuple(Installed(key, "hello", version, "") for key, version in versions.items())
    item = write_plugin(OFFER)
    text = write_answer("plugin", installed, dict.fromkeys(versions, item))
    body = json.loads(text.encode("ascii"))
    assert list(body) == ["plugins", "no_update", "translations"]
    assert {key: found["plugin"] for key, found in (body["plugins"] | body["no_update"]).items()} == {
        key: key for key in versions
    }
    assert set(body["plugins"]) == {key for key, version in versions.items() if version == "1.0"}
