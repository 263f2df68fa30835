"""Notes, trees, proofs and tiles against Go's own packages, which the formats come from."""

import base64
import hashlib
import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from tests.protocol.log.trees import (
    LOG,
    ORIGIN,
    SIZES,
    WITNESSES,
    cosigned,
    hashed,
    leaves,
    naive_path,
    naive_root,
    signed,
    tiled,
)
from tests.support.signed import NOW, key
from tests.support.tools import needs_tool

from pfn.protocol.errors import PfnError
from pfn.protocol.log.cosignature import Cosignature, Cosigner, verify_cosignatures
from pfn.protocol.log.merkle import prove_consistency, prove_inclusion
from pfn.protocol.log.note import NoteSigner, is_key_name, parse_note, sign_note, verify_note, write_note
from pfn.protocol.log.tile import Tile, parse_tile_path, read_nodes

# Where Debian's golang-golang-x-mod-dev puts the packages.
GOPATH = Path("/usr/share/gocode")
PACKAGES = GOPATH / "src" / "golang.org" / "x" / "mod" / "sumdb"
NAMES = [
    "plain",
    "example.com/log+more",
    "größe",
    *(f"a{chr(space)}b" for space in (0x20, 0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)),
    *(f"a{chr(other)}b" for other in (0x7F, 0x180E, 0x200B, 0x2060, 0xFEFF)),
]
PATHS = [
    "tile/0/000",
    "tile/0/255.p/255",
    "tile/3/x001/x234/067.p/9",
    "tile/entries/x001/000.p/1",
    "tile/0/001/000",
    "tile/0/x000/001",
    "tile/0/1",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/-1/000",
    "tile/00/000",
]
BIG_SIZES = [*SIZES, 1023, 1024, 1025]
PAIRS = random.Random(1).sample([(old, new) for new in BIG_SIZES for old in BIG_SIZES if 0 < old <= new], 150)

