"""The v1 signature of a release: find it where publishers put it, and check it (protocol.md section 2).

In the catalogue entry where it stands; where it does not, in ``/federated/plugin-data``. A signature that is there
but does not hold is a security error, never "none".
"""

from pfn.domain.release import MetadataSignature
from pfn.domain.source import Source
from pfn.domain.sync import Listing
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.ed25519 import parse_public_key, parse_signature, verify
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.js_json import metadata_message, plugin_data_message


async def find_signature(publishers: PublisherClient, source: Source, listing: Listing) -> MetadataSignature | None:
    """Give the signature over a listed release, checked with the registered key; None where there is none.

    Raises SecurityError (``signature_invalid``); PfnError where the publisher cannot be asked.
    """
    if listing.signature is not None:
        message = metadata_message(listing.slug, listing.name, listing.version, listing.description)
        return _check(source, listing.signature, message, "its catalogue entry")
    signed = await publishers.get_plugin_data(source.instance_url, source.username, listing.slug)
    if signed is None:
        return None
    checked = _check(source, signed.signature, plugin_data_message(signed.data), "/federated/plugin-data")
    if not signed.describes(listing.slug, listing.version):
        raise SecurityError(
            Code.SIGNATURE_INVALID,
            f"/federated/plugin-data is signed, but not about {listing.slug} {listing.version}.",
        )
    return checked


def holds(signature: MetadataSignature) -> bool:
    """Check a stored signature again, over the message and with the key it was stored with."""
    raw = parse_signature(signature.signature)
    return raw is not None and verify(parse_public_key(signature.public_key), signature.message, raw)


def _check(source: Source, text: str, message: bytes, where: str) -> MetadataSignature:
    signature = MetadataSignature(text, message, source.public_key)
    if not holds(signature):
        raise SecurityError(
            Code.SIGNATURE_INVALID,
            f"The signature in {where} was not made by the registered key over this release.",
        )
    return signature
