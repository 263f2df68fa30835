"""Find a zip by its digest: at its publisher, or at any peer that has it, in the order the operator chose.

Whoever cannot be reached is not asked again in the same search. Bytes that are not those asked for are nobody's: from a
publisher, whose address may name the newest version only, they count as not found; from a peer, whose address is the
digest itself, they are a lie, and it is given up on.
"""

from collections.abc import Awaitable, Callable, Sequence

from pfn.domain.peer import Order, Peer
from pfn.outbound.fetch import Download
from pfn.outbound.peer import PeerClient
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.errors import Code, Fault, PfnError, SecurityError
from pfn.storage.blob_store import Temporary

# The publisher, among those who may have it.
_PUBLISHER = None

Accuse = Callable[[Peer, SecurityError], Awaitable[None]]


class BlobSearch:
    """One search for many zips. ``peers`` are asked in their order, ``first`` says whether before the publisher."""

    def __init__(
        self,
        publishers: PublisherClient,
        client: PeerClient,
        peers: Sequence[Peer],
        accuse: Accuse,
        *,
        first: Order,
        max_bytes: int,
    ) -> None:
        self._publishers = publishers
        self._client = client
        self._places: list[Peer | None] = [_PUBLISHER, *peers] if first == "publisher" else [*peers, _PUBLISHER]
        self._accuse = accuse
        self._max_bytes = max_bytes
        self._silent: set[Peer | str | None] = set()

    async def fetch(self, sha256: str, url: str | None, host: str, target: Temporary) -> Download:
        """Write the zip with this SHA-256 into ``target``; ``url`` is its publisher's, at ``host``, where one is known.

        Raises PfnError: ``asset_missing`` where nobody has it; ``peer_unreachable`` where who may have it is away.
        """
        away: PfnError | None = None
        for place in self._places:
            name = host if place is None else place
            if name in self._silent or (place is None and url is None):
                continue
            target.file.seek(0)
            target.file.truncate()
            try:
                download = await self._ask(place, sha256, url or "", target)
            except PfnError as error:
                if error.code.fault not in {Fault.PEER, Fault.PUBLISHER}:
                    raise
                if error.code in {Code.PEER_UNREACHABLE, Code.SOURCE_UNREACHABLE}:
                    self._silent.add(name)
                    away = error
                continue
            if download is not None:
                return download
        if away is not None or self._silent:
            raise PfnError(Code.PEER_UNREACHABLE, "None of those who may have the zip can be reached now.")
        raise PfnError(Code.ASSET_MISSING, f"Neither the publisher nor any peer has the zip with the SHA-256 {sha256}.")

    async def _ask(self, place: Peer | None, sha256: str, url: str, target: Temporary) -> Download | None:
        if place is None:
            download = await self._publishers.download_zip(url, target.file, max_bytes=self._max_bytes)
            return download if download.sha256 == sha256 else None
        try:
            return await self._client.download_blob(place.url, sha256, target.file, max_bytes=self._max_bytes)
        except SecurityError as error:
            self._silent.add(place)
            await self._accuse(place, error)
            return None
