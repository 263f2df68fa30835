"""A WordPress site that asks a node, as core 6.1 does: its forms, its queries, its name for itself."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from tests.support.network import ServedNode

USER_AGENT = "WordPress/6.1.9; https://site.example/"


def plugin_header(version: str, **more: object) -> dict[str, object]:
    """Give what core sends of one installed plugin."""
    header: dict[str, object] = {
        "Name": "A Plugin",
        "PluginURI": "https://plugin.example/?a=1&b=2",
        "Version": version,
        "Description": "Does it — with “quotes”, 100% of the time.",
        "Author": "Ann",
        "AuthorURI": "",
        "TextDomain": "a-plugin",
        "DomainPath": "",
        "Network": False,
        "RequiresWP": "",
        "RequiresPHP": "",
        "UpdateURI": "",
        "Title": "A Plugin",
        "AuthorName": "Ann",
    }
    return header | more


async def check_plugins(
    node: ServedNode, plugins: Mapping[str, Mapping[str, object]], *, path: str = "/plugins/update-check/1.1/"
) -> dict[str, Any]:
    """Send an update check for plugins and give the answer, which always has its three keys."""
    form = {
        "plugins": json.dumps({"plugins": dict(plugins), "active": list(plugins)}),
        "translations": "[]",
        "locale": "[]",
        "all": "true",
    }
    return await _check(node, path, form, "plugins")


async def check_themes(node: ServedNode, themes: Mapping[str, str], **more: object) -> dict[str, Any]:
    """Send an update check for themes, given by folder and version, and give the answer."""
    sent = {
        slug: {"Name": slug, "Title": slug, "Version": version, "Author": "Ann", "Author URI": "", "UpdateURI": ""}
        | {"Template": slug, "Stylesheet": slug, **more}
        for slug, version in themes.items()
    }
    form = {"themes": json.dumps({"active": "sky", "themes": sent}), "translations": "[]", "locale": "[]"}
    return await _check(node, "/themes/update-check/1.1/", form, "themes")


async def _check(node: ServedNode, path: str, form: Mapping[str, str], kind: str) -> dict[str, Any]:
    answer = await node.http.post(path, data=form, headers={"User-Agent": USER_AGENT})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert list(body) == [kind, "no_update", "translations"]
    return body


async def ask(node: ServedNode, action: str, *, of: str = "plugins", status: int = 200, **request: Any) -> Any:
    """Ask ``info/1.2`` as core does; dictionaries and lists become PHP's brackets."""
    query = [("action", action), *_flatten("request", {**request, "locale": "en_US", "wp_version": "6.1"})]
    answer = await node.http.get(f"/{of}/info/1.2/", params=query, headers={"User-Agent": USER_AGENT})
    assert answer.status_code == status, answer.text
    return answer.json()


def theme_zip(slug: str, version: str) -> bytes:
    """Make the zip of a theme."""
    style = f"/*\nTheme Name: Sky\nVersion: {version}\nAuthor: Ann\nRequires PHP: 7.4\nLicense: GPL-2.0-or-later\n*/\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (("index.php", "<?php\n"), ("style.css", style)):
            entry = zipfile.ZipInfo(f"{slug}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _flatten(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, below in value.items() for pair in _flatten(f"{name}[{key}]", below)]
    if isinstance(value, list | tuple):
        return _flatten(name, dict(enumerate(value)))
    return [(name, str(int(value) if isinstance(value, bool) else value))]
