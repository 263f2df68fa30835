"""A log's leaves: what a node says happened, in canonical JSON (protocol.md section 4; facts: threats, b.2.7).

Answers for: each kind's members, and one spelling. A leaf is ``{"t":KIND,"v":{…}}`` as RFC 8785 writes it; the kind
comes first because ``t`` sorts before ``v``. What is not exactly what would be written is refused, so a hash of a leaf
is a hash of what it says.

An append-only log cannot forget, so a leaf holds hashes, keys, ids and times: no address of a person, no free text.
``key`` and its like are SHA-256 of the raw key, documents and signatures are SHA-256 of their bytes, all in hex; times
are Unix seconds and ``at`` is when the node saw it.

Does not answer for: whether it is true. Documents are fetched by their hashes and verified by whoever reads the log.
"""

from functools import lru_cache
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from pfn.protocol.document import (
    InstanceUrl,
    Key,
    Part,
    SequenceNumber,
    Sha256,
    Size,
    Slug,
    Time,
    Version,
    write_payload,
)
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry_bundle import MAX_ENTRY_BYTES
from pfn.protocol.log.line import malformed
from pfn.protocol.source_id import source_id
from pfn.protocol.strict_json import parse_json

MAX_SOURCE = 400


@lru_cache(maxsize=4096)
def _check_source(text: str) -> str:
    username, _, authority = text.partition("@")
    for scheme in ("https", "http"):
        try:
            if source_id(f"{scheme}://{authority}", username) == text:
                return text
        except PfnError:
            break
    raise ValueError("a source is username@host in its one spelling")


SourceId = Annotated[str, Field(max_length=MAX_SOURCE), AfterValidator(_check_source)]
# A log's name: visible ASCII without a plus.
Origin = Annotated[str, Field(pattern=r"\A[!-*,-~]{1,255}\z")]
ErrorSlug = Annotated[str, Field(pattern=r"\A[a-z0-9_]{1,64}\z")]


class Leaf(Part):
    """What every leaf has."""

    model_config = ConfigDict(extra="forbid")
    kind: ClassVar[str]

    at: Time


class SourceLeaf(Leaf):
    """A source was registered with a key, which is given in full, or its standing was changed by the operator."""

    kind: ClassVar[str] = "source"

    source: SourceId
    instance_url: InstanceUrl
    key: Key
    state: Literal["registered", "suspended", "resumed", "removed"]

    @model_validator(mode="after")
    def _check_place(self) -> "SourceLeaf":
        if self.source != source_id(self.instance_url, self.source.partition("@")[0]):
            raise ValueError("the source is at another host than its URL")
        return self


class VerificationLeaf(Leaf):
    """The node asked a source for proof of its key. ``proof`` is the hash of the answer, ``code`` why it failed."""

    kind: ClassVar[str] = "verification"

    source: SourceId
    key: Sha256
    method: Literal["ownership-v1", "ownership-v2", "key-document"]
    result: Literal["success", "failure"]
    code: ErrorSlug | None = None
    proof: Sha256 | None = None


class PublisherLeaf(Leaf):
    """A key document was believed."""

    kind: ClassVar[str] = "publisher"

    source: SourceId
    version: SequenceNumber
    document: Sha256


class ReleaseLeaf(Leaf):
    """A zip was taken in. ``statement`` is v2's, ``signature`` v1's over the metadata, where there is one."""

    kind: ClassVar[str] = "release"

    source: SourceId
    slug: Slug
    version: Version
    length: Size
    sha256: Sha256
    statement: Sha256 | None = None
    signature: Sha256 | None = None
    manifest: Sha256 | None = None


class CatalogLeaf(Leaf):
    """A catalogue was believed."""

    kind: ClassVar[str] = "catalog"

    source: SourceId
    sequence: SequenceNumber
    catalog: Sha256


class YankLeaf(Leaf):
    """A version was withdrawn, by the catalogue named."""

    kind: ClassVar[str] = "yank"

    source: SourceId
    slug: Slug
    version: Version
    catalog: Sha256


class RevocationLeaf(Leaf):
    """A release key was revoked from ``since`` on, by the key document named."""

    kind: ClassVar[str] = "revocation"

    source: SourceId
    key: Sha256
    since: Time
    document: Sha256


class CustodyLeaf(Leaf):
    """A source got another key by an operator's word; nothing new of it is served before ``until``."""

    kind: ClassVar[str] = "custody"

    source: SourceId
    previous: Sha256
    key: Sha256
    until: Time


class EvidenceLeaf(Leaf):
    """Two documents, by their hashes, that cannot both be honest. ``about`` is the error's code.

    ``subject`` is the source, or the origin of the log, that contradicts itself.
    """

    kind: ClassVar[str] = "evidence"

    about: ErrorSlug
    subject: SourceId | Origin
    slug: Slug | None = None
    version: Version | None = None
    first: Sha256
    second: Sha256


class PeerLeaf(Leaf):
    """How this node stands to another, named by its log; ``key`` is the log's."""

    kind: ClassVar[str] = "peer"

    origin: Origin
    key: Sha256
    state: Literal["active", "suspended", "faulty", "removed"]


AnyLeaf: TypeAlias = (
    SourceLeaf
    | VerificationLeaf
    | PublisherLeaf
    | ReleaseLeaf
    | CatalogLeaf
    | YankLeaf
    | RevocationLeaf
    | CustodyLeaf
    | EvidenceLeaf
    | PeerLeaf
)

_KINDS: dict[str, type[AnyLeaf]] = {
    model.kind: model
    for model in (
        SourceLeaf,
        VerificationLeaf,
        PublisherLeaf,
        ReleaseLeaf,
        CatalogLeaf,
        YankLeaf,
        RevocationLeaf,
        CustodyLeaf,
        EvidenceLeaf,
        PeerLeaf,
    )
}
KINDS = frozenset(_KINDS)


def write_leaf(leaf: AnyLeaf) -> bytes:
    """The bytes of a leaf: what is hashed and served. Members that are None are left out."""
    return write_payload({"t": leaf.kind, "v": leaf.model_dump(mode="json", exclude_none=True)})


def parse_leaf(data: bytes) -> AnyLeaf:
    """Read a leaf.

    Raises PfnError: ``leaf_unknown`` for a kind of a later version, which a reader may pass over; ``log_malformed`` for
    everything else that ``write_leaf`` would not have written.
    """
    members = parse_json(data, max_bytes=MAX_ENTRY_BYTES, code=Code.LOG_MALFORMED)
    if not isinstance(members, dict) or set(members) != {"t", "v"} or not isinstance(members["t"], str):
        raise malformed("A log entry is a JSON object of t, its kind, and v, what it says.")
    model = _KINDS.get(members["t"])
    if model is None:
        raise PfnError(Code.LEAF_UNKNOWN, "The log entry is of a kind that this version does not know.")
    try:
        leaf = model.model_validate(members["v"])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        sentence = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise malformed(f"The log entry of kind {model.kind} is wrong at {place}: {sentence}.") from error
    if write_leaf(leaf) != data:
        raise malformed(f"The log entry of kind {model.kind} is not in canonical JSON.")
    return leaf
