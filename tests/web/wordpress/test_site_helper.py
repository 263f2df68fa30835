"""The site helper as a file: what it pins and leaves out, what it is not made for, and that PHP reads it."""

import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time
from tests.support.tools import needs_tool

from pfn.domain.verification import VerificationType
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.wordpress.site_helper import TEMPLATE

FILE, FACTS = "/wordpress/pfn-site.php", "/wordpress/pfn-site.json"
FOREIGN = {
    "far.php": b"<?php\n/*\nPlugin Name: Far\nVersion: 1.0\nLicense: GPL-2.0-or-later\nUpdate URI: https://far.example/\n*/\n"
}


@pytest.fixture
async def alice() -> AsyncIterator[FakePublisherV2]:
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        publisher.add_plugin("two", "1.0")
        yield publisher


@pytest.fixture
async def node(tmp_path: Path, alice: FakePublisherV2) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node", clock=Time()) as node:
        await follow(node, alice)
        yield node


def name_of(publisher: FakePublisher) -> str:
    return f"{publisher.username}@{publisher.url.removeprefix('http://')}"


async def make(node: ServedNode, plugins: str, **query: Any) -> str:
    answer = await node.http.get(FILE, params={"plugins": plugins, **query})
    assert answer.status_code == 200, answer.text
    return answer.text


