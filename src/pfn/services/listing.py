"""What a v1 publisher lists now (protocol.md section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from pfn.domain.source import AuthorInfo, Source
from pfn.domain.sync import Listing
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_v1 import AuthorData, ListedPlugin
from pfn.services.mirror import Refusal


@dataclass(frozen=True, slots=True)
class Offer:
    """What a source lists: the readable entries, those that are not, how many in all, and who it says it is."""

    listings: Sequence[Listing]
    unreadable: Sequence[Refusal]
    total: int
    author: AuthorInfo | None


async def list_v1(publishers: PublisherClient, source: Source) -> Offer:
    """Fetch ``/author-data``. Raises PfnError where it cannot be had or is no catalogue."""
    catalog = await publishers.get_author_data(source.instance_url, source.username)
    unreadable = [
        Refusal(Listing(label, label, "", None), PfnError(Code.PUBLISHER_DOCUMENT, f"Its entry: {reason}"))
        for label, reason in catalog.unreadable
    ]
    listings = [_listing(plugin) for plugin in catalog.plugins]
    return Offer(listings, unreadable, len(listings) + len(unreadable), _author(catalog))


def _author(catalog: AuthorData) -> AuthorInfo:
    return AuthorInfo(
        username=catalog.username,
        member_since=catalog.member_since,
        website=catalog.website,
        github=catalog.github,
        twitter=catalog.twitter,
    )


def _listing(plugin: ListedPlugin) -> Listing:
    return Listing(
        slug=plugin.slug,
        name=plugin.name,
        version=plugin.version,
        description=plugin.short_description,
        tags=plugin.tags,
        signature=plugin.signature,
    )
