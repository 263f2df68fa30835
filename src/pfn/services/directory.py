"""The directory that a site's install screens browse: search, lists, tags, one plugin or theme with its details.

Only what is offered under a bare slug is in it (docs/decisions/010). What was, and is withdrawn or of a suspended
source, is closed: there is an answer that says why, and none that installs it. Nothing but rows of this node is asked.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.offer import kind_of
from pfn.domain.release import Release
from pfn.domain.source import SourceStatus
from pfn.storage.database import Database
from pfn.storage.directory import (
    DirectoryQuery,
    Listed,
    count_tags,
    find_listed,
    list_directory,
    list_mirrored_versions,
)
from pfn.storage.release import get_release
from pfn.storage.slug import get_holder
from pfn.storage.source import get_source
from pfn.wordpress.readme_html import render_sections
from pfn.wordpress.slug import is_slug

MOST_RENDERED = 256
_REASONS = 5


@dataclass(frozen=True, slots=True)
class Shelf:
    """One page of the directory; ``total`` is how many there are on all."""

    items: Sequence[Listed]
    total: int


@dataclass(frozen=True, slots=True)
class Entry:
    """All there is to show: the newest release, every version that is offered, newest first, sections as HTML."""

    listed: Listed
    newest: Release
    versions: Sequence[str]
    sections: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Closed:
    """Something that was offered and is not any more. ``closed_at`` is in Unix seconds, where it is known."""

    slug: str
    name: str
    reason: str
    closed_at: int | None


class DirectoryService:
    """Looks things up for sites."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rendered: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    async def list(self, query: DirectoryQuery) -> Shelf:
        """Give one page."""
        async with self._database.read() as connection:
            items, total = await list_directory(connection, query)
        return Shelf(items, total)

    async def count_tags(self, kind: str, limit: int) -> dict[str, int]:
        """Give the most used tags and how often each is."""
        async with self._database.read() as connection:
            return await count_tags(connection, kind, limit=limit)

    async def find(self, kind: str, slug: str) -> Entry | Closed | None:
        """Find what is offered under a slug, or was; None where there is nothing of this kind."""
        if not is_slug(slug):
            return None
        async with self._database.read() as connection:
            listed = await find_listed(connection, slug, kind)
            if listed is None:
                return await _find_closed(connection, kind, slug)
            source_id = listed.offered.source_id
            newest = await get_release(connection, source_id, slug)
            versions = await list_mirrored_versions(connection, source_id, slug)
        assert newest is not None  # a list row points at it
        offered = [one.version for one in versions if one.withdrawn is None]
        return Entry(listed, newest, offered, await self.render_readme(newest))

    async def render_readme(self, release: Release) -> Mapping[str, str]:
        """Give the sections of a release's readme as harmless HTML, by name.

        They follow from the zip's bytes and are kept by their digest; a long one is rendered off the event loop.
        """
        digest = release.blob.sha256
        if digest not in self._rendered:
            readme: Mapping[str, Any] = release.facts.get("readme") or {}  # type: ignore[assignment]  # JSON of our own
            short = readme.get("short_description") or release.description or ""
            sections = readme.get("sections") or {}
            self._rendered[digest] = await asyncio.to_thread(render_sections, sections, short)
            if len(self._rendered) > MOST_RENDERED:
                self._rendered.popitem(last=False)
        self._rendered.move_to_end(digest)
        return self._rendered[digest]


async def _find_closed(connection: AsyncConnection, kind: str, slug: str) -> Closed | None:
    holder = await get_holder(connection, slug)
    source = await get_source(connection, holder.source_id) if holder else None
    if source is None or source.status is SourceStatus.REMOVED:
        return None
    versions = await list_mirrored_versions(connection, source.id, slug)
    newest = await get_release(connection, source.id, slug, versions[0].version) if versions else None
    if newest is None or kind_of(newest) != kind:
        return None
    if source.status is SourceStatus.SUSPENDED:
        return Closed(slug, newest.name, f"The operator of this node suspended {source.id}.", None)
    reasons = "; ".join(f"{one.version}: {one.withdrawn}" for one in versions[:_REASONS])
    times = [one.withdrawn_at for one in versions if one.withdrawn_at is not None]
    return Closed(slug, newest.name, f"Every version was withdrawn. {reasons}", max(times, default=None))
