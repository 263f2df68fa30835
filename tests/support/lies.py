"""How a peer lies, and by what name it is caught: for those who follow it and have read its log before.

``tell`` does it. It may append entries, or use a release that nobody else has; nothing more is appended afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code
from pfn.protocol.log.note import NoteSigner
from pfn.testing.peer import FakePeer
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

_ENTRY = b'{"t":"test","v":{}}'


@dataclass(frozen=True, slots=True)
class Scene:
    """A liar, and publishers whose newest releases of ``slug`` it has in its log; ``rare`` it alone knows by now."""

    liar: FakePeer
    plain: FakePublisher
    signed: FakePublisherV2
    slug: str
    rare: tuple[str, bytes]

    def offer_rare(self) -> str:
        """Have the liar offer what it alone knows; give its SHA-256."""
        before = set(self.liar.blobs)
        self.liar.learn(self.signed)
        self.liar.offer(self.signed, self.slug, *self.rare)
        (sha256,) = set(self.liar.blobs) - before
        return sha256


@dataclass(frozen=True, slots=True)
class Lie:
    """A way to lie. Where it is not ``always`` seen, one who needs nothing of the liar does not come to see it."""

    tell: Callable[[Scene], None]
    codes: frozenset[Code]
    always: bool = True

    @property
    def name(self) -> str:
        """What is lied about."""
        return self.tell.__name__


def another_tree(scene: Scene) -> None:
    scene.liar.fork(1)


def an_older_tree(scene: Scene) -> None:
    scene.liar.show(2)


def an_endless_tree(scene: Scene) -> None:
    scene.liar.claim(2**50)


def a_tree_nobody_can_see(scene: Scene) -> None:
    scene.liar.claim(len(scene.liar.entries) + 9)


def withheld_entries(scene: Scene) -> None:
    size = scene.liar.log(_ENTRY) + 1
    scene.liar.withhold(f"tile/entries/000.p/{size}")


def other_entries(scene: Scene) -> None:
    size = scene.liar.log(_ENTRY) + 1
    scene.liar.answers[f"/log/tile/entries/000.p/{size}"] = b"\x00\x02{}" * size


def other_hashes(scene: Scene) -> None:
    size = scene.liar.log(_ENTRY) + 1
    scene.liar.answers[f"/log/tile/0/000.p/{size}"] = b"\x01" * 32 * size


def another_key(scene: Scene) -> None:
    scene.liar.signer = NoteSigner(scene.liar.signer.name, SigningKey.generate())


def another_log(scene: Scene) -> None:
    scene.liar.signer = NoteSigner("another.example/pfn", SigningKey.generate())


def bad_proofs(scene: Scene) -> None:
    scene.offer_rare()
    scene.liar.spoil_proofs = True


def bad_bytes(scene: Scene) -> None:
    scene.liar.blobs[scene.offer_rare()] = b"PK other bytes"


def other_bytes_of_what_a_weak_signature_covers(scene: Scene) -> None:
    version, _ = scene.rare
    scene.plain.add_plugin(scene.slug, version)
    # The publisher's signature covers the name and version alone, and holds.
    scene.liar.offer(scene.plain, scene.slug, version, plugin_zip(scene.slug, version, description="A back door."))


LIES = (
    Lie(another_tree, frozenset({Code.LOG_FORK, Code.LOG_CONSISTENCY})),
    Lie(bad_bytes, frozenset({Code.PEER_BYTES}), always=False),
    Lie(withheld_entries, frozenset({Code.PEER_WITHHELD})),
    Lie(bad_proofs, frozenset({Code.LOG_INCLUSION}), always=False),
    Lie(an_older_tree, frozenset({Code.LOG_ROLLBACK})),
    Lie(other_bytes_of_what_a_weak_signature_covers, frozenset(), always=False),
    Lie(an_endless_tree, frozenset({Code.PEER_ENDLESS})),
    Lie(other_entries, frozenset({Code.LOG_CONSISTENCY})),
    Lie(other_hashes, frozenset({Code.LOG_CONSISTENCY})),
    Lie(a_tree_nobody_can_see, frozenset({Code.PEER_WITHHELD})),
    Lie(another_key, frozenset({Code.LOG_SIGNATURE})),
    Lie(another_log, frozenset({Code.PEER_KEYS})),
)
