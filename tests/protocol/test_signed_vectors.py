"""tests/vectors/v2: this verifier, another in JavaScript, and the script that wrote them must agree."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.tools import needs_tool

from pfn.protocol.artifact import check_artifact_signature, manifest_hash
from pfn.protocol.catalog import Catalog, verify_catalog
from pfn.protocol.document import Head, read_document
from pfn.protocol.dsse import key_id, pae, parse_envelope, signers
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import PfnError
from pfn.protocol.ownership import check_ownership, judge_challenge
from pfn.protocol.publisher_chain import begin_trust, restore_trust
from pfn.protocol.release_statement import read_statement, verify_statement

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "vectors" / "v2"
VECTORS = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
KEYS = {name: SigningKey(bytes.fromhex(key["seed"])) for name, key in VECTORS["keys"].items()}


def cases(name):
    return [pytest.param(case, id=f"{number} {case['expect']}") for number, case in enumerate(VECTORS[name]["cases"])]


def envelope(name, text):
    return parse_envelope(VECTORS[name]["envelopes"][text].encode())


def trusted(name, text):
    return restore_trust(parse_envelope(VECTORS[name]["publishers"][text].encode()))


def outcome(call):
    try:
        return call()
    except PfnError as error:
        return error.code.slug


def test_the_script_still_writes_these_bytes(tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts" / "make_vectors.py", tmp_path], check=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in FOLDER.glob("*.json")
    }


def test_keys():
    for name, key in VECTORS["keys"].items():
        assert KEYS[name].seed == hashlib.sha256(name.encode()).digest()
        assert KEYS[name].public_key.raw_base64 == key["key"]
        assert key_id(KEYS[name].public_key) == key["id"]


def test_envelope():
    vector = VECTORS["envelope"]
    found = parse_envelope(vector["envelope"].encode())
    assert found.payload == vector["payload"].encode()
    assert pae(found.payload_type, found.payload).hex() == vector["pae"]
    signing = [KEYS[name].public_key for name in vector["signers"]]
    assert signers(found, [key.public_key for key in KEYS.values()]) == {key_id(key) for key in signing}


@pytest.mark.parametrize("text", VECTORS["envelope"]["refused"].values(), ids=VECTORS["envelope"]["refused"].keys())
def test_no_envelope(text):
    assert outcome(lambda: parse_envelope(text.encode())) == "publisher_document"


@pytest.mark.parametrize("case", cases("publisher"))
def test_publisher(case):
    vector = VECTORS["publisher"]
    chain = [envelope("publisher", name) for name in case["chain"]]
    assert case["expect"] == outcome(
        lambda: (
            begin_trust(
                chain,
                pin=KEYS[case["pin"]].public_key,
                pin_is_oracle=False,
                source=vector["source"],
                instance_url=vector["instance_url"],
                now=vector["now"],
            ).document.version
        )
    )


@pytest.mark.parametrize("case", cases("statement"))
def test_statement(case):
    vector = VECTORS["statement"]
    known = endorsed_by = None
    if case["known"]:
        before = envelope("statement", case["known"])
        known = Head(read_statement(before).sequence, before.payload_hash)
    if case["catalog"]:
        endorsed_by = read_document(Catalog, parse_envelope(vector["catalogs"][case["catalog"]].encode()))
    assert case["expect"] == outcome(
        lambda: (
            verify_statement(
                envelope("statement", case["statement"]),
                trusted("statement", case["publisher"]),
                slug=case["slug"],
                version=case["version"],
                known=known,
                now=vector["now"],
                logged_at=case["logged_at"],
                endorsed_by=endorsed_by,
            )
            and "ok"
        )
    )


@pytest.mark.parametrize("case", cases("catalog"))
def test_catalog(case):
    known = None
    if case["known"]:
        before = envelope("catalog", case["known"])
        known = Head(read_document(Catalog, before).sequence, before.payload_hash)
    publisher = trusted("catalog", case["publisher"])

    def verify():
        verdict = verify_catalog(envelope("catalog", case["catalog"]), publisher, known=known, now=case["now"])
        return "stale" if verdict.stale else "ok"

    assert outcome(verify) == case["expect"]


def test_artifact():
    vector = VECTORS["artifact"]
    data = base64.b64decode(vector["zip"])
    key = KEYS[vector["key"]].public_key
    signature = base64.b64decode(vector["signature"])
    assert check_artifact_signature([key], sha384=hashlib.sha384(data).digest(), signature=signature) == key
    assert manifest_hash(tuple(file) for file in vector["files"]) == vector["manifest"]


def test_ownership_signature():
    vector = VECTORS["ownership"]
    key = KEYS[vector["key"]].public_key
    signature = base64.b64decode(vector["signature"])
    assert check_ownership([key], challenge=vector["challenge"], signature=signature) == key


@pytest.mark.parametrize("case", cases("ownership"))
def test_ownership(case):
    vector = VECTORS["ownership"]
    urls, username = [vector["instance_url"]], vector["username"]
    judged = outcome(
        lambda: judge_challenge(case["challenge"], instance_urls=urls, username=username, now=case["now"]).value
    )
    assert judged == case["expect"]


@needs_tool("node")
def test_a_verifier_in_another_language_says_the_same():
    script = Path(__file__).parent / "verify_vectors.mjs"
    said = json.loads(subprocess.run(["node", script, FOLDER], check=True, capture_output=True, text=True).stdout)
    for name in ("publisher", "statement", "catalog"):
        assert said[name] == [case["expect"] for case in VECTORS[name]["cases"]], name
    envelope_vector, artifact, ownership = (VECTORS[name] for name in ("envelope", "artifact", "ownership"))
    assert said["envelope"] == {
        "pae": envelope_vector["pae"],
        "signers": envelope_vector["signers"],
        "refused": dict.fromkeys(envelope_vector["refused"], "publisher_document"),
    }
    assert said["artifact"] == {
        **{name: artifact[name] for name in ("length", "sha256", "sha384", "manifest")},
        "signature": True,
    }
    assert said["ownership"] == {"signature": True, "cases": [case["expect"] for case in ownership["cases"]]}


def test_the_documents_shown_in_the_documentation_are_those_of_the_vectors():
    page = (ROOT / "docs" / "protocol" / "publisher-documents.md").read_text()
    shown = [json.loads(block.partition("```")[0]) for block in page.split("```json\n")[1:]]
    assert shown == [
        json.loads(envelope(file, name).payload)
        for file, name in (("publisher", "3"), ("statement", "2"), ("catalog", "7"))
    ]
    assert f"```\n{VECTORS['ownership']['challenge']}```" in page
