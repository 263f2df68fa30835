"""A peer for tests: a node's public side over real HTTP, with a log of its own, honest until told otherwise.

Entered, it listens and can be taken for a peer: it describes itself and proves its key. What it serves is what a test
puts in: entries by ``log``, releases with their bundles and zips by ``offer``, documents of a publisher by ``keep``.
The log is built with ``pfn.protocol.log`` and signed with a key of the test's, so that its lies are signed too::

    async with FakePeer() as peer:
        peer.keep(publisher)                       # a source, its key documents, its catalogue
        peer.offer(publisher, "one", "1.0", zip)   # an entry, a bundle, a blob

================================== ===================================================================================
a forked tree                      ``fork()``: another tree of the same size, signed; with ``size=`` an earlier part
                                   is other and the tree goes on from there
a replayed old tree                ``show(size)``: an older checkpoint, signed; ``show(None)`` ends it
an endless tree                    ``claim(size)``: a checkpoint over so many entries that nobody ever appended
withheld entries                   ``withhold("tile/entries/000.p/3")``: 404 for a path below ``/log/``
bad bytes of the log               ``answers["/log/tile/…"] = b"…"``: these bytes for a path
a bad proof                        ``spoil_proofs = True``: bundles whose inclusion proof leads elsewhere
a bundle about something else      ``answers["/federation/proof?…"] = bundle``
bad bytes of a zip                 ``blobs[sha256] = b"…"``
another log                        ``signer = NoteSigner(…)``: signed by a key that is not the peer's
a witness that looks at nothing    as it comes: it cosigns whatever it is asked to
away                               ``away = True``: hangs up on everybody
================================== ===================================================================================

``requests`` are the paths that were asked for, in order; ``evidence`` what was posted to it.
"""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from pfn.protocol.dsse import write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import PfnError
from pfn.protocol.log.bundle import Bundle, LoggedEntry, SignedMessage, write_bundle
from pfn.protocol.log.checkpoint import Checkpoint, sign_checkpoint
from pfn.protocol.log.cosignature import Cosigner, cosign
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.entry import AnyLeaf, ReleaseLeaf, SourceLeaf, write_leaf
from pfn.protocol.log.entry_bundle import write_entries
from pfn.protocol.log.merkle import EMPTY_ROOT, Frontier, leaf_hash, prove_inclusion
from pfn.protocol.log.note import Note, NoteSigner, write_note
from pfn.protocol.log.proof import TlogProof
from pfn.protocol.log.tile import (
    TILE_WIDTH,
    Tile,
    cut_tile,
    parse_tile_path,
    read_nodes,
    tiles_for_inclusion,
)
from pfn.protocol.log.witness import parse_add_checkpoint, write_answer
from pfn.protocol.peer import NodeDescription, sign_peer_challenge
from pfn.protocol.source_id import source_id
from pfn.publisher.paths import SIGNATURE_SUFFIX
from pfn.testing.connection import Connection
from pfn.testing.faults import Answer
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

_JSON: Final = {"Content-Type": "application/json"}
_BYTES: Final = {"Content-Type": "application/octet-stream"}
_TEXT: Final = {"Content-Type": "text/plain"}
_NOTHING_HERE: Final = Answer(HTTPStatus.NOT_FOUND, _JSON, b'{"error": "There is nothing here."}')


