"""A node is backed up while it runs, and is the same node again when it is restored; what is not whole is refused."""

import asyncio
import hashlib
import json
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from tests.support.all_rows import read_all_rows
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, make_peers, serve_node

from pfn.app import back_up_node, database_url, examine
from pfn.domain.peer import PeerState
from pfn.protocol.errors import Code, PfnError
from pfn.services.backup import Backup
from pfn.services.backup_manifest import Manifest, read_manifest
from pfn.services.restore import restore_backup, verify_backup
from pfn.storage.database import sqlite_url
from pfn.testing.publisher import FakePublisher


def quiet(_step: str, _done: int, _total: int) -> None:
    return


@pytest.fixture
async def bob() -> AsyncIterator[FakePublisher]:
    async with FakePublisher("bob") as publisher:
        for number in range(3):
            publisher.add_plugin(f"plugin-{number}", "1.0")
        refused = publisher.add_plugin("broken", "1.0")
        publisher.replace_zip("broken", "1.0", refused[:-40])
        yield publisher


def serve_restored(data: Path, **settings: Any) -> AbstractAsyncContextManager[ServedNode]:
    """Serve a restored node: wherever its rows were, they are in its folder now."""
    return serve_node(data, database_url=sqlite_url(data / "node.db"), **settings)


class KilledError(Exception):
    """Ends work where it is, as a signal would."""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def back_up(node: ServedNode, folder: Path) -> Backup:
    return await back_up_node(node.prepared.settings, folder, quiet)


async def refusal(work: object) -> tuple[Code, str]:
    with pytest.raises(PfnError) as caught:
        await work  # type: ignore[misc]  # a coroutine
    return caught.value.code, caught.value.detail


async def test_a_restored_node_is_the_node_it_was(tmp_path: Path, bob: FakePublisher) -> None:
    folder, again = tmp_path / "backup", tmp_path / "again"
    async with serve_node(tmp_path / "mine") as mine:
        source = await follow(mine, bob)
        (mine.data / "pfn.toml").write_text("port = 1")
        plugins, log = await mine.get("plugins", source=source), await mine.get("log")
        state = await mine.get("state")
        made = await back_up(mine, folder)
        assert (made.manifest.zips.count, made.copied, made.manifest.zips.lost) == (3, 3, [])
        port = urlsplit(mine.url).port
        assert port is not None
    rows = read_all_rows(database_url(mine.prepared.settings))
    assert await verify_backup(folder, quiet) == await restore_backup(folder, again, quiet) == made.manifest
    assert read_all_rows(sqlite_url(again / "node.db")) == rows
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(again.stat().st_mode) == 0o700
    for name in ("identity.key", "log.key", "witness.key", "log.origin", "node.db"):
        assert stat.S_IMODE((again / name).stat().st_mode) == 0o600
        if name != "node.db":
            assert (again / name).read_bytes() == (mine.data / name).read_bytes()
    # Its settings may lead to another database: they are there to be read.
    assert (again / "pfn.toml.backup").read_text() == "port = 1"
    async with serve_restored(again, port=port) as restored:
        assert (await restored.get("log"))["root"] == log["root"] == made.manifest.log_root
        assert (await restored.get("state"))["digest"] == state["digest"] == made.manifest.state_digest
        assert await restored.get("plugins", source=source) == plugins
        # Refused bytes are still there to be looked at.
        [item] = await restored.services.quarantine.list()
        assert (again / "blobs" / "quarantine" / item.sha256).is_file()


