"""Another node as this one sees it (protocol.md section 4): its endpoints, over the guarded fetcher.

Brings documents, tiles and blobs, each within its limit, and turns every way of answering wrongly into an error of the
closed list: ``peer_unreachable`` and ``peer_answer``, which are absence and clumsiness and no fault; ``peer_bytes`` for
bytes that are not those of their name, which is one. What is not there is None. It decides nothing about trust: what
comes back is a claim.
"""

import hashlib
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, urlsplit

from pfn.outbound.body import Writer
from pfn.outbound.fetch import Answer, Download, Fetcher
from pfn.outbound.retry_after import read_retry_after
from pfn.protocol.catalog import MAX_CATALOG_BYTES
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.evidence import MAX_ANSWER_BYTES as MAX_EVIDENCE_BYTES
from pfn.protocol.evidence import EvidenceNotice, read_evidence
from pfn.protocol.log.bundle import MAX_BUNDLE_BYTES as MAX_PROOF_BYTES
from pfn.protocol.log.bundle import Bundle, parse_bundle
from pfn.protocol.log.entry_bundle import MAX_BUNDLE_BYTES, read_entries
from pfn.protocol.log.line import HASH_BYTES
from pfn.protocol.log.note import MAX_NOTE_BYTES
from pfn.protocol.log.tile import TILE_WIDTH, Tile, cut_tile
from pfn.protocol.log.witness import MAX_ANSWER_BYTES
from pfn.protocol.peer import (
    MAX_DESCRIPTION_BYTES,
    HeldState,
    NodeDescription,
    PeerChallenge,
    read_greeting,
    read_held_state,
    read_key_documents,
    read_node_description,
    read_peer_proof,
)
from pfn.protocol.peer_leaves import MAX_ANSWER_BYTES as MAX_LEAVES_BYTES
from pfn.protocol.peer_leaves import KeptLeaves, read_kept_leaves

_ABSENT = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_REFUSALS = frozenset(range(400, 500)) - {408, 425, 429}
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}

_T = TypeVar("_T")


