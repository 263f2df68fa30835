"""The doctor finds each trouble and says what to do; a healthy node has none."""

from pathlib import Path

import pytest
from sqlalchemy import update
from tests.support.peers import make_peer
from tests.support.troubled import NOW, add_trouble

from pfn.domain.peer import PeerState
from pfn.domain.release import Blob
from pfn.domain.schedule import Work
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.policy import DEFAULT_MAX_AGE
from pfn.services.doctor import Finding, examine_node
from pfn.services.leaf import DIVERGED
from pfn.storage.database import Database
from pfn.storage.file_blobs import FileBlobStore
from pfn.storage.identity import load_identity
from pfn.storage.log import halt_log
from pfn.storage.peer import add_peer, change_peer
from pfn.storage.schedule import put_due
from pfn.storage.schema import schedule


class LackingStore(FileBlobStore):
    def shortcomings(self) -> list[str]:
        return ["It ignores ranges."]


class AwayStore(FileBlobStore):
    async def ping(self) -> None:
        raise PfnError(Code.STORAGE_UNAVAILABLE, "It does not answer.", internal="connection refused")

    async def require(self, blob: Blob) -> None:
        await self.ping()


async def examine(
    data: Path, database: Database, *, min_free_bytes: int = 0, kind: type[FileBlobStore] = FileBlobStore
) -> dict[str, Finding]:
    data.mkdir(mode=0o700)
    load_identity(data)
    blobs = kind(data / "blobs")
    findings = await examine_node(data, database, blobs, (), NOW, min_free_bytes=min_free_bytes)
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


async def test_a_new_node_has_nothing_wrong(tmp_path: Path, database: Database) -> None:
    findings = await examine(tmp_path / "node", database)
    assert {name for name, finding in findings.items() if finding.severity != "ok"} <= {"space"}


@pytest.mark.parametrize(
    ("name", "severity", "said"),
    [
        ("bytes", "wrong", ("1 of 3 zips", "backup")),
        ("work", "warning", ("2 pieces", "2 hours", "pfn work")),
        ("leases", "warning", ("1 pieces", "next worker")),
        ("sources", "warning", ("bob@two.example", "pfn source show")),
        ("webhooks", "warning", ("1 webhooks", "pfn webhook list")),
    ],
)
async def test_each_trouble_is_found_with_what_to_do(
    tmp_path: Path, database: Database, name: str, severity: str, said: tuple[str, ...]
) -> None:
    async with database.write() as connection:
        await add_trouble(connection)
    finding = (await examine(tmp_path / "node", database))[name]
    assert finding.severity == severity
    for words in said:
        assert words in finding.sentence


async def test_what_a_store_lacks_is_a_warning(tmp_path: Path, database: Database) -> None:
    finding = (await examine(tmp_path / "node", database, kind=LackingStore))["blobs"]
    assert finding.severity == "warning"
    assert "It ignores ranges." in finding.sentence


async def test_a_store_that_is_away_is_wrong_and_its_zips_not_called_damaged(
    tmp_path: Path, database: Database
) -> None:
    async with database.write() as connection:
        await add_trouble(connection)
    findings = await examine(tmp_path / "node", database, kind=AwayStore)
    assert findings["blobs"].severity == findings["zips"].severity == "wrong"
    assert "connection refused" in findings["blobs"].sentence
    assert "damaged" not in findings["zips"].sentence


async def test_a_disk_below_its_reserve_is_wrong(tmp_path: Path, database: Database) -> None:
    finding = (await examine(tmp_path / "node", database, min_free_bytes=2**62))["space"]
    assert finding.severity == "wrong"
    assert "min_free_bytes" in finding.sentence


async def test_a_witness_that_is_behind_or_knows_another_tree_is_told(tmp_path: Path, database: Database) -> None:
    async with database.write() as connection:
        peer = await add_peer(connection, make_peer(7))
        await change_peer(connection, peer.id, cosigned_at=NOW - DEFAULT_MAX_AGE - 1)
        await put_due(connection, Work.WITNESS, str(peer.id), due_at=NOW, interval_s=3600)
    finding = (await examine(tmp_path / "stale", database))["witnesses"]
    assert (finding.severity, peer.url in finding.sentence) == ("warning", True)
    async with database.write() as connection:
        await change_peer(connection, peer.id, cosigned_at=NOW - 60)
    assert (await examine(tmp_path / "fresh", database))["witnesses"].severity == "ok"
    async with database.write() as connection:
        await connection.execute(update(schedule).values(outcome=DIVERGED))
    finding = (await examine(tmp_path / "other", database))["witnesses"]
    assert (finding.severity, "another tree" in finding.sentence) == ("wrong", True)
    async with database.write() as connection:
        await change_peer(connection, peer.id, state=PeerState.SUSPENDED)
    assert (await examine(tmp_path / "none", database))["witnesses"].severity == "ok"


async def test_a_halted_log_is_wrong(tmp_path: Path, database: Database) -> None:
    async with database.write() as connection:
        await halt_log(connection, "A test halted it.", NOW)
    finding = (await examine(tmp_path / "node", database))["log"]
    assert finding.severity == "wrong"
    assert "A test halted it." in finding.sentence
