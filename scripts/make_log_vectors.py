"""Write tests/vectors/log: a log, its proofs, its witnesses and two nodes that meet, all of fixed keys.

They are for implementers in any language (docs/protocol/log.md, witness.md, peers.md) and for the tests, which also
check that this script still writes the same bytes. Usage: make_log_vectors.py [FOLDER].
"""

import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from make_vectors import DAY, FILES, NOW, SLUG, SOURCE, URL, ZIP, catalog, key_document, listed, statement

from pfn.protocol.artifact import manifest_hash
from pfn.protocol.dsse import Envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.log.bundle import Bundle, LoggedEntry, write_bundle
from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from pfn.protocol.log.cosignature import Cosigner, cosign
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.entry import (
    AnyLeaf,
    CatalogLeaf,
    CustodyLeaf,
    EvidenceLeaf,
    PeerLeaf,
    PublisherLeaf,
    ReleaseLeaf,
    RevocationLeaf,
    SourceLeaf,
    VerificationLeaf,
    YankLeaf,
    write_leaf,
)
from pfn.protocol.log.entry_bundle import write_entries
from pfn.protocol.log.merkle import leaf_hash, prove_consistency, prove_inclusion
from pfn.protocol.log.note import Note, NoteSigner, VerifierKey, add_signatures, write_note
from pfn.protocol.log.policy import PolicyLog, Witness, require_operators
from pfn.protocol.log.policy_text import write_policy
from pfn.protocol.log.proof import TlogProof, write_proof
from pfn.protocol.log.state_digest import HeldRelease, state_digest
from pfn.protocol.log.tile import TILE_WIDTH, Tile, read_nodes, tile_in
from pfn.protocol.log.witness import AddCheckpoint, write_add_checkpoint, write_answer
from pfn.protocol.peer import NodeDescription, PeerChallenge

ORIGIN = "node.example.org/pfn"
NODE_URL, OTHER_URL = "https://node.example.org", "https://other.example.net"
SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 127, 128, 129, 255, 256, 257, 299, 300]
LARGE = 70_000


def seeded(name: str) -> SigningKey:
    """The key of that name; its seed is the SHA-256 of the name."""
    return SigningKey(hashlib.sha256(name.encode()).digest())


LOG = NoteSigner(ORIGIN, seeded("log"))
STRANGER = NoteSigner(ORIGIN, seeded("stranger"))
# The last two have one operator, for their names have one host.
WITNESSES = [
    Cosigner(name, seeded(name)) for name in ("one.example/witness", "two.example/witness", "two.example/second")
]
ENTRIES = [f"entry {number}".encode() for number in range(LARGE)]
OTHER_ENTRIES = [*ENTRIES[:150], b"another entry", *ENTRIES[151:300]]

KEYS = key_document("root")
STATEMENT = statement()
CATALOG = catalog(newest=STATEMENT)


