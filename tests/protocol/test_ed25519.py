"""One verdict on keys and signatures: RFC 8032, the edges on which libraries differ, and PHP as oracle."""

import hashlib
import json
import random
import subprocess
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
    crypto_sign_open,
)
from nacl.exceptions import BadSignatureError
from tests.support.tools import needs_tool

from pfn.protocol import ed25519
from pfn.protocol.ed25519 import PublicKey, SigningKey, verify
from pfn.protocol.errors import Code, PfnError

FIELD_PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = bytes([1]) + bytes(31)
ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
ORDER_4 = bytes(32)
ORDER_2 = bytes.fromhex("ec" + "ff" * 30 + "7f")

# All 14: seven ordinates, each with the sign bit clear and set.
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]

# RFC 8032, section 7.1, tests 1, 2 and 3: seed, key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("seed", "key", "message", "signature"), RFC_8032)
def test_rfc_8032(seed: str, key: str, message: str, signature: str):
    signing_key = SigningKey(bytes.fromhex(seed))
    assert signing_key.public_key.raw.hex() == key
    assert signing_key.sign(bytes.fromhex(message)).hex() == signature
    assert verify(PublicKey(bytes.fromhex(key)), bytes.fromhex(message), bytes.fromhex(signature))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.data())
def test_what_is_signed_verifies_and_nothing_else_does(seed: bytes, message: bytes, data: st.DataObject):
    key = SigningKey(seed)
    signature = key.sign(message)
    assert verify(key.public_key, message, signature)
    assert not verify(key.public_key, message + b"\0", signature)
    bit = data.draw(st.integers(0, 511))
    flipped = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
    assert not verify(key.public_key, message, flipped)


@given(st.binary(max_size=130))
def test_no_bytes_make_verify_raise(signature: bytes):
    assert not verify(SigningKey(bytes(32)).public_key, b"message", signature)


@pytest.mark.parametrize("encoding", SMALL_ORDER)
def test_small_order_keys_are_refused(encoding: str):
    point = bytes.fromhex(encoding)
    eightfold = point
    for _ in range(3):
        eightfold = crypto_core_ed25519_add(eightfold, eightfold)
    assert eightfold == IDENTITY, "the table is wrong"
    with pytest.raises(PfnError, match="small-order") as refusal:
        PublicKey(point)
    assert refusal.value.code is Code.INVALID_KEY


# With p and p + 1, which are of small order, all ordinates that have a second spelling.
@pytest.mark.parametrize("ordinate", range(FIELD_PRIME + 2, 2**255))
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_non_canonical_keys_are_refused(ordinate: int, sign: int):
    with pytest.raises(PfnError, match="not canonically encoded"):
        PublicKey((ordinate | sign).to_bytes(32, "little"))


@pytest.mark.parametrize("torsion", [ORDER_2, ORDER_4, ORDER_8])
def test_mixed_order_keys_are_refused(torsion: bytes):
    honest = SigningKey(bytes(range(32))).public_key.raw
    with pytest.raises(PfnError, match="prime-order"):
        PublicKey(crypto_core_ed25519_add(honest, torsion))


@pytest.mark.parametrize("raw", [b"\x02" + bytes(31), b"", bytes(31), bytes(33)])
def test_bytes_that_are_no_point_are_refused(raw: bytes):
    with pytest.raises(PfnError) as refusal:
        PublicKey(raw)
    assert refusal.value.code is Code.INVALID_KEY


@dataclass(frozen=True)
class Forge:
    """Signs with a bare scalar, so that R, S and the key can be bent on purpose."""

    secret: int
    nonce: int
    message: bytes = b"Send 100 USD to Alice"

    @property
    def key(self) -> bytes:
        return crypto_scalarmult_ed25519_base_noclamp(encode(self.secret))

    @property
    def r(self) -> bytes:
        return crypto_scalarmult_ed25519_base_noclamp(encode(self.nonce))

    def sign(self, r: bytes, *, nonce: int | None = None, add: int = 0) -> bytes:
        """A signature whose S fits ``r`` up to its small-order part."""
        digest = hashlib.sha512(r + self.key + self.message).digest()
        nonce = self.nonce if nonce is None else nonce
        s = (nonce + int.from_bytes(digest, "little") * self.secret) % GROUP_ORDER + add
        return r + s.to_bytes(32, "little")


def encode(scalar: int) -> bytes:
    return scalar.to_bytes(32, "little")


def edge_signatures(forge: Forge) -> dict[str, bytes]:
    """The cases of "Taming the many EdDSAs" that a key of prime order allows, and some neighbours."""
    honest = forge.sign(forge.r)
    cases = {
        "S = 0, R = the identity": IDENTITY + bytes(32),
        "S just above the order": forge.sign(forge.r, add=GROUP_ORDER),
        "S far above the order": forge.sign(forge.r, add=8 * GROUP_ORDER),
        "S with its top bits set": honest[:63] + bytes([honest[63] | 0xE0]),
        "S = the order": forge.r + encode(GROUP_ORDER),
        "R's sign flipped": honest[:31] + bytes([honest[31] ^ 0x80]) + honest[32:],
        "empty": b"",
        "cut": honest[:63],
        "too long": honest + b"\0",
        "twice": honest + honest,
    }
    for order, torsion in (("2", ORDER_2), ("4", ORDER_4), ("8", ORDER_8)):
        cases[f"R with a part of order {order}"] = forge.sign(crypto_core_ed25519_add(forge.r, torsion))
        cases[f"R with minus a part of order {order}"] = forge.sign(crypto_core_ed25519_sub(forge.r, torsion))
    for encoding in SMALL_ORDER:
        cases[f"R small-order, {encoding}"] = forge.sign(bytes.fromhex(encoding), nonce=0)
    for ordinate in range(FIELD_PRIME, 2**255):
        cases[f"R non-canonical, p + {ordinate - FIELD_PRIME}"] = forge.sign(encode(ordinate), nonce=0)
    return cases