pytestmark = [
    needs_tool("go"),
    pytest.mark.skipif(
        not PACKAGES.is_dir() and "CI" not in os.environ, reason=f"Go's packages are not in {PACKAGES} here"
    ),
]


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Ask Go: a question as JSON, with bytes in base64."""
    program = tmp_path_factory.mktemp("go") / "crosscheck"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(program.parent),
        "GOPATH": str(GOPATH),
        "GO111MODULE": "off",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOCACHE": str(program.parent / "cache"),
        "CGO_ENABLED": "0",
    }
    source = Path(__file__).parent / "crosscheck.go"
    subprocess.run(["go", "build", "-o", program, source], env=environment, check=True)

    def run(**question):
        asked = json.dumps(question, default=lambda data: base64.b64encode(data).decode())
        return json.loads(subprocess.run([program], input=asked, check=True, capture_output=True, text=True).stdout)

    return run


def plain(hashes):
    return [base64.b64encode(one).decode() for one in hashes]


def test_go_opens_our_notes(ask):
    one, two = WITNESSES[:2]
    extra = NoteSigner("another.example/größe", key("another"))
    notes = [
        (write_note(signed(5)), [LOG.verifier_key.text], [ORIGIN]),
        (write_note(cosigned(signed(5), [one, two])), [LOG.verifier_key.text], [ORIGIN, one.name]),
        (write_note(sign_note("a\n\n— b\n\nc\n", [LOG, extra])), [extra.verifier_key.text], [extra.name]),
        (write_note(sign_note("\n", [LOG])), [LOG.verifier_key.text], [ORIGIN]),
    ]
    answered = ask(
        Notes=[
            {"Note": data, "Keys": keys, "Witness": one.name, "WitnessKey": one.key.public_key.raw}
            for data, keys, _ in notes
        ]
    )
    for (data, _, names), found in zip(notes, answered["Notes"], strict=True):
        assert found == {"Text": parse_note(data).text, "Signed": names, "Error": ""}


def test_go_refuses_what_we_refuse(ask):
    good = write_note(cosigned(signed(5), WITNESSES[:1]))
    changed = []
    for at in range(0, len(good), 3):
        data = bytearray(good)
        data[at] ^= 1
        changed.append(bytes(data))
    changed += [good[:-1], good + b"\n", good.replace(b"\n\n", b"\n"), good.replace(b"\n", b"\r\n"), b"", b"\n\n"]
    witness = WITNESSES[0]
    known = {"Keys": [LOG.verifier_key.text], "Witness": witness.name, "WitnessKey": witness.key.public_key.raw}
    answered = ask(Notes=[{"Note": data, **known} for data in changed])
    refused = 0
    for data, found in zip(changed, answered["Notes"], strict=True):
        names = names_that_signed(data, witness)
        refused += not names
        # Stray bits at the end of base64 are the one thing that Go lets through.
        assert (found["Signed"] or []) == names or base64_differs_only(data, good)
    assert refused > len(changed) // 2


def names_that_signed(data: bytes, witness: Cosigner) -> list[str]:
    """As Go counts: of all known keys at least one, and none that fails."""
    try:
        note = parse_note(data)
        own = verify_note(note, [LOG.verifier_key]) if note.signatures_of(LOG.verifier_key) else ()
        others = verify_cosignatures(note, [witness.verifier_key])
    except PfnError:
        return []
    return [key.name for key in (*own, *(one.key for one in others))]


def base64_differs_only(data: bytes, good: bytes) -> bool:
    changed = [at for at, (one, other) in enumerate(zip(data, good, strict=True)) if one != other]
    return len(changed) == 1 and good[changed[0] + 1 : changed[0] + 2] in {b"=", b"\n"}


def test_we_open_gos_notes(ask):
    witness = Cosigner("witness.example/go", key("go witness"))
    texts = [signed(5).text, "text\n", "a\n\nb\n", "größe\n"]
    answered = ask(
        Sign=[
            {
                "Name": ORIGIN,
                "Seed": LOG.key.seed,
                "Witness": witness.name,
                "WitnessSeed": witness.key.seed,
                "Text": text,
                "Time": NOW + number,
            }
            for number, text in enumerate(texts)
        ]
    )
    assert answered["Keys"] == [LOG.verifier_key.text] * len(texts)
    for number, (text, data) in enumerate(zip(texts, map(base64.b64decode, answered["Signed"]), strict=True)):
        note = parse_note(data)
        assert note.text == text
        assert verify_note(note, [LOG.verifier_key]) == (LOG.verifier_key,)
        cosignature = Cosignature(witness.verifier_key, NOW + number)
        assert verify_cosignatures(note, [witness.verifier_key]) == (cosignature,)
        # Ed25519 signs the same every time: so every byte is the same.
        assert data == write_note(cosigned(sign_note(text, [LOG]), [witness], NOW + number))


def test_names_of_keys(ask):
    assert ask(Names=NAMES)["Names"] == [is_key_name(name) for name in NAMES]


def test_trees_tiles_and_proofs(ask):
    largest = max(BIG_SIZES)

    def question(n, size, prove):
        return {"N": n, "Size": size, "Proof": prove(n, size, read_nodes(tiled(size)[1], size))}

    inclusions = [question(old - 1, new, prove_inclusion) for old, new in PAIRS]
    growths = [question(old, new, prove_consistency) for old, new in PAIRS]
    answered = ask(Leaves=leaves(largest), Sizes=BIG_SIZES, Inclusions=inclusions, Growths=growths)
    assert answered["Refused"] is None
    assert answered["Inclusions"] == [plain(one["Proof"]) for one in inclusions]
    assert answered["Growths"] == [plain(one["Proof"]) for one in growths]
    for size, root, tiles in zip(BIG_SIZES, answered["Roots"], answered["Tiles"], strict=True):
        head, ours = tiled(size)
        assert base64.b64decode(root) == head.root == naive_root(hashed(size))
        assert {tile["Path"]: tile["Hash"] for tile in tiles} == {
            tile.path: hashlib.sha256(data).hexdigest() for tile, data in ours.items()
        }


def test_go_refuses_a_proof_that_is_spoiled(ask):
    spoiled = [bytes(32), *naive_path(3, hashed(7))[1:]]
    answered = ask(Leaves=leaves(7), Inclusions=[{"N": 3, "Size": 7, "Proof": spoiled}])
    assert len(answered["Refused"]) == 1


def test_paths(ask):
    def read(path: str) -> str:
        try:
            return parse_tile_path(path).path
        except PfnError:
            return ""

    drawn = random.Random(2)
    many = [
        Tile(
            drawn.choice([None, 0, 1, 63]), drawn.randrange(10 ** drawn.randrange(1, 15)), drawn.randrange(1, 257)
        ).path
        for _ in range(200)
    ]
    assert ask(Paths=[*PATHS, *many])["Paths"] == [read(path) for path in (*PATHS, *many)]
