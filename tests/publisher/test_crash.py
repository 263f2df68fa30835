"""A power cut between any two writes: what is there stays true, and the same command ends what was begun."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.publisher.conftest import DAY, NOW, profile, put_zip
from tests.publisher.reader import believe, on_disk

from pfn.protocol.dsse import key_id
from pfn.protocol.errors import PfnError
from pfn.publisher import files
from pfn.publisher.add import add_zips
from pfn.publisher.build import build_site
from pfn.publisher.check import find_problems
from pfn.publisher.creation import create_publisher
from pfn.publisher.folder import PublisherFolder, open_folder
from pfn.publisher.key_change import RootKeys
from pfn.publisher.keys import Role
from pfn.publisher.renewal import renew, yank
from pfn.publisher.rotation import revoke_key, rotate_key
from pfn.publisher.signed import read_signed
from pfn.publisher.site import make_site
from pfn.testing.plugin import plugin_zip

LATER = NOW + 2 * DAY
AT_HAND = RootKeys()


class PowerCut(BaseException):
    """Nothing catches this."""


def cut_power(monkeypatch: pytest.MonkeyPatch, *, at: int, when: str) -> list[Path]:
    """Cut the power at the write of this number: while the bytes are written, before the rename, or after it.

    Gives the files written.
    """
    written: list[Path] = []
    put_in_place, fsync = files._put_in_place, os.fsync

    def put(unfinished: Path, path: Path) -> None:
        if len(written) == at and when == "before":
            raise PowerCut
        put_in_place(unfinished, path)
        written.append(path)
        if len(written) == at + 1 and when == "after":
            raise PowerCut

    def flush(descriptor: int) -> None:
        status = os.fstat(descriptor)
        if len(written) == at and when == "torn" and stat.S_ISREG(status.st_mode):
            os.ftruncate(descriptor, status.st_size // 2)
            raise PowerCut
        fsync(descriptor)

    monkeypatch.setattr(files, "_put_in_place", put)
    monkeypatch.setattr(os, "fsync", flush)
    return written


WHEN = ["torn", "before", "after"]


def prepare(path: Path) -> PublisherFolder:
    folder = create_publisher(path / "publisher", profile(), now=NOW).folder
    put_zip(folder, "one", "1.0")
    put_zip(folder, "one", "1.1", now=NOW + DAY)
    for version in ("1.2", "1.3"):
        (path / f"one.{version}.zip").write_bytes(plugin_zip("one", version))
    (path / "two.zip").write_bytes(plugin_zip("two", "1.0"))
    return folder


def add(folder: PublisherFolder) -> None:
    given = [folder.path.parent / name for name in ("one.1.3.zip", "two.zip", "one.1.2.zip")]
    assert not add_zips(folder, given, now=LATER).refused


def yank_once(folder: PublisherFolder) -> None:
    catalog = read_signed(folder).catalog
    assert catalog
    if catalog.find_yank("one", "1.1") is None:
        yank(folder, "one", "1.1", reason="Loses data.", now=LATER)


def revoke(folder: PublisherFolder) -> None:
    document = read_signed(folder).trusted.document
    stolen = document.release_keys[0].id
    if any(key.id == stolen for key in document.revoked):
        renew(folder, now=LATER)
    else:
        revoke_key(folder, stolen, reason="Stolen.", compromised_since=NOW + DAY, roots=AT_HAND, now=LATER)


COMMANDS: dict[str, Callable[[PublisherFolder], object]] = {
    "add": add,
    "yank": yank_once,
    "renew": lambda folder: renew(folder, now=LATER),
    "rotate release": lambda folder: rotate_key(folder, Role.RELEASE, roots=AT_HAND, now=LATER),
    "rotate ownership": lambda folder: rotate_key(folder, Role.OWNERSHIP, roots=AT_HAND, now=LATER),
    "rotate root": lambda folder: rotate_key(folder, Role.ROOT, roots=AT_HAND, now=LATER),
    "revoke": revoke,
}


def fetched(folder: PublisherFolder) -> dict[Path, bytes]:
    """What somebody may have fetched and must never see otherwise: rows and zips that a statement is about."""
    signed = folder.signed
    rows = [
        *signed.glob(".well-known/pfn/publisher/*.json"),
        *signed.glob(".well-known/pfn/releases/*/sequence/*.json"),
    ]
    zips = [signed / path for path in make_site(folder, read_signed(folder)).zips]
    return {path: path.read_bytes() for path in [*rows, *zips] if not path.name.startswith(".")}


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_power_cut_at_any_write(tmp_path: Path, name: str, when: str) -> None:
    command = COMMANDS[name]
    prepare(tmp_path / "whole")
    at = 0
    while True:
        place = tmp_path / str(at)
        shutil.copytree(tmp_path / "whole", place)
        folder = open_folder(place / "publisher")
        pin = read_signed(folder).pin
        with pytest.MonkeyPatch.context() as monkeypatch:
            written = cut_power(monkeypatch, at=at, when=when)
            try:
                command(folder)
            except PowerCut:
                pass
            else:
                assert at > 0
                assert len(written) == at
                break
        before = fetched(folder)
        site = make_site(folder, read_signed(folder))
        if name != "revoke":  # there, until the catalogue is signed anew, no node believes the old one: rightly
            documents = {
                **site.documents,
                **{str(path.relative_to(folder.signed)): data for path, data in before.items()},
            }
            believed = believe(
                lambda path, documents=documents, folder=folder: (
                    documents[path] if path in documents else (folder.signed / path).read_bytes()
                ),
                folder.profile.public_url,
                pin,
                now=LATER,
            )
            assert believed.versions["one"][:1] == ["1.0"]
        command(folder)
        after = fetched(folder)
        assert {path: after.get(path) for path in before} == before
        assert {one.code for one in find_problems(folder, read_signed(folder), now=LATER)} <= {"held_back"}
        documents = make_site(folder, read_signed(folder)).documents
        assert {path: (folder.signed / path).read_bytes() for path in documents} == documents
        shutil.rmtree(place)
        at += 1


@pytest.mark.parametrize("when", WHEN)
def test_a_power_cut_while_a_publisher_is_made(tmp_path: Path, when: str) -> None:
    at = 0
    while True:
        path = tmp_path / str(at)
        with pytest.MonkeyPatch.context() as monkeypatch:
            cut_power(monkeypatch, at=at, when=when)
            try:
                create_publisher(path, profile(), now=NOW)
            except PowerCut:
                pass
            else:
                break
        keys = {file.name: file.read_text() for file in path.glob("keys/*.key")}
        chain = {file.name: file.read_bytes() for file in path.glob("signed/.well-known/pfn/publisher/*.json")}
        # After the very last write all is there, and a second call is refused.
        is_done = (path / "publisher.toml").exists()
        folder = open_folder(path) if is_done else create_publisher(path, profile(), now=NOW + 1).folder
        assert {name: (path / "keys" / name).read_text() for name in keys} == keys
        assert {name: (path / "signed/.well-known/pfn/publisher" / name).read_bytes() for name in chain} == chain
        renew(folder, now=NOW + 2)
        assert find_problems(folder, read_signed(folder), now=NOW + 2) == []
        at += 1
    assert at > 8


def test_a_power_cut_while_a_site_is_built(tmp_path: Path) -> None:
    folder = prepare(tmp_path)
    out = tmp_path / "out"
    pin, url = read_signed(folder).pin, folder.profile.public_url
    at = 0
    while True:
        with pytest.MonkeyPatch.context() as monkeypatch:
            cut_power(monkeypatch, at=0, when="after")
            try:
                build_site(folder, out, now=LATER)
            except PowerCut:
                at += 1
                assert (out / ".well-known/pfn/catalog.json").exists() is False or at > 8
            else:
                break
    assert believe(on_disk(out), url, pin, now=LATER).versions == {"one": ["1.0", "1.1"]}
    add(folder)
    # While the next state is written, the catalogue that is served only names what is there.
    while True:
        with pytest.MonkeyPatch.context() as monkeypatch:
            cut_power(monkeypatch, at=0, when="after")
            try:
                build_site(folder, out, now=LATER)
            except PowerCut:
                believe(on_disk(out), url, pin, now=LATER)
            else:
                break
    assert set(believe(on_disk(out), url, pin, now=LATER).versions) == {"one", "two"}


def test_two_commands_do_not_write_at_once(made: PublisherFolder) -> None:
    with files.writing(made.path), pytest.raises(PfnError, match="Another command is writing"):
        renew(made, now=NOW)
    renew(made, now=NOW)


def test_no_key_is_ever_lost_or_overwritten(made: PublisherFolder) -> None:
    before = {path: path.read_bytes() for path in made.keys.glob("*.key")}
    for command in (COMMANDS["rotate release"], COMMANDS["rotate root"], COMMANDS["rotate ownership"]):
        command(made)
    assert {path: path.read_bytes() for path in before} == before
    listed = read_signed(made).trusted.document
    assert len({key_id(key.key) for key in (*listed.root_keys, *listed.release_keys, *listed.ownership_keys)}) == 4
