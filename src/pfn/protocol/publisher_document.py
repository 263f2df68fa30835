"""``publisher.json``: the publisher's keys, what each may do and until when (protocol.md section 3.1).

Answers for: the rules one key document keeps by itself. Every key stands once and in one role, so what a web server
holds to prove ownership, or a build machine to sign releases, can never sign for the roots; a revoked key is neither a
root nor an ownership key.

Does not answer for: who signed it and what it follows from (``publisher_chain``), or what is revoked when
(``release_key``).
"""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from pfn.protocol.document import (
    Document,
    DocumentKey,
    InstanceUrl,
    Part,
    Reason,
    SequenceNumber,
    Sha256,
    Slug,
    Source,
    Time,
)
from pfn.protocol.errors import PfnError
from pfn.protocol.source_id import source_id

MAX_ROOT_KEYS = 16
MAX_RELEASE_KEYS = 64
MAX_OWNERSHIP_KEYS = 16
MAX_REVOKED = 1000
MAX_SLUGS = 1000


class ReleaseKey(DocumentKey):
    """A key for releases, valid from ``not_before`` until just before ``not_after``, for all plugins or ``slugs``."""

    not_before: Time
    not_after: Time | None = None
    slugs: Annotated[tuple[Slug, ...], Field(strict=False, min_length=1, max_length=MAX_SLUGS)] | None = None

    @model_validator(mode="after")
    def _check_times(self) -> "ReleaseKey":
        if self.not_after is not None and self.not_after <= self.not_before:
            raise ValueError("not_after must be later than not_before")
        return self


class RevokedKey(Part):
    """What was signed by this key and logged at or after ``compromised_since`` is not to be believed."""

    id: Sha256
    reason: Reason
    compromised_since: Time


class PublisherDocument(Document):
    """The key document. Times are Unix seconds; ``previous`` is the SHA-256 of the payload of the version before."""

    payload_type: ClassVar[str] = "application/vnd.pfn.publisher+json"
    label: ClassVar[str] = "The key document"

    source: Source
    instance_url: InstanceUrl
    version: SequenceNumber
    previous: Sha256 | None = None
    root_keys: Annotated[tuple[DocumentKey, ...], Field(strict=False, min_length=1, max_length=MAX_ROOT_KEYS)]
    threshold: Annotated[int, Field(ge=1, le=MAX_ROOT_KEYS)]
    release_keys: Annotated[tuple[ReleaseKey, ...], Field(strict=False, max_length=MAX_RELEASE_KEYS)]
    ownership_keys: Annotated[tuple[DocumentKey, ...], Field(strict=False, max_length=MAX_OWNERSHIP_KEYS)] = ()
    revoked: Annotated[tuple[RevokedKey, ...], Field(strict=False, max_length=MAX_REVOKED)] = ()
    expires: Time

    @model_validator(mode="after")
    def _check(self) -> "PublisherDocument":
        try:
            expected = source_id(self.instance_url, self.source.partition("@")[0])
        except PfnError as error:
            raise ValueError(error.detail) from error
        if self.source != expected:
            raise ValueError(f"at {self.instance_url} the source would be {expected}")
        if (self.previous is None) != (self.version == 1):
            raise ValueError("version 1 has no previous, every later version has one")
        if self.threshold > len(self.root_keys):
            raise ValueError("the threshold is higher than the number of root keys")
        self._check_roles()
        return self

    def _check_roles(self) -> None:
        fixed = [key.id for key in (*self.root_keys, *self.ownership_keys)]
        listed = [*fixed, *(key.id for key in self.release_keys)]
        if len(set(listed)) != len(listed):
            raise ValueError("root, release and ownership keys must all be different keys")
        revoked = {key.id for key in self.revoked}
        if len(revoked) != len(self.revoked):
            raise ValueError("a key is revoked twice")
        if not revoked.isdisjoint(fixed):
            raise ValueError("a revoked key is still listed as a root or ownership key")
