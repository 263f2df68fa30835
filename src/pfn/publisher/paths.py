"""Where a publisher's signed files are, below its instance URL and in its folder alike (protocol.md section 3)."""

from typing import Final

WELL_KNOWN: Final = ".well-known/pfn"
PUBLISHER: Final = f"{WELL_KNOWN}/publisher.json"
CATALOG: Final = f"{WELL_KNOWN}/catalog.json"
RELEASES: Final = f"{WELL_KNOWN}/releases"
SIGNATURE_SUFFIX: Final = ".sig"


def document_path(version: int) -> str:
    """Give the place of one version of the key document."""
    return f"{WELL_KNOWN}/publisher/{version}.json"


def statement_path(slug: str, version: str) -> str:
    """Give the place of the newest statement about a version."""
    return f"{RELEASES}/{slug}/{version}.json"


def row_path(slug: str, sequence: int) -> str:
    """Give the place of a plugin's statement of this sequence: who missed some finds each by its number."""
    return f"{RELEASES}/{slug}/sequence/{sequence}.json"


def zip_path(username: str, slug: str, version: str) -> str:
    """Give the place of a zip; its artifact signature is beside it, with ``SIGNATURE_SUFFIX``."""
    return f"plugins/{username}/{slug}/{slug}.{version}.zip"
