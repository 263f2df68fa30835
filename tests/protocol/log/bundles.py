"""A bundle that proves a release, with every piece open to change before it is put together."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from tests.client.published import NEW, Published
from tests.protocol.log.trees import KNOWN_LOG, KNOWN_WITNESSES, LOG, ORIGIN, WITNESSES, cosigned
from tests.support.signed import DAY, NOW, ROOT, SLUG, SOURCE

from pfn.protocol.log.bundle import Bundle, LoggedEntry
from pfn.protocol.log.bundle_verification import VerifiedBundle, Wanted, verify_bundle
from pfn.protocol.log.checkpoint import Checkpoint, sign_checkpoint
from pfn.protocol.log.cosignature import Cosigner
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.entry import AnyLeaf, CatalogLeaf, ReleaseLeaf, write_leaf
from pfn.protocol.log.merkle import leaf_hash, prove_consistency, prove_inclusion
from pfn.protocol.log.note import NoteSigner
from pfn.protocol.log.policy import require_operators
from pfn.protocol.log.proof import TlogProof
from pfn.protocol.log.tile import read_nodes
from pfn.protocol.release_statement import read_statement

TAKEN = NOW - DAY // 2
POLICY = require_operators([KNOWN_LOG], KNOWN_WITNESSES, 3)


@dataclass
class Logged:
    """A node's log with a publisher's release of ``version`` in it; other leaves stand before and behind."""

    version: str = NEW
    published: Published = field(default_factory=Published)
    before: list[bytes] = field(default_factory=lambda: [b'{"t":"other","v":{}}'] * 20)
    notices: list[AnyLeaf] = field(default_factory=list)
    signer: NoteSigner = LOG
    witnesses: tuple[Cosigner, ...] = WITNESSES
    cosigned_at: int = NOW - 60
    taken: dict[str, Any] = field(default_factory=dict)
    listed: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        return self.published.zips[self.version]

    @property
    def release(self) -> ReleaseLeaf:
        statement = self.published.statements[self.version]
        members = {
            "at": TAKEN,
            "source": SOURCE,
            "slug": SLUG,
            "version": self.version,
            "length": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "statement": statement.payload_hash,
            "manifest": read_statement(statement).manifest,
        }
        return ReleaseLeaf(**members | self.taken)

    @property
    def catalog(self) -> CatalogLeaf:
        assert self.published.catalog is not None
        members = {"at": TAKEN, "source": SOURCE, "sequence": 1, "catalog": self.published.catalog.payload_hash}
        return CatalogLeaf(**members | self.listed)

    @property
    def leaves(self) -> list[bytes]:
        catalog = [write_leaf(self.catalog)] if self.published.catalog else []
        return [*self.before, write_leaf(self.release), *catalog, *(write_leaf(one) for one in self.notices), b"last"]

    def grown(self):
        return grow(Edge(), [leaf_hash(leaf) for leaf in self.leaves])

    def prove(self, leaf: bytes) -> LoggedEntry:
        growth = self.grown()
        head = growth.edge.head
        note = sign_checkpoint(Checkpoint(ORIGIN, head.size, head.root), self.signer)
        index = self.leaves.index(leaf)
        hashes = prove_inclusion(index, head.size, read_nodes(growth.tiles, head.size))
        return LoggedEntry(leaf, TlogProof(index, hashes, cosigned(note, self.witnesses, self.cosigned_at)))

    def growth_from(self, size: int) -> tuple[bytes, ...]:
        growth = self.grown()
        return prove_consistency(size, growth.edge.size, read_nodes(growth.tiles, growth.edge.size))

    def bundle(self, **changes: Any) -> Bundle:
        published = self.published
        members = {
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "publisher": tuple(published.chain),
            "statement": published.statements[self.version],
            "catalog": published.catalog,
            "release_entry": self.prove(write_leaf(self.release)),
            "catalog_entry": self.prove(write_leaf(self.catalog)) if published.catalog else None,
            "notices": tuple(self.prove(write_leaf(one)) for one in self.notices),
        }
        return Bundle(**members | changes)


def verify(logged: Logged, bundle: Bundle | None = None, **changes: Any) -> VerifiedBundle:
    """Verify a release's bundle; ``asked`` is the version asked for by name."""
    wanted = {
        "source": SOURCE,
        "slug": SLUG,
        "pin": ROOT.public_key,
        "version": changes.pop("asked", None),
        "accept_withdrawn": changes.pop("accept_withdrawn", False),
    }
    wanted |= changes.pop("wanted", {})
    data, policy = changes.pop("data", logged.data), changes.pop("policy", POLICY)
    return verify_bundle(bundle or logged.bundle(), data, Wanted(**wanted), policy, **{"now": NOW} | changes)
