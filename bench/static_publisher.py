"""A publisher of many plugins as static files, for nginx to serve: what a first sync has to fetch.

Both generations at once: ``author-data`` with v1 signatures, and the signed documents of v2. The zips are made up but
no toys: PHP and a readme, about 50 KB each and 130 KB unpacked, every one other bytes. Nothing is flushed, for nothing
is kept.
"""

import base64
import hashlib
import random
import time
import zipfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Final

from pfn.protocol.artifact import sign_artifact
from pfn.protocol.document import write_payload
from pfn.protocol.dsse import Envelope, sign_envelope, write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_statement import PAYLOAD_TYPE, write_statement
from pfn.publisher import paths
from pfn.publisher.catalog import SignedRelease, list_newest, make_catalog
from pfn.publisher.documents import (
    Publisher,
    encode_document,
    list_features,
    list_plugin,
    make_author_data,
    make_federation_info,
)
from pfn.publisher.key_document import make_first_document
from pfn.publisher.profile import Profile
from pfn.publisher.release import Refused, Release, make_statement, read_release

USERNAME: Final = "alice"
VERSION: Final = "1.0.0"
_FILES: Final = 12
_FILE_BYTES: Final = 11_000
_TEXT: Final = (
    "function return array string public static foreach get_option add_action esc_html wp_query echo null isset "
    "sanitize_text_field class extends private true false update_post_meta require_once register_setting"
)
_WORDS: Final = _TEXT.split()


@dataclass(frozen=True, slots=True)
class StaticPublisher:
    """A folder of files, and the keys behind them. ``zips`` are the zips' paths below the folder, by slug."""

    folder: Path
    url: str
    root_key: SigningKey
    v1_key: SigningKey
    zips: Mapping[str, str]

    @property
    def total_bytes(self) -> int:
        """How many bytes all zips have."""
        return sum((self.folder / path).stat().st_size for path in self.zips.values())


def make_publisher(folder: Path, url: str, count: int, *, pad: int = _FILES) -> StaticPublisher:
    """Write a publisher of ``count`` plugins whose instance URL is ``url``; ``pad`` is how many files each zip has."""
    now = int(time.time())
    root, release_key, ownership, v1 = (SigningKey.generate() for _ in range(4))
    profile = Profile(username=USERNAME, public_url=url, member_since=date(2020, 1, 2))
    publisher = Publisher(profile, url, root.public_key, v1, None)
    document = make_first_document(
        username=USERNAME,
        instance_url=url,
        root_keys=[root.public_key],
        threshold=1,
        release_key=release_key.public_key,
        ownership_key=ownership.public_key,
        now=now,
    )
    envelope = sign_envelope(document.payload_type, write_payload(document), [root, v1])
    slugs = [f"plugin-{number:05}" for number in range(count)]
    with ProcessPoolExecutor() as pool:
        made = list(pool.map(partial(_write_zip, folder, pad=pad, now=now), slugs, chunksize=50))
    signed = [_sign(folder, document, release_key, release) for release in made]
    catalog = make_catalog(document, list_newest(signed, [], publisher.zip_url), [], after=0, now=now)
    _put(folder, paths.document_path(1), write_envelope(envelope))
    _put(folder, paths.PUBLISHER, write_envelope(envelope))
    _put(
        folder,
        paths.CATALOG,
        write_envelope(sign_envelope(catalog.payload_type, write_payload(catalog), [release_key])),
    )
    _put(
        folder,
        "author-data",
        encode_document(make_author_data(publisher, [list_plugin(publisher, one) for one in made])),
    )
    info = make_federation_info(
        publisher,
        made,
        features=list_features(publisher, answers=False),
        releases=count,
        now_ms=now * 1000,
        uptime_s=0,
    )
    _put(folder, "federation-info", encode_document(info))
    return StaticPublisher(folder, url, root, v1, {slug: paths.zip_path(USERNAME, slug, VERSION) for slug in slugs})


def _write_zip(folder: Path, slug: str, *, pad: int, now: int) -> Release:
    data = _zip(slug, pad)
    _put(folder, paths.zip_path(USERNAME, slug, VERSION), data)
    release = read_release(data, released_at=now)
    assert not isinstance(release, Refused), release
    return release


def _sign(folder: Path, document: PublisherDocument, key: SigningKey, release: Release) -> SignedRelease:
    statement = make_statement(release, document, after=None)
    envelope: Envelope = sign_envelope(PAYLOAD_TYPE, write_statement(statement), [key])
    for path in (
        paths.statement_path(release.slug, release.version),
        paths.row_path(release.slug, statement.sequence),
    ):
        _put(folder, path, write_envelope(envelope))
    signature = base64.b64encode(sign_artifact(key, bytes.fromhex(release.sha384))) + b"\n"
    _put(folder, paths.zip_path(USERNAME, release.slug, release.version) + paths.SIGNATURE_SUFFIX, signature)
    return SignedRelease(statement, envelope)


def _put(folder: Path, path: str, content: bytes) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _zip(slug: str, pad: int) -> bytes:
    dice = random.Random(slug)  # noqa: S311  # the same zip each time, not a secret
    name = slug.replace("-", " ").title()
    files = {
        f"{slug}.php": f"<?php\n/*\nPlugin Name: {name}\nVersion: {VERSION}\nDescription: Does one thing.\n"
        "Requires at least: 5.9\nRequires PHP: 7.4\nLicense: GPL-2.0-or-later\n*/\n",
        "readme.txt": f"=== {name} ===\nTags: forms\nTested up to: 6.1\nStable tag: {VERSION}\n"
        "License: GPL-2.0-or-later\n\nDoes one thing.\n\n== Description ==\n\nDoes one thing.\n",
        **{f"includes/part-{number:02}.php": _code(dice) for number in range(pad)},
    }
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(f"{slug}/{path}", (2020, 1, 2, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[path], zipfile.ZIP_DEFLATED, compresslevel=1)
    return buffer.getvalue()


def _code(dice: random.Random) -> str:
    """Make text that deflates to about a third, as code does."""
    words: list[str] = ["<?php"]
    size = 0
    while size < _FILE_BYTES:
        word = dice.choice(_WORDS) if dice.random() < 0.7 else hashlib.md5(dice.randbytes(4)).hexdigest()[:8]  # noqa: S324
        words.append(word)
        size += len(word) + 1
    return " ".join(words) + "\n"
