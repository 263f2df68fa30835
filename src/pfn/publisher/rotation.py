"""Take new keys for old ones, revoke, and renew the key document: from what is wanted to a signed new version.

Answers for which key is meant and where the new one comes from: made in the publisher's ``keys``, or in a file that is
named, or its public half given where others hold it. Each change is a new version (``key_document``) and goes the way
of ``key_change``.
"""

from pathlib import Path
from typing import Final

from pfn.protocol.dsse import key_id
from pfn.protocol.ed25519 import PublicKey, SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_document import PublisherDocument
from pfn.publisher import key_document
from pfn.publisher.files import writing
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.key_change import Changed, RootKeys, change_document
from pfn.publisher.keys import Role, key_file, make_keys_folder, read_key, take_key
from pfn.publisher.signed import Signed, read_signed

SHORTEST_ID: Final = 8


def rotate_key(
    folder: PublisherFolder,
    role: Role,
    *,
    roots: RootKeys,
    now: int,
    which: str | None = None,
    new_key: Path | None = None,
) -> Changed:
    """Put a new key in the place of one: the only one of the role, or ``which``, the beginning of its id.

    ``new_key`` is a file that holds the new key or its public half, or where it shall be made. Raises PfnError:
    ``config_invalid``, ``invalid_field`` for a key that is none of the role's, and what a node would raise.
    """
    with writing(folder.path):
        signed = read_signed(folder)
        trusted = signed.trusted
        listed = list_keys(trusted.document)[role]
        old = _choose(role, listed, which)
        new, also = _take_new(folder, signed, role, roots, new_key)
        match role:
            case Role.RELEASE:
                document = key_document.rotate_release_key(trusted, old, new, now=now)
            case Role.OWNERSHIP:
                document = key_document.rotate_ownership_key(trusted, old, new, now=now)
            case _:
                document = key_document.rotate_root_key(trusted, old, new, now=now)
        return change_document(folder, document, roots, now=now, also=also)


def revoke_key(
    folder: PublisherFolder,
    which: str,
    *,
    reason: str,
    compromised_since: int,
    roots: RootKeys,
    now: int,
    new_key: Path | None = None,
) -> Changed:
    """Revoke the key whose id begins with ``which``; where it is missed, put a new one in its place.

    Raises like ``rotate_key``.
    """
    if compromised_since > now:
        raise PfnError(Code.INVALID_FIELD, "A key cannot be compromised since a time that is still to come.")
    with writing(folder.path):
        signed = read_signed(folder)
        document = signed.trusted.document
        roles = list_keys(document)
        identity = find_id(which, [key for keys in roles.values() for key in keys])
        role = next(role for role, keys in roles.items() if identity in map(key_id, keys))
        new: PublicKey | None = None
        also: SigningKey | None = None
        if new_key or _is_missed(document, role, identity, now):
            new, also = _take_new(folder, signed, role, roots, new_key)
        changed = key_document.revoke_key(
            signed.trusted, identity, reason=reason, compromised_since=compromised_since, now=now, replacement=new
        )
        return change_document(folder, changed, roots, now=now, also=also)


def renew_document(folder: PublisherFolder, *, roots: RootKeys, now: int) -> Changed:
    """Publish the same key document for another year, and a fresh catalogue. Raises like ``rotate_key``."""
    with writing(folder.path):
        document = key_document.make_next_document(read_signed(folder).trusted, now=now)
        return change_document(folder, document, roots, now=now)


def list_keys(document: PublisherDocument) -> dict[Role, list[PublicKey]]:
    """Give the keys of a document by role."""
    return {
        Role.ROOT: [key.key for key in document.root_keys],
        Role.RELEASE: [key.key for key in document.release_keys],
        Role.OWNERSHIP: [key.key for key in document.ownership_keys],
    }


def find_id(which: str, keys: list[PublicKey]) -> str:
    """Give the id, among those of ``keys``, that begins with ``which``. Raises PfnError (``invalid_field``)."""
    found = [identity for identity in map(key_id, keys) if identity.startswith(which.lower())]
    if len(which) < SHORTEST_ID or len(found) != 1:
        raise PfnError(
            Code.INVALID_FIELD,
            f"No single key has an id that begins with {which!r}. Give {SHORTEST_ID} or more digits of one that "
            "pfn publisher show lists.",
        )
    return found[0]


def _choose(role: Role, listed: list[PublicKey], which: str | None) -> PublicKey:
    if which is not None:
        identity = find_id(which, listed)
        return next(key for key in listed if key_id(key) == identity)
    if role is Role.ROOT and len(listed) > 1:
        raise PfnError(Code.INVALID_FIELD, "There are several root keys; say which one with --key ID.")
    if not listed:
        raise PfnError(Code.INVALID_FIELD, f"There is no {role.value} key to replace.")
    return listed[-1]


def _take_new(
    folder: PublisherFolder, signed: Signed, role: Role, roots: RootKeys, file: Path | None
) -> tuple[PublicKey, SigningKey | None]:
    """Give the new key and, of a new root key that is here, what signs for it too."""
    if file is None:
        if role is Role.ROOT and (roots.files or roots.offline):
            raise PfnError(Code.CONFIG_INVALID, "Say where the new root key is, or shall be made, with --new-key FILE.")
        make_keys_folder(folder.keys)
        file = key_file(folder.keys, role, signed.trusted.document.version + 1)
    public = take_key(file)
    is_private = role is Role.ROOT and "PRIVATE" in file.read_text(encoding="ascii")
    return public, read_key(file) if is_private else None


def _is_missed(document: PublisherDocument, role: Role, identity: str, now: int) -> bool:
    """Tell whether something could not be signed any more without this key."""
    gone = {identity, *(key.id for key in document.revoked)}
    match role:
        case Role.RELEASE:
            return not any(
                key.id not in gone and key.slugs is None and (key.not_after is None or now < key.not_after)
                for key in document.release_keys
            )
        case Role.OWNERSHIP:
            return len(document.ownership_keys) == 1
        case _:
            return True