async def test_the_next_backup_copies_only_what_is_new_and_keeps_nothing_else(
    tmp_path: Path, bob: FakePublisher
) -> None:
    folder = tmp_path / "backup"
    async with serve_node(tmp_path / "mine") as mine:
        source = await follow(mine, bob)
        await back_up(mine, folder)
        again = await back_up(mine, folder)
        assert again.copied == 0
        bob.add_plugin("plugin-9", "1.0")
        await sync(mine, source)
        gone = bob_zip(again.manifest, folder)
        async with mine.database.write() as connection:
            await connection.execute(text("UPDATE blobs SET gone_at = 1 WHERE sha256 = :digest"), {"digest": gone})
        (folder / "blobs" / "tmp" / "left").write_bytes(b"by a crash")
        last = await back_up(mine, folder)
    assert last.copied == 1
    found = files(folder)
    assert {name.split("/")[0] for name in found} == {"manifest.json", "blobs", last.manifest.state, "node.lock"}
    assert not any(gone[2:] in name or name.endswith("left") for name in found)
    # Who has nothing of ours can look the zips over too.
    listed = f"{last.manifest.state}/blobs.sha256"
    done = subprocess.run(["sha256sum", "--check", "--strict", listed], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3 + 1
    await verify_backup(folder, quiet)


def bob_zip(manifest: Manifest, folder: Path) -> str:
    """Give the digest of some zip that was backed up."""
    lines = (folder / manifest.state / "blobs.sha256").read_text().splitlines()
    return lines[0].split("  ")[0]


async def test_what_the_node_has_lost_is_told_and_does_not_spoil_the_rest(tmp_path: Path, bob: FakePublisher) -> None:
    folder = tmp_path / "backup"
    async with serve_node(tmp_path / "mine") as mine:
        await follow(mine, bob)
        zips = sorted((mine.data / "blobs" / "sha256").rglob("*/*"))
        zips[0].unlink()
        zips[1].write_bytes(b"x" * zips[1].stat().st_size)
        made = await back_up(mine, folder)
        assert made.manifest.zips.lost == sorted(path.parent.name + path.name for path in zips[:2])
        # What an earlier backup has is not lost.
        await verify_backup(folder, quiet)
        await restore_backup(folder, tmp_path / "again", quiet)


async def test_a_backup_while_the_node_takes_in_releases_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    async with FakePublisher("bob") as bob, serve_node(tmp_path / "mine") as mine:
        source = await follow(mine, bob)
        for number in range(40):
            bob.add_plugin(f"plugin-{number}", "1.0")
        syncing = asyncio.create_task(sync(mine, source))
        counts = []
        while not syncing.done():
            made = await back_up(mine, folder)
            counts.append(made.manifest.state_count)
            assert made.manifest.zips.lost == []
            assert await verify_backup(folder, quiet) == made.manifest
        await syncing
        assert (await back_up(mine, folder)).manifest.state_count == 40
    assert counts == sorted(counts)


async def test_a_backup_that_was_killed_leaves_the_last_one_and_is_gone_on_with(
    tmp_path: Path, bob: FakePublisher
) -> None:
    folder = tmp_path / "backup"

    async with serve_node(tmp_path / "mine") as mine:
        source = await follow(mine, bob)
        first = (await back_up(mine, folder)).manifest
        bob.add_plugin("plugin-9", "1.0")
        await sync(mine, source)
        for moment in (("rows", 0), ("zips", 0), ("zips", 4)):

            def kill(step: str, done: int, _total: int, moment: tuple[str, int] = moment) -> None:
                if (step, done) == moment:
                    raise KilledError

            with pytest.raises(KilledError):
                await back_up_node(mine.prepared.settings, folder, kill)
            assert await verify_backup(folder, quiet) == first
        made = await back_up(mine, folder)
        # The last try had it already.
        assert (made.manifest.zips.count, made.copied) == (4, 0)
        assert len(list(folder.glob("state-*"))) == 1


async def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, bob: FakePublisher) -> None:
    other, home = tmp_path / "other", tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("Dear Bob")
    async with serve_node(tmp_path / "mine", public_url="https://mine.example") as mine:
        assert await refusal(back_up(mine, home)) == (
            Code.WRONG_STATE,
            f"{home} holds other things than a backup: letter.txt.",
        )
        async with serve_node(tmp_path / "theirs", public_url="https://theirs.example") as theirs:
            await back_up(theirs, other)
        before = files(other)
        code, detail = await refusal(back_up(mine, other))
        assert (code, "theirs.example" in detail) == (Code.WRONG_STATE, True)
        assert files(other) == before
    assert (await refusal(verify_backup(home, quiet)))[0] is Code.DATA_MISSING
    assert (await refusal(restore_backup(other, home, quiet)))[0] is Code.WRONG_STATE
    assert files(home) == {"letter.txt": b"Dear Bob", "node.lock": b""}


Damage = Callable[[Path, Manifest], object]


def shorten_zip(folder: Path, _manifest: Manifest) -> None:
    path = next((folder / "blobs" / "sha256").rglob("*/*"))
    path.write_bytes(path.read_bytes()[:-1])


def forget_zip(folder: Path, manifest: Manifest) -> None:
    path = folder / manifest.state / "blobs.sha256"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    rewrite(folder, manifest, "blobs.sha256")


