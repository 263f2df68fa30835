"""``catalog.json``: which release of each plugin is the newest, and what is yanked (protocol.md section 3.4).

Answers for: freshness. Whoever withholds releases must withhold the catalogue, and then it expires. Going back, or two
catalogues of one number, are named; the same catalogue after its time is not an error but ``stale``. Sequences may
jump: a node sees only the catalogues it fetched. A key limited to some plugins cannot sign one.

A known catalogue whose key is revoked for its time (``release_key.release_blocked``) is to be forgotten: a thief may
have counted it up. Does not answer for: the releases listed; each has its own statement.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from pfn.protocol.document import (
    Document,
    Head,
    Part,
    Reason,
    SequenceNumber,
    Sha256,
    Slug,
    Source,
    Time,
    Version,
    read_document,
)
from pfn.protocol.dsse import Envelope
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.publisher_chain import TrustedPublisher, require_current
from pfn.protocol.release_key import find_release_signer
from pfn.protocol.source_id import normalize_instance_url

# Of the envelope: pass it to parse_envelope.
MAX_CATALOG_BYTES = 16 * 1024 * 1024
MAX_LISTED = 20_000
DEFAULT_LIFETIME = 14 * 24 * 3600
# In seconds; clocks differ, but not by more.
MAX_CLOCK_SKEW = 300

_URL = re.compile(r"(?P<origin>https?://[^/]+)(?P<path>(?:/[A-Za-z0-9._~+@%-]+)+)")


def _check_url(text: str) -> str:
    found = _URL.fullmatch(text)
    if found is None or not {".", ".."}.isdisjoint(found["path"].split("/")):
        raise ValueError("a zip's URL is absolute, with a plain path and nothing after it")
    try:
        normal = normalize_instance_url(found["origin"])
    except PfnError as error:
        raise ValueError(error.detail) from error
    if normal != found["origin"]:
        raise ValueError(f"the zip's URL must start {normal}/")
    return text


ZipUrl = Annotated[str, Field(max_length=2000), AfterValidator(_check_url)]


class ListedRelease(Part):
    """The newest release of a plugin: its statement's payload hash and sequence, and where the zip is."""

    slug: Slug
    version: Version
    statement: Sha256
    sequence: SequenceNumber
    url: ZipUrl


class Yank(Part):
    """A version that should not be installed any more; its bytes and statement stay what they are."""

    slug: Slug
    version: Version
    reason: Reason
    at: Time


class Catalog(Document):
    """The catalogue. Times are Unix seconds; ``publisher_version`` is the newest version of the key document."""

    payload_type: ClassVar[str] = "application/vnd.pfn.catalog+json"
    label: ClassVar[str] = "The catalogue"

    source: Source
    sequence: SequenceNumber
    publisher_version: SequenceNumber
    issued: Time
    expires: Time
    releases: Annotated[tuple[ListedRelease, ...], Field(strict=False, max_length=MAX_LISTED)]
    yanked: Annotated[tuple[Yank, ...], Field(strict=False, max_length=MAX_LISTED)] = ()

    @model_validator(mode="after")
    def _check(self) -> "Catalog":
        if self.expires <= self.issued:
            raise ValueError("it expires before it is issued")
        if len(self._releases) != len(self.releases):
            raise ValueError("a plugin is listed twice")
        if len(self._yanks) != len(self.yanked):
            raise ValueError("a version is yanked twice")
        if any((listed.slug, listed.version) in self._yanks for listed in self.releases):
            raise ValueError("a yanked version is listed as the newest")
        return self

    def find_release(self, slug: str) -> ListedRelease | None:
        """The newest release of a plugin, where one is listed."""
        return self._releases.get(slug)

    def find_yank(self, slug: str, version: str) -> Yank | None:
        """The yank of a version, where there is one."""
        return self._yanks.get((slug, version))

    @cached_property
    def _releases(self) -> dict[str, ListedRelease]:
        return {listed.slug: listed for listed in self.releases}

    @cached_property
    def _yanks(self) -> dict[tuple[str, str], Yank]:
        return {(yank.slug, yank.version): yank for yank in self.yanked}


@dataclass(frozen=True, slots=True)
class CatalogVerdict:
    """A catalogue that is believed, its payload's SHA-256, its signer; ``stale`` when it is known and has expired."""

    catalog: Catalog
    payload_hash: str
    key: PublicKey
    stale: bool

    @property
    def head(self) -> Head:
        """What to remember of it, for the next."""
        return Head(self.catalog.sequence, self.payload_hash)


def verify_catalog(envelope: Envelope, publisher: TrustedPublisher, *, known: Head | None, now: int) -> CatalogVerdict:
    """Believe a catalogue, or say why not; ``known`` is the newest believed so far.

    Raises SecurityError: ``document_expired``, ``document_type``, ``release_key_…``, ``signature_invalid``,
    ``catalog_mismatch`` (another source, or issued in the future), ``document_gap`` (there is a newer key document:
    fetch it first), ``catalog_rollback``, ``catalog_fork`` (evidence: keep both), ``catalog_expired``; PfnError
    (``publisher_document``).
    """
    require_current(publisher, now)
    key = find_release_signer(envelope, publisher, slug=None, at=now)
    catalog = read_document(Catalog, envelope)
    document = publisher.document
    if catalog.source != document.source:
        raise SecurityError(Code.CATALOG_MISMATCH, f"The catalogue is for {catalog.source}, not for {document.source}.")
    if catalog.publisher_version > document.version:
        raise SecurityError(
            Code.DOCUMENT_GAP,
            f"The catalogue names version {catalog.publisher_version} of the key document; version {document.version} "
            "is known.",
        )
    if catalog.issued > now + MAX_CLOCK_SKEW:
        raise SecurityError(Code.CATALOG_MISMATCH, f"Catalogue {catalog.sequence} was issued in the future.")
    verdict = CatalogVerdict(catalog, envelope.payload_hash, key, stale=catalog.expires <= now)
    if verdict.head == known:
        return verdict
    if known is not None and catalog.sequence < known.sequence:
        raise SecurityError(Code.CATALOG_ROLLBACK, f"Catalogue {catalog.sequence} was sent; {known.sequence} is known.")
    if known is not None and catalog.sequence == known.sequence:
        raise SecurityError(Code.CATALOG_FORK, f"Two different catalogues are numbered {catalog.sequence}.")
    if verdict.stale:
        raise SecurityError(
            Code.CATALOG_EXPIRED,
            f"Catalogue {catalog.sequence} has expired. Either the publisher has not renewed it, or somebody withholds "
            "the newer one.",
        )
    return verdict


def check_listed(catalog: Catalog, *, slug: str, version: str, head: Head) -> None:
    """Raise SecurityError (``catalog_mismatch``) unless the catalogue names this statement as the plugin's newest."""
    listed = catalog.find_release(slug)
    if listed is None or (listed.version, Head(listed.sequence, listed.statement)) != (version, head):
        raise SecurityError(
            Code.CATALOG_MISMATCH, f"Catalogue {catalog.sequence} does not name this statement of {slug} {version}."
        )
