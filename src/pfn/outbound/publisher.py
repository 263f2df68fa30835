"""A v1 publisher as the node sees it (protocol.md section 2): its endpoints, over the guarded fetcher.

Turns answers into documents and every way of answering wrongly into an error of the closed list. It decides
nothing about trust: what comes back is a claim.
"""

from dataclasses import dataclass
from urllib.parse import quote

from pfn.outbound.body import Writer
from pfn.outbound.conditional import UNKNOWN, Fresh, Validators, ask_again
from pfn.outbound.fetch import Answer, Download, Fetcher
from pfn.outbound.retry_after import read_retry_after
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.publisher_v1 import (
    MAX_CATALOG_BYTES,
    AuthorData,
    FederationInfo,
    OwnershipProof,
    PluginData,
    read_author_data,
    read_federation_info,
    read_ownership_proof,
    read_plugin_data,
)

_OK, _NOT_FOUND = 200, 404
# Too many requests, or one that took too long, is no refusal of what was asked.
_REFUSALS = frozenset(range(400, 500)) - {408, 425, 429}


@dataclass(frozen=True, slots=True)
class TimedInfo:
    """What an instance announces and how many milliseconds it took for that."""

    info: FederationInfo
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class TimedProof:
    """An ownership proof and how many milliseconds the publisher took for it."""

    proof: OwnershipProof
    elapsed_ms: int


class PublisherClient:
    """Speaks to the publishers of all sources."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def get_info(self, instance_url: str) -> FederationInfo:
        """GET ``/federation-info``. Raises PfnError as ``time_info`` does."""
        return (await self.time_info(instance_url)).info

    async def time_info(self, instance_url: str) -> TimedInfo:
        """GET ``/federation-info`` and tell how long it took.

        Raises PfnError: ``source_unreachable``, ``publisher_status``, ``publisher_too_large``, ``not_a_publisher``.
        """
        answer = await self._fetcher.get_document(f"{instance_url}/federation-info")
        if answer.status == _NOT_FOUND:
            raise PfnError(
                Code.NOT_A_PUBLISHER, "There is no /federation-info at this address; check the instance URL."
            )
        _expect_ok(answer, "/federation-info")
        return TimedInfo(read_federation_info(answer.body), answer.elapsed_ms)

    async def prove_ownership(self, instance_url: str, username: str, challenge: str) -> TimedProof:
        """POST ``/verify-ownership``.

        Raises PfnError as ``get_info`` does, or ``publisher_document``; SecurityError
        (``ownership_refused``) where the publisher declines, which is a failed proof and no outage.
        """
        answer = await self._fetcher.post_json(
            f"{instance_url}/verify-ownership", {"username": username, "challenge": challenge}
        )
        if answer.status in _REFUSALS:
            raise SecurityError(
                Code.OWNERSHIP_REFUSED,
                f"The publisher declined to sign the challenge for {username!r} (status {answer.status}).",
            )
        _expect_ok(answer, "/verify-ownership")
        return TimedProof(read_ownership_proof(answer.body), answer.elapsed_ms)

    async def get_author_data(self, instance_url: str, username: str) -> AuthorData:
        """GET ``/author-data``. Raises PfnError as ``get_info`` does, or ``publisher_document``."""
        fresh = await self.ask_author_data(instance_url, username)
        return read_author_data(fresh.body or b"")

    async def ask_author_data(self, instance_url: str, username: str, known: Validators = UNKNOWN) -> Fresh:
        """GET ``/author-data`` as it is, unless it is the one the validators are of.

        Raises PfnError as ``get_info`` does.
        """
        url = f"{instance_url}/author-data?author={quote(username, safe='')}"
        answer, fresh = await ask_again(self._fetcher, url, known, max_bytes=MAX_CATALOG_BYTES)
        if fresh.body is not None:
            _expect_ok(answer, "/author-data")
        return fresh

    async def get_plugin_data(self, instance_url: str, username: str, slug: str) -> PluginData | None:
        """GET ``/federated/plugin-data``; None where the publisher has no such endpoint or signs nothing there.

        Raises PfnError as ``get_info`` does, or ``publisher_document``.
        """
        answer = await self._fetcher.get_document(
            f"{instance_url}/federated/plugin-data?author={quote(username, safe='')}&slug={quote(slug, safe='')}"
        )
        if answer.status in _REFUSALS:
            return None
        _expect_ok(answer, "/federated/plugin-data")
        return read_plugin_data(answer.body)

    async def download_zip(self, url: str, target: Writer, *, max_bytes: int) -> Download:
        """Fetch a zip into ``target``, hashed on the way.

        Raises PfnError: ``source_unreachable``, ``publisher_too_large``, ``asset_missing``, ``publisher_status``.
        """
        download = await self._fetcher.download(url, target, max_bytes=max_bytes)
        if download.status in {404, 410}:
            raise PfnError(Code.ASSET_MISSING, f"The zip's address answered with status {download.status}.")
        if download.status != _OK:
            raise PfnError(
                Code.PUBLISHER_STATUS,
                f"The zip's address answered with status {download.status} instead of 200.",
                retry_after=read_retry_after(download.headers),
            )
        return download


def _expect_ok(answer: Answer, where: str) -> None:
    if answer.status != _OK:
        raise PfnError(
            Code.PUBLISHER_STATUS,
            f"{where} answered with status {answer.status} instead of 200; try again later.",
            retry_after=read_retry_after(answer.headers),
        )