def read_constants(text: str, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Have PHP read the file, and say whom it asks and what it pins."""
    file = folder / "pfn-site.php"
    file.write_text(text, encoding="utf-8")
    code = (
        "error_reporting(E_ALL); set_error_handler(function () { exit(9); }); define('ABSPATH', '/'); "
        "function add_filter() {} function add_action() {} require $argv[1]; "
        "echo json_encode(array(Pfn_Site::NODES, Pfn_Site::PLUGINS));"
    )
    done = subprocess.run(["php", "-r", code, str(file)], capture_output=True, text=True, check=True)
    nodes, plugins = json.loads(done.stdout)
    return nodes, dict(plugins)


@needs_tool("php")
async def test_it_pins_the_chosen_plugins(node: ServedNode, alice: FakePublisherV2, tmp_path: Path) -> None:
    pinned = {"source": name_of(alice), "keys": [alice.release_key.public_key.raw_base64]}
    assert read_constants(await make(node, "one"), tmp_path) == ([node.url], {"one": pinned})
    assert read_constants(await make(node, "two, one"), tmp_path)[1] == {"one": pinned, "two": pinned}
    assert read_constants(await make(node, "*"), tmp_path)[1] == {"one": pinned, "two": pinned}


@needs_tool("php")
async def test_it_asks_this_node_first_and_others_after(node: ServedNode, tmp_path: Path) -> None:
    text = await make(node, "one", fallback=["HTTPS://Second.Example:443/", "https://third.example/node"])
    nodes, _ = read_constants(text, tmp_path)
    assert nodes == [node.url, "https://second.example", "https://third.example/node"]
    answer = await node.http.get(FILE, params={"plugins": "one", "fallback": "https://x.example/'.evil().'"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_url")


@needs_tool("php")
async def test_keys_follow_the_key_document(node: ServedNode, alice: FakePublisherV2, tmp_path: Path) -> None:
    scoped = alice.add_release_key(slugs=("two",))
    ended = alice.add_release_key(not_after=int(node.clock()) + 1)
    await node.services.verifications.verify(name_of(alice), VerificationType.MANUAL, "test")
    node.clock.now += 2

    def raw(key: Any) -> str:
        return str(key.public_key.raw_base64)

    await sync(node, name_of(alice))
    _, plugins = read_constants(await make(node, "one,two"), tmp_path)
    assert plugins["one"]["keys"] == [raw(alice.release_key)]
    assert plugins["two"]["keys"] == [raw(alice.release_key), raw(scoped)]
    assert raw(ended) not in json.dumps(plugins)

    revoked = alice.revoke_release_key(compromised_since=int(node.clock()))
    alice.add_plugin("one", "1.1")
    await sync(node, name_of(alice))
    _, plugins = read_constants(await make(node, "one"), tmp_path)
    assert plugins["one"]["keys"] == [raw(alice.release_key)]
    assert raw(revoked) not in json.dumps(plugins)


@needs_tool("php")
async def test_a_retired_key_is_pinned_while_what_it_signed_is_the_newest(
    node: ServedNode, alice: FakePublisherV2, tmp_path: Path
) -> None:
    old = alice.rotate_release_key(overlap=60)
    await sync(node, name_of(alice))
    node.clock.now += 3600
    keys = [alice.release_key.public_key.raw_base64, old.public_key.raw_base64]
    assert read_constants(await make(node, "one"), tmp_path)[1]["one"]["keys"] == keys
    alice.add_plugin("one", "1.1")
    await sync(node, name_of(alice))
    assert read_constants(await make(node, "one"), tmp_path)[1]["one"]["keys"] == keys[:1]


@pytest.mark.parametrize("plugins", ["", ",", "One", "one two", "../x", "one,'", ",".join(f"p{i}" for i in range(501))])
async def test_names_that_are_none_are_refused(node: ServedNode, plugins: str) -> None:
    for path in (FILE, FACTS):
        answer = await node.http.get(path, params={"plugins": plugins})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


async def test_a_file_for_no_plugins_is_refused(node: ServedNode) -> None:
    assert (await node.http.get(FILE)).status_code == 422


async def test_what_cannot_be_pinned_is_refused_by_name_and_left_out_of_all(node: ServedNode) -> None:
    async with FakePublisher("bob") as bob, FakePublisherV2("carol") as carol:
        bob.add_plugin("unsigned", "1.0")
        carol.add_plugin("near", "1.0")
        for publisher in (bob, carol):
            await follow(node, publisher)
        for slug, status, code in (("nobodys", 404, "plugin_unknown"), ("unsigned", 422, "unsigned")):
            answer = await node.http.get(FILE, params={"plugins": f"one,{slug}"})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        text = await make(node, "*")
    assert "'near'" in text
    assert "'unsigned'" not in text


async def test_a_plugin_that_is_updated_from_elsewhere_is_refused(node: ServedNode) -> None:
    async with FakePublisher("dora") as dora:
        dora.add_plugin("far", "1.0", content=plugin_zip("far", "1.0", files=FOREIGN))
        await follow(node, dora)
        answer = await node.http.get(FILE, params={"plugins": "far"})
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
        assert "'far'" not in await make(node, "*")


async def test_a_suspended_source_is_pinned_no_more(node: ServedNode, alice: FakePublisherV2) -> None:
    assert (await node.post("suspend-source", sourceId=name_of(alice), reason="for a test")).status_code == 200
    assert (await node.http.get(FILE, params={"plugins": "one"})).status_code == 404
    assert (await node.http.get(FACTS, params={"plugins": "one"})).json() == {"plugins": {}}


async def test_it_is_a_file_to_keep(node: ServedNode) -> None:
    answer = await node.http.get(FILE, params={"plugins": "one"})
    assert answer.headers["content-disposition"] == 'attachment; filename="pfn-site.php"'
    assert answer.headers["content-type"].startswith("application/x-php")
    assert answer.headers["cache-control"] == "no-cache"


async def test_facts_say_what_is_shown(node: ServedNode, alice: FakePublisherV2) -> None:
    answer = await node.http.get(FACTS, params={"plugins": "one,unknown"})
    (fact,) = answer.json()["plugins"].values()
    assert fact["source"] == name_of(alice)
    assert fact["level"] == "artifact"
    assert 0 <= fact["trust"] <= 1
    assert fact["keys"] == [alice.release_key.public_key.raw_base64]
    assert fact["card"]["slug"] == "one"
    assert fact["card"]["download_link"].startswith(node.url)


@needs_tool("php")
def test_php_can_read_the_template() -> None:
    done = subprocess.run(["php", "-l", str(TEMPLATE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# By PHP's own tokens. What PHP 7.4 does not know: match, enum, readonly, attributes, ?->, named arguments, union types,
# promoted and first-class callables, throw as an expression, str_contains and its like.
YOUNGER = {
    "T_MATCH",
    "T_ENUM",
    "T_READONLY",
    "T_ATTRIBUTE",
    "T_NULLSAFE_OBJECT_OPERATOR",
    "T_NAME_QUALIFIED",
    "T_NAME_FULLY_QUALIFIED",
}
YOUNGER_FUNCTIONS = {
    *("str_contains", "str_starts_with", "str_ends_with", "get_debug_type", "array_is_list", "array_find"),
    *("array_any", "array_all", "json_validate", "mb_str_pad", "fdiv", "preg_last_error_msg", "ctype_alpha"),
}
# Deprecated or gone by 8.4.
GONE = {"utf8_encode", "utf8_decode", "strftime", "create_function", "each", "money_format", "lcg_value", "mhash"}


@needs_tool("php")
def test_it_uses_nothing_that_php_7_4_lacks_or_8_4_deprecates() -> None:
    code = (
        "$shown = array(); foreach (token_get_all(file_get_contents($argv[1])) as $token) "
        "$shown[] = is_array($token) ? array(token_name($token[0]), $token[1]) : array('', $token); "
        "echo json_encode($shown);"
    )
    done = subprocess.run(["php", "-r", code, str(TEMPLATE)], capture_output=True, text=True, check=True)
    tokens = [(name, text) for name, text in json.loads(done.stdout) if name not in {"T_COMMENT", "T_DOC_COMMENT"}]
    assert YOUNGER.isdisjoint(name for name, _ in tokens)
    assert (YOUNGER_FUNCTIONS | GONE).isdisjoint(text for name, text in tokens if name == "T_STRING")
    source = "".join(text for _, text in tokens)
    # Named arguments; trailing commas in parameter lists; implicitly nullable and union types; "${name}" in strings.
    assert not re.search(r"[(,]\s*[a-z_]+:\s", source)
    assert not re.search(r"function \w*\([^)]*,\s*\)", source)
    assert not re.search(r"\w\|\w+ \$|\$\{|function \w+\([^)]*\w \$\w+ = null", source)


@needs_tool("php")
def test_every_sentence_can_be_translated() -> None:
    """Texts go through WordPress' functions, under one name of their own, literally, as its tools gather them."""
    source = TEMPLATE.read_text(encoding="utf-8")
    calls = re.findall(r"\b(?:__|_x|esc_html__)\(\s*(.*?)\s*\)[;,)\s]", source)
    assert len(calls) > 8
    for call in calls:
        assert re.fullmatch(r"'(?:[^'\\]|\\.)+'(?:, 'Plugin Installer')?, 'pfn-site'", call), call