class PeerClient:
    """Speaks to all peers. ``url`` is always a peer's own, in its one spelling."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def get_node(self, url: str) -> NodeDescription:
        """GET ``/federation/node``. Raises PfnError: ``invalid_url``, ``peer_unreachable``, ``peer_answer``."""
        found = await self._get(url, "/federation/node", MAX_DESCRIPTION_BYTES)
        if found is None:
            raise PfnError(Code.PEER_ANSWER, f"There is no node at {url}; check the address.")
        return read_node_description(found)

    async def prove(self, url: str, challenge: PeerChallenge) -> bytes:
        """Have a node sign a challenge. Raises as ``get_node``; SecurityError (``peer_proof``) where it declines."""
        where = f"{url}/federation/node/prove"
        answer = await _ask(url, self._fetcher.post_json(where, {"challenge": challenge.text}))
        if answer.status in _REFUSALS:
            raise SecurityError(
                Code.PEER_PROOF,
                f"{url} declined to sign the challenge (status {answer.status}). Are both clocks right?",
            )
        return read_peer_proof(_expect_ok(url, answer))

    async def hello(self, url: str, own_url: str) -> str:
        """Introduce this node, whose address is ``own_url``; gives how it stands there. Raises as ``get_node``."""
        where = f"{url}/federation/peers/hello"
        return read_greeting(_expect_ok(url, await _ask(url, self._fetcher.post_json(where, {"url": own_url}))))

    async def get_checkpoint(self, url: str) -> bytes:
        """GET the note over the newest tree of its log. Raises as ``get_node``."""
        found = await self._get(url, "/log/checkpoint", MAX_NOTE_BYTES)
        if found is None:
            raise PfnError(Code.PEER_ANSWER, f"The node at {urlsplit(url).netloc} shows no checkpoint of its log.")
        return found

    async def get_tile(self, url: str, tile: Tile) -> bytes:
        """GET the hashes of a tile, as many as its width says.

        Raises as ``get_node``, ``log_malformed``; ``peer_withheld`` where it is not there.
        """
        _, data = await self._get_tile(url, tile, TILE_WIDTH * HASH_BYTES)
        return cut_tile(data, tile)

    async def get_entries(self, url: str, number: int, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
        """GET the first ``width`` leaves of a bundle of entries. Raises as ``get_tile``."""
        found, data = await self._get_tile(url, Tile(None, number, width), MAX_BUNDLE_BYTES)
        return read_entries(data, found.width)[:width]

    async def get_bundle(
        self, url: str, source: str, plugin: str, version: str, *, lean: bool = False
    ) -> Bundle | None:
        """GET everything that proves one release; None where the peer has none.

        ``lean`` leaves out the key documents and the catalogue, which are the same for all releases of a source.

        Raises as ``get_node``, ``log_malformed``, ``publisher_document``.
        """
        more = {"lean": "true"} if lean else {}
        path = _query("/federation/proof", source=source, plugin=plugin, version=version, **more)
        found = await self._get(url, path, MAX_PROOF_BYTES)
        return None if found is None else parse_bundle(found)

    async def download_blob(self, url: str, sha256: str, target: Writer, *, max_bytes: int) -> Download | None:
        """GET a blob into ``target``; None where the peer has it not, and then nothing was written.

        Raises as ``get_node``; SecurityError (``peer_bytes``) where other bytes came, which ``target`` then holds.
        """
        where = f"{url}/blobs/sha256/{sha256}"
        download = await _ask(url, self._fetcher.download(where, target, max_bytes=max_bytes))
        if download.status in _ABSENT:
            return None
        if download.status != HTTPStatus.OK:
            raise _status(url, download.status, download.headers)
        if download.sha256 != sha256:
            raise SecurityError(
                Code.PEER_BYTES,
                f"{url} was asked for the blob {sha256} and sent one whose SHA-256 is {download.sha256}.",
            )
        return download

    async def get_state(self, url: str, source: str | None = None) -> HeldState | None:
        """GET the digest over what it holds, of one source or of all; None where it does not know the source.

        Raises as ``get_node``.
        """
        path = "/federation/state" if source is None else _query("/federation/state", source=source)
        found = await self._get(url, path, MAX_DESCRIPTION_BYTES)
        return None if found is None else read_held_state(found)

    async def get_key_documents(self, url: str, source: str) -> list[bytes] | None:
        """GET every key document of a source it believed, version 1 first; None where it does not know the source.

        Raises as ``get_node``.
        """
        found = await self._get(url, _query("/federation/key-documents", source=source), MAX_PROOF_BYTES)
        return None if found is None else read_key_documents(found)

    async def get_catalog(self, url: str, source: str) -> bytes | None:
        """GET the newest catalogue of a source it believed; None where it has none. Raises as ``get_node``."""
        return await self._get(url, _query("/federation/catalog", source=source), MAX_CATALOG_BYTES)

    async def get_evidence(self, url: str, subject: str) -> tuple[EvidenceNotice, ...]:
        """GET its evidence against a source, or against a log. Raises as ``get_node``."""
        found = await self._get(url, _query("/federation/evidence", subject=subject), MAX_EVIDENCE_BYTES)
        return () if found is None else read_evidence(found)

    async def post_evidence(self, url: str, evidence: Mapping[str, object]) -> bool:
        """POST two things that contradict each other; tell whether they were taken. Raises as ``get_node``."""
        answer = await _ask(url, self._fetcher.post_json(f"{url}/federation/evidence", dict(evidence)))
        if answer.status in _REFUSALS:
            return False
        _expect_ok(url, answer)
        return True

    async def add_checkpoint(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Ask a peer's witness to cosign; gives its answer's status and body. Raises as ``get_node``."""
        where = f"{url}/witness/add-checkpoint"
        asked = self._fetcher.post_document(where, body, headers=_TEXT, max_bytes=MAX_ANSWER_BYTES)
        answer = await _ask(url, asked)
        return answer.status, answer.body

    async def get_witnessed(self, url: str, origin: str) -> bytes | None:
        """GET the newest checkpoint of a log that a peer's witness signed; None where it knows none.

        Raises as ``get_node``.
        """
        name = hashlib.sha256(origin.encode()).hexdigest()
        return await self._get(url, f"/witness/{name}/checkpoint", MAX_NOTE_BYTES)

    async def get_peer_leaves(self, url: str, origin: str, start: int, end: int) -> KeptLeaves:
        """GET leaves of a log that a peer keeps, from ``start`` up to ``end`` or fewer. Raises as ``get_node``."""
        path = _query("/federation/peer-leaves", origin=origin, start=str(start), end=str(end))
        found = await self._get(url, path, MAX_LEAVES_BYTES)
        return KeptLeaves(origin, start, (), 0) if found is None else read_kept_leaves(found)

    async def _get_tile(self, url: str, tile: Tile, max_bytes: int) -> tuple[Tile, bytes]:
        # A log may drop a partial tile once the full one is there, whose start it is.
        for one in dict.fromkeys((tile, tile.full)):
            data = await self._get(url, f"/log/{one.path}", max_bytes)
            if data is not None:
                return one, data
        raise PfnError(Code.PEER_WITHHELD, f"The node at {urlsplit(url).netloc} does not show {tile.path} of its log.")

    async def _get(self, url: str, path: str, max_bytes: int) -> bytes | None:
        answer = await _ask(url, self._fetcher.get_document(url + path, max_bytes=max_bytes))
        return None if answer.status in _ABSENT else _expect_ok(url, answer)


async def _ask(url: str, asked: Awaitable[_T]) -> _T:
    """Say of a peer what the fetcher says of publishers."""
    try:
        return await asked
    except PfnError as error:
        if error.code is Code.SOURCE_UNREACHABLE:
            detail = f"The node at {urlsplit(url).netloc} cannot be reached."
            raise PfnError(Code.PEER_UNREACHABLE, detail, internal=error.internal) from error
        if error.code is Code.PUBLISHER_TOO_LARGE:
            raise PfnError(
                Code.PEER_ANSWER, f"The node at {urlsplit(url).netloc} sent more than is read here."
            ) from error
        raise


def _expect_ok(url: str, answer: Answer) -> bytes:
    if answer.status != HTTPStatus.OK:
        raise _status(url, answer.status, answer.headers)
    return answer.body


def _status(url: str, status: int, headers: Mapping[str, str]) -> PfnError:
    return PfnError(
        Code.PEER_ANSWER,
        f"The node at {urlsplit(url).netloc} answered with status {status}; it is asked again later.",
        retry_after=read_retry_after(headers),
    )


def _query(path: str, **members: str) -> str:
    return path + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in members.items())
