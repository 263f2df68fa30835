"""Update checks: for what a site has, what the source that speaks for its slug offers (docs/decisions/010).

One statement for a whole site. It decides who may answer, not what is newer: that is ``wordpress.update_check``'s.

The rules, each against dependency confusion: nobody but the holder of the slug is heard; an ``Update URI`` must name
this node or the holder's instance, and if it names a source of this node, the holder; a plugin whose main file is
another than the one the site has is another plugin.
"""

from collections.abc import Mapping, Sequence, Set
from urllib.parse import unquote, urlsplit

from pfn.domain.offer import PLUGIN, Offered
from pfn.storage.database import Database
from pfn.storage.offer import find_offered
from pfn.wordpress.update_check import Installed, is_ours

_MOST_FOUND = 20_000


class UpdateCheckService:
    """Answers sites; ``address`` is where they reach this node."""

    def __init__(self, database: Database, address: str) -> None:
        self._database = database
        self._host = _host(address)
        self._found: dict[str, dict[str, Offered | None]] = {}
        self._found_at: int | None = None

    async def find_offers(self, kind: str, installed: Sequence[Installed]) -> dict[str, Offered]:
        """Give what is offered for what a site has, by key."""
        if not installed:
            return {}
        found = await self._find(kind, {one.slug for one in installed})
        return {
            one.key: offered
            for one in installed
            if (offered := found[one.slug]) is not None and self._speaks(offered, one)
        }

    async def _find(self, kind: str, slugs: Set[str]) -> Mapping[str, Offered | None]:
        """Find what is offered, by slug; what was found stays known while nothing was written to the rows."""
        changes = self._database.changes()
        if changes is None or changes != self._found_at or sum(map(len, self._found.values())) > _MOST_FOUND:
            self._found, self._found_at = {}, changes
        found = self._found.setdefault(kind, {})
        missing = slugs - found.keys()
        if missing:
            async with self._database.read() as connection:
                fresh = await find_offered(connection, missing, kind)
            found |= {slug: fresh.get(slug) for slug in missing}
        return found

    def _speaks(self, offered: Offered, installed: Installed) -> bool:
        if offered.kind == PLUGIN and offered.offer.main_file:
            file = installed.key.partition("/")[2]
            if file != offered.offer.main_file:
                return False
        uri = installed.update_uri
        if not uri:
            return True
        if not is_ours(uri, {self._host, _host(offered.instance_url)}):
            return False
        return _host(uri) != self._host or _names(uri) <= {offered.source_id}


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _names(uri: str) -> set[str]:
    """Give the sources that the path of an address at this node names."""
    return {name for part in urlsplit(uri).path.split("/") if "@" in (name := unquote(part)).strip("@")}
