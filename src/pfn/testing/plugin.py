"""An honest plugin, made up: its zip passes every rule for plugin zips, and the same arguments give the same bytes."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Final

_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


def plugin_zip(
    slug: str,
    version: str,
    *,
    name: str | None = None,
    description: str = "Does one thing.",
    tags: Iterable[str] = (),
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """Make the zip of a plugin with a main file and a readme.

    ``files`` are further ones, by path below the plugin's folder; one may replace the main file or the readme. Texts
    must be of one line; the name is made from the slug where none is given.
    """
    name = name or slug.replace("-", " ").title()
    listed = ", ".join(tags)
    contents = {
        f"{slug}.php": _main_file(name, version, description, listed).encode(),
        "readme.txt": _readme(name, version, description, listed).encode(),
        **(files or {}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(contents):
            entry = zipfile.ZipInfo(f"{slug}/{path}", _LONG_AGO)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, contents[path], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _main_file(name: str, version: str, description: str, tags: str) -> str:
    return f"""<?php
/*
Plugin Name: {name}
Version: {version}
Description: {description}
Tags: {tags}
Requires at least: 5.9
Requires PHP: 7.4
License: GPL-2.0-or-later
*/
"""


def _readme(name: str, version: str, description: str, tags: str) -> str:
    return f"""=== {name} ===
Tags: {tags}
Tested up to: 6.1
Stable tag: {version}
License: GPL-2.0-or-later

{description}

== Description ==

{description}
"""
