"""How a publisher's keys came to be what they are: what each key document changed.

Answers for telling two key documents apart, for people. Which are believed is ``protocol.publisher_chain``'s; all that
come here were.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pfn.protocol.publisher_document import PublisherDocument


class KeyChange(StrEnum):
    """What happened to one key."""

    ROOT_ADDED = "root_added"
    ROOT_DROPPED = "root_dropped"
    RELEASE_ADDED = "release_added"
    RELEASE_DROPPED = "release_dropped"
    OWNERSHIP_ADDED = "ownership_added"
    OWNERSHIP_DROPPED = "ownership_dropped"
    REVOKED = "revoked"


_ROLES = (
    (KeyChange.ROOT_ADDED, KeyChange.ROOT_DROPPED),
    (KeyChange.RELEASE_ADDED, KeyChange.RELEASE_DROPPED),
    (KeyChange.OWNERSHIP_ADDED, KeyChange.OWNERSHIP_DROPPED),
)


@dataclass(frozen=True, slots=True)
class KeyStep:
    """One key document, when it came (Unix seconds), and by whose fingerprints it differs from the one before.

    ``is_handover`` says that no root key is left of those before: other hands.
    """

    document: PublisherDocument
    received_at: int
    changes: tuple[tuple[KeyChange, str], ...]
    is_handover: bool


def list_steps(documents: Sequence[tuple[PublisherDocument, int]]) -> tuple[KeyStep, ...]:
    """Compare key documents, newest first, with when they came, each with the next.

    The last is compared with none: its keys are all new, which is true of version 1 alone.
    """
    former = (*(document for document, _ in documents[1:]), None)[: len(documents)]
    return tuple(
        KeyStep(
            document,
            received_at,
            tuple(_compare(before, document)),
            before is not None and not {key.id for key in before.root_keys} & {key.id for key in document.root_keys},
        )
        for (document, received_at), before in zip(documents, former, strict=True)
    )


def fingerprint_of(key_id: str) -> str:
    """Give the fingerprint that goes with a key's id: the same SHA-256 as people compare it."""
    return "SHA256:" + base64.b64encode(bytes.fromhex(key_id)).decode("ascii").rstrip("=")


def _compare(before: PublisherDocument | None, after: PublisherDocument) -> Iterator[tuple[KeyChange, str]]:
    for (added, dropped), old, new in zip(_ROLES, _list_roles(before), _list_roles(after), strict=True):
        yield from ((added, fingerprint_of(one)) for one in new if one not in old)
        yield from ((dropped, fingerprint_of(one)) for one in old if one not in new)
    revoked = set() if before is None else {one.id for one in before.revoked}
    yield from ((KeyChange.REVOKED, fingerprint_of(one.id)) for one in after.revoked if one.id not in revoked)


def _list_roles(document: PublisherDocument | None) -> tuple[list[str], list[str], list[str]]:
    if document is None:
        return [], [], []
    return (
        [key.id for key in document.root_keys],
        [key.id for key in document.release_keys],
        [key.id for key in document.ownership_keys],
    )
