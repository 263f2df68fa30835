"""The Composer repository: package names, what stands under each, and since when."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from pfn.domain.composer_name import is_package_slug, split_name
from pfn.domain.composer_package import Package, package_type, pick_version
from pfn.domain.offer import PLUGIN, THEME
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.storage.composer import (
    Found,
    date_document,
    find_document,
    find_packages,
    find_vendors,
    give_vendor,
    list_known,
    list_nameless,
    list_offered_names,
    list_vendors,
    list_versions,
    search_packages,
)
from pfn.storage.database import Database

MOST_LISTED = 1000
"""Of so many packages the first document names each; of more, their vendors alone."""
MOST_NAMES = 20_000
PAGE = 30
_KINDS = {package_type(kind): kind for kind in (PLUGIN, THEME)}


@dataclass(frozen=True, slots=True)
class Contents:
    """What there is to be found here: every package, or where they are too many every vendor."""

    packages: Sequence[str] | None
    vendors: Sequence[str]


class ComposerService:
    """Answers Composer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def fill(self) -> int:
        """Name the sources of a database from before there were names; give how many."""
        async with self._database.write() as connection:
            nameless = await list_nameless(connection)
            for source_id in nameless:
                await give_vendor(connection, source_id)
        return len(nameless)

    async def names_of(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Give what Composer calls each of these (source, slug); those it takes no name for are left out."""
        async with self._database.read() as connection:
            vendors = await find_vendors(connection, {source_id for source_id, _ in keys})
        return {
            (source_id, slug): f"{vendors[source_id]}/{slug}"
            for source_id, slug in keys
            if source_id in vendors and is_package_slug(slug)
        }

    async def contents(self) -> Contents:
        """Give what is to be found here, offered or not: nobody shall look elsewhere for what was withdrawn here."""
        async with self._database.read() as connection:
            known = await list_known(connection, MOST_LISTED + 1)
            vendors = await list_vendors(connection)
        names = None if len(known) > MOST_LISTED else _join(known)
        return Contents(names, vendors)

    async def find(self, name: str) -> Package:
        """Find a package by its name. Raises PfnError (``plugin_unknown``)."""
        split = split_name(name)
        async with self._database.read() as connection:
            found = await find_packages(connection, [split]) if split else []
        if not found:
            raise PfnError(Code.PLUGIN_UNKNOWN, f"There is no package {name[:200]!r} here.")
        return found[0]

    async def find_withdrawn(self, names: Collection[str]) -> Sequence[Package]:
        """Give those of these packages of which anything was withdrawn, with the releases that were."""
        split = {both for both in map(split_name, names) if both}
        async with self._database.read() as connection:
            return await find_packages(connection, split, withdrawn=True)

    async def list_names(self, *, vendor: str | None, pattern: str | None) -> Sequence[str]:
        """Give the names of what is offered; in ``pattern``, of a whole name, ``*`` stands for any signs."""
        lower = None if pattern is None else pattern.lower()
        async with self._database.read() as connection:
            return _join(await list_offered_names(connection, MOST_NAMES, vendor=vendor, pattern=lower))

    async def search(self, words: str, package_type: str | None, page: int) -> tuple[Sequence[Found], int]:
        """Give a page, the first is 1, of what is offered and has all these words, and how much there is in all."""
        if package_type and package_type not in _KINDS:
            return [], 0
        kind = _KINDS[package_type] if package_type else None
        async with self._database.read() as connection:
            found, total = await search_packages(
                connection, words.casefold().split(), kind, offset=(page - 1) * PAGE, limit=PAGE
            )
        return [one for one in found if is_package_slug(one.slug)], total

    async def date(self, name: str, digest: str) -> int | None:
        """Tell since when a document, whose digest this is, says what it says; None where that is not known.

        A time stands for one state of a document and for no other, also among several processes and after a restart:
        clients ask by it whether anything changed.
        """
        async with self._database.read() as connection:
            known = await find_document(connection, name)
        now = int(self._clock())
        if known is None or known[0] != digest:
            try:
                async with self._database.write() as connection:
                    known = digest, await date_document(connection, name, digest, now)
            except DBAPIError:
                # A full disk: what can be read is served on, only without a date.
                return None
        return known[1] if known[1] <= now else None

    async def find_installed(self, reported: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
        """Give (source, slug, version) of the installs that Composer reports, by name and its form of the version.

        What is not here is left out.
        """
        wanted = [(both, version) for name, version in reported if (both := split_name(name))]
        async with self._database.read() as connection:
            known = await list_versions(connection, {both for both, _ in wanted})
        found = []
        for both, normal in wanted:
            source_id, versions = known.get(both, ("", []))
            version = pick_version(versions, normal)
            if version is not None:
                found.append((source_id, both[1], version))
        return found


def encode_document(content: object) -> bytes:
    """Write a document the one way that its digest is taken of."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _join(names: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{vendor}/{slug}" for vendor, slug in names if is_package_slug(slug)]
