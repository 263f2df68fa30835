"""What update checks and lists say of a plugin or theme: the newest release's facts, without its readme.

Answers for the small document kept beside each plugin's list row, made from what the zip says of itself, so that a
site's question about a hundred plugins reads a hundred small rows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pfn.domain.release import Release

PLUGIN, THEME = "plugin", "theme"
_LONGEST_NOTICE = 300


@dataclass(frozen=True, slots=True)
class Offer:
    """The facts of a plugin's newest release; what the zip does not say is empty.

    ``main_file`` is a name within the folder. ``size`` is in bytes; ``sha256`` and ``level`` are the release's.
    """

    main_file: str = ""
    homepage: str = ""
    update_uri: str = ""
    requires: str = ""
    tested: str = ""
    requires_php: str = ""
    requires_plugins: tuple[str, ...] = ()
    upgrade_notice: str = ""
    template: str = ""
    license: str = ""
    sha256: str = ""
    size: int = 0
    level: str = ""

    def to_json(self) -> dict[str, object]:
        """Give the document, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Give a stored document back."""
        return cls(**{**stored, "requires_plugins": tuple(stored.get("requires_plugins", ()))})


@dataclass(frozen=True, slots=True)
class Offered:
    """A plugin or theme with its newest release, as lists and update checks know it. Times are Unix seconds."""

    source_id: str
    slug: str
    kind: str
    name: str
    version: str
    description: str | None
    author: str | None
    tags: tuple[str, ...]
    updated_at: int
    instance_url: str
    trust_score: float
    offer: Offer = field(default_factory=Offer)

    def __hash__(self) -> int:
        # What tells nearly all of them apart, and no more: each update check asks it of everything a site has.
        return hash((self.source_id, self.slug, self.version))


def make_offer(release: Release) -> Offer:
    """Take the facts that an update check needs out of a release's."""
    header: Mapping[str, Any] = release.facts.get("header") or {}  # type: ignore[assignment]  # JSON of our own making
    readme: Mapping[str, Any] = release.facts.get("readme") or {}  # type: ignore[assignment]
    main_file = str(release.facts.get("main_file") or "").partition("/")[2]
    notices: Mapping[str, str] = readme.get("upgrade_notices") or {}
    return Offer(
        main_file=main_file,
        homepage=header.get("plugin_uri") or header.get("theme_uri") or "",
        update_uri=header.get("update_uri", ""),
        requires=header.get("requires_wp", ""),
        tested=readme.get("tested_up_to") or header.get("tested_up_to", ""),
        requires_php=header.get("requires_php", ""),
        requires_plugins=tuple(header.get("requires_plugins") or ()),
        upgrade_notice=notices.get(release.version, "")[:_LONGEST_NOTICE],
        template=header.get("template", ""),
        license=header.get("license") or readme.get("license", ""),
        sha256=release.blob.sha256,
        size=release.blob.size,
        level=release.level.value,
    )


def kind_of(release: Release) -> str:
    """Tell what WordPress would install a release as."""
    return THEME if release.facts.get("kind") == THEME else PLUGIN
