"""One hash over what a node holds, to be compared with another's (protocol.md section 4).

Answers for: equal holdings, equal digest, whatever the order. Does not answer for: which lines belong to a holding.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeldRelease:
    """One release: its plugin (over a whole node ``source/slug``), version, digest of the zip in hex, and state."""

    plugin: str
    version: str
    digest: str
    state: str


def state_digest(releases: Iterable[HeldRelease]) -> str:
    """SHA-256 in hex over one line a release, sorted by their bytes.

    A line is plugin, version, digest and state with a tab between and a newline after, in UTF-8. ValueError where a
    field has a tab or newline in it.
    """
    return hashlib.sha256(b"".join(sorted(map(_write_line, releases)))).hexdigest()


def _write_line(release: HeldRelease) -> bytes:
    fields = (release.plugin, release.version, release.digest, release.state)
    if any("\t" in field or "\n" in field for field in fields):
        raise ValueError("the fields of a held release have no tabs or newlines")
    return ("\t".join(fields) + "\n").encode()
