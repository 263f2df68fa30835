"""How much a body may have: the operator's setting, and more only where a protocol needs it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.problem import assert_problem
from tests.support.site import Site, open_site

from pfn.protocol.errors import Code
from pfn.protocol.evidence import MAX_BODY_BYTES
from pfn.protocol.log.witness import MAX_REQUEST_BYTES

USUAL = 100_000


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path / "node", max_body_bytes=USUAL) as site:
        yield site


async def in_pieces(length: int) -> AsyncIterator[bytes]:
    for start in range(0, length, 65_536):
        yield b"x" * min(65_536, length - start)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/federation/add-source", USUAL),
        ("/federation/evidence/more", USUAL),
        ("/federation/evidence", MAX_BODY_BYTES),
        ("/witness/add-checkpoint", MAX_REQUEST_BYTES),
        ("/plugins/update-check/1.1/", 2 * 1024 * 1024),
        ("/themes/update-check/1.1/", 2 * 1024 * 1024),
        ("/wordpress/plugins/update-check/1.1/", 2 * 1024 * 1024),
        ("/wordpress/themes/update-check/1.1", 2 * 1024 * 1024),
    ],
)
async def test_a_body_may_have_so_much(site: Site, path: str, most: int, declared: bool) -> None:
    client = await site.client(site.key)
    allowed = await client.post(path, content=b"x" * most if declared else in_pieces(most))
    assert allowed.status_code != 413
    refused = await client.post(path, content=b"x" * (most + 1) if declared else in_pieces(most + 1))
    if declared or allowed.status_code not in {404, 405, 307}:
        # Of a body nobody reads, only what it declares counts.
        assert_problem(refused, Code.BODY_TOO_LARGE)


async def test_a_setting_above_what_a_path_needs_stands(tmp_path: Path) -> None:
    async with open_site(tmp_path / "wide", max_body_bytes=2 * MAX_BODY_BYTES) as site:
        client = await site.client(site.key)
        answer = await client.post("/federation/evidence", content=b"x" * (MAX_BODY_BYTES + 1))
        assert_problem(answer, Code.INVALID_FIELD)
