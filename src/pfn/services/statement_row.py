"""A statement that comes late, or is looked at late: believed by itself, or for those that follow from it.

Its release key may have been retired since. Then the next statements of its plugin, one by one up to one that holds by
itself, vouch for it by their hashes; a revoked key is never vouched for.
"""

from collections.abc import Sequence

from pfn.protocol.catalog import Catalog
from pfn.protocol.dsse import Envelope
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.publisher_chain import TrustedPublisher
from pfn.protocol.release_statement import VerifiedStatement, read_statement, verify_statement, verify_statement_chain


def believe_statement(
    envelope: Envelope,
    publisher: TrustedPublisher,
    *,
    slug: str,
    version: str,
    now: int,
    catalog: Catalog | None,
    kept: Sequence[Envelope],
) -> VerifiedStatement:
    """Believe a statement of any place in its row; ``kept`` are those of its plugin that are believed, in their order.

    Raises as ``verify_statement`` does.
    """
    try:
        return verify_statement(
            envelope, publisher, slug=slug, version=version, known=None, now=now, endorsed_by=catalog
        )
    except SecurityError as error:
        if error.code is not Code.RELEASE_KEY_TIME:
            raise
        believed = _vouch(envelope, publisher, now, catalog, kept)
        if believed is None or believed.statement.version != version:
            raise
        return believed


def _vouch(
    envelope: Envelope, publisher: TrustedPublisher, now: int, catalog: Catalog | None, kept: Sequence[Envelope]
) -> VerifiedStatement | None:
    statement = read_statement(envelope)
    row = [envelope]
    for later in kept:
        if read_statement(later).sequence == statement.sequence + len(row):
            row.append(later)
    if len(row) == 1:
        return None
    found = verify_statement_chain(row, publisher, slug=statement.slug, known=None, now=now, endorsed_by=catalog)
    return next((one for one in found.believed if one.payload_hash == envelope.payload_hash), None)
