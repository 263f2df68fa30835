"""How much waits for the operator, counted in one statement: every page an operator opens asks for it."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, String, cast, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.delivery import DeliveryState
from pfn.domain.peer import PeerState
from pfn.domain.source import SourceStatus
from pfn.domain.webhook import WebhookState
from pfn.storage.schema import deliveries, peers, quarantine, slug_contests, source_proposals, sources, webhooks


@dataclass(frozen=True, slots=True)
class Attention:
    """Numbers of things that go on only when somebody looks.

    ``quarantined`` releases; ``gated`` sources; ``failed`` sources, whose last proof failed; ``proposed`` sources, by
    peers; ``contested`` slugs' contests that are held; ``peers`` that wait or are faulty; ``webhooks`` that are
    disabled or have deliveries that failed for good.
    """

    quarantined: int = 0
    gated: int = 0
    failed: int = 0
    proposed: int = 0
    contested: int = 0
    peers: int = 0
    webhooks: int = 0


async def count_attention(connection: AsyncConnection) -> Attention:
    """Count."""
    failed = exists().where(deliveries.c.webhook_id == webhooks.c.id, deliveries.c.state == DeliveryState.FAILED)
    troubled = (webhooks.c.state == WebhookState.DISABLED) | ((webhooks.c.state == WebhookState.ACTIVE) & failed)
    row = (
        await connection.execute(
            select(
                _count(quarantine).label("quarantined"),
                _count(sources, cast(sources.c.gates, String) != "[]", sources.c.status != SourceStatus.REMOVED).label(
                    "gated"
                ),
                _count(sources, sources.c.status == SourceStatus.ERROR).label("failed"),
                _count(source_proposals, source_proposals.c.state == "waiting").label("proposed"),
                _count(slug_contests, slug_contests.c.state == "held").label("contested"),
                _count(peers, peers.c.state.in_([PeerState.PROPOSED, PeerState.FAULTY])).label("peers"),
                _count(webhooks, troubled).label("webhooks"),
            )
        )
    ).mappings()
    return Attention(**row.one())


def _count(table: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()
