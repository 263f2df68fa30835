"""The v1 documents: that their signatures hold for whoever reads them, and that nothing else is ever signed."""

import base64
import json
import secrets
import subprocess
import uuid
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from tests.support.tools import needs_tool

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.js_json import metadata_message, plugin_data_message
from pfn.protocol.ownership import new_ownership_challenge, new_probe
from pfn.protocol.publisher_v1 import read_author_data, read_plugin_data
from pfn.publisher.documents import (
    Publisher,
    encode_document,
    list_features,
    list_plugin,
    make_author_data,
    make_federation_info,
    make_plugin_data,
    prove_ownership,
)
from pfn.publisher.profile import Profile
from pfn.publisher.release import Release

KEY, ROOT, OWNERSHIP = SigningKey(bytes(range(32))), SigningKey(bytes(32)), SigningKey(b"\1" * 32)
URL = "https://plugins.example.com/a"
PUBLISHER = Publisher(
    Profile(username="alice", member_since=date(2024, 1, 2), public_url=URL), URL, ROOT.public_key, KEY, OWNERSHIP
)
NOW = 1_800_000_000


def release(version: str = "1.0", released_at: int = 1_700_000_000, **facts: object) -> Release:
    values = {
        "slug": "one",
        "version": version,
        "name": "One",
        "description": "Does one thing.",
        "tags": (),
        "requires": "5.9",
        "tested": "6.1",
        "requires_php": "7.4",
        "length": 3,
        "sha256": "00",
        "sha384": "00",
        "manifest": "00",
        "released_at": released_at,
    }
    return Release(**(values | facts))  # type: ignore[arg-type]


def holds(message: bytes, signature: str, key: SigningKey = KEY) -> bool:
    try:
        VerifyKey(key.public_key.raw).verify(message, base64.b64decode(signature))
    except BadSignatureError:
        return False
    return True


anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(name=anything, short=anything, tags=st.lists(anything | st.integers(0, 99).map(str), unique=True))
def test_what_the_node_reads_is_what_was_signed(name: str, short: str, tags: list[str]) -> None:
    one = release(name=name, description=short, tags=tuple(tags))
    read = read_author_data(encode_document(make_author_data(PUBLISHER, [list_plugin(PUBLISHER, one)])))
    assert read.unreadable == ()
    (listed,) = read.plugins
    assert (listed.name, listed.short_description, set(listed.tags)) == (name, short, set(tags))
    message = metadata_message(listed.slug, listed.name, listed.version, listed.short_description)
    assert listed.signature
    assert holds(message, listed.signature)

    data = read_plugin_data(encode_document(make_plugin_data(PUBLISHER, [one], now_ms=0)))
    assert data
    assert data.describes("one", "1.0")
    assert holds(plugin_data_message(data.data), data.signature)


NODE = """
const {createPublicKey, verify} = require("crypto");
const {pem, authorData, pluginData} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const key = createPublicKey(pem);
const holds = (text, signature) => verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"));
const plugin = JSON.parse(authorData).plugins[0], answer = JSON.parse(pluginData);
const {slug: id, name, version, short_description: description} = plugin;
console.log(JSON.stringify([
  holds(JSON.stringify({id, name, version, description}), plugin.signature),
  holds(JSON.stringify(answer.data), answer.signature),
]));
"""


