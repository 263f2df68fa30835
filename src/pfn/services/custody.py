"""Custody: what a publisher proved or signed counts only while its key is still the registered one.

Publishers are asked with no transaction open, and an operator may give the source another key meanwhile. Whoever writes
down what came of the asking holds the source's row first, and writes nothing of a former holder.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.source import Source
from pfn.protocol.errors import Code, PfnError
from pfn.storage.source import get_source


async def hold_custody(connection: AsyncConnection, source: Source) -> Source:
    """Lock a source's row for this transaction and give it as it is now.

    Raises PfnError: ``source_unknown`` where it was purged, ``wrong_state`` where it has another key than ``source``.
    """
    current = await get_source(connection, source.id, lock=True)
    if current is None:
        raise PfnError(Code.SOURCE_UNKNOWN, f"{source.id} was purged meanwhile.")
    if current.public_key != source.public_key:
        raise PfnError(Code.WRONG_STATE, f"{source.id} was given another key meanwhile; verify it again.")
    return current