class FakePeer:
    """A node that lies on command, listening while it is entered; see the module for what it can be told."""

    def __init__(self, *, operator: str = "A stranger", now: int | None = None) -> None:
        self.operator = operator
        self.now = now
        self.identity = SigningKey.generate()
        self.entries: list[bytes] = []
        self.blobs: dict[str, bytes] = {}
        self.answers: dict[str, bytes] = {}
        self.evidence: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.spoil_proofs = False
        self.away = False
        self._withheld: set[str] = set()
        self._shown: Checkpoint | None = None
        self._bundles: dict[tuple[str, str, str], tuple[int, Bundle]] = {}
        self._connections: set[Connection] = set()
        self._grown_of: tuple[bytes, ...] = ()
        self._grown: Mapping[Tile, bytes] = {}
        self._root = EMPTY_ROOT

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._answer, self._connections), "127.0.0.1", 0)
        host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = f"http://{host}"
        self.signer = NoteSigner(f"{host}/pfn", SigningKey.generate())
        self.cosigner = Cosigner(f"{host}/witness", SigningKey.generate())
        self.description = NodeDescription(
            name=host,
            url=self.url,
            operator=self.operator,
            origin=self.signer.name,
            identity_key=self.identity.public_key,
            log_key=self.signer.verifier_key,
            witness_key=self.cosigner.verifier_key,
            software="fake",
            version="1",
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        await self._server.wait_closed()

    @property
    def present(self) -> int:
        """What time it is for this peer, in Unix seconds."""
        return int(time.time()) if self.now is None else self.now

    # What it holds.

    def log(self, leaf: AnyLeaf | bytes) -> int:
        """Append an entry and give its index."""
        self.entries.append(leaf if isinstance(leaf, bytes) else write_leaf(leaf))
        return len(self.entries) - 1

    def keep(self, publisher: FakePublisher) -> str:
        """Log a publisher as a source, with its pin, and serve its signed documents as they are now; give its id."""
        name = source_id(publisher.url, publisher.username)
        key = publisher.key if not isinstance(publisher, FakePublisherV2) else publisher.root_keys[0]
        leaf = SourceLeaf(
            at=self.present, source=name, instance_url=publisher.url, key=key.public_key, state="registered"
        )
        self.log(leaf)
        self.learn(publisher)
        return name

    def learn(self, publisher: FakePublisher) -> None:
        """Serve a publisher's signed documents as they are now."""
        name = source_id(publisher.url, publisher.username)
        documents: list[str] = []
        if isinstance(publisher, FakePublisherV2):
            documents = [base64.b64encode(write_envelope(one)).decode() for one in publisher.documents]
            self.answers[f"/federation/catalog?source={name}"] = write_envelope(publisher.catalogs[-1])
        body = json.dumps({"source": name, "documents": documents}).encode()
        self.answers[f"/federation/key-documents?source={name}"] = body

    def offer(self, publisher: FakePublisher, slug: str, version: str, content: bytes) -> int:
        """Log a release, serve its bundle and its zip, and give the entry's index."""
        name = source_id(publisher.url, publisher.username)
        sha256 = hashlib.sha256(content).hexdigest()
        statement, signature, metadata = None, None, None
        if isinstance(publisher, FakePublisherV2):
            row = publisher.statements[slug]
            signed = next(one for one in reversed(row) if one.statement.version == version)
            statement = signed.envelope
            sha384 = bytes.fromhex(signed.statement.sha384)
            beside = publisher.files[publisher.zip_path(slug, version) + SIGNATURE_SUFFIX]
            signature = SignedMessage(sha384, base64.b64decode(beside))
        else:
            signature = publisher.sign_metadata(slug)
            metadata = hashlib.sha256(signature.signature).hexdigest()
        leaf = ReleaseLeaf(
            at=self.present,
            source=name,
            slug=slug,
            version=version,
            length=len(content),
            sha256=sha256,
            statement=None if statement is None else statement.payload_hash,
            signature=metadata,
        )
        index = self.log(leaf)
        self.blobs[sha256] = content
        self._bundles[name, slug, version] = index, Bundle(sha256, statement=statement, signature=signature)
        return index

    def show_bundle(self, source: str, slug: str, version: str) -> bytes:
        """Give the bundle of a release as it serves it now."""
        index, bundle = self._bundles[source, slug, version]
        size = len(self.entries)
        hashes = prove_inclusion(index, size, read_nodes(self._tiles(index, size), size))
        if self.spoil_proofs:
            hashes = tuple(hashlib.sha256(one).digest() for one in hashes)
        proof = TlogProof(index, hashes, self.note(Checkpoint(self.signer.name, size, self._root)))
        shown = Bundle(
            bundle.sha256,
            statement=bundle.statement,
            signature=bundle.signature,
            release_entry=LoggedEntry(self.entries[index], proof),
        )
        return write_bundle(shown)

    # Its lies.

    def fork(self, size: int | None = None) -> None:
        """Sign another tree: of the same size, or, with ``size``, one that is other from there on and then goes on."""
        at = len(self.entries) - 1 if size is None else size
        self.entries[at] = b'{"t":"fork","v":{"at":%d}}' % len(self.requests)

    def show(self, size: int | None) -> None:
        """Show the tree as it was at this size; None for the present one."""
        self._shown = None if size is None else self._checkpoint(size)

    def claim(self, size: int) -> None:
        """Sign a tree of so many entries, whatever they are."""
        self._shown = Checkpoint(self.signer.name, size, hashlib.sha256(b"%d" % size).digest())

    def withhold(self, path: str) -> None:
        """Answer 404 for a path of the log, as ``tile/entries/000``."""
        self._withheld.add(f"/log/{path}")

    def reveal(self) -> None:
        """Withhold nothing any more."""
        self._withheld.clear()

    def note(self, checkpoint: Checkpoint | None = None) -> Note:
        """Sign a checkpoint, by default the one it shows."""
        return sign_checkpoint(checkpoint or self._shown or self._checkpoint(len(self.entries)), self.signer)

    # Behind the wire.

    def _checkpoint(self, size: int) -> Checkpoint:
        root = Frontier().extend(map(leaf_hash, self.entries[:size])).root
        return Checkpoint(self.signer.name, size, root)

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        del headers
        if self.away:
            return None
        self.requests.append(target)
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        named = f"{parts.path}?" + "&".join(f"{name}={value}" for name, value in query.items() if name != "lean")
        for key in (target, named, parts.path):
            if key in self.answers:
                return Answer(200, _JSON, self.answers[key])
        return self._take(parts.path, body) if method == "POST" else self._show(method, parts.path, query)

    def _take(self, path: str, body: bytes) -> Answer:
        match path:
            case "/federation/node/prove":
                return self._prove(body)
            case "/federation/peers/hello":
                return Answer(200, _JSON, b'{"status": "proposed"}')
            case "/federation/evidence":
                self.evidence.append(json.loads(body))
                return Answer(200, _JSON, b'{"success": true}')
            case "/witness/add-checkpoint":
                note = parse_add_checkpoint(body).note
                return Answer(200, _TEXT, write_answer([cosign(note, self.cosigner, self.present)]))
        return _NOTHING_HERE

    def _show(self, method: str, path: str, query: dict[str, str]) -> Answer:
        match method, path:
            case "GET", "/federation/node":
                return Answer(200, _JSON, json.dumps(self.description.to_json()).encode())
            case "GET", "/federation/evidence":
                return Answer(200, _JSON, b"[]")
            case "GET", "/federation/proof" if (query["source"], query["plugin"], query["version"]) in self._bundles:
                return Answer(200, _JSON, self.show_bundle(query["source"], query["plugin"], query["version"]))
            case "GET", "/log/checkpoint":
                return Answer(200, _TEXT, write_note(self.note()))
            case "GET", path if path.startswith("/log/") and path not in self._withheld:
                return self._show_tile(path.removeprefix("/log/"))
            case "GET", path if (sha256 := path.removeprefix("/blobs/sha256/")) in self.blobs:
                return Answer(200, _BYTES, self.blobs[sha256])
        return _NOTHING_HERE

    def _prove(self, body: bytes) -> Answer:
        challenge = json.loads(body)["challenge"]
        try:
            signature = sign_peer_challenge(challenge, self.identity, own=self.description, now=self.present)
        except PfnError as error:
            return Answer(422, _JSON, json.dumps({"error": error.detail}).encode())
        return Answer(200, _JSON, json.dumps({"signature": signature}).encode())

    def _tiles(self, index: int, size: int) -> dict[Tile, bytes]:
        grown = self._grow()
        return {tile: grown[tile] for tile in tiles_for_inclusion(index, size)}

    def _grow(self) -> Mapping[Tile, bytes]:
        """Give all tiles of the present tree."""
        entries = tuple(self.entries)
        if entries != self._grown_of:
            growth = grow(Edge(), map(leaf_hash, entries))
            self._grown_of, self._grown, self._root = entries, growth.tiles, growth.edge.head.root
        return self._grown

    def _show_tile(self, path: str) -> Answer:
        try:
            tile = parse_tile_path(path)
            if tile.level is None:
                start = tile.number * TILE_WIDTH
                entries = self.entries[start : start + tile.width]
                if len(entries) == tile.width:
                    return Answer(200, _BYTES, write_entries(entries))
            else:
                for one, hashes in self._grow().items():
                    if (one.level, one.number) == (tile.level, tile.number) and one.width >= tile.width:
                        return Answer(200, _BYTES, cut_tile(hashes, tile))
        except PfnError:
            pass
        return _NOTHING_HERE
