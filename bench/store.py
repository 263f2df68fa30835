"""A node with many plugins, its rows made straight: what serving costs does not depend on how they came.

The zips of the first plugins are really there, 50 KB each and the first 1 MB; of all others there are rows alone.
Everything follows from the numbers, so that two stores of one size are the same.
"""

import asyncio
import hashlib
import random
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.harness import Place
from bench.static_publisher import USERNAME, StaticPublisher
from pfn.app import database_url, prepare
from pfn.domain.access import OPERATOR
from pfn.domain.release import Blob, KeptSignature, Release, SignatureLevel
from pfn.domain.zip_verdict import ZipVerdict
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.publisher import paths
from pfn.publisher.documents import NAMING_SCHEME
from pfn.services.leaf import append, release_leaf
from pfn.services.ownership import V2_FEATURE
from pfn.settings import Settings
from pfn.storage.database import Database
from pfn.storage.log import point_to_leaves
from pfn.storage.release import add_releases, add_version_updates, point_newest
from pfn.storage.schema import (
    publisher_documents,
    slugs,
    sources,
    subscriptions,
)

SOURCES: Final = 100
BIG, SMALL = 0, 1
"""The numbers of plugins whose zips are there: of 1 MB, and of 50 KB."""
BIG_BYTES, SMALL_BYTES = 1_000_000, 50_000
VERSION: Final = "1.2.3"
MASTER_KEY: Final = "a-master-key-of-the-bench-and-of-nothing-else"
_REAL: Final = 20
_BATCH: Final = 2_000
_BEGAN: Final = 1_750_000_000
_WORDS: Final = [
    "account analytics anchor archive banner block booking builder button cache calendar captcha cart category chart",
    "checkout cloud code column comment contact content cookie coupon custom customer dashboard database delivery",
    "donation download duplicate editor email embed event export facebook feed field file filter font footer form",
    "forum gallery gateway grid header hosting icon image import index inventory invoice language layout learning",
    "library lightbox link list login magazine mail map market media member menu message meta migration mobile modal",
    "newsletter notice order page password payment performance permalink photo player poll popup post preview pricing",
    "print privacy product profile progress quick quiz rating recipe redirect registration related report reservation",
    "review role scheduler schema search security seo share shipping shop shortcode sidebar sitemap slider social spam",
    "staff statistics stock subscription support survey table tag tax template testimonial theme ticket timeline title",
    "toolbar tracking translation twitter upload user video vote weather widget wiki woocommerce workflow zoom",
]
WORDS: Final = " ".join(_WORDS).split()


@cache
def source_id(number: int) -> str:
    """Give the id of the source of plugin ``number``."""
    return f"author-{number % SOURCES:03}@publisher-{number % SOURCES:03}.example"


@cache
def slug(number: int) -> str:
    """Give the slug of plugin ``number``: words as people choose them, and the number."""
    dice = random.Random(number)  # noqa: S311  # the same each time, not a secret
    return f"{dice.choice(WORDS)}-{dice.choice(WORDS)}-{number}"


def open_store(place: Place, count: int = 60_000) -> Path:
    """Give the data folder of a node with ``count`` plugins, a fresh copy; rows are made once for each size."""
    made = place.folder / f"store-{count}"
    if not made.exists():
        half = place.make(f"half-{count}")
        asyncio.run(_make(half, count))
        half.rename(made)
    copy = place.make(f"node-{count}")
    shutil.copytree(made, copy, dirs_exist_ok=True)
    return copy


async def register(data: Path, publisher: StaticPublisher) -> str:
    """Write down a publisher as one that proved itself and is subscribed to, for files prove nothing; give its id."""
    username, address = USERNAME, publisher.url.partition("://")[2]
    row = {
        "id": f"{username}@{address}",
        "instance_url": publisher.url,
        "username": username,
        "public_key": publisher.v1_key.public_key.pem,
        "status": "verified",
        "trust_score": 0.5,
        "created_at": _BEGAN,
        "verified_since": _BEGAN,
        "features": [V2_FEATURE],
        "asset_domain": publisher.url,
        "asset_naming_scheme": NAMING_SCHEME,
    }
    envelope = (publisher.folder / paths.PUBLISHER).read_bytes()
    document = {
        "source_id": row["id"],
        "version": 1,
        "payload_sha256": parse_envelope(envelope).payload_hash,
        "envelope": envelope,
        "received_at": _BEGAN,
    }
    database = Database(database_url(Settings(data=data)))
    try:
        async with database.write() as connection:
            await connection.execute(insert(sources).values(row))
            await connection.execute(insert(publisher_documents).values(document))
            wanted = {"source_id": row["id"], "subscriber": OPERATOR, "created_at": _BEGAN}
            await connection.execute(insert(subscriptions).values(wanted))
    finally:
        await database.close()
    return str(row["id"])