FORGE = Forge(secret=0x1234567890ABCDEF << 180 | 8, nonce=0xFEDCBA0987654321 << 170 | 3)


def test_the_forge_makes_honest_signatures_too():
    assert verify(PublicKey(FORGE.key), FORGE.message, FORGE.sign(FORGE.r))


@pytest.mark.parametrize(("case", "signature"), edge_signatures(FORGE).items())
def test_edge_signatures_are_refused(case: str, signature: bytes):
    assert not verify(PublicKey(FORGE.key), FORGE.message, signature), case


@pytest.mark.parametrize(("case", "signature"), edge_signatures(FORGE).items())
def test_malformed_ones_are_refused_whatever_libsodium_says(
    case: str, signature: bytes, monkeypatch: pytest.MonkeyPatch
):
    """As if it compared with the cofactor, and took all."""
    monkeypatch.setattr("pfn.protocol.ed25519._COMPARES_BYTES", False)
    monkeypatch.setattr("pfn.protocol.ed25519.crypto_sign_open", lambda *_: b"")
    well_formed = case == "R's sign flipped"
    assert verify(PublicKey(FORGE.key), FORGE.message, signature) == well_formed, case


@pytest.mark.parametrize("compares_bytes", [True, False])
def test_the_verdict_does_not_depend_on_how_libsodium_compares(
    compares_bytes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not asked of R, where libsodium compares its bytes, is what that comparison says anyway."""
    cases = mutations(300)
    expected = [verify(PublicKey(key), message, signature) for key, message, signature in cases]
    monkeypatch.setattr("pfn.protocol.ed25519._COMPARES_BYTES", compares_bytes)
    assert [verify(PublicKey(key), message, signature) for key, message, signature in cases] == expected


def test_how_libsodium_compares_is_tried_with_what_only_the_cofactor_forgives() -> None:
    """The points behind it, with S, fit together when they are multiplied by eight, and not before."""
    key, signature = ed25519._MIXED_KEY, ed25519._MIXED_SIGNATURE
    r, s = signature[:32], signature[32:]
    assert PublicKey(key).raw == key
    assert not crypto_core_ed25519_is_valid_point(r)
    digest = int.from_bytes(hashlib.sha512(r + key + b"pfn").digest(), "little") % GROUP_ORDER
    expected = crypto_core_ed25519_sub(
        crypto_scalarmult_ed25519_base_noclamp(s), crypto_scalarmult_ed25519_noclamp(encode(digest), key)
    )
    assert crypto_core_ed25519_is_valid_point(expected)
    assert crypto_core_ed25519_sub(r, expected) == ORDER_8
    assert ed25519._COMPARES_BYTES is True


def mutations(count: int) -> list[tuple[bytes, bytes, bytes]]:
    """Key, message, signature: edges of several keys, and honest signatures with something changed."""
    dice = random.Random(8032)
    cases = []
    for _ in range(5):
        forge = Forge(dice.randrange(1, GROUP_ORDER), dice.randrange(1, GROUP_ORDER), dice.randbytes(20))
        cases += [(forge.key, forge.message, forge.sign(forge.r))]
        cases += [(forge.key, forge.message, signature) for signature in edge_signatures(forge).values()]
    for _ in range(count):
        key, message = SigningKey(dice.randbytes(32)), dice.randbytes(dice.randrange(50))
        signature = bytearray(key.sign(message))
        for _ in range(dice.randrange(3)):
            signature[dice.randrange(64)] = dice.choice([0, 0x10, 0x7F, 0x80, 0xFF, dice.randrange(256)])
        cases.append((key.public_key.raw, message, bytes(signature)))
    return cases


def test_the_verdict_is_libsodiums_own():
    verdicts = set()
    for key, message, signature in mutations(300):
        try:
            crypto_sign_open(signature + message, key)
            expected = len(signature) == 64
        except (BadSignatureError, ValueError):
            expected = False
        assert verify(PublicKey(key), message, signature) == expected
        verdicts.add(expected)
    assert verdicts == {True, False}


PHP_PROGRAM = """
foreach (json_decode(stream_get_contents(STDIN)) as $case) {
    [$key, $message, $signature] = array_map("hex2bin", $case);
    try {
        $verdicts[] = sodium_crypto_sign_verify_detached($signature, $message, $key);
    } catch (SodiumException $refused) {
        $verdicts[] = false;
    }
}
echo json_encode($verdicts);
"""


@needs_tool("php")
def test_the_verdict_is_that_of_php_and_so_of_wordpress():
    cases = mutations(300)
    question = json.dumps([[part.hex() for part in case] for case in cases])
    answer = subprocess.run(["php", "-r", PHP_PROGRAM], input=question.encode(), capture_output=True, check=True)
    verdicts = json.loads(answer.stdout)
    assert [verify(PublicKey(key), message, signature) for key, message, signature in cases] == verdicts
    assert {True, False} == set(verdicts)
