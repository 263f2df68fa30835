"""Renew what is signed with the release key: the catalogue, yanks, and releases whose key was revoked.

Answers for what is published after something else changed: statements on disk that the catalogue does not list yet, a
yank, a new key document. Every use ends in one new catalogue, the last file written.

A release whose key was revoked is signed anew, as it was, when it was released before the key was compromised and its
zip is still the one that was signed. What was released later may be the thief's: it is left out of the catalogue until
the publisher has looked at it and adds it again.
"""

from dataclasses import dataclass

from pfn.protocol.artifact import sign_artifact
from pfn.protocol.catalog import Catalog, Yank, verify_catalog
from pfn.protocol.document import Head
from pfn.protocol.dsse import sign_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_chain import TrustedPublisher
from pfn.protocol.release_statement import PAYLOAD_TYPE, verify_statement, write_statement
from pfn.publisher.catalog import SignedRelease, list_newest, make_catalog
from pfn.publisher.check import check_files
from pfn.publisher.files import writing
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.keys import Role, find_key
from pfn.publisher.release import Release, make_statement, recall_release
from pfn.publisher.signed import Signed, mend, put_catalog, put_release, read_signed, sign_document


@dataclass(frozen=True, slots=True)
class Renewed:
    """What was published: the catalogue, and the releases signed anew; ``held`` are those a revocation took away."""

    catalog: Catalog
    signed_anew: tuple[SignedRelease, ...]
    held: tuple[SignedRelease, ...]


def renew(folder: PublisherFolder, *, now: int) -> Renewed:
    """Publish a fresh catalogue. Raises PfnError: ``config_invalid``, and what a node would raise."""
    with writing(folder.path):
        return publish_catalog(folder, now=now)


def yank(folder: PublisherFolder, slug: str, version: str, *, reason: str, now: int) -> Renewed:
    """Publish a catalogue that says that a version should not be installed any more; its bytes stay.

    Raises PfnError: ``plugin_unknown``, ``release_unknown``, ``wrong_state`` where it is yanked already, and like
    ``renew``.
    """
    with writing(folder.path):
        signed = read_signed(folder)
        if slug not in signed.rows:
            raise PfnError(Code.PLUGIN_UNKNOWN, f"There is no plugin {slug} here.")
        if signed.find(slug, version) is None:
            raise PfnError(Code.RELEASE_UNKNOWN, f"There is no version {version} of {slug} here.")
        if signed.catalog and signed.catalog.find_yank(slug, version):
            raise PfnError(Code.WRONG_STATE, f"{slug} {version} is yanked already.")
        return publish_catalog(folder, now=now, yanked=Yank(slug=slug, version=version, reason=reason, at=now))


def publish_catalog(folder: PublisherFolder, *, now: int, yanked: Yank | None = None) -> Renewed:
    """Do what this module is for, while the caller holds the folder. Raises like ``renew``, and OSError."""
    signed = read_signed(folder)
    key = require_release_key(folder, signed.trusted, now)
    mend(folder, signed)
    signed_anew = _sign_anew(folder, signed, key, now)
    signed = read_signed(folder)
    yanks = (*signed.yanked, *((yanked,) if yanked else ()))
    gone = {(one.slug, one.version) for one in yanks}
    held = tuple(
        one
        for one in signed.releases
        if signed.find_revocation(one) and (one.statement.slug, one.statement.version) not in gone
    )
    newest = list_newest((one for one in signed.releases if one not in held), yanks, folder.zip_url)
    catalog = make_catalog(
        signed.trusted.document, newest, yanks, after=signed.catalog.sequence if signed.catalog else 0, now=now
    )
    verify_catalog(sign_document(catalog, key), signed.trusted, known=None, now=now)
    put_catalog(folder, catalog, key)
    return Renewed(catalog, signed_anew, held)


def sign_release(
    folder: PublisherFolder,
    trusted: TrustedPublisher,
    release: Release,
    key: SigningKey,
    *,
    after: Head | None,
    now: int,
) -> SignedRelease:
    """Publish the statement of a release whose zip is in its place, after the plugin's statement ``after``.

    Raises like ``renew``, and OSError; nothing is written that a node would refuse.
    """
    statement = make_statement(release, trusted.document, after=after)
    envelope = sign_envelope(PAYLOAD_TYPE, write_statement(statement), [key])
    verify_statement(envelope, trusted, slug=release.slug, version=release.version, known=after, now=now)
    made = SignedRelease(statement, envelope)
    check_files(folder, made)
    put_release(folder, made, sign_artifact(key, bytes.fromhex(release.sha384)))
    return made


def find_release_key(folder: PublisherFolder, trusted: TrustedPublisher, now: int) -> SigningKey | None:
    """Give the release key to sign with now, where it is here. Raises PfnError (``config_invalid``) for a wrong file.

    Only a key for all plugins: one limited to some cannot sign a catalogue.
    """
    revoked = {key.id for key in trusted.document.revoked}
    usable = [
        key.key
        for key in trusted.document.release_keys
        if key.id not in revoked
        and key.slugs is None
        and key.not_before <= now
        and (key.not_after is None or now < key.not_after)
    ]
    return find_key(folder.keys, Role.RELEASE, usable)


def require_release_key(folder: PublisherFolder, trusted: TrustedPublisher, now: int) -> SigningKey:
    """Give the release key to sign with now. Raises PfnError (``config_invalid``) where it is not here."""
    found = find_release_key(folder, trusted, now)
    if found is None:
        raise PfnError(
            Code.CONFIG_INVALID,
            f"No release key that version {trusted.document.version} of the key document allows is in {folder.keys}. "
            f"Put it there, or take a new one: pfn publisher rotate-key {folder.path} release",
        )
    return found


def _sign_anew(folder: PublisherFolder, signed: Signed, key: SigningKey, now: int) -> tuple[SignedRelease, ...]:
    heads = {slug: row[-1].head for slug, row in signed.rows.items()}
    made: list[SignedRelease] = []
    for old in signed.releases:
        if _may_sign_anew(folder, signed, old):
            slug, release = old.statement.slug, recall_release(old.statement)
            made.append(sign_release(folder, signed.trusted, release, key, after=heads[slug], now=now))
            heads[slug] = made[-1].head
    return tuple(made)


def _may_sign_anew(folder: PublisherFolder, signed: Signed, release: SignedRelease) -> bool:
    statement = release.statement
    revocation = signed.find_revocation(release)
    if revocation is None or statement.released_at >= revocation.compromised_since:
        return False
    if signed.catalog and signed.catalog.find_yank(statement.slug, statement.version):
        return False
    try:
        check_files(folder, release)
    except (PfnError, OSError):
        return False
    return True
