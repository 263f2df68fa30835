"""Row 4: the answers that clients ask for all the time, beside a bare application that sends the same bytes."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final
from urllib.parse import quote, urlencode

from bench.harness import Goal, Place, Round, Row, alternate
from bench.serving import Asked, ask, load, run_bare, run_node
from bench.store import SMALL, VERSION, open_store, slug

_PLUGINS: Final = 60_000
_HALF = (Goal(">=", 0.5),)
_UNCHANGED = (Goal(">=", 0.7),)
_UPDATE = (Goal(">=", 0.2),)


def _list() -> Asked:
    return Asked("/federation/plugins?limit=50")


def _wordpress_list() -> Asked:
    return Asked("/plugins/info/1.2/?action=query_plugins&request%5Bbrowse%5D=popular&request%5Bper_page%5D=24")


def _info() -> Asked:
    name = quote("request[slug]")
    return Asked(f"/plugins/info/1.2/?action=plugin_information&{name}={slug(SMALL)}")


def _update_check() -> Asked:
    """A site with fifty plugins, every second one of an older version."""
    installed = {
        f"{slug(number)}/plugin.php": {
            "Name": slug(number).title(),
            "PluginURI": f"https://plugins.example/{slug(number)}",
            "Version": VERSION if number % 2 else "1.0.0",
            "Description": "Does one thing, and does it well enough to be described in a sentence of usual length.",
            "Author": "Somebody",
            "AuthorURI": "https://authors.example/somebody",
            "TextDomain": slug(number),
            "DomainPath": "/languages",
            "Network": False,
            "RequiresWP": "6.0",
            "RequiresPHP": "7.4",
            "UpdateURI": "",
            "RequiresPlugins": "",
            "Title": slug(number).title(),
            "AuthorName": "Somebody",
        }
        for number in range(100, 150)
    }
    plugins = json.dumps({"plugins": installed, "active": list(installed)})
    fields = {"plugins": plugins, "translations": "[]", "locale": "[]", "all": "true"}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "WordPress/6.8; https://site.example/",
    }
    return Asked("/plugins/update-check/1.1/", headers, urlencode(fields).encode())


def _measure(make: Callable[[], Asked], *, unchanged: bool, place: Place) -> Iterator[Round]:
    with run_node(place, open_store(place, 2_000 if place.quick else _PLUGINS), work="0") as node:
        asked = make()
        answer = ask(node, asked)
        if unchanged:
            etag = dict(answer.headers)["etag"]
            asked = Asked(asked.path, {**asked.headers, "If-None-Match": etag}, asked.body)
            answer = ask(node, asked)
        assert answer.status == (304 if unchanged else 200), (answer.status, answer.body[:500])
        with run_bare(place, answer) as bare:
            yield from alternate(place, partial(load, place, node, asked), partial(load, place, bare, asked))


def _row(name: str, what: str, make: Callable[[], Asked], goals: tuple[Goal, ...], *, unchanged: bool = False) -> Row:
    return Row(
        number=4,
        name=name,
        what=f"{what}, {_PLUGINS:,} plugins stored",
        anchor="bare ASGI, same bytes",
        unit="/s",
        goals=goals,
        measure=partial(_run, make, unchanged),
        needs=("wrk",),
    )


def _run(make: Callable[[], Asked], unchanged: bool, place: Place) -> Iterator[Round]:
    return _measure(make, unchanged=unchanged, place=place)


ROWS: Final = (
    _row("answers-list", "plugin list of 50, hot", _list, _HALF),
    _row("answers-list-304", "plugin list, unchanged (304)", _list, _UNCHANGED, unchanged=True),
    _row("answers-browse", "WordPress's list of 24, hot", _wordpress_list, _HALF),
    _row("answers-info", "plugin information, hot", _info, _HALF),
    _row("answers-info-304", "plugin information, unchanged (304)", _info, _UNCHANGED, unchanged=True),
    _row("answers-update", "update check of 50 plugins", _update_check, _UPDATE),
)
