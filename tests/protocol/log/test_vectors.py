"""tests/vectors/log: this implementation and the script that wrote them must agree."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.tools import needs_tool

from pfn.protocol.ed25519 import PublicKey, SigningKey
from pfn.protocol.errors import PfnError, SecurityError
from pfn.protocol.log.bundle import parse_bundle
from pfn.protocol.log.bundle_verification import BundleRefusedError, Remembered, Wanted, verify_bundle
from pfn.protocol.log.checkpoint import TreeHead, parse_checkpoint
from pfn.protocol.log.cosignature import Cosigner, cosign
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.entry import KINDS, parse_leaf, write_leaf
from pfn.protocol.log.entry_bundle import write_entries
from pfn.protocol.log.merkle import check_consistency, check_inclusion, leaf_hash
from pfn.protocol.log.note import parse_note, parse_verifier_key
from pfn.protocol.log.policy import verify_witnessed
from pfn.protocol.log.policy_text import parse_policy
from pfn.protocol.log.proof import parse_proof, verify_proof
from pfn.protocol.log.state_digest import HeldRelease, state_digest
from pfn.protocol.log.tile import Tile, parse_tile_path
from pfn.protocol.log.witness import SizeConflictError, judge_checkpoint, parse_add_checkpoint, write_answer
from pfn.protocol.peer import PeerChallenge, check_peer_proof, read_node_description, sign_peer_challenge

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests" / "vectors" / "log"
VECTORS = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
ROOTS = {one["size"]: bytes.fromhex(one["root"]) for one in VECTORS["tree"]["roots"]}
BUNDLE = VECTORS["bundle"]


def entries(count):
    return [f"entry {number}".encode() for number in range(count)]


def hashes(listed):
    return [bytes.fromhex(one) for one in listed]


def head(shown):
    return TreeHead(shown["size"], bytes.fromhex(shown["root"]))


def outcome(call):
    try:
        call()
    except PfnError as error:
        return error.code.slug
    return "ok"


def test_the_script_still_writes_these_bytes(tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts" / "make_log_vectors.py", tmp_path], check=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in FOLDER.glob("*.json")
    }


@pytest.mark.parametrize("name", VECTORS["keys"])
def test_keys(name):
    shown = VECTORS["keys"][name]
    key = SigningKey(bytes.fromhex(shown["seed"]))
    assert key.seed == hashlib.sha256(name.encode()).digest()
    if name == "identity":
        assert (key.public_key.pem, key.public_key.fingerprint) == (shown["pem"], shown["fingerprint"])
    else:
        assert parse_verifier_key(shown["verifier_key"]).key == key.public_key


@pytest.mark.parametrize("vector", VECTORS["leaves"]["leaves"], ids=lambda vector: vector["kind"])
def test_leaves(vector):
    data = bytes.fromhex(vector["bytes"])
    assert json.loads(data) == vector["leaf"]
    assert (parse_leaf(data).kind, write_leaf(parse_leaf(data))) == (vector["kind"], data)
    assert hashlib.sha256(b"\0" + data).hexdigest() == vector["hash"]


def test_there_is_a_leaf_of_every_kind():
    assert {vector["kind"] for vector in VECTORS["leaves"]["leaves"]} == KINDS


@pytest.mark.parametrize("case", VECTORS["leaves"]["refused"].values(), ids=VECTORS["leaves"]["refused"].keys())
def test_no_leaves(case):
    assert outcome(lambda: parse_leaf(case["text"].encode())) == case["expect"]


def test_roots():
    assert [leaf_hash(entry).hex() for entry in entries(10)] == VECTORS["tree"]["leaf_hashes"]
    for size, root in ROOTS.items():
        assert grow(Edge(), map(leaf_hash, entries(size))).edge.head == TreeHead(size, root)


@pytest.mark.parametrize("case", VECTORS["tree"]["inclusion"], ids=lambda case: f"{case['index']} in {case['size']}")
def test_inclusion(case):
    entry = f"entry {case['index']}".encode()
    check_inclusion(leaf_hash(entry), case["index"], case["size"], hashes(case["proof"]), ROOTS[case["size"]])


@pytest.mark.parametrize("case", VECTORS["tree"]["refused_inclusion"].values())
def test_no_inclusion(case):
    with pytest.raises(SecurityError):
        check_inclusion(leaf_hash(b"entry 42"), case["index"], case["size"], hashes(case["proof"]), ROOTS[300])


@pytest.mark.parametrize("case", VECTORS["tree"]["consistency"], ids=lambda case: f"{case['old']} to {case['new']}")
def test_consistency(case):
    old, new = case["old"], case["new"]
    check_consistency(old, ROOTS.get(old, b""), new, ROOTS[new], hashes(case["proof"]))


@pytest.mark.parametrize(("name", "size"), [("files_of_300", 300), ("some_files_of_70000", 70_000)])
def test_tiles(name, size):
    tiles = grow(Edge(), map(leaf_hash, entries(size))).tiles
    for path, shown in VECTORS["tiles"][name].items():
        tile = parse_tile_path(path)
        start = tile.number * 256
        data = write_entries(entries(size)[start : start + tile.width]) if tile.level is None else tiles[tile]
        assert {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()} == shown, path


def test_paths():
    for shown in VECTORS["tiles"]["paths"]:
        assert parse_tile_path(shown["path"]) == Tile(shown["level"], shown["number"], shown["width"])
    for path in VECTORS["tiles"]["refused_paths"]:
        assert outcome(lambda path=path: parse_tile_path(path)) == "log_malformed"


@pytest.mark.parametrize("name", VECTORS["checkpoint"]["notes"])
def test_checkpoints(name):
    vector = VECTORS["checkpoint"]
    note, policy = parse_note(vector["notes"][name].encode()), parse_policy(vector["policy"].encode())
    assert outcome(lambda: verify_witnessed(note, policy, now=vector["now"])) == vector["expect"][name]


def test_the_checkpoint_says_the_tree():
    vector = VECTORS["checkpoint"]
    checkpoint = parse_checkpoint(parse_note(vector["notes"]["signed"].encode()).text)
    assert (checkpoint.origin, checkpoint.head) == (vector["origin"], head(vector))
    assert checkpoint.head == TreeHead(300, ROOTS[300])


@pytest.mark.parametrize("case", VECTORS["witness"]["cases"], ids=lambda case: case["name"])
def test_witness(case):
    vector = VECTORS["witness"]
    witness = Cosigner(vector["witness"], SigningKey(bytes.fromhex(VECTORS["keys"][vector["witness"]]["seed"])))
    known = head(case["known"]) if case["known"] else None
    keys = [parse_verifier_key(key) for key in vector["log_keys"]]
    answer = None
    try:
        request = parse_add_checkpoint(case["request"].encode())
        judge_checkpoint(request, logs=keys, known=known)
        status, answer = 200, write_answer([cosign(request.note, witness, vector["at"])]).decode()
    except SizeConflictError as error:
        status, answer = error.code.status, error.body.decode()
    except PfnError as error:
        status = error.code.status
    assert (status, answer) == (case["status"], case["answer"])


@pytest.mark.parametrize("case", VECTORS["proof"]["cases"])
def test_proofs(case):
    policy, now = parse_policy(VECTORS["proof"]["policy"].encode()), VECTORS["proof"]["now"]
    entry, text = case["entry"].encode(), case["proof"].encode()
    assert outcome(lambda: verify_proof(entry, parse_proof(text), policy, now=now)) == case["expect"]


@pytest.mark.parametrize("case", BUNDLE["cases"], ids=lambda case: f"{case['bundle']}: {case['expect']}")
def test_bundles(case):
    bundle = parse_bundle(json.dumps(BUNDLE["bundles"][case["bundle"]]).encode())
    pin = PublicKey(base64.b64decode(BUNDLE["pins"][case["pin"]]))
    wanted = Wanted(BUNDLE["source"], BUNDLE["slug"], pin, case["version"], case["accept_withdrawn"])
    policy = parse_policy(BUNDLE["policies"][case["policy"]].encode())
    trees = {VECTORS["checkpoint"]["origin"]: head(case["tree"])} if case["tree"] else {}
    data = base64.b64decode(BUNDLE["zips"][case["zip"]])
    failed, said = None, "ok"
    try:
        verify_bundle(bundle, data, wanted, policy, now=case["now"], remembered=Remembered(trees=trees))
    except BundleRefusedError as error:
        failed, said = error.checks[-1].name, error.code.slug
    assert (failed, said) == (case["check"], case["expect"])


@pytest.mark.parametrize("name", VECTORS["state"])
def test_state(name):
    vector = VECTORS["state"][name]
    assert state_digest(HeldRelease(*one) for one in vector["held"]) == vector["digest"]


def test_a_peers_proof():
    vector = VECTORS["peer"]
    node = read_node_description(json.dumps(vector["description"]).encode())
    asked, asking, log_key, witness_key, nonce, at = vector["challenge"].splitlines()[1:]
    challenge = PeerChallenge(asked, asking, log_key, witness_key, nonce, int(at))
    assert challenge.text == vector["challenge"]
    check_peer_proof(node, challenge, base64.b64decode(vector["signature"]))


@pytest.mark.parametrize("case", VECTORS["peer"]["cases"])
def test_challenges_of_peers(case):
    node = read_node_description(json.dumps(VECTORS["peer"]["description"]).encode())
    key = SigningKey(bytes.fromhex(VECTORS["keys"]["identity"]["seed"]))
    signed = outcome(lambda: sign_peer_challenge(case["challenge"], key, own=node, now=case["now"]))
    assert signed == case["expect"]


@needs_tool("node")
def test_an_implementation_in_another_language_says_the_same():
    script = Path(__file__).parent / "verify_vectors.mjs"
    said = json.loads(subprocess.run(["node", script, FOLDER], check=True, capture_output=True, text=True).stdout)
    leaves, tree, tiles, checkpoint = (VECTORS[name] for name in ("leaves", "tree", "tiles", "checkpoint"))
    assert said == {
        "keys": True,
        "leaves": [[one["kind"], one["hash"]] for one in leaves["leaves"]],
        "refused_leaves": {name: one["expect"] for name, one in leaves["refused"].items()},
        "tree": {
            "leaf_hashes": tree["leaf_hashes"],
            "roots": tree["roots"],
            "inclusion": [True] * len(tree["inclusion"]),
            "refused_inclusion": dict.fromkeys(tree["refused_inclusion"], False),
            "consistency": [True] * len(tree["consistency"]),
        },
        "tiles": {**tiles, "refused_paths": ["log_malformed"] * len(tiles["refused_paths"])},
        "checkpoint": {name: checkpoint[name] for name in ("origin", "size", "root", "cosigned_message", "expect")},
        "proof": [case["expect"] for case in VECTORS["proof"]["cases"]],
        "witness": [[case["status"], case["answer"]] for case in VECTORS["witness"]["cases"]],
        "state": {name: one["digest"] for name, one in VECTORS["state"].items()},
        "peer": {"signature": True, "cases": [case["expect"] for case in VECTORS["peer"]["cases"]]},
    }


def test_the_texts_shown_in_the_documentation_are_those_of_the_vectors():
    pages = {
        name: (ROOT / "docs" / "protocol" / f"{name}.md").read_text("utf-8") for name in ("log", "witness", "peers")
    }
    checkpoint, witness, peer = (VECTORS[name] for name in ("checkpoint", "witness", "peer"))
    grown = next(case for case in witness["cases"] if case["name"] == "grown")
    shown = {
        "log": [checkpoint["notes"]["signed"], VECTORS["proof"]["cases"][0]["proof"], checkpoint["log_key"] + "\n"],
        "witness": [grown["request"], grown["answer"], checkpoint["cosigned_message"]],
        "peers": [peer["challenge"]],
    }
    for name, texts in shown.items():
        for text in texts:
            assert f"```\n{text}```" in pages[name], (name, text)
    leaves = [json.loads(block.partition("```")[0]) for block in pages["log"].split("```json\n")[1:]]
    release = next(one["leaf"] for one in VECTORS["leaves"]["leaves"] if one["kind"] == "release")
    assert release in leaves