def change_row(folder: Path, manifest: Manifest, statement: str) -> None:
    with sqlite3.connect(folder / manifest.state / "node.db") as rows:
        rows.execute(statement)
    rows.close()
    rewrite(folder, manifest, "node.db")


def rewrite(folder: Path, manifest: Manifest, name: str) -> None:
    """Make the manifest say of a file what it is now, as who changes a backup on purpose would."""
    said = json.loads((folder / "manifest.json").read_text())
    for one in said["files"]:
        if one["name"] == name:
            one["sha256"] = hashlib.sha256((folder / manifest.state / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(said))


DAMAGES: dict[str, tuple[Damage, Code]] = {
    "a zip is shorter": (shorten_zip, Code.BLOB_CORRUPT),
    "a zip is missing": (lambda folder, _: next((folder / "blobs/sha256").rglob("*/*")).unlink(), Code.WRONG_STATE),
    "a zip is not listed": (forget_zip, Code.WRONG_STATE),
    "a key is missing": (lambda folder, made: (folder / made.state / "log.key").unlink(), Code.WRONG_STATE),
    "a key is another": (lambda folder, made: (folder / made.state / "log.key").write_text("?"), Code.BLOB_CORRUPT),
    "the rows are others": (
        lambda folder, made: (folder / made.state / "node.db").write_bytes(b"SQLite format 3\x00"),
        Code.BLOB_CORRUPT,
    ),
    "a log entry was changed": (
        lambda folder, made: change_row(folder, made, "UPDATE log_leaves SET leaf = x'00' WHERE idx = 1"),
        Code.LEAF_MISMATCH,
    ),
    "a release was hidden": (
        lambda folder, made: change_row(folder, made, "UPDATE mirrored_plugins SET block_reason = 'x' WHERE id = 1"),
        Code.LEAF_MISMATCH,
    ),
    "the log is shorter": (
        lambda folder, made: change_row(
            folder, made, "DELETE FROM log_leaves WHERE idx = (SELECT max(idx) FROM log_leaves)"
        ),
        Code.LEAF_MISMATCH,
    ),
    "the manifest is damaged": (lambda folder, _: (folder / "manifest.json").write_text("{"), Code.WRONG_STATE),
    "the manifest is missing": (lambda folder, _: (folder / "manifest.json").unlink(), Code.DATA_MISSING),
}


async def test_a_backup_that_is_not_whole_is_never_taken_for_one(tmp_path: Path, bob: FakePublisher) -> None:
    whole = tmp_path / "whole"
    async with serve_node(tmp_path / "mine") as mine:
        await follow(mine, bob)
        made = (await back_up(mine, whole)).manifest
    for number, (name, (damage, code)) in enumerate(DAMAGES.items()):
        folder, again = tmp_path / f"damaged-{number}", tmp_path / f"again-{number}"
        shutil.copytree(whole, folder)
        damage(folder, made)
        before = files(folder)
        assert (await refusal(verify_backup(folder, quiet)))[0] is code, name
        assert files(folder) == before, name
        assert (await refusal(restore_backup(folder, again, quiet)))[0] is code, name
        # No node is started on half of one.
        if again.exists():
            with pytest.raises(PfnError, match="not all there"):
                async with serve_restored(again):
                    pass


@pytest.mark.slow
@pytest.mark.grown
async def test_a_restore_that_was_killed_is_gone_on_with(tmp_path: Path, bob: FakePublisher) -> None:
    folder, again = tmp_path / "backup", tmp_path / "again"

    async with serve_node(tmp_path / "mine") as mine:
        await follow(mine, bob)
        made = (await back_up(mine, folder)).manifest
    for moment in (("zips", 0), ("zips", 2), ("log", 0)):

        def kill(step: str, done: int, _total: int, moment: tuple[str, int] = moment) -> None:
            if (step, done) == moment:
                raise KilledError

        with pytest.raises(KilledError):
            await restore_backup(folder, again, kill)
        with pytest.raises(PfnError, match="not all there"):
            async with serve_restored(again):
                pass
    assert await restore_backup(folder, again, quiet) == made
    assert (await refusal(restore_backup(folder, again, quiet)))[0] is Code.WRONG_STATE
    assert not [path for path in again.rglob("*") if path.suffix == ".part"]
    async with serve_restored(again) as restored:
        assert len((await restored.get("plugins"))["plugins"]) == 3


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "theirs") as node:
        yield node


