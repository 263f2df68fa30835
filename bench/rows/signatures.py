"""Row 9: the signatures of a catalogue's entries, checked as a sync does, beside a bare loop of PyNaCl."""

import base64
import time
from collections.abc import Iterator
from typing import Final

from nacl.signing import VerifyKey

from bench.harness import Goal, Place, Round, Row, alternate
from pfn.domain.sync import Listing
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.js_json import metadata_message
from pfn.services.signature import check_listed

_ENTRIES: Final = 4_000


def _measure(place: Place) -> Iterator[Round]:
    count = 400 if place.quick else _ENTRIES
    key = SigningKey.generate()
    listings, signed = [], []
    for number in range(count):
        facts = (f"plugin-{number}", f"Plugin {number}", "1.2.3", "Does one thing, and does it well.")
        message = metadata_message(*facts)
        signature = key.sign(message)
        listings.append(Listing(*facts, signature=base64.b64encode(signature).decode()))
        signed.append((message, signature))
    pem, raw = key.public_key.pem, key.public_key.raw

    def ours() -> float:
        began = time.perf_counter()
        for listing in listings:
            check_listed(pem, listing)
        return count / (time.perf_counter() - began)

    def bare() -> float:
        verifier = VerifyKey(raw)
        began = time.perf_counter()
        for message, signature in signed:
            verifier.verify(message, signature)
        return count / (time.perf_counter() - began)

    with place.pinned():
        yield from alternate(place, ours, bare)


ROWS: Final = (
    Row(
        number=9,
        name="signatures",
        what="signature checks of catalogue entries",
        anchor="a bare PyNaCl loop",
        unit="/s",
        goals=(Goal(">=", 0.8),),
        measure=_measure,
    ),
)
