"""A release: one version of one plugin of one source, and how well its bytes are vouched for.

A (source, plugin, version) is written once and never changes; what is shown as its level says what was really
proven (protocol.md section 3: ``none`` < ``metadata`` < ``artifact``), never more.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class SignatureLevel(StrEnum):
    """What the publisher's key was proven to cover."""

    NONE = "none"
    METADATA = "metadata"
    ARTIFACT = "artifact"

    @property
    def sentence(self) -> str:
        """The level in plain words."""
        return _SENTENCES[self]


_SENTENCES = {
    SignatureLevel.NONE: "No signature of the publisher covers this release.",
    SignatureLevel.METADATA: (
        "The publisher's key covers the name, version and description, but not the bytes of the zip."
    ),
    SignatureLevel.ARTIFACT: "The publisher's key covers these exact bytes.",
}


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes, known by digest. All digests are lower-case hex; ``size`` is in bytes.

    Those that are ``corrupt`` were found not to match their digest any more, and are not served.
    """

    sha256: str
    sha1: str
    sha384: str
    size: int
    corrupt: bool = False

    @property
    def local_path(self) -> str:
        """The seed's ``local_path``: where the bytes lie below the blob store."""
        return f"sha256/{self.sha256[:2]}/{self.sha256[2:]}"


@dataclass(frozen=True, slots=True)
class KeptSignature:
    """A signature kept with the exact message and key it was checked with, so anyone can check it again.

    At level ``metadata`` the message is the v1 metadata, at level ``artifact`` the raw SHA-384 of the zip.
    """

    signature: str
    message: bytes
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """What a list of versions shows of a release: which bytes they are, and how they stand here.

    ``log_index`` is where its leaf stands in this node's log, ``retired_at`` since when its bytes are kept no more.
    """

    plugin_id: str
    source_id: str
    name: str
    version: str
    mirror_date: int
    blob: Blob
    level: SignatureLevel
    yanked_at: int | None = None
    yank_reason: str | None = None
    block_reason: str | None = None
    log_index: int | None = None
    retired_at: int | None = None

    @property
    def offered(self) -> bool:
        """Whether it may be the newest: neither yanked, nor blocked, nor retired."""
        return self.yanked_at is None and self.block_reason is None and self.retired_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(ReleaseRecord):
    """One row of ``mirrored_plugins`` with its blob. ``facts`` are what the zip's header and readme say."""

    description: str | None
    signature: KeptSignature | None
    tags: tuple[str, ...] = ()
    author: str | None = None
    facts: dict[str, object] = field(default_factory=dict)
    statement_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of a source. ``newest`` is offered by default: the newest that is not yanked, blocked or retired."""

    plugin_id: str
    source_id: str
    name: str
    description: str | None
    author: str | None
    tags: tuple[str, ...]
    updated_at: int
    trust_score: float
    newest: Release

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others: (source_id, plugin_id)."""
        return self.source_id, self.plugin_id
