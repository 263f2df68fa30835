"""What is offered, with its addresses at this node, as WordPress's answers show it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pfn.domain.offer import Offered
from pfn.domain.usage import Usage
from pfn.services.directory import Entry
from pfn.storage.directory import Listed
from pfn.web.links import plugin_path, source_path, zip_path
from pfn.web.pages.assets import asset_url
from pfn.wordpress.plugin_info import Card, Details, tag_slug
from pfn.wordpress.update_check import Offered as Update

_ICON = "mark.svg"


def make_card(listed: Listed, usage: Usage, address: str) -> Card:
    """Make the card of what is offered; ``address`` is the node's."""
    offered, offer = listed.offered, listed.offered.offer
    return Card(
        slug=offered.slug,
        name=offered.name,
        version=offered.version,
        author=offered.author or offered.source_id.partition("@")[0],
        short_description=offered.description or "",
        page=address + plugin_path(offered.source_id, offered.slug),
        package=address + zip_path(offered.source_id, offered.slug, offered.version),
        updated_at=offered.updated_at,
        added_at=listed.added_at,
        tags={tag_slug(tag): tag for tag in offered.tags},
        requires=offer.requires,
        tested=offer.tested,
        requires_php=offer.requires_php,
        requires_plugins=offer.requires_plugins,
        icon=address + asset_url(_ICON),
        downloaded=usage.downloads,
        active_installs=usage.installs,
    )


def make_details(entry: Entry, usage: Usage, address: str) -> Details:
    """Make the details of one entry of the directory."""
    card = make_card(entry.listed, usage, address)
    offered = entry.listed.offered
    readme: Mapping[str, Any] = entry.newest.facts.get("readme") or {}  # type: ignore[assignment]  # JSON of our own
    return Details(
        card=card,
        homepage=_web_address(offered.offer.homepage) or card.page,
        sections=entry.sections,
        versions={version: address + zip_path(offered.source_id, offered.slug, version) for version in entry.versions},
        upgrade_notice=readme.get("upgrade_notices") or {},
        contributors=tuple(readme.get("contributors") or ()),
        donate_link=_web_address(readme.get("donate_link") or ""),
        author_profile=address + source_path(offered.source_id),
    )


def make_update(offered: Offered, address: str) -> Update:
    """Make what an update check says of one thing that is offered."""
    offer = offered.offer
    return Update(
        slug=offered.slug,
        version=offered.version,
        page=address + plugin_path(offered.source_id, offered.slug),
        package=address + zip_path(offered.source_id, offered.slug, offered.version),
        requires=offer.requires,
        tested=offer.tested,
        requires_php=offer.requires_php,
        requires_plugins=offer.requires_plugins,
        upgrade_notice=offer.upgrade_notice,
        icons={"default": address + asset_url(_ICON)},
    )


def _web_address(text: str) -> str:
    """Give a stranger's link, if it is one; nothing else is for anybody to click on."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return ""
    return text.strip() if parts.scheme.lower() in {"http", "https"} and parts.hostname else ""
