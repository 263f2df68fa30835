"""Where things are below the node's address; one spelling for pages, feeds and every client's view."""

from functools import lru_cache
from urllib.parse import quote

# Lists and update checks name the same few plugins all day, and quoting is slow.
_MOST_KEPT = 8_192


def source_path(source_id: str) -> str:
    """Give the path of a source's page."""
    return f"/sources/{quote(source_id, safe='@:')}"


@lru_cache(_MOST_KEPT)
def plugin_path(source_id: str, slug: str) -> str:
    """Give the path of a plugin's page."""
    return f"/plugins/{quote(source_id, safe='@:')}/{quote(slug, safe='')}"


def slug_path(slug: str) -> str:
    """Give the path of the page about who speaks for a slug."""
    return f"/slugs/{quote(slug, safe='')}"


@lru_cache(_MOST_KEPT)
def zip_path(source_id: str, slug: str, version: str) -> str:
    """Give the path of one release's zip, which never changes; ``.sig`` is beside it."""
    return f"/dl/{quote(source_id, safe='@:')}/{slug}/{slug}.{quote(version, safe='')}.zip"
