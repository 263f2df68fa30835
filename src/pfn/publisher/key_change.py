"""A new version of the key document: signed with the root keys at hand, or carried to where they are and back.

Answers for the ceremony. Either the root keys at hand sign a new version at once, or it is written to a file, signed
elsewhere by one root key after the other (``sign_payload_file``, which needs no folder), and the signed files are
brought back (``accept``). Nothing is published without the threshold of the version before and its own.

Version 1 is signed with the v1 key too: a node that knows the publisher by it can go on from there. After every new
version the catalogue is renewed, where a release key is here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pfn.protocol.document import read_document, write_payload
from pfn.protocol.dsse import Envelope, Signature, add_signatures, parse_envelope, write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.publisher_chain import TrustedPublisher, advance_trust, begin_trust
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.source_id import source_id
from pfn.publisher.files import write_file, writing
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.keys import Role, key_file, read_key
from pfn.publisher.renewal import Renewed, find_release_key, publish_catalog
from pfn.publisher.signed import mend, put_document, read_chain, read_signed

_SIGNED_SUFFIX = ".signed.json"


@dataclass(frozen=True, slots=True)
class RootKeys:
    """Where the root keys are: in ``files``, or else in the publisher's ``keys``.

    Or they are away, and ``offline`` is the folder for what is carried to them.
    """

    files: tuple[Path, ...] = ()
    offline: Path | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A new version of the key document.

    ``to_sign`` is the file that the root keys must sign, None where all is signed and published; then ``renewed`` is
    what else was, None where no release key was at hand.
    """

    document: PublisherDocument
    to_sign: Path | None = None
    renewed: Renewed | None = None


def find_root_keys(folder: PublisherFolder, files: Sequence[Path]) -> list[SigningKey]:
    """Give the root keys at hand: those in ``files``, or else all in the folder's ``keys``.

    Raises PfnError (``config_invalid``).
    """
    return [read_key(path) for path in (files or sorted(folder.keys.glob(f"{Role.ROOT.value}*.key")))]


def change_document(
    folder: PublisherFolder,
    document: PublisherDocument,
    roots: RootKeys,
    *,
    now: int,
    also: SigningKey | None = None,
) -> Changed:
    """Sign a key document and publish it, or write it down to be signed, while the caller holds the folder.

    ``also`` is a new root key that signs too. Raises PfnError: ``config_invalid`` where the root keys at hand are too
    few, and what a node would raise; OSError.
    """
    envelope = add_signatures(Envelope(document.payload_type, write_payload(document), ()), [also] if also else ())
    if roots.offline is not None:
        path = roots.offline / f"publisher.{document.version}.json"
        write_file(path, write_envelope(envelope) if also else envelope.payload)
        return Changed(document, to_sign=path)
    try:
        return _install(folder, add_signatures(envelope, find_root_keys(folder, roots.files)), now)
    except SecurityError as error:
        if error.code is not Code.DOCUMENT_THRESHOLD:
            raise
        raise PfnError(
            Code.CONFIG_INVALID,
            f"{error.detail} Give the root keys with --root-key FILE, or carry the document to them: "
            "--sign-offline DIR",
        ) from error


def read_payload_file(path: Path) -> tuple[Envelope, PublisherDocument]:
    """Read what is to be signed, with the signatures it may have already, and what it says.

    Raises PfnError: ``config_invalid``, ``publisher_document`` or SecurityError (``document_type``) for anything else
    than a key document.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PfnError(Code.CONFIG_INVALID, f"Cannot read {path}: {error.strerror}.") from error
    try:
        members = json.loads(content)
    except ValueError:
        members = None
    if isinstance(members, dict) and "payload" in members:
        envelope = parse_envelope(content)
    else:
        envelope = Envelope(PublisherDocument.payload_type, content, ())
    return envelope, read_document(PublisherDocument, envelope)


def sign_payload_file(path: Path, root_keys: Sequence[SigningKey], out: Path | None = None) -> Path:
    """Sign a file of ``change_document`` or of an earlier signer; give the file with the signatures.

    It is ``out``, or beside the first. Raises like ``read_payload_file``, and OSError.
    """
    envelope, _ = read_payload_file(path)
    signed = add_signatures(envelope, root_keys)
    if out is None:
        out = path.with_name(path.name.removesuffix(_SIGNED_SUFFIX).removesuffix(".json") + _SIGNED_SUFFIX)
    write_file(out, write_envelope(signed))
    return out


def accept(folder: PublisherFolder, paths: Sequence[Path], *, now: int) -> Changed:
    """Put the signatures of all files together and publish the key document.

    Raises PfnError: ``config_invalid`` where the files are not about one document, and what a node would raise.
    """
    envelopes = [read_payload_file(path)[0] for path in paths]
    if len({envelope.payload for envelope in envelopes}) != 1:
        raise PfnError(Code.CONFIG_INVALID, "The files are not about the same document; nothing was changed.")
    signatures: dict[str, Signature] = {
        signature.key_id: signature for envelope in envelopes for signature in envelope.signatures
    }
    with writing(folder.path):
        whole = Envelope(PublisherDocument.payload_type, envelopes[0].payload, tuple(signatures.values()))
        return _install(folder, whole, now)


def _install(folder: PublisherFolder, envelope: Envelope, now: int) -> Changed:
    if read_chain(folder):
        signed = read_signed(folder)
        mend(folder, signed)
        trusted = advance_trust(signed.trusted, envelope)
        is_new = trusted != signed.trusted
    else:
        trusted, is_new = _accept_first(folder, envelope, now), True
        v1_key = key_file(folder.keys, Role.V1)
        if v1_key.exists():
            envelope = add_signatures(envelope, [read_key(v1_key)])
    if is_new:
        put_document(folder, envelope, trusted.document.version)
    has_key = find_release_key(folder, trusted, now) is not None
    return Changed(trusted.document, renewed=publish_catalog(folder, now=now) if has_key else None)


def _accept_first(folder: PublisherFolder, envelope: Envelope, now: int) -> TrustedPublisher:
    document = read_document(PublisherDocument, envelope)
    listed = {key.id: key.key for key in document.root_keys}
    signed_by = (listed[one.key_id] for one in envelope.signatures if one.key_id in listed)
    profile = folder.profile
    return begin_trust(
        [envelope],
        pin=next(signed_by, document.root_keys[0].key),
        pin_is_oracle=False,
        source=source_id(profile.public_url, profile.username),
        instance_url=profile.public_url,
        now=now,
    )
