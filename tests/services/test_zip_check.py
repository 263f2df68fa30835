"""Zips are judged once per digest, in a process that may die of them."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from tests.support.records import make_release, make_source

from pfn.domain.zip_verdict import check_claim
from pfn.protocol.errors import Code, PfnError
from pfn.services import zip_check
from pfn.services.zip_check import ZipCheck
from pfn.storage.database import Database
from pfn.storage.release import add_release
from pfn.storage.source import add_source
from pfn.testing.plugin import plugin_zip


async def test_bytes_that_were_judged_are_not_judged_again(database: Database, tmp_path: Path) -> None:
    content = plugin_zip("hello", "1.0")
    digest = hashlib.sha256(content).hexdigest()
    path = tmp_path / "one.zip"
    path.write_bytes(content)
    zips = ZipCheck(database, 1)
    try:
        verdict = await zips.judge(path, digest)
        check_claim(verdict, "hello", "1.0")
        async with database.write() as connection:
            await add_source(connection, make_source())
            await add_release(connection, make_release(content=content), verdict)
        path.unlink()
        again = await zips.judge(path, digest)
    finally:
        zips.close()
    assert json.dumps(again.to_json()) == json.dumps(verdict.to_json())
    assert list(again.manifest) == list(verdict.manifest)


async def test_a_judge_that_dies_refuses_the_zip_and_the_next_one_is_judged(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.zip"
    path.write_bytes(plugin_zip("hello", "1.0"))
    zips = ZipCheck(database, 1)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(zip_check, "_inspect", _die)
            with pytest.raises(PfnError) as caught:
                await zips.judge(path, "0" * 64)
        assert caught.value.code is Code.ZIP_REFUSED
        assert (await zips.judge(path, "0" * 64)).faults == ()
    finally:
        zips.close()


def _die(path: Path) -> None:
    del path
    os._exit(9)
