"""Releases for those who want them: find, open, and verify the stored bytes again."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from pfn.domain.download import Download
from pfn.domain.release import Blob, Release, ReleaseRecord, SignatureLevel
from pfn.domain.source import Source, SourceStatus
from pfn.protocol.check import Check
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.signature import holds
from pfn.services.statement import StatementService
from pfn.services.verification import require_source
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import Database
from pfn.storage.download import find_download
from pfn.storage.file_blobs import open_blob
from pfn.storage.held import find_served_blob, is_retired
from pfn.storage.plugin import PluginPage, PluginQuery, list_plugins
from pfn.storage.release import get_release, list_releases
from pfn.wordpress.slug import is_slug

_MOST_FOUND = 10_000
_RETIRED = "this node keeps only newer versions. The record of the release and its proof stay."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked of a release just now, and whether all of it held."""

    release: Release
    source: Source
    checks: tuple[Check, ...]
    verified_at: int
    fingerprint: str | None
    statement: bytes | None = None

    @property
    def valid(self) -> bool:
        """Whether every check held."""
        return all(check.passed for check in self.checks)


class ReleaseService:
    """Reads what was mirrored."""

    def __init__(self, database: Database, blobs: BlobStore, statements: StatementService, clock: Clock) -> None:
        self._database = database
        self._statements = statements
        self._blobs = blobs
        self._clock = clock
        self._found: dict[tuple[str, str, str | None], Download] = {}
        self._found_at: int | None = None

    async def list_plugins(self, query: PluginQuery) -> PluginPage:
        """Give one page of plugins. Raises PfnError (``invalid_field``) for a foreign cursor."""
        async with self._database.read() as connection:
            return await list_plugins(connection, query)

    async def list_versions(
        self, query: PluginQuery
    ) -> tuple[PluginPage, Mapping[tuple[str, str], Sequence[ReleaseRecord]]]:
        """Give one page of plugins, and what is on record of each one's releases, newest first. Raises as above."""
        async with self._database.read() as connection:
            page = await list_plugins(connection, query)
            return page, await list_releases(connection, [one.key for one in page.plugins])

    async def find(self, source_id: str, plugin_id: str, version: str | None = None) -> tuple[Source, Release]:
        """Find one offered release, the newest where no version is named.

        A yanked release is found only by its version, a blocked one not at all. Raises PfnError: ``source_unknown``,
        ``source_suspended``, ``plugin_unknown``, ``release_unknown``, ``release_yanked``, ``release_blocked``.
        """
        source = await require_source(self._database, source_id)
        if source.status is SourceStatus.SUSPENDED:
            raise PfnError(
                Code.SOURCE_SUSPENDED,
                f"{source_id} is suspended by the operator of this node; nothing of it is served.",
            )
        async with self._database.read() as connection:
            release = await get_release(connection, source_id, plugin_id, version)
            if release is not None:
                if release.block_reason is not None:
                    raise PfnError(Code.RELEASE_BLOCKED, release.block_reason)
                return source, release
            key = (source_id, plugin_id)
            known = (await list_releases(connection, [key]))[key] if is_slug(plugin_id) else ()
        if known and version is None:
            reasons = "; ".join(
                f"{one.version}: {one.yank_reason or one.block_reason or 'retired'}" for one in known[:5]
            )
            raise PfnError(Code.RELEASE_YANKED, f"Every version of {plugin_id} was withdrawn. {reasons}")
        if not known:
            raise PfnError(Code.PLUGIN_UNKNOWN, f"{source_id} has no mirrored plugin {plugin_id!r}.")
        versions = ", ".join(one.version for one in known[:10])
        raise PfnError(
            Code.RELEASE_UNKNOWN,
            f"{plugin_id} of {source_id} has no version {version!r} here; there are: {versions}.",
        )

    async def find_download(self, source_id: str, plugin_id: str, version: str | None = None) -> Download:
        """Find what is sent of one release, the newest where no version is named.

        Raises PfnError as ``find`` does; ``release_retired``.
        What was found is remembered for as long as nobody commits anything: a takedown acts at once.
        """
        changes = self._database.changes()
        if changes is None or changes != self._found_at or len(self._found) >= _MOST_FOUND:
            self._found, self._found_at = {}, changes
        key = (source_id, plugin_id, version)
        download = self._found.get(key)
        if download is None:
            found = self._found
            async with self._database.read() as connection:
                download = await find_download(connection, source_id, plugin_id, version)
            if download is None:
                _, release = await self.find(source_id, plugin_id, version)
                require_kept(release)
                raise PfnError(Code.RELEASE_UNKNOWN, f"{plugin_id} of {source_id} changed just now; ask again.")
            # Not where others found that something changed, and began anew.
            found[key] = download
        return download

    async def find_blob(self, sha256: str) -> Blob:
        """Find the bytes of a served release by digest. Raises PfnError (``not_found``, ``release_retired``)."""
        async with self._database.read() as connection:
            blob = await find_served_blob(connection, sha256)
            retired = blob is None and await is_retired(connection, sha256)
        if retired:
            raise PfnError(Code.RELEASE_RETIRED, f"These bytes are kept no more: {_RETIRED}")
        if blob is None:
            raise PfnError(Code.NOT_FOUND, "No release that is served here has this SHA-256.")
        return blob

    def local(self, blob: Blob) -> Path | None:
        """Give where the file of stored bytes is or should be; None where they are elsewhere."""
        return self._blobs.local(blob)

    def open(self, blob: Blob) -> FileIO:
        """Open the file of stored bytes that are ``local``; it looks at the disk, so call it in a thread.

        Raises PfnError: ``blob_missing``, ``blob_corrupt``.
        """
        path = self._blobs.local(blob)
        assert path is not None  # asked before
        return open_blob(path, blob)

    def read(self, blob: Blob, first: int, length: int) -> AsyncIterator[bytes]:
        """Give stored bytes, in pieces. Raises PfnError as the blob store does."""
        return self._blobs.read(blob, first, length)

    async def sign(self, blob: Blob, seconds: int, filename: str) -> str | None:
        """Give a URL under which anybody may fetch stored bytes for ``seconds``, where there can be one."""
        return await self._blobs.sign(blob, seconds, filename)

    async def verify(self, source_id: str, plugin_id: str, version: str | None = None) -> Verdict:
        """Hash the stored bytes and check the stored signature now.

        Raises PfnError as ``find`` does; ``release_retired``.
        """
        source, release = await self.find(source_id, plugin_id, version)
        require_kept(release)
        checks = [*await self._check_bytes(release), _check_signature(release)]
        statement = None
        if release.level is SignatureLevel.ARTIFACT:
            statement, more = await self._statements.recheck(source, release)
            checks += more
        key = release.signature.public_key if release.signature else None
        return Verdict(
            release=release,
            source=source,
            checks=tuple(checks),
            verified_at=int(self._clock()),
            fingerprint=parse_public_key(key).fingerprint if key else None,
            statement=statement,
        )

    async def _check_bytes(self, release: Release) -> list[Check]:
        digests = [hashlib.sha256(), hashlib.sha1(usedforsecurity=False), hashlib.sha384()]
        try:
            await self._blobs.require(release.blob)
            async for piece in self._blobs.read(release.blob, 0, release.blob.size):
                for digest in digests:
                    await asyncio.to_thread(digest.update, piece)
        except PfnError as error:
            if error.code is Code.STORAGE_UNAVAILABLE:
                raise
            return [Check("bytes_present", False, error.detail)]
        present = Check("bytes_present", True, f"The zip is here, {release.blob.size} bytes long.")
        expected = (release.blob.sha256, release.blob.sha1, release.blob.sha384)
        return [
            present,
            *(
                Check(
                    digest.name,
                    digest.hexdigest() == wanted,
                    f"The bytes have the recorded {digest.name.upper()}."
                    if digest.hexdigest() == wanted
                    else f"The bytes have the {digest.name.upper()} {digest.hexdigest()}, recorded is {wanted}.",
                )
                for digest, wanted in zip(digests, expected, strict=True)
            ),
        ]


def require_kept(release: Release) -> None:
    """Raise PfnError (``release_retired``) where the bytes of a release are not kept any more."""
    if release.retired_at is not None:
        raise PfnError(
            Code.RELEASE_RETIRED, f"The zip of {release.plugin_id} {release.version} is kept no more: {_RETIRED}"
        )


def _check_signature(release: Release) -> Check:
    if release.signature is None:
        return Check("signature", True, "There is no signature to check; the operator accepts unsigned plugins.")
    if holds(release.signature):
        return Check("signature", True, release.level.sentence)
    return Check("signature", False, "The stored signature does not hold over the stored message.")
