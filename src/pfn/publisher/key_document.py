"""What the next key document says (protocol.md section 3.1, facts b.6): first, rotated, revoked, renewed.

Answers for the contents alone, as pure functions: no files, no private keys, no signatures. Who must sign is the
protocol's to say; whether it was signed, ``signing``'s.

Rules: a document lives a year. A key that takes another's place is valid a little earlier than now, for clocks differ;
the release key it replaces stays valid for the time that catalogues live, so that nodes can still take what it signed.
A revoked release key stays listed, for what it signed before it was stolen stays good; a revoked root or ownership key
does not.
"""

from collections.abc import Sequence
from typing import Any, Final

from pfn.protocol.catalog import DEFAULT_LIFETIME
from pfn.protocol.document import DocumentKey, validate_document
from pfn.protocol.dsse import key_id
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_chain import TrustedPublisher
from pfn.protocol.publisher_document import PublisherDocument, ReleaseKey, RevokedKey
from pfn.protocol.source_id import source_id

LIFETIME: Final = 365 * 24 * 3600
NEAR_EXPIRY: Final = 60 * 24 * 3600
OVERLAP: Final = DEFAULT_LIFETIME
CLOCK_MARGIN: Final = 300


def list_key(key: PublicKey) -> DocumentKey:
    """Write a root or ownership key as documents list it."""
    return DocumentKey(id=key_id(key), key=key)


def list_release_key(key: PublicKey, *, now: int, slugs: tuple[str, ...] | None = None) -> ReleaseKey:
    """Write a release key as documents list it, valid from now on, for all plugins or ``slugs``."""
    return ReleaseKey(id=key_id(key), key=key, not_before=max(0, now - CLOCK_MARGIN), slugs=slugs)


def make_first_document(
    *,
    username: str,
    instance_url: str,
    root_keys: Sequence[PublicKey],
    release_key: PublicKey,
    ownership_key: PublicKey,
    now: int,
    threshold: int = 1,
) -> PublisherDocument:
    """Make version 1. Raises PfnError (``publisher_document``) where a key stands twice or the threshold cannot be."""
    return validate_document(
        PublisherDocument,
        {
            "source": source_id(instance_url, username),
            "instance_url": instance_url,
            "version": 1,
            "root_keys": [list_key(key) for key in root_keys],
            "threshold": threshold,
            "release_keys": [list_release_key(release_key, now=now)],
            "ownership_keys": [list_key(ownership_key)],
            "expires": now + LIFETIME,
        },
    )


def make_next_document(known: TrustedPublisher, *, now: int, **changes: object) -> PublisherDocument:
    """Make the next version, fresh for a year: the same but for ``changes``. Raises like ``make_first_document``."""
    members: dict[str, Any] = dict(known.document)
    members |= {
        "version": known.document.version + 1,
        "previous": known.payload_hash,
        "expires": now + LIFETIME,
        **changes,
    }
    return validate_document(PublisherDocument, members)


def rotate_release_key(
    known: TrustedPublisher, old: PublicKey, new: PublicKey, *, now: int, overlap: int = OVERLAP
) -> PublisherDocument:
    """Make the next version, in which ``new`` takes over from ``old``, which stays valid for ``overlap`` seconds."""
    listed = _find(known.document.release_keys, key_id(old))
    end = max(now + overlap, listed.not_before + 1)
    retired = listed.model_copy(update={"not_after": min(listed.not_after or end, end)})
    added = list_release_key(new, now=now, slugs=listed.slugs)
    return make_next_document(
        known, now=now, release_keys=(*_replace(known.document.release_keys, listed, retired), added)
    )


def rotate_ownership_key(known: TrustedPublisher, old: PublicKey, new: PublicKey, *, now: int) -> PublisherDocument:
    """Make the next version, with ``new`` in place of ``old`` at once."""
    keys = known.document.ownership_keys
    return make_next_document(known, now=now, ownership_keys=_replace(keys, _find(keys, key_id(old)), list_key(new)))


def rotate_root_key(known: TrustedPublisher, old: PublicKey, new: PublicKey, *, now: int) -> PublisherDocument:
    """Make the next version, with ``new`` in place of ``old`` at once; ``old`` must sign it too."""
    keys = known.document.root_keys
    return make_next_document(known, now=now, root_keys=_replace(keys, _find(keys, key_id(old)), list_key(new)))


def revoke_key(
    known: TrustedPublisher,
    revoked: str,
    *,
    reason: str,
    compromised_since: int,
    now: int,
    replacement: PublicKey | None,
) -> PublisherDocument:
    """Make the next version, in which the key of id ``revoked`` is revoked and ``replacement`` in its place.

    Without a replacement a release or ownership key is only revoked; a root key must be replaced, or the threshold
    would not be the same. Raises PfnError: ``invalid_field`` for a key that is not listed or revoked already,
    ``publisher_document``.
    """
    document = known.document
    if any(key.id == revoked for key in document.revoked):
        raise PfnError(Code.INVALID_FIELD, f"The key {revoked[:16]} is revoked already.")
    changes: dict[str, object] = {
        "revoked": (*document.revoked, RevokedKey(id=revoked, reason=reason, compromised_since=compromised_since))
    }
    if any(key.id == revoked for key in document.release_keys):
        added = () if replacement is None else (list_release_key(replacement, now=now),)
        changes["release_keys"] = (*document.release_keys, *added)
    elif any(key.id == revoked for key in document.ownership_keys):
        keys = document.ownership_keys
        changes["ownership_keys"] = _replace(keys, _find(keys, revoked), replacement and list_key(replacement))
    else:
        roots = document.root_keys
        changes["root_keys"] = _replace(roots, _find(roots, revoked), replacement and list_key(replacement))
    return make_next_document(known, now=now, **changes)


def _find(keys: Sequence[Any], identity: str) -> Any:  # noqa: ANN401  # the kind of key that was given
    for key in keys:
        if key.id == identity:
            return key
    raise PfnError(Code.INVALID_FIELD, f"The key {identity[:16]} is not listed in the key document.")


def _replace(keys: Sequence[Any], old: object, new: object | None) -> tuple[Any, ...]:
    """Put ``new`` where ``old`` is, or nothing."""
    return tuple(new if key is old else key for key in keys if key is not old or new is not None)
