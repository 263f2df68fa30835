"""What a plugin or theme says of itself in the comment at the top of its main file, read as WordPress core
reads it.

Answers for the fields of ``{slug}.php`` and ``style.css``. It does not judge them: a version may be no
version, a URL no URL, and nothing here is fit for HTML. It does not choose the main file among several.

The rules (facts: client contracts 7.1), on bytes, so that no decoding can shift them: only the first 8 KiB
count; CR is a line end; a field may follow ``<?php`` and any of space, tab, ``/ * # @`` at the start of a
line, inside a comment or not; its name is matched in any case and must be followed by a colon; the first
line that has it counts, even when empty; the value ends at ``*/`` or ``?>`` and is trimmed. A value that is
just ``0``, straight after the colon, reads as empty, since PHP takes it for false.
"""

from dataclasses import dataclass
from typing import Final

from pfn.wordpress.slug import is_slug

HEADER_BYTES: Final = 8192

_BLANK: Final = b" \t"
_LEAD: Final = b" \t/*#@"
_OPEN_TAG: Final = b"<?php"
_PHP_SPACE: Final = b" \t\n\r\f\v"
_PHP_TRIM: Final = b" \t\n\r\0\v"


@dataclass(frozen=True, slots=True)
class PluginHeader:
    """The header of a plugin's main file; a field that is not there is empty."""

    name: str
    plugin_uri: str
    version: str
    description: str
    author: str
    author_uri: str
    text_domain: str
    domain_path: str
    network: bool
    requires_wp: str
    requires_php: str
    update_uri: str
    requires_plugins: tuple[str, ...]
    license: str
    license_uri: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ThemeHeader:
    """The header of a theme's ``style.css``; a field that is not there is empty."""

    name: str
    theme_uri: str
    version: str
    description: str
    author: str
    author_uri: str
    template: str
    status: str
    text_domain: str
    domain_path: str
    requires_wp: str
    requires_php: str
    tested_up_to: str
    update_uri: str
    license: str
    license_uri: str
    tags: tuple[str, ...]


def parse_plugin_header(content: bytes) -> PluginHeader | None:
    """Read the header of a plugin's main file, or None when it has no ``Plugin Name``.

    ``content`` may be the whole file or its first 8 KiB. ``network`` follows core: ``Network`` or, failing
    that, the old ``Site Wide Only`` must be ``true``. ``requires_plugins`` holds the entries that are
    slugs.
    """
    fields = _Fields(content)
    name = fields["Plugin Name"]
    if not name:
        return None
    return PluginHeader(
        name=name,
        plugin_uri=fields["Plugin URI"],
        version=fields["Version"],
        description=fields["Description"],
        author=fields["Author"],
        author_uri=fields["Author URI"],
        text_domain=fields["Text Domain"],
        domain_path=fields["Domain Path"],
        network=(fields["Network"] or fields["Site Wide Only"]).lower() == "true",
        requires_wp=fields["Requires at least"],
        requires_php=fields["Requires PHP"],
        update_uri=fields["Update URI"],
        requires_plugins=tuple(slug for slug in _listed(fields["Requires Plugins"]) if is_slug(slug)),
        license=fields["License"],
        license_uri=fields["License URI"],
        tags=_listed(fields["Tags"]),
    )


def parse_theme_header(content: bytes) -> ThemeHeader | None:
    """Read the header of a theme's ``style.css``, or None when it has no ``Theme Name``."""
    fields = _Fields(content)
    name = fields["Theme Name"]
    if not name:
        return None
    return ThemeHeader(
        name=name,
        theme_uri=fields["Theme URI"],
        version=fields["Version"],
        description=fields["Description"],
        author=fields["Author"],
        author_uri=fields["Author URI"],
        template=fields["Template"],
        status=fields["Status"],
        text_domain=fields["Text Domain"],
        domain_path=fields["Domain Path"],
        requires_wp=fields["Requires at least"],
        requires_php=fields["Requires PHP"],
        tested_up_to=fields["Tested up to"],
        update_uri=fields["Update URI"],
        license=fields["License"],
        license_uri=fields["License URI"],
        tags=_listed(fields["Tags"]),
    )


class _Fields:
    """Every ``name: value`` line of the first 8 KiB; names in lower case, the first line of a name counts."""

    __slots__ = ("_values",)

    def __init__(self, content: bytes) -> None:
        self._values: dict[bytes, bytes] = {}
        for line in content[:HEADER_BYTES].replace(b"\r", b"\n").split(b"\n"):
            name, colon, value = _after_lead(line).partition(b":")
            if colon:
                self._values.setdefault(name.lower(), value)

    def __getitem__(self, name: str) -> str:
        value = self._values.get(name.lower().encode(), b"")
        return "" if value == b"0" else _clean(value).decode("utf-8", "replace")


def _after_lead(line: bytes) -> bytes:
    """Drop what may stand before a field's name: one ``<?php`` and comment signs."""
    indented = line.lstrip(_BLANK)
    if indented[: len(_OPEN_TAG)].lower() == _OPEN_TAG:
        line = indented[len(_OPEN_TAG) :]
    return line.lstrip(_LEAD)


def _clean(value: bytes) -> bytes:
    """Cut at the end of the comment or PHP block, with the white space before it, and trim as PHP does."""
    ends = [at for at in (value.find(b"*/"), value.find(b"?>")) if at >= 0]
    if ends:
        value = value[: min(ends)].rstrip(_PHP_SPACE)
    return value.strip(_PHP_TRIM)


def _listed(value: str) -> tuple[str, ...]:
    """Split at commas: trimmed, none empty, none twice, in their order."""
    return tuple(dict.fromkeys(entry for part in value.split(",") if (entry := part.strip())))
