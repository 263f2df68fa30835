"""A v2 publisher as the node sees it (protocol.md section 3): signed files under ``/.well-known/pfn/``.

Brings bytes and says when there are none. What they mean, and whether to believe them, ``pfn.protocol`` decides.
"""

from urllib.parse import quote

from pfn.outbound.conditional import UNKNOWN, Fresh, Validators, ask_again
from pfn.outbound.fetch import Answer, Fetcher
from pfn.outbound.retry_after import read_retry_after
from pfn.protocol.catalog import MAX_CATALOG_BYTES
from pfn.protocol.dsse import MAX_ENVELOPE_BYTES
from pfn.protocol.errors import Code, PfnError

_ABSENT = {404, 410}
_MAX_SIGNATURE_BYTES = 1024


class SignedDocumentClient:
    """Fetches the signed documents of all sources."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def get_key_document(self, instance_url: str, version: int | None = None) -> bytes | None:
        """GET the newest key document, or one version of it; None where there is none.

        Raises PfnError: ``source_unreachable``, ``publisher_status``, ``publisher_too_large``.
        """
        name = "publisher.json" if version is None else f"publisher/{version}.json"
        return await self._get(f"{instance_url}/.well-known/pfn/{name}", MAX_ENVELOPE_BYTES)

    async def time_key_document(self, instance_url: str) -> int | None:
        """GET the newest key document for the time (ms) it takes alone; None where there is none. Raises as above."""
        answer = await self._fetcher.get_document(
            f"{instance_url}/.well-known/pfn/publisher.json", max_bytes=MAX_ENVELOPE_BYTES
        )
        if answer.status in _ABSENT:
            return None
        _expect_ok(answer)
        return answer.elapsed_ms

    async def ask_catalog(self, instance_url: str, known: Validators = UNKNOWN) -> Fresh:
        """GET the catalogue unless it is the one the validators are of. Raises as above.

        A catalogue that is gone is ``publisher_status``: its absence is no news to act on.
        """
        url = f"{instance_url}/.well-known/pfn/catalog.json"
        answer, fresh = await ask_again(self._fetcher, url, known, max_bytes=MAX_CATALOG_BYTES)
        if fresh.body is not None:
            _expect_ok(answer)
        return fresh

    async def get_statement(self, instance_url: str, slug: str, version: str) -> bytes:
        """GET a release statement. Raises as above; ``asset_missing`` where there is none."""
        path = f"releases/{quote(slug, safe='')}/{quote(version, safe='')}.json"
        found = await self._get(f"{instance_url}/.well-known/pfn/{path}", MAX_ENVELOPE_BYTES)
        if found is None:
            raise PfnError(Code.ASSET_MISSING, f"The release statement of {slug} {version} is not there.")
        return found

    async def get_statement_of_sequence(self, instance_url: str, slug: str, sequence: int) -> bytes | None:
        """GET the statement of this number in a plugin's row; None where there is none. Raises as above."""
        path = f"releases/{quote(slug, safe='')}/sequence/{sequence}.json"
        return await self._get(f"{instance_url}/.well-known/pfn/{path}", MAX_ENVELOPE_BYTES)

    async def get_artifact_signature(self, zip_url: str) -> str:
        """GET the signature beside a zip. Raises as above; ``asset_missing`` where there is none."""
        found = await self._get(f"{zip_url}.sig", _MAX_SIGNATURE_BYTES)
        if found is None:
            raise PfnError(Code.ASSET_MISSING, "The signature beside the zip is not there.")
        return found.decode("ascii", "replace").strip()

    async def _get(self, url: str, max_bytes: int) -> bytes | None:
        answer = await self._fetcher.get_document(url, max_bytes=max_bytes)
        return None if answer.status in _ABSENT else _expect_ok(answer)


def _expect_ok(answer: Answer) -> bytes:
    if answer.status != 200:
        raise PfnError(
            Code.PUBLISHER_STATUS,
            f"{answer.url} answered with status {answer.status} instead of 200; try again later.",
            retry_after=read_retry_after(answer.headers),
        )
    return answer.body
