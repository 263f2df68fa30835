"""What the updater that a plugin or theme brings along asks for: one plugin, of the source it names.

It names its source, so who speaks for the bare slug is not asked, except where it only names an author: several sources
may have one of that name. Then the one that speaks for the slug is meant, or the only one that ever had it; where
neither tells, nothing is guessed, for a guess would put another's code into a site.
"""

from pfn.protocol.errors import Code, PfnError
from pfn.services.directory import DirectoryService, Entry
from pfn.services.release import ReleaseService
from pfn.storage.database import Database
from pfn.storage.directory import Listed, list_mirrored_versions
from pfn.storage.offer import find_offered_of
from pfn.storage.slug import get_holder
from pfn.storage.source import list_namesakes


class UpdateCheckerService:
    """Finds what is asked for."""

    def __init__(self, database: Database, releases: ReleaseService, directory: DirectoryService) -> None:
        self._database = database
        self._releases = releases
        self._directory = directory

    async def find(self, source_id: str, slug: str) -> Entry:
        """Find a plugin or theme of a source with its newest release. Raises PfnError as ``ReleaseService.find``."""
        _, newest = await self._releases.find(source_id, slug)
        async with self._database.read() as connection:
            offered = await find_offered_of(connection, source_id, slug)
            versions = await list_mirrored_versions(connection, source_id, slug)
            holder = await get_holder(connection, slug)
        if offered is None or offered.version != newest.version:
            raise PfnError(Code.PLUGIN_UNKNOWN, f"{slug} of {source_id} changed just now; ask again.")
        added_at = holder.since if holder is not None and holder.source_id == source_id else newest.mirror_date
        return Entry(
            Listed(offered, added_at),
            newest,
            [one.version for one in versions if one.withdrawn is None],
            await self._directory.render_readme(newest),
        )

    async def find_author(self, author: str, slug: str) -> str:
        """Give the id of the source whose user name is ``author`` and whose plugin is meant.

        Suspended and removed sources count: that one is away makes no other one meant. Raises PfnError:
        ``plugin_unknown``, ``author_ambiguous``.
        """
        async with self._database.read() as connection:
            holder = await get_holder(connection, slug)
            namesakes = await list_namesakes(connection, author, slug)
        if holder is not None and holder.source_id in namesakes:
            return holder.source_id
        if not namesakes:
            raise PfnError(Code.PLUGIN_UNKNOWN, f"No source here has the user name {author!r} and a plugin {slug!r}.")
        if len(namesakes) > 1:
            raise PfnError(
                Code.AUTHOR_AMBIGUOUS,
                f"Several sources have the user name {author!r} and a plugin {slug!r}: {', '.join(namesakes)}. "
                "Ask for one of them at /puc, or have the node's operator choose who speaks for the plugin.",
            )
        return namesakes[0]
