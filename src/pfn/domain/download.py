"""A download: what is sent of one release, and said of it in the headers, without what its readme says."""

from dataclasses import dataclass

from pfn.domain.release import Blob, SignatureLevel


@dataclass(frozen=True, slots=True)
class Download:
    """A release that is served. ``signature`` is the publisher's over the zip itself, in padded standard base64.

    Without one the publisher's key does not cover the bytes. ``mirror_date`` is in Unix seconds.
    """

    source_id: str
    slug: str
    version: str
    blob: Blob
    level: SignatureLevel
    signature: str | None
    yank_reason: str | None
    mirror_date: int