async def wait_for_log(node: ServedNode) -> None:
    async with asyncio.timeout(60):
        while (await node.get("log"))["halted"] is not None:
            await asyncio.sleep(0.02)


async def test_a_node_from_an_old_backup_asks_its_peers_before_it_logs_anything(
    tmp_path: Path, bob: FakePublisher, theirs: ServedNode
) -> None:
    """Restored whole, mark and all: only its peers know that there was more, and to them it is no fork."""
    folder, again, clock = tmp_path / "backup", tmp_path / "again", theirs.clock
    async with serve_node(tmp_path / "mine", clock=clock) as mine:
        own_id = (await make_peers(mine, theirs))[1]
        source = await follow(mine, bob)
        await back_up(mine, folder)
        port = urlsplit(mine.url).port
        assert port is not None
        for number in range(5):
            bob.add_plugin(f"later-{number}", "1.0")
        await sync(mine, source)
        size = (await mine.get("log"))["size"]
        await theirs.services.peer_syncs.run(own_id)
    made = await restore_backup(folder, again, quiet)
    assert made.log_size < size
    async with serve_restored(again, clock=clock, port=port) as restored:
        # Nobody has told it to ask yet: it shows no older tree, and takes nothing in.
        assert "restored from a backup" in (await restored.get("log"))["halted"]
        assert "node_restored" in await restored.actions()
        answer = await restored.http.get("/log/checkpoint")
        assert (answer.status_code, answer.json()["code"]) == (503, Code.LOG_HALTED.slug)
        assert "restored from a backup" in answer.json()["detail"]
        with pytest.raises(PfnError):
            await theirs.services.peer_syncs.run(own_id)
        assert (await theirs.get(f"peers/{own_id}"))["state"] == PeerState.ACTIVE
        [said] = [one for one in await examine(restored.prepared.settings) if one.name == "log"]
        assert (said.severity, "restored from a backup" in said.sentence) == ("wrong", True)
    # As a node starts that does its own work, it asks.
    async with serve_restored(again, clock=clock, port=port, work=True) as restored:
        await wait_for_log(restored)
        assert (await restored.get("log"))["size"] == size
        assert not (again / "log.restored").exists()
        await theirs.services.peer_syncs.run(own_id)
        shown = await theirs.get(f"peers/{own_id}")
        assert (shown["state"], shown["lag"]) == (PeerState.ACTIVE, 0)
    # Asked and answered once.
    async with serve_restored(again, clock=clock, port=port) as restored:
        assert (await restored.get("log"))["halted"] is None


@pytest.mark.slow
@pytest.mark.grown
async def test_a_restored_node_whose_peers_are_silent_waits_for_its_operator(
    tmp_path: Path, bob: FakePublisher
) -> None:
    folder, again = tmp_path / "backup", tmp_path / "again"
    async with serve_node(tmp_path / "theirs") as theirs, serve_node(tmp_path / "mine") as mine:
        await make_peers(mine, theirs)
        await follow(mine, bob)
        await back_up(mine, folder)
    await restore_backup(folder, again, quiet)
    async with serve_restored(again, work=True) as restored:
        await restored.services.recovery.settle()
        answer = await restored.post("log/recover")
        assert (answer.status_code, answer.json()["code"]) == (422, Code.LOG_ROLLBACK.slug)
        assert "could not be asked" in answer.json()["detail"]
        assert (await restored.get("log"))["halted"] is not None
        assert (await restored.post("log/resume")).status_code == 200
        assert (await restored.get("log"))["halted"] is None
        assert (await restored.http.get("/log/checkpoint")).status_code == 200


async def test_a_restored_node_without_peers_says_what_to_do(tmp_path: Path, bob: FakePublisher) -> None:
    folder, again = tmp_path / "backup", tmp_path / "again"
    async with serve_node(tmp_path / "mine") as mine:
        await follow(mine, bob)
        await back_up(mine, folder)
    await restore_backup(folder, again, quiet)
    async with serve_restored(again) as restored:
        assert "pfn log resume" in (await restored.get("log"))["halted"]
        await restored.services.recovery.settle()
        assert "no peers to ask" in (await restored.post("log/recover")).json()["detail"]
        assert (await restored.post("log/resume")).status_code == 200
        assert (await restored.get("log"))["halted"] is None


def test_no_manifest_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