@needs_tool("node")
def test_node_js_finds_the_signatures_good() -> None:
    one = release(name='Ünë "1"\u2028\x7f', description="\\ 😀 </script>", tags=("10", "9", "b", "01", "__proto__"))
    given_ = {
        "pem": KEY.public_key.pem,
        "authorData": encode_document(make_author_data(PUBLISHER, [list_plugin(PUBLISHER, one)])).decode(),
        "pluginData": encode_document(make_plugin_data(PUBLISHER, [one], now_ms=0)).decode(),
    }
    run = subprocess.run(["node", "-e", NODE], input=json.dumps(given_), capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [True, True]


def test_plugin_data_names_every_version_and_its_zip() -> None:
    document = make_plugin_data(PUBLISHER, [release("1.0+a"), release("1.1", 1_600_000_000)], now_ms=5)
    (entry,) = document["data"]  # type: ignore[misc]
    base = "https://plugins.example.com/a/plugins/alice/one/one"
    assert entry["versions"] == {"1.0+a": f"{base}.1.0%2Ba.zip", "1.1": f"{base}.1.1.zip"}
    assert entry["download_link"] == f"{base}.1.1.zip"
    assert (entry["version"], entry["last_updated"], entry["added"]) == ("1.1", "2020-09-13 12:26 GMT", "2020-09-13")


@given(st.uuids(version=4))
def test_a_uuid_is_signed_with_the_v1_key(challenge: uuid.UUID) -> None:
    proof = prove_ownership(PUBLISHER, {"username": "alice", "challenge": str(challenge)}, now_ms=5)
    assert holds(str(challenge).encode(), str(proof["signature"]))


def challenge(**changes: object) -> str:
    values = {"node_origin": "https://n.example", "instance_url": URL, "username": "alice", "now": NOW} | changes
    return new_ownership_challenge(**values, random_bytes=secrets.token_bytes).text  # type: ignore[arg-type]


def test_a_v2_challenge_is_signed_with_the_ownership_key() -> None:
    text = challenge()
    proof = prove_ownership(PUBLISHER, {"username": "alice", "challenge": text}, now_ms=NOW * 1000)
    assert holds(text.encode(), str(proof["signature"]), OWNERSHIP)


@pytest.mark.parametrize(
    "changes",
    [{"instance_url": "https://plugins.example.com"}, {"username": "bob"}, {"now": NOW - 301}, {"now": NOW + 301}],
)
def test_a_v2_challenge_for_another_is_not(changes: dict[str, object]) -> None:
    with pytest.raises(SecurityError) as caught:
        prove_ownership(PUBLISHER, {"username": "alice", "challenge": challenge(**changes)}, now_ms=NOW * 1000)
    assert caught.value.code is Code.OWNERSHIP_CHALLENGE


@given(
    anything
    | st.uuids(version=4).map(lambda one: str(one).upper()).filter(str.isupper)
    | st.uuids(version=1).map(str)
    | st.uuids(version=4).flatmap(lambda one: st.sampled_from([f"{one}\n", f" {one}", f"{{{one}}}", one.hex]))
    | st.sampled_from(["1700000000000", '{"id":"a","name":"b","version":"1"}', "[]"])
    | st.binary(min_size=32, max_size=32).map(lambda data: new_probe(lambda _: data))
)
def test_nothing_else_is_signed(challenge: str) -> None:
    with pytest.raises(PfnError):
        prove_ownership(PUBLISHER, {"username": "alice", "challenge": challenge}, now_ms=5)


def test_without_online_keys_nothing_is_signed_and_nothing_promised() -> None:
    bare = replace(PUBLISHER, v1_key=None, ownership_key=None)
    assert "signature" not in list_plugin(bare, release())
    assert "signature" not in make_plugin_data(bare, [release()], now_ms=0)
    for text in (str(uuid.uuid4()), challenge()):
        with pytest.raises(PfnError) as caught:
            prove_ownership(bare, {"username": "alice", "challenge": text}, now_ms=NOW * 1000)
        assert caught.value.code is Code.OWNERSHIP_CHALLENGE
    assert list_features(bare, answers=True) == ("plugin-sync", "plugin-mirroring", "pfn-v2")


def test_only_a_server_promises_to_answer() -> None:
    answering, static = list_features(PUBLISHER, answers=True), list_features(PUBLISHER, answers=False)
    assert set(answering) - set(static) == {"key-verification", "ownership-v2"}
    assert "pfn-v2" in static


def test_the_key_shown_is_the_root_key_and_beside_it_the_v1_key() -> None:
    info = make_federation_info(PUBLISHER, [], features=(), releases=0, now_ms=0, uptime_s=0)
    assert (info["publicKey"], info["v1PublicKey"]) == (ROOT.public_key.pem, KEY.public_key.pem)
