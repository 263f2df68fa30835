"""Sources, releases and plugins as storage tests need them: made of a name, whole in every field."""

import hashlib
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.release import Blob, KeptSignature, Release, SignatureLevel
from pfn.domain.source import Source, SourceStatus
from pfn.domain.zip_verdict import ZipVerdict
from pfn.storage.release import add_release, point_newest
from pfn.storage.source import add_source

ANN = "ann@one.example"
BOB = "bob@two.example"
VERDICT = ZipVerdict((), "hello", {"kind": "plugin"}, ({"path": "hello/hello.php", "size": 1, "sha256": "ab"},))


def make_source(source_id: str = ANN, **changes: object) -> Source:
    """Give a source; its username and instance are those its id names."""
    username, host = source_id.split("@")
    source = Source(
        id=source_id,
        instance_url=f"https://{host}",
        username=username,
        public_key=f"key of {source_id}",
        status=SourceStatus.VERIFIED,
        trust_score=0.5,
        created_at=1_000,
    )
    return replace(source, **changes)  # type: ignore[arg-type]  # fields by name


def make_blob(content: bytes) -> Blob:
    """Give the blob of some bytes."""
    return Blob(
        hashlib.sha256(content).hexdigest(),
        hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        hashlib.sha384(content).hexdigest(),
        len(content),
    )


def make_release(
    plugin_id: str = "hello",
    version: str = "1.0",
    source_id: str = ANN,
    *,
    content: bytes | None = None,
    **changes: object,
) -> Release:
    """Give a signed release; its bytes follow from its names unless given."""
    if content is None:
        content = f"{source_id} {plugin_id} {version}".encode()
    release = Release(
        plugin_id=plugin_id,
        source_id=source_id,
        name=plugin_id.title(),
        version=version,
        description=f"What {plugin_id} does.",
        mirror_date=2_000,
        blob=make_blob(content),
        level=SignatureLevel.METADATA,
        signature=KeptSignature("c2lnbmF0dXJl", b"\x00the signed\xffmessage", "signing key"),
        tags=("Tools", "seo"),
        author="Ann Author",
        facts={"kind": "plugin", "warnings": []},
    )
    return replace(release, **changes)  # type: ignore[arg-type]  # fields by name


async def add_sources(connection: AsyncConnection, *source_ids: str) -> None:
    """Insert a verified source for each id."""
    for source_id in source_ids or (ANN, BOB):
        await add_source(connection, make_source(source_id))


async def offer(connection: AsyncConnection, *releases: Release) -> None:
    """Insert releases, each the newest of its plugin."""
    for release in releases:
        await add_release(connection, release, VERDICT)
        await point_newest(connection, release)
