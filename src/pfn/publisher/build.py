"""A publisher as static files, for any host that serves a folder.

All signed documents and zips at their places, and beside them, for who asks as in v1, ``federation-info`` and
``author-data`` as files, and a page for people. Static files cannot answer a challenge: the key document, fetched from
its own instance URL, is the proof.

Rules: what a node would refuse is not built. Into a folder that is being served, each file comes after those it names,
the catalogue at last; nothing is removed. What was built from a newer state is not overwritten, or an old checkout
would roll the publisher back.
"""

import filecmp
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pfn.protocol.catalog import MAX_CATALOG_BYTES, Catalog
from pfn.protocol.document import read_document
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import Code, PfnError
from pfn.publisher import paths
from pfn.publisher.check import find_problems
from pfn.publisher.documents import encode_document, list_features, make_federation_info
from pfn.publisher.files import copy_file, write_file, writing
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.page import render_page
from pfn.publisher.signed import Signed, read_signed, signature_file, zip_file
from pfn.publisher.site import Site, make_site

INFO: Final = "federation-info"
AUTHOR_DATA: Final = "author-data"
PAGE: Final = "index.html"
# Tells GitHub Pages to leave files alone, or it hides those below a name that begins with a dot.
NO_JEKYLL: Final = ".nojekyll"
_TOP_NAMES: Final = {".git", ".well-known", "plugins", INFO, AUTHOR_DATA, PAGE, NO_JEKYLL}


@dataclass(frozen=True, slots=True)
class Built:
    """What was built: how many files the site has, and how many of them were written now."""

    files: int
    written: int


def build_site(folder: PublisherFolder, out: Path, *, now: int) -> Built:
    """Write the site to ``out``, made where it is missing.

    Raises PfnError: ``config_invalid`` where the folder cannot be written, is something else, or has a newer state;
    ``wrong_state`` where a node would refuse what is signed.
    """
    with writing(folder.path):
        signed = read_signed(folder)
        problems = [problem for problem in find_problems(folder, signed, now=now) if problem.fatal]
        if problems:
            raise PfnError(Code.WRONG_STATE, f"A node would refuse this. {problems[0].sentence}")
        _check_out(out, signed)
        site = make_site(folder, signed)
        return Built(*_write(folder, site, out, now))


def _write(folder: PublisherFolder, site: Site, out: Path, now: int) -> tuple[int, int]:
    written = 0
    for path, release in site.zips.items():
        slug, version = release.statement.slug, release.statement.version
        signature = signature_file(folder, slug, version)
        for source, target in (
            (zip_file(folder, slug, version), out / path),
            (signature, out / (path + paths.SIGNATURE_SUFFIX)),
        ):
            if not target.exists() or not filecmp.cmp(source, target, shallow=False):
                copy_file(source, target)
                written += 1
    documents = {**_describe(site, now), **site.documents}
    for name, content in documents.items():
        target = out / name
        if not target.exists() or target.read_bytes() != content:
            write_file(target, content)
            written += 1
    return 2 * len(site.zips) + len(documents), written


def _describe(site: Site, now: int) -> dict[str, bytes]:
    info = make_federation_info(
        site.publisher,
        [plugin.newest for plugin in site.plugins],
        features=list_features(site.publisher, answers=False),
        releases=len(site.zips),
        now_ms=now * 1000,
        uptime_s=0,
    )
    return {
        INFO: encode_document(info),
        AUTHOR_DATA: site.author_data,
        PAGE: render_page(site).encode(),
        NO_JEKYLL: b"",
    }


def _check_out(out: Path, signed: Signed) -> None:
    """Raise PfnError where ``out`` is a folder of something else, or of a newer state of this publisher."""
    catalog = out / paths.CATALOG
    if not catalog.exists():
        # An interrupted first build has left some of these.
        foreign = [path.name for path in out.iterdir() if path.name not in _TOP_NAMES] if out.exists() else []
        if foreign:
            raise PfnError(
                Code.CONFIG_INVALID, f"{out} holds something else, {foreign[0]}; build into an empty folder."
            )
        return
    there = read_document(Catalog, parse_envelope(catalog.read_bytes(), max_bytes=MAX_CATALOG_BYTES))
    assert signed.catalog is not None  # or a node would have refused it
    if there.source != signed.catalog.source:
        raise PfnError(Code.CONFIG_INVALID, f"{out} holds another publisher, {there.source}.")
    if there.sequence > signed.catalog.sequence:
        raise PfnError(
            Code.CONFIG_INVALID,
            f"{out} holds catalogue {there.sequence}; this folder has only come to {signed.catalog.sequence}. "
            "Take the newest state of the folder.",
        )
