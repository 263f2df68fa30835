"""The doctor finds each trouble and says what to do; a healthy node has none."""

from pathlib import Path

import pytest
from tests.support.troubled import NOW, add_trouble

from pfn.services.doctor import Finding, examine_node
from pfn.storage.blob_store import FileBlobStore
from pfn.storage.database import Database
from pfn.storage.identity import load_identity


async def examine(data: Path, database: Database, *, min_free_bytes: int = 0) -> dict[str, Finding]:
    data.mkdir(mode=0o700)
    load_identity(data)
    findings = await examine_node(data, database, FileBlobStore(data / "blobs"), (), NOW, min_free_bytes=min_free_bytes)
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


async def test_a_disk_below_its_reserve_is_wrong(tmp_path: Path, database: Database) -> None:
    finding = (await examine(tmp_path / "node", database, min_free_bytes=2**62))["space"]
    assert finding.severity == "wrong"
    assert "min_free_bytes" in finding.sentence
