"""Keys and signatures as text: every form publishers send, and a helpful sentence for what is none."""

import base64
import hashlib
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tools import needs_tool

from pfn.protocol.ed25519 import PublicKey, SigningKey, parse_public_key, parse_signature
from pfn.protocol.errors import Code, PfnError

# RFC 8410, section 10: the example keys, which belong together.
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
PRIVATE_PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
SPKI = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
RAW = bytes.fromhex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")
RAW_BASE64 = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
PKCS8 = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"


@pytest.mark.parametrize(
    "text",
    [
        PUBLIC_PEM,
        PUBLIC_PEM.strip(),
        PUBLIC_PEM.replace("\n", "\r\n"),
        PUBLIC_PEM.replace("\n", " "),
        PUBLIC_PEM.replace("\n", ""),
        PUBLIC_PEM.replace("\n", "\\n"),
        PUBLIC_PEM.replace("\n", "\\r\\n"),
        PUBLIC_PEM.replace("\n", "\\n\n"),
        f"-----BEGIN PUBLIC KEY-----\n{SPKI[:20]}\n{SPKI[20:]}\n-----END PUBLIC KEY-----",
        SPKI,
        f"{SPKI[:30]}\n{SPKI[30:]}\n",
        SPKI.rstrip("="),
        RAW_BASE64,
        RAW_BASE64.rstrip("="),
        f" {RAW_BASE64}\n",
    ],
)
def test_every_form_of_a_public_key_is_the_same_key(text: str):
    key = parse_public_key(text)
    assert key == PublicKey(RAW)
    assert key.pem == PUBLIC_PEM
    assert key.raw_base64 == RAW_BASE64


def test_names_of_a_key():
    key = PublicKey(RAW)
    digest = hashlib.sha256(RAW)
    assert key.fingerprint == "SHA256:" + base64.b64encode(digest.digest()).decode().removesuffix("=")
    assert key.short_id == digest.hexdigest()[:16]


def pem(label: str, body: str) -> str:
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def spki(start: str, length: int) -> str:
    return base64.b64encode(bytes.fromhex(start) + bytes(length)).decode()


RSA = spki("30820122300d06092a864886f70d01010105000382010f003082010a0282010100", 261)
ECDSA = spki("3059301306072a8648ce3d020106082a8648ce3d03010703420004", 64)
X25519 = spki("302a300506032b656e032100", 32)
ED448 = spki("3043300506032b6571033a00", 57)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PRIVATE_PEM, "private key. Keep it secret"),
        (PRIVATE_PEM.replace("\n", "\\n"), "private key. Keep it secret"),
        (PKCS8, "private key. Keep it secret"),
        (pem("RSA PRIVATE KEY", "AAAA"), "private key. Keep it secret"),
        (pem("OPENSSH PRIVATE KEY", "AAAA"), "private key. Keep it secret"),
        (pem("PUBLIC KEY", PKCS8), "private key. Keep it secret"),
        (pem("PUBLIC KEY", RSA), "an RSA key; only Ed25519"),
        (RSA, "an RSA key; only Ed25519"),
        (pem("PUBLIC KEY", ECDSA), "an ECDSA key; only Ed25519"),
        (pem("PUBLIC KEY", X25519), "an X25519 key; only Ed25519"),
        (pem("PUBLIC KEY", ED448), "an Ed448 key; only Ed25519"),
        (pem("RSA PUBLIC KEY", "AAAA"), "this is one of RSA PUBLIC KEY"),
        (pem("CERTIFICATE", "AAAA"), "this is one of CERTIFICATE"),
        (pem("PUBLIC KEY", RAW_BASE64), "holds 32 bytes"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm/RAlphM3+hUG6wWfcO5bIUIaqMLa2ywxcOK1wMWbh me", "SSH"),
        (PUBLIC_PEM * 2, "one PEM block"),
        (PUBLIC_PEM + "and more", "one PEM block"),
        ("-----BEGIN PUBLIC KEY-----\n...", "one PEM block"),
        (PUBLIC_PEM.replace("END PUBLIC", "END PRIVATE"), "private key"),
        (PUBLIC_PEM.replace("END PUBLIC", "END RSA"), "one PEM block"),
        (SPKI + "====", "neither PEM nor standard base64"),
        (SPKI[:-1] + "==", "neither PEM nor standard base64"),
        (SPKI.replace("E=", "F="), "neither PEM nor standard base64"),
        ("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE-", "neither PEM nor standard base64"),
        (RAW.hex(), "holds 48 bytes"),
        (base64.b64encode(bytes.fromhex("302a300506032b6570032101") + RAW).decode(), "holds 44 bytes"),
        (
            base64.b64encode(bytes.fromhex("302a300506032b6570032100") + RAW + b"\0").decode(),
            "holds 45 bytes",
        ),
        (base64.b64encode(bytes.fromhex("302a300506032b6570032100") + bytes(32)).decode(), "small-order"),
        (base64.b64encode(bytes(32)).decode(), "small-order"),
        ("", "holds 0 bytes"),
        ("ключ", "neither PEM nor standard base64"),
        ("A" * 5000, "far shorter than 5000"),
    ],
)
def test_what_is_no_public_key(text: str, sentence: str):
    with pytest.raises(PfnError) as refusal:
        parse_public_key(text)
    assert refusal.value.code is Code.INVALID_KEY
    assert sentence in refusal.value.detail
    assert len(text) < 40 or text[30:60] not in refusal.value.detail, "a secret may have been pasted"


