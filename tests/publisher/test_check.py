"""Would a node believe this: every damage is found and named, and what is only soon is not fatal."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.publisher.conftest import DAY, NOW, put_zip

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import PfnError
from pfn.publisher.check import Problem, find_problems
from pfn.publisher.folder import PublisherFolder, open_folder
from pfn.publisher.signed import mend, put_catalog, read_signed

ZIP = Path("plugins/alice/one/one.1.0.zip")
PFN = Path(".well-known/pfn")


def problems(folder: PublisherFolder, now: int = NOW) -> list[Problem]:
    return find_problems(folder, read_signed(folder), now=now)


@pytest.fixture
def folder(made: PublisherFolder) -> PublisherFolder:
    for version in ("1.0", "1.1"):
        put_zip(made, "one", version)
    return made


def test_honest_work_has_no_problems(folder: PublisherFolder) -> None:
    assert problems(folder) == []


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda root: (root / ZIP).write_bytes(b"PK"), "artifact_digest"),
        (lambda root: (root / ZIP).unlink(), "unreadable"),
        (lambda root: (root / ZIP.with_name("one.1.1.zip")).write_bytes(b"PK"), "artifact_digest"),
        (lambda root: (root / ZIP.with_name(f"{ZIP.name}.sig")).unlink(), "unreadable"),
        (lambda root: (root / ZIP.with_name(f"{ZIP.name}.sig")).write_text("x\n"), "artifact_signature"),
        (lambda root: (root / PFN / "catalog.json").unlink(), "config_invalid"),
    ],
)
def test_damage_is_named(folder: PublisherFolder, damage: Callable[[Path], object], code: str) -> None:
    damage(folder.signed)
    assert [(problem.code, problem.fatal) for problem in problems(folder)] == [(code, True)]


@pytest.mark.parametrize("name", ["publisher/1.json", "releases/one/sequence/1.json", "catalog.json"])
def test_a_document_that_is_not_one_stops_everything(folder: PublisherFolder, name: str) -> None:
    (folder.signed / PFN / name).write_bytes(b"{")
    with pytest.raises(PfnError, match="damaged"):
        read_signed(folder)


def test_a_catalogue_by_a_strangers_key_is_found(folder: PublisherFolder) -> None:
    catalog = read_signed(folder).catalog
    assert catalog
    put_catalog(folder, catalog, SigningKey.generate())
    assert [problem.code for problem in problems(folder)] == ["release_key_unknown"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (10, []),
        (12, [("catalog_expires", False)]),
        (15, [("catalog_expired", True)]),
        (320, [("document_expires", False), ("catalog_expired", True)]),
        (366, [("document_expired", True)]),
    ],
)
def test_what_expires_is_said_before(folder: PublisherFolder, days: int, expected: list[tuple[str, bool]]) -> None:
    assert [(problem.code, problem.fatal) for problem in problems(folder, NOW + days * DAY)] == expected


def test_who_and_where_cannot_be_edited(folder: PublisherFolder) -> None:
    text = folder.settings_file.read_text()
    folder.settings_file.write_text(text.replace("plugins.example.com", "other.example.com"))
    with pytest.raises(PfnError, match="cannot change"):
        read_signed(open_folder(folder.path))


def test_lost_copies_are_mended(folder: PublisherFolder) -> None:
    before = {path: path.read_bytes() for path in folder.signed.rglob("*.json")}
    (folder.signed / PFN / "publisher.json").unlink()
    (folder.signed / PFN / "releases/one/1.0.json").write_bytes(b"old")
    mend(folder, read_signed(folder))
    assert {path: path.read_bytes() for path in folder.signed.rglob("*.json")} == before
