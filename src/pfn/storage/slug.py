"""Rows of ``slugs`` and ``slug_contests``: who speaks for a slug, and who came later with the same one."""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.slug import HELD, REFUSED, Claim, Contest, Holder
from pfn.domain.source import SourceStatus
from pfn.storage.dialect import insert_or
from pfn.storage.schema import mirrored_plugins, slug_contests, slugs, sources

_AT_ONCE = 500


async def claim_slugs(
    connection: AsyncConnection, source_id: str, wanted: Iterable[str], now: int, *, decided_by: str
) -> list[tuple[Contest, str]]:
    """Let a source hold the slugs nobody holds; give those it newly contests, each with the source that holds it."""
    names = sorted(set(wanted))
    contested: list[tuple[Contest, str]] = []
    for start in range(0, len(names), _AT_ONCE):
        chunk = names[start : start + _AT_ONCE]
        rows = [{"slug": slug, "source_id": source_id, "since": now, "decided_by": decided_by} for slug in chunk]
        await connection.execute(insert_or(connection, slugs).values(rows).on_conflict_do_nothing())
        query = select(slugs.c.slug, slugs.c.source_id).where(slugs.c.slug.in_(chunk), slugs.c.source_id != source_id)
        holders = {row[0]: row[1] for row in await connection.execute(query)}
        if holders:
            late = [{"slug": slug, "source_id": source_id, "found_at": now} for slug in sorted(holders)]
            made = insert_or(connection, slug_contests).values(late).on_conflict_do_nothing()
            new = {row[0] for row in await connection.execute(made.returning(slug_contests.c.slug))}
            contested += [(Contest(slug, source_id, now, HELD), holders[slug]) for slug in sorted(new)]
    return contested


async def get_holder(connection: AsyncConnection, slug: str) -> Holder | None:
    """Find who speaks for a slug."""
    row = (await connection.execute(select(slugs).where(slugs.c.slug == slug))).mappings().first()
    return None if row is None else Holder(**row)


async def pin_slug(connection: AsyncConnection, slug: str, source_id: str, now: int, *, decided_by: str) -> None:
    """Give a slug to a source by an operator's word; whoever held it, and is not purged, contests it from now on."""
    before = await get_holder(connection, slug)
    values = {"source_id": source_id, "pinned": True, "since": now, "decided_by": decided_by}
    await connection.execute(
        insert_or(connection, slugs)
        .values(slug=slug, **values)
        .on_conflict_do_update(index_elements=["slug"], set_=values)
    )
    gone = (slug_contests.c.slug == slug) & (slug_contests.c.source_id == source_id)
    await connection.execute(delete(slug_contests).where(gone))
    if before is not None and before.source_id != source_id:
        late = select(literal(slug), sources.c.id, literal(now)).where(sources.c.id == before.source_id)
        await connection.execute(
            insert_or(connection, slug_contests)
            .from_select(["slug", "source_id", "found_at"], late)
            .on_conflict_do_nothing()
        )


async def refuse_contest(connection: AsyncConnection, slug: str, source_id: str) -> bool:
    """Mark a contest as refused; tell whether there was one."""
    this = (slug_contests.c.slug == slug) & (slug_contests.c.source_id == source_id)
    return (await connection.execute(update(slug_contests).where(this).values(state=REFUSED))).rowcount > 0


async def find_holders(connection: AsyncConnection, wanted: Iterable[str]) -> Sequence[Holder]:
    """Give who speaks for each of these slugs that anybody speaks for."""
    names = sorted(set(wanted))
    found: list[Holder] = []
    for start in range(0, len(names), _AT_ONCE):
        query = select(slugs).where(slugs.c.slug.in_(names[start : start + _AT_ONCE]))
        found += [Holder(**row) for row in (await connection.execute(query)).mappings()]
    return found


async def list_contests(connection: AsyncConnection, slug: str | None = None) -> Sequence[Contest]:
    """Give the contests, newest first."""
    query = select(slug_contests).order_by(slug_contests.c.found_at.desc(), slug_contests.c.slug)
    if slug is not None:
        query = query.where(slug_contests.c.slug == slug)
    return [Contest(**row) for row in (await connection.execute(query)).mappings()]


async def list_holders(
    connection: AsyncConnection, *, source_id: str | None = None, pinned: bool | None = None, limit: int = 200
) -> Sequence[Holder]:
    """Give who speaks for which slug, by slug."""
    query = select(slugs).order_by(slugs.c.slug).limit(limit)
    if source_id is not None:
        query = query.where(slugs.c.source_id == source_id)
    if pinned is not None:
        query = query.where(slugs.c.pinned.is_(pinned))
    return [Holder(**row) for row in (await connection.execute(query)).mappings()]


async def list_unheld_claims(connection: AsyncConnection) -> dict[str, list[Claim]]:
    """Give the claims on slugs nobody holds, by slug: those of a database from before slugs were held."""
    table = mirrored_plugins
    query = (
        select(
            table.c.plugin_id,
            table.c.source_id,
            sources.c.status,
            sources.c.trust_score,
            func.min(table.c.mirror_date).label("since"),
        )
        .join(sources, sources.c.id == table.c.source_id)
        .where(table.c.plugin_id.not_in(select(slugs.c.slug)), sources.c.status != SourceStatus.REMOVED)
        .group_by(table.c.plugin_id, table.c.source_id, sources.c.status, sources.c.trust_score)
    )
    claims: dict[str, list[Claim]] = {}
    for row in await connection.execute(query):
        claim = Claim(row.source_id, row.status == SourceStatus.VERIFIED, row.trust_score, row.since)
        claims.setdefault(row.plugin_id, []).append(claim)
    return claims