@given(st.text() | st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()))
def test_any_text_is_a_key_or_an_error_of_the_list(text: str):
    try:
        key = parse_public_key(text)
    except PfnError:
        return
    assert parse_public_key(key.pem) == key


@given(st.binary(min_size=32, max_size=32))
def test_signing_keys_survive_pem_and_never_show_themselves(seed: bytes):
    key = SigningKey(seed)
    assert SigningKey.from_pem(key.pem) == key
    assert parse_public_key(key.public_key.pem) == key.public_key
    assert repr(key) == "SigningKey()"


def test_the_example_keys_of_the_rfc_belong_together():
    assert SigningKey.from_pem(PRIVATE_PEM).public_key == PublicKey(RAW)
    assert SigningKey.from_pem(PRIVATE_PEM.replace("\n", "\\n")).pem == PRIVATE_PEM


def test_generated_keys_take_all_their_randomness_from_the_given_source():
    assert SigningKey.generate(lambda length: b"\x07" * length).seed == b"\x07" * 32
    assert SigningKey.generate() != SigningKey.generate()
    with pytest.raises(PfnError, match="has 31"):
        SigningKey(bytes(31))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PUBLIC_PEM, "this is one of PUBLIC KEY"),
        (pem("ENCRYPTED PRIVATE KEY", PKCS8), "this is one of ENCRYPTED PRIVATE KEY"),
        (pem("RSA PRIVATE KEY", "AAAA"), "this is one of RSA PRIVATE KEY"),
        (pem("PRIVATE KEY", RSA), "it is an RSA key"),
        (pem("PRIVATE KEY", SPKI), "it is something else"),
        (pem("PRIVATE KEY", PKCS8[:-4]), "it is something else"),
        (pem("PRIVATE KEY", PKCS8 + "A"), "it is something else"),
        (PKCS8, "not one PEM block"),
        ("", "not one PEM block"),
    ],
)
def test_what_is_no_signing_key(text: str, sentence: str):
    with pytest.raises(PfnError) as refusal:
        SigningKey.from_pem(text)
    assert refusal.value.code is Code.CONFIG_INVALID
    assert sentence in refusal.value.detail
    assert PKCS8[20:40] not in refusal.value.detail


NODE_PROGRAM = """
const crypto = require("crypto");
const { privateKey, publicKey } = crypto.generateKeyPairSync("ed25519");
console.log(JSON.stringify({
  private: privateKey.export({ type: "pkcs8", format: "pem" }),
  public: publicKey.export({ type: "spki", format: "pem" }),
  signature: crypto.sign(null, Buffer.from("hello"), privateKey).toString("base64"),
}));
"""


@needs_tool("node")
def test_keys_made_the_way_the_quick_start_shows():
    made = json.loads(subprocess.run(["node", "-e", NODE_PROGRAM], capture_output=True, check=True).stdout)
    key = SigningKey.from_pem(made["private"])
    assert key.pem == made["private"]
    assert key.public_key.pem == made["public"]
    assert parse_public_key(made["public"]) == key.public_key
    assert key.sign(b"hello") == parse_signature(made["signature"])


SIGNATURE = bytes(range(190, 254))
SIGNATURE_TEXT = base64.b64encode(SIGNATURE).decode()


@pytest.mark.parametrize("text", [SIGNATURE_TEXT, SIGNATURE_TEXT.removesuffix("==")])
def test_signatures_in_base64(text: str):
    assert parse_signature(text) == SIGNATURE


@pytest.mark.parametrize(
    "text",
    [
        "",
        SIGNATURE_TEXT.removesuffix("="),
        SIGNATURE_TEXT + "=",
        SIGNATURE_TEXT + "\n",
        " " + SIGNATURE_TEXT,
        SIGNATURE_TEXT[:40] + "\n" + SIGNATURE_TEXT[40:],
        SIGNATURE_TEXT.replace("/", "_").replace("+", "-"),
        SIGNATURE_TEXT[:-3] + chr(ord(SIGNATURE_TEXT[-3]) + 1) + "==",
        base64.b64encode(SIGNATURE[:63]).decode(),
        base64.b64encode(SIGNATURE + b"\0").decode(),
        SIGNATURE.hex(),
        "é" * 86,
    ],
)
def test_other_spellings_of_signatures_are_refused(text: str):
    assert parse_signature(text) is None
