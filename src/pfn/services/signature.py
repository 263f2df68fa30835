"""The signature of a release, of either generation: find it where publishers put it, and check it.

v1 (protocol.md section 2): in the catalogue entry where it stands; where it does not, in ``/federated/plugin-data``.
v2 (section 3): a statement that names the zip's digests, and beside the zip a signature over its SHA-384. A signature
that is there but does not hold is a security error, never "none".
"""

import base64

from pfn.domain.release import Blob, KeptSignature
from pfn.domain.source import Source
from pfn.domain.sync import Listing, SignedListing
from pfn.domain.zip_verdict import ZipVerdict
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.artifact import check_artifact, check_artifact_signature, manifest_hash
from pfn.protocol.ed25519 import parse_public_key, parse_signature, verify
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.js_json import metadata_message, plugin_data_message


async def find_signature(publishers: PublisherClient, source: Source, listing: Listing) -> KeptSignature | None:
    """Give the signature over a listed release, checked with the registered key; None where there is none.

    Raises SecurityError (``signature_invalid``); PfnError where the publisher cannot be asked.
    """
    if listing.signature is not None:
        return check_listed(source.public_key, listing)
    signed = await publishers.get_plugin_data(source.instance_url, source.username, listing.slug)
    if signed is None:
        return None
    checked = _check(source.public_key, signed.signature, plugin_data_message(signed.data), "/federated/plugin-data")
    if not signed.describes(listing.slug, listing.version):
        raise SecurityError(
            Code.SIGNATURE_INVALID,
            f"/federated/plugin-data is signed, but not about {listing.slug} {listing.version}.",
        )
    return checked


def check_listed(public_key: str, listing: Listing) -> KeptSignature | None:
    """Give the signature in a catalogue entry, checked with this key (PEM); None where there is none.

    Raises SecurityError (``signature_invalid``).
    """
    if listing.signature is None:
        return None
    message = metadata_message(listing.slug, listing.name, listing.version, listing.description)
    return _check(public_key, listing.signature, message, "its catalogue entry")


def holds(signature: KeptSignature) -> bool:
    """Check a stored signature again, over the message and with the key it was stored with."""
    raw = parse_signature(signature.signature)
    return raw is not None and verify(parse_public_key(signature.public_key), signature.message, raw)


def _check(public_key: str, text: str, message: bytes, where: str) -> KeptSignature:
    signature = KeptSignature(text, message, public_key)
    if not holds(signature):
        raise SecurityError(
            Code.SIGNATURE_INVALID,
            f"The signature in {where} was not made by the registered key over this release.",
        )
    return signature


def check_artifact_text(signed: SignedListing, text: str) -> KeptSignature:
    """Check the signature beside a zip against the digest its statement names, before the zip is fetched.

    Raises SecurityError (``artifact_signature``).
    """
    digest = bytes.fromhex(signed.verified.statement.sha384)
    signature = parse_signature(text)
    if signature is None:
        raise SecurityError(Code.ARTIFACT_SIGNATURE, "What lies beside the zip is no signature in base64.")
    key = check_artifact_signature([signed.verified.key], sha384=digest, signature=signature)
    # Padded standard base64 is what WordPress reads; whatever the publisher wrote, this is what is served.
    return KeptSignature(base64.b64encode(signature).decode(), digest, key.pem)


def check_signed(signed: SignedListing, blob: Blob, verdict: ZipVerdict) -> None:
    """Compare fetched bytes with what the publisher signed: length, digests, every file inside.

    Raises SecurityError (``artifact_digest``).
    """
    statement = signed.verified.statement
    check_artifact(statement, length=blob.size, sha256=blob.sha256, sha384=blob.sha384)
    if verdict.faults:
        return
    files = ((str(one["path"]), int(str(one["size"])), str(one["sha256"])) for one in verdict.manifest)
    if manifest_hash(files) != statement.manifest:
        raise SecurityError(Code.ARTIFACT_DIGEST, "The list of files the publisher signed is not that of the zip.")
