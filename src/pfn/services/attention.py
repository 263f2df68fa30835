"""What waits for the operator: how much there is of it, for every page to say."""

from pfn.storage.attention import Attention, count_attention
from pfn.storage.database import Database


class AttentionService:
    """Counts; what is behind each number is the page's of its noun."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> Attention:
        """Give how much waits now."""
        async with self._database.read() as connection:
            return await count_attention(connection)