class Tree:
    """All tiles of the tree over some entries."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.entries = entries
        grown = grow(Edge(), map(leaf_hash, entries))
        self.head, self._tiles = grown.edge.head, grown.tiles
        self.read = read_nodes(grown.tiles, len(entries))

    def prove(self, index: int) -> tuple[bytes, ...]:
        """The inclusion proof of an entry."""
        return prove_inclusion(index, len(self.entries), self.read)

    def prove_growth(self, old: int) -> tuple[bytes, ...]:
        """The consistency proof from the tree of the first ``old`` entries."""
        return prove_consistency(old, len(self.entries), self.read)

    def sign(self, signer: NoteSigner = LOG) -> Note:
        """The signed checkpoint."""
        return sign_checkpoint(Checkpoint(ORIGIN, self.head.size, self.head.root), signer)

    def files(self) -> dict[str, bytes]:
        """Every file below the log's prefix, by its path; of a growing tile only the newest width."""
        found = {tile.path: data for tile, data in self._tiles.items()}
        for number in range(-(-len(self.entries) // TILE_WIDTH)):
            tile = tile_in(None, number, len(self.entries)) or Tile(None, number)
            found[tile.path] = write_entries(self.entries[number * TILE_WIDTH :][: tile.width])
        return found


def main() -> None:
    """Write every file of the set."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "tests" / "vectors" / "log"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("keys", describe_keys()),
        ("leaves", describe_leaves()),
        ("tree", describe_tree()),
        ("tiles", describe_tiles()),
        ("checkpoint", describe_checkpoint()),
        ("witness", describe_witness()),
        ("proof", describe_proof()),
        ("bundle", describe_bundle()),
        ("state", describe_state()),
        ("peer", describe_peer()),
    ):
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def cosigned(note: Note, witnesses: Sequence[Cosigner], at: int) -> Note:
    """The note with cosignatures at a time."""
    return add_signatures(note, [cosign(note, witness, at) for witness in witnesses])


def text_of(note: Note) -> str:
    """The exact text of a note."""
    return write_note(note).decode()


def policy_text(threshold: int) -> str:
    """The policy file that asks for witnesses of so many operators."""
    names = ("first", "second", "third")
    known = [Witness(name, cosigner.verifier_key) for name, cosigner in zip(names, WITNESSES, strict=True)]
    return write_policy(require_operators([PolicyLog(LOG.verifier_key)], known, threshold)).decode()


def show_head(head: TreeHead) -> dict[str, Any]:
    """Size and root of a tree."""
    return {"size": head.size, "root": head.root.hex()}


def hexed(hashes: Sequence[bytes]) -> list[str]:
    """Hashes in hex."""
    return [one.hex() for one in hashes]


def describe_keys() -> dict[str, Any]:
    """Each key's seed, the SHA-256 of its name, and how it is exchanged."""

    def show(key: SigningKey, verifier: VerifierKey) -> dict[str, str]:
        return {"seed": key.seed.hex(), "verifier_key": verifier.text}

    identity = seeded("identity")
    key = identity.public_key
    return {
        "log": show(LOG.key, LOG.verifier_key),
        **{witness.name: show(witness.key, witness.verifier_key) for witness in WITNESSES},
        "identity": {"seed": identity.seed.hex(), "pem": key.pem, "fingerprint": key.fingerprint},
    }


def log_of_all_kinds() -> dict[str, AnyLeaf]:
    """A log with one leaf of each kind, about the publisher of tests/vectors/v2."""
    root, release = seeded("root").public_key, listed("release")["id"]
    at = NOW - DAY // 2
    source: dict[str, Any] = {"at": at, "source": SOURCE}
    digests: dict[str, Any] = {
        "length": len(ZIP),
        "sha256": hashlib.sha256(ZIP).hexdigest(),
        "manifest": manifest_hash(FILES),
    }
    named: dict[str, Any] = {"slug": SLUG, "version": "1.0"}
    made: list[AnyLeaf] = [
        SourceLeaf(**source, instance_url=URL, key=root, state="registered"),
        VerificationLeaf(**source, key=listed("root")["id"], method="key-document", result="success"),
        PublisherLeaf(**source, version=1, document=KEYS.payload_hash),
        CatalogLeaf(**source, sequence=7, catalog=CATALOG.payload_hash),
        ReleaseLeaf(**source, **named, **digests, statement=STATEMENT.payload_hash),
        YankLeaf(**source, slug=SLUG, version="0.9", catalog=CATALOG.payload_hash),
        RevocationLeaf(**source, key=release, since=NOW - DAY, document=KEYS.payload_hash),
        CustodyLeaf(**source, previous=listed("root")["id"], key=listed("root 2")["id"], until=NOW + 7 * DAY),
        EvidenceLeaf(at=at, about="release_conflict", subject=SOURCE, **named, first="11" * 32, second="22" * 32),
        PeerLeaf(at=at, origin="other.example.net/pfn", key="33" * 32, state="active"),
    ]
    return {leaf.kind: leaf for leaf in made}


def describe_leaves() -> dict[str, Any]:
    """A leaf of each kind, and bytes that are none."""
    written = {kind: write_leaf(leaf) for kind, leaf in log_of_all_kinds().items()}
    text = written["release"].decode()
    sha256 = json.loads(text)["v"]["sha256"]
    refused = {
        "a space": text.replace(":", ": ", 1),
        "the kind last": json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")),
        "a newline at the end": text + "\n",
        "an unknown member": text.replace('"at":', '"aa":1,"at":'),
        "a member that is null": text.replace('"slug":', '"signature":null,"slug":'),
        "a digest in capitals": text.replace(sha256, sha256.upper()),
        "a member less": text.replace(f'"sha256":"{sha256}",', ""),
        "a kind of a later version": '{"t":"later","v":{}}',
    }
    return {
        "leaves": [
            {"kind": kind, "leaf": json.loads(leaf), "bytes": leaf.hex(), "hash": leaf_hash(leaf).hex()}
            for kind, leaf in written.items()
        ],
        "refused": {
            name: {"text": spoiled, "expect": "leaf_unknown" if "later" in name else "log_malformed"}
            for name, spoiled in refused.items()
        },
    }


def describe_tree() -> dict[str, Any]:
    """Roots and proofs of trees over the entries ``entry 0``, ``entry 1`` …"""
    trees = {size: Tree(ENTRIES[:size]) for size in SIZES}
    inclusion = [(0, 1), (0, 2), (1, 3), (6, 7), (0, 8), (7, 8), (8, 9), (255, 256), (256, 257), (42, 300), (299, 300)]
    growth = [(0, 1), (1, 2), (2, 3), (3, 7), (4, 7), (7, 7), (8, 9), (16, 33), (255, 257), (256, 300), (299, 300)]
    proof = trees[300].prove(42)
    return {
        "entries": "entry NUMBER, from 0 on, in ASCII",
        "leaf_hashes": hexed([leaf_hash(entry) for entry in ENTRIES[:10]]),
        "roots": [show_head(tree.head) for tree in trees.values()],
        "inclusion": [
            {"index": index, "size": size, "proof": hexed(trees[size].prove(index))} for index, size in inclusion
        ],
        "consistency": [{"old": old, "new": new, "proof": hexed(trees[new].prove_growth(old))} for old, new in growth],
        "refused_inclusion": {
            "another index": {"index": 43, "size": 300, "proof": hexed(proof)},
            "outside": {"index": 300, "size": 300, "proof": hexed(proof)},
            "a hash too few": {"index": 42, "size": 300, "proof": hexed(proof[:-1])},
            "a hash too many": {"index": 42, "size": 300, "proof": hexed([*proof, proof[0]])},
        },
    }


def describe_tiles() -> dict[str, Any]:
    """The files of two logs, paths, and texts that are no path."""
    numbers = [(0, 0, 256), (0, 999, 256), (0, 1000, 256), (1, 1_234_067, 256), (0, 273, 112), (None, 1, 44)]
    refused = ["tile/0/1", "tile/0/x000/001", "tile/0/001.p/256", "tile/0/001.p/0", "tile/64/000", "tile/00/000"]
    small, large = Tree(ENTRIES[:300]).files(), Tree(ENTRIES).files()
    chosen = [path for path in large if path.startswith(("tile/1/", "tile/2/")) or ".p/" in path]
    return {
        "paths": [
            {"level": level, "number": number, "width": width, "path": Tile(level, number, width).path}
            for level, number, width in numbers
        ],
        "refused_paths": refused,
        "files_of_300": {path: _show_file(data) for path, data in sorted(small.items())},
        "some_files_of_70000": {path: _show_file(large[path]) for path in sorted(chosen)},
    }


def _show_file(data: bytes) -> dict[str, Any]:
    return {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def describe_checkpoint() -> dict[str, Any]:
    """A signed checkpoint, cosigned ones, and what is said of each under the policy of two operators."""
    note = Tree(ENTRIES[:300]).sign()
    first, second, third = WITNESSES
    good = cosigned(note, WITNESSES, NOW)
    value = good.signatures[1].value
    bent = replace(good.signatures[1], value=value[:20] + bytes([value[20] ^ 1]) + value[21:])
    notes = {
        "signed": note,
        "cosigned by all": good,
        "cosigned by two of one operator": cosigned(note, [second, third], NOW),
        "cosigned long ago": cosigned(note, WITNESSES, NOW - DAY - 1),
        "one fresh, one old": cosigned(cosigned(note, [first], NOW), [second], NOW - 2 * DAY),
        "cosigned in the future": cosigned(note, WITNESSES, NOW + DAY),
        "cosigned, one spoiled": replace(good, signatures=(good.signatures[0], bent, *good.signatures[2:])),
        "signed by another key": cosigned(Tree(ENTRIES[:300]).sign(STRANGER), WITNESSES, NOW),
        "of another log": cosigned(
            sign_checkpoint(Checkpoint("x", 0, hashlib.sha256().digest()), NoteSigner("x", LOG.key)), [], NOW
        ),
    }
    expected = {
        "cosigned by all": "ok",
        "cosigned long ago": "witness_stale",
        "one fresh, one old": "witness_stale",
        "cosigned, one spoiled": "witness_signature",
        "signed by another key": "log_signature",
        "of another log": "log_unknown",
    }
    return {
        "origin": ORIGIN,
        "log_key": LOG.verifier_key.text,
        **show_head(Tree(ENTRIES[:300]).head),
        "cosigned_message": f"cosignature/v1\ntime {NOW}\n{note.text}",
        "now": NOW,
        "policy": policy_text(2),
        "notes": {name: text_of(one) for name, one in notes.items()},
        "expect": {name: expected.get(name, "witness_quorum") for name in notes},
    }


def describe_witness() -> dict[str, Any]:
    """Requests to cosign, with what the witness knew before, and its answers."""
    trees = {size: Tree(ENTRIES[:size]) for size in (100, 200, 300)}
    other = Tree(OTHER_ENTRIES)
    new, proof = trees[300], trees[300].prove_growth(100)
    unknown = sign_checkpoint(Checkpoint("x", 300, new.head.root), NoteSigner("x", LOG.key))
    witness = WITNESSES[0]
    cases: list[tuple[str, Tree | None, AddCheckpoint, int]] = [
        ("the first", None, AddCheckpoint(0, (), new.sign()), 200),
        ("grown", trees[100], AddCheckpoint(100, proof, new.sign()), 200),
        ("the same again", new, AddCheckpoint(300, (), new.sign()), 200),
        ("an old size above the new", new, AddCheckpoint(301, (), new.sign()), 400),
        ("an unknown log", None, AddCheckpoint(0, (), unknown), 404),
        ("another key", None, AddCheckpoint(0, (), new.sign(STRANGER)), 403),
        ("another old size", trees[200], AddCheckpoint(100, proof, new.sign()), 409),
        ("a smaller tree", new, AddCheckpoint(100, trees[200].prove_growth(100), trees[200].sign()), 409),
        ("a wrong proof", trees[100], AddCheckpoint(100, proof[:-1], new.sign()), 422),
        ("a proof of nothing", None, AddCheckpoint(0, proof, new.sign()), 422),
        ("another tree of one size", new, AddCheckpoint(300, (), other.sign()), 422),
        ("grown another way", trees[200], AddCheckpoint(200, other.prove_growth(200), other.sign()), 422),
    ]
    return {
        "log_keys": [LOG.verifier_key.text],
        "witness": witness.name,
        "at": NOW,
        "cases": [
            {
                "name": name,
                "known": None if known is None else show_head(known.head),
                "request": write_add_checkpoint(request).decode(),
                "status": status,
                "answer": _answer(witness, request, status, known),
            }
            for name, known, request, status in cases
        ],
    }


def _answer(witness: Cosigner, request: AddCheckpoint, status: int, known: Tree | None) -> str | None:
    """The body of 200 and 409; that of other refusals is not the specification's."""
    if status == 200:
        return write_answer([cosign(request.note, witness, NOW)]).decode()
    return f"{known.head.size if known else 0}\n" if status == 409 else None


def describe_proof() -> dict[str, Any]:
    """The proof of one entry, and what is said of others."""
    tree = Tree(ENTRIES[:300])
    proof = TlogProof(42, tree.prove(42), cosigned(tree.sign(), WITNESSES, NOW))
    text = write_proof(proof).decode()
    cases = [
        ("entry 42", text, "ok"),
        ("entry 42", write_proof(replace(proof, extra=b"more")).decode(), "ok"),
        ("entry 43", text, "log_inclusion"),
        ("entry 42", text.replace("index 42", "index 43"), "log_inclusion"),
        ("entry 42", text.replace("index 42", "index 042"), "log_malformed"),
        ("entry 42", text.replace("@v1", "@v2"), "log_malformed"),
    ]
    return {
        "now": NOW,
        "policy": policy_text(2),
        "cases": [{"entry": entry, "proof": shown, "expect": expect} for entry, shown, expect in cases],
    }


def describe_bundle() -> dict[str, Any]:
    """Bundles of one release, and the check that each fails."""
    leaves = {kind: write_leaf(leaf) for kind, leaf in log_of_all_kinds().items()}
    tree = Tree(list(leaves.values()))
    note = cosigned(tree.sign(), WITNESSES, NOW - 60)
    kinds = list(leaves)

    def entry(kind: str, at: str = "") -> LoggedEntry:
        index = kinds.index(at or kind)
        return LoggedEntry(leaves[kind], TlogProof(index, tree.prove(index), note))

    good = Bundle(
        sha256=hashlib.sha256(ZIP).hexdigest(),
        publisher=(KEYS,),
        statement=STATEMENT,
        catalog=CATALOG,
        release_entry=entry("release"),
        catalog_entry=entry("catalog"),
    )
    forged = Envelope(STATEMENT.payload_type, STATEMENT.payload, CATALOG.signatures)
    bundles = {
        "good": good,
        "without release entry": replace(good, release_entry=None),
        "without statement": replace(good, statement=None),
        "without catalogue": replace(good, catalog=None),
        "without catalogue entry": replace(good, catalog_entry=None),
        "without key documents": replace(good, publisher=()),
        "entry proven elsewhere": replace(good, release_entry=entry("release", at="yank")),
        "entry of another kind": replace(good, release_entry=entry("yank")),
        "statement with a wrong signature": replace(good, statement=forged),
        "with evidence": replace(good, notices=(entry("evidence"),)),
        "in cool-down": replace(good, notices=(entry("custody"),)),
    }
    cases: list[dict[str, Any]] = [
        {"bundle": "good"},
        {"bundle": "good", "version": "1.0"},
        {"bundle": "without release entry", "check": "log_signature", "expect": "proof_incomplete"},
        {"bundle": "good", "policy": "three operators", "check": "witnesses", "expect": "witness_quorum"},
        {"bundle": "good", "now": NOW + 2 * DAY, "check": "witnesses", "expect": "witness_stale"},
        {"bundle": "good", "tree": show_head(tree.head)},
        {"bundle": "good", "tree": {"size": 11, "root": "00" * 32}, "check": "growth", "expect": "log_rollback"},
        {"bundle": "good", "tree": {"size": 10, "root": "00" * 32}, "check": "growth", "expect": "log_fork"},
        {"bundle": "entry proven elsewhere", "check": "inclusion", "expect": "log_inclusion"},
        {"bundle": "entry of another kind", "check": "leaf", "expect": "leaf_mismatch"},
        {"bundle": "good", "version": "1.1", "check": "leaf", "expect": "leaf_mismatch"},
        {"bundle": "without key documents", "check": "key_document", "expect": "unsigned"},
        {"bundle": "good", "pin": "root 2", "check": "key_document", "expect": "key_mismatch"},
        {"bundle": "without catalogue", "check": "catalog", "expect": "proof_incomplete"},
        {"bundle": "without catalogue entry", "check": "catalog", "expect": "proof_incomplete"},
        {"bundle": "without statement", "check": "statement", "expect": "unsigned"},
        {"bundle": "statement with a wrong signature", "check": "statement", "expect": "signature_invalid"},
        {"bundle": "good", "zip": "other", "check": "digests", "expect": "artifact_digest"},
        {"bundle": "with evidence", "check": "not_withdrawn", "expect": "evidence_logged"},
        {"bundle": "with evidence", "accept_withdrawn": True},
        {"bundle": "in cool-down", "check": "not_withdrawn", "expect": "custody_cooldown"},
    ]
    settled = {"policy": "two operators", "zip": "good", "pin": "root", "version": None, "accept_withdrawn": False}
    defaults = settled | {"tree": None, "now": NOW, "check": None, "expect": "ok"}
    return {
        "source": SOURCE,
        "slug": SLUG,
        "pins": {name: listed(name)["key"] for name in ("root", "root 2")},
        "zips": {"good": base64.b64encode(ZIP).decode(), "other": base64.b64encode(ZIP[:-1] + b"!").decode()},
        "policies": {"two operators": policy_text(2), "three operators": _ask_of_all()},
        "bundles": {name: json.loads(write_bundle(bundle)) for name, bundle in bundles.items()},
        "cases": [{**defaults, **case} for case in cases],
    }


def _ask_of_all() -> str:
    """A policy with a third operator, who never signs."""
    absent = Cosigner("three.example/witness", seeded("three.example/witness"))
    known = [Witness(one.name.replace("/", "-"), one.verifier_key) for one in (*WITNESSES, absent)]
    return write_policy(require_operators([PolicyLog(LOG.verifier_key)], known, 3)).decode()


def describe_state() -> dict[str, Any]:
    """What is held, of one source and of a node, and the digests."""
    held = [("hello-world", "1.0", "11" * 32, "offered"), ("hello-world", "0.9", "22" * 32, "yanked")]
    node = [(f"{SOURCE}/{plugin}", *rest) for plugin, *rest in held]
    node.append(("bob@plugins.example.com/gallery", "2.0", "33" * 32, "offered"))
    return {
        name: {"held": [list(one) for one in rows], "digest": state_digest(HeldRelease(*one) for one in rows)}
        for name, rows in (("nothing", []), ("source", held), ("node", node))
    }


def describe_peer() -> dict[str, Any]:
    """A node's description, a challenge to it, its answer, and what it does not sign."""
    identity = seeded("identity")
    node = NodeDescription.model_validate(
        {
            "name": "Example node",
            "url": NODE_URL,
            "operator": "Example operator",
            "origin": ORIGIN,
            "identity_key": identity.public_key.pem,
            "log_key": LOG.verifier_key.text,
            "witness_key": WITNESSES[0].verifier_key.text,
            "software": "pfn",
            "version": "1.0",
        }
    )
    challenge = PeerChallenge(NODE_URL, OTHER_URL, node.log_key.text, node.witness_key.text, "07" * 32, NOW)
    text = challenge.text
    refused = "ownership_challenge"
    cases = [
        (text, NOW, "ok"),
        (text, NOW + 300, "ok"),
        (text, NOW - 300, "ok"),
        (text, NOW + 301, refused),
        (text, NOW - 301, refused),
        (text.rstrip("\n"), NOW, refused),
        (text.replace("\n", "\r\n"), NOW, refused),
        (text.replace(NODE_URL, "https://third.example"), NOW, refused),
        (text.replace(OTHER_URL, NODE_URL), NOW, refused),
        (text.replace(node.log_key.text, WITNESSES[1].verifier_key.text), NOW, refused),
        (text.replace("07" * 32, "07" * 31), NOW, refused),
        (text.replace(str(NOW), f"0{NOW}"), NOW, refused),
        ("8c7c9a1e-3f1b-4d0a-9b1e-0f5d2c3b4a59", NOW, refused),
    ]
    return {
        "description": node.to_json(),
        "challenge": text,
        "signature": base64.b64encode(identity.sign(text.encode())).decode(),
        "cases": [{"challenge": sent, "now": now, "expect": expect} for sent, now, expect in cases],
    }


if __name__ == "__main__":
    main()
