"""Rows 5 and 6: zips as the node sends them, and as nginx does that the node sends them through, beside nginx alone."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from bench.harness import Goal, Place, Round, Row, alternate
from bench.serving import Asked, Server, ask, load, run_bare, run_nginx, run_node
from bench.store import BIG, SMALL, VERSION, blob_of, open_store, slug, source_id
from pfn.web.links import zip_path

_PREFIX: Final = "/pfn-blobs"
_OFFLOAD: Final = {"download_offload": "x-accel-redirect", "download_offload_prefix": _PREFIX}


def _measure(number: int, settings: Mapping[str, str], place: Place) -> Iterator[Round]:
    data = open_store(place, 2_000)
    asked = Asked(zip_path(source_id(number), slug(number), VERSION))
    static = Asked(f"/{blob_of(number).local_path}")
    locations = f"""
        location /sha256/ {{ root {data}/blobs; }}
        location {_PREFIX}/ {{ internal; alias {data}/blobs/; }}
        location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    """
    with run_node(place, data, work="0", **settings) as node, run_nginx(place, locations, behind=node) as nginx:
        front = nginx if settings else node
        if ask(front, asked).body != ask(nginx, static).body:
            raise RuntimeError("not the same bytes")
        rounds = list(alternate(place, partial(load, place, front, asked), partial(load, place, nginx, static)))
        bare = _load_bare(place, node, asked, locations if settings else None)
    note = f"a bare application in the node's place: {bare:,.0f}/s"
    yield from (replace(one, note=note) for one in rounds)


def _load_bare(place: Place, node: Server, asked: Asked, locations: str | None) -> float:
    """Give what an application that knows this one answer does: what the server and the way leave to reach."""
    with run_bare(place, ask(node, asked)) as bare:
        if locations is None:
            return load(place, bare, asked)
        with run_nginx(place, locations, behind=bare) as nginx:
            return load(place, nginx, asked)


def _row(row: int, name: str, what: str, number: int, goal: float, settings: Mapping[str, str]) -> Row:
    return Row(
        number=row,
        name=name,
        what=what,
        anchor="nginx static",
        unit="/s",
        goals=(Goal(">=", goal),),
        measure=partial(_measure, number, settings),
        needs=("nginx", "wrk"),
    )


ROWS: Final = (
    _row(5, "download-1mb", "download of 1 MB, no proxy", BIG, 0.5, {}),
    _row(5, "download-50kb", "download of 50 KB, no proxy", SMALL, 0.12, {}),
    _row(6, "offload-1mb", "download of 1 MB through X-Accel-Redirect", BIG, 0.65, _OFFLOAD),
    _row(6, "offload-50kb", "download of 50 KB through X-Accel-Redirect", SMALL, 0.2, _OFFLOAD),
)