async def _make(folder: Path, count: int) -> None:
    settings = Settings(data=folder)
    prepare(settings)
    database = Database(database_url(settings))
    key = SigningKey.generate()
    try:
        async with database.write() as connection:
            await connection.execute(insert(sources), [_source(number, key) for number in range(SOURCES)])
            for first in range(0, count, _BATCH):
                numbers = range(first, min(first + _BATCH, count))
                await _write(connection, folder, [_release(number, key) for number in numbers])
        async with database.read() as connection:
            await connection.exec_driver_sql("ANALYZE")
    finally:
        await database.close()


async def _write(connection: AsyncConnection, folder: Path, releases: Sequence[Release]) -> None:
    # The sources' leaves come first, made by the node when it starts: places are taken from what `append` says.
    leaves = [release_leaf(one, _MANIFEST, None, one.mirror_date) for one in releases]
    start = await append(connection, leaves, _BEGAN)
    for one in releases:
        _keep(folder, one)
    await add_releases(connection, [(one, _VERDICT) for one in releases])
    places: dict[str, dict[tuple[str, str], int]] = {}
    for place, one in enumerate(releases, start):
        places.setdefault(one.source_id, {})[one.plugin_id, one.version] = place
    for source, of_source in places.items():
        await point_to_leaves(connection, source, of_source)
    await point_newest(connection, *releases)
    await add_version_updates(connection, [(one, "0.0.0") for one in releases])
    held = [
        {"slug": one.plugin_id, "source_id": one.source_id, "since": one.mirror_date, "decided_by": "order"}
        for one in releases
    ]
    await connection.execute(insert(slugs), held)


_MANIFEST: Final[list[dict[str, object]]] = [{"path": "plugin.php", "size": 1, "sha256": "0" * 64}]
_VERDICT: Final = ZipVerdict(faults=(), top_folder=None, facts={}, manifest=_MANIFEST)


def _content(number: int) -> bytes:
    size = BIG_BYTES if number == BIG else SMALL_BYTES
    return random.Random(number).randbytes(size)  # noqa: S311


def _keep(folder: Path, release: Release) -> None:
    number = int(release.plugin_id.rpartition("-")[2])
    if number < _REAL:
        path = folder / "blobs" / release.blob.local_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(number))


def blob_of(number: int) -> Blob:
    """Give the zip of plugin ``number``, which is there for the first few alone."""
    data = _content(number) if number < _REAL else str(number).encode()
    sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    size = len(data) if number < _REAL else SMALL_BYTES
    return Blob(hashlib.sha256(data).hexdigest(), sha1, hashlib.sha384(data).hexdigest(), size)


def _release(number: int, key: SigningKey) -> Release:
    dice = random.Random(number)  # noqa: S311
    name = " ".join(dice.choices(WORDS, k=3)).title()
    description = f"{' '.join(dice.choices(WORDS, k=18)).capitalize()}."
    tags = tuple(sorted(set(dice.choices(WORDS, k=5))))
    text = " ".join(dice.choices(WORDS, k=150 if number < 1_000 else 20))
    facts: dict[str, object] = {
        "kind": "plugin",
        "main_file": f"{slug(number)}/plugin.php",
        "header": {"name": name, "version": VERSION, "requires_wp": "6.0", "requires_php": "7.4"},
        "readme": {
            "name": name,
            "tested_up_to": "6.8",
            "short_description": description,
            "contributors": ["alice", "bob"],
            "sections": {"description": text, "changelog": f"= {VERSION} =\n* {text[:200]}"},
        },
    }
    return Release(
        plugin_id=slug(number),
        source_id=source_id(number),
        name=name,
        version=VERSION,
        description=description,
        mirror_date=_BEGAN + number,
        blob=blob_of(number),
        level=SignatureLevel.METADATA,
        signature=KeptSignature("A" * 86 + "==", b'{"name":"as signed"}', key.public_key.pem),
        tags=tags,
        author=f"Author {number % SOURCES}",
        facts=facts,
    )


def _source(number: int, key: SigningKey) -> dict[str, object]:
    name, _, host = source_id(number).partition("@")
    return {
        "id": source_id(number),
        "instance_url": f"https://{host}",
        "username": name,
        "public_key": key.public_key.pem,
        "status": "verified",
        "trust_score": 0.5 + number / 1000,
        "created_at": _BEGAN,
        "last_sync": _BEGAN,
    }
