"""What the site helper pins: which source each chosen plugin comes from, and the keys that may sign it.

Only what can be verified byte for byte is pinned: the others could not be installed by a site that refuses what is not
signed. A plugin that wants its updates from elsewhere (a foreign ``Update URI``) is left there.

The keys are the release keys of the newest key document that was believed, as far as they may sign the plugin now or
later, and the key of the release that is offered; never a revoked one. A site knows no time, so a key that has ended
is not pinned for what it might still sign.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.offer import PLUGIN, Offered
from pfn.domain.release import Release, SignatureLevel
from pfn.protocol.dsse import key_id, parse_envelope
from pfn.protocol.ed25519 import PublicKey, parse_public_key
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_chain import restore_trust
from pfn.protocol.publisher_document import PublisherDocument
from pfn.services.clock import Clock
from pfn.storage.database import Database
from pfn.storage.directory import DirectoryQuery, list_directory
from pfn.storage.offer import find_offered
from pfn.storage.release import find_newest
from pfn.storage.signed_document import get_newest_key_document
from pfn.wordpress.update_check import is_ours

MOST_PLUGINS = 500


@dataclass(frozen=True, slots=True)
class Pinned:
    """A plugin as a site pins it; ``keys`` are the raw 32 bytes in standard base64, as WordPress takes them."""

    offered: Offered
    keys: tuple[str, ...]


class SiteHelperService:
    """Knows what a site can be told to believe; ``address`` is where sites reach this node."""

    def __init__(self, database: Database, clock: Clock, address: str) -> None:
        self._database = database
        self._clock = clock
        self._host = urlsplit(address).hostname or ""

    async def pin(self, slugs: Collection[str]) -> Mapping[str, Pinned]:
        """Give what can be pinned of these plugins, by slug; what cannot is left out."""
        async with self._database.read() as connection:
            return await self._pin(connection, await find_offered(connection, slugs, PLUGIN))

    async def pin_all(self) -> Mapping[str, Pinned]:
        """Give all that can be pinned, by slug; of very many, what the ``MOST_PLUGINS`` most trusted can."""
        async with self._database.read() as connection:
            found, _ = await list_directory(connection, DirectoryQuery(per_page=MOST_PLUGINS))
            return await self._pin(connection, {one.offered.slug: one.offered for one in found})

    async def pin_named(self, slugs: Collection[str]) -> Mapping[str, Pinned]:
        """Give these plugins, by slug.

        Raises PfnError where one cannot be pinned: ``plugin_unknown``; ``unsigned``; ``wrong_state`` where it wants its
        updates from elsewhere.
        """
        async with self._database.read() as connection:
            found = await find_offered(connection, slugs, PLUGIN)
            pinned = await self._pin(connection, found)
        for slug in slugs:
            if slug not in found:
                raise PfnError(Code.PLUGIN_UNKNOWN, f"No source speaks for a plugin {slug!r} here.")
            if not self._may_update(found[slug]):
                uri = found[slug].offer.update_uri
                raise PfnError(Code.WRONG_STATE, f"{slug} takes its updates from elsewhere: its Update URI is {uri!r}.")
            if slug not in pinned:
                raise PfnError(
                    Code.UNSIGNED, f"{slug} of {found[slug].source_id}: its author's key does not cover the zip."
                )
        return pinned

    async def _pin(self, connection: AsyncConnection, offered: Mapping[str, Offered]) -> dict[str, Pinned]:
        chosen = {
            slug: one
            for slug, one in sorted(offered.items())
            if one.offer.level == SignatureLevel.ARTIFACT and self._may_update(one)
        }
        documents = {
            source_id: await _read_document(connection, source_id)
            for source_id in {one.source_id for one in chosen.values()}
        }
        rows = [(one.source_id, one.slug) for one in chosen.values()]
        newest = await find_newest(connection, rows) if rows else {}
        now = int(self._clock())
        pinned = {}
        for slug, one in chosen.items():
            document = documents[one.source_id]
            keys = _choose_keys(document, newest.get((one.source_id, slug)), slug, now) if document else ()
            if keys:
                pinned[slug] = Pinned(one, keys)
        return pinned

    def _may_update(self, offered: Offered) -> bool:
        hosts = {self._host, urlsplit(offered.instance_url).hostname or ""}
        return is_ours(offered.offer.update_uri, hosts)


async def _read_document(connection: AsyncConnection, source_id: str) -> PublisherDocument | None:
    body = await get_newest_key_document(connection, source_id)
    return None if body is None else restore_trust(parse_envelope(body)).document


def _choose_keys(document: PublisherDocument, newest: Release | None, slug: str, now: int) -> tuple[str, ...]:
    revoked = {one.id for one in document.revoked}
    keys: list[PublicKey] = [
        listed.key
        for listed in document.release_keys
        if (listed.slugs is None or slug in listed.slugs) and (listed.not_after is None or listed.not_after > now)
    ]
    if newest is not None and newest.signature is not None:
        keys.append(parse_public_key(newest.signature.public_key))
    return tuple(dict.fromkeys(key.raw_base64 for key in keys if key_id(key) not in revoked))
