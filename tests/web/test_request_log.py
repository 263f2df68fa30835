"""Every request has an id and one line in the log; no line has a secret, and nobody forges one."""

import re
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from tests.support.site import open_site


def lines(logs: list[dict[str, object]]) -> list[dict[str, object]]:
    return [line for line in logs if line["event"] == "request"]


async def test_one_line_tells_what_a_request_was(tmp_path: Path) -> None:
    async with open_site(tmp_path / "node") as site:
        made = await site.create_key()
        client = await site.client(made["key"], address="2001:db8::5")
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            answer = await client.get("/federation/sources", params={"token": "hush"})
            (line,) = lines(logs)
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
        assert line.pop("ms") > 0
        assert line == {
            "event": "request",
            "log_level": "info",
            "request_id": answer.headers["x-request-id"],
            "method": "GET",
            "path": "/federation/sources",
            "status": 200,
            "bytes": len(answer.content),
            "key": made["id"],
            "address": "2001:db8::5",
        }
        again = await client.get("/federation/sources")
        assert again.headers["x-request-id"] != answer.headers["x-request-id"]


async def test_a_path_stays_encoded_and_within_bounds(tmp_path: Path) -> None:
    async with open_site(tmp_path / "node") as site:
        client = await site.client()
        with capture_logs() as logs:
            await client.get("/a%0Aforged%1b[31m" + "x" * 2000)
        (line,) = lines(logs)
        path = line["path"]
        assert isinstance(path, str)
        assert path.startswith("/a%0Aforged%1b")
        assert path.isprintable()
        assert len(path) <= 500


async def test_probes_that_find_all_well_are_no_news(tmp_path: Path) -> None:
    async with open_site(tmp_path / "node", open_metrics=True) as site:
        client = await site.client()
        with capture_logs() as logs:
            for path in ("/livez", "/readyz", "/metrics"):
                assert (await client.get(path)).status_code == 200
        assert {line["log_level"] for line in lines(logs)} == {"debug"}


@pytest.mark.parametrize(
    ("address", "given", "kept"),
    [
        ("10.0.0.1", "0af7651916cd43dd", True),
        ("10.0.0.1", "a.b_c-D1", True),
        ("192.0.2.1", "0af7651916cd43dd", False),
        ("10.0.0.1", "a b", False),
        ("10.0.0.1", "", False),
        ("10.0.0.1", "x" * 65, False),
        ("10.0.0.1", "{}", False),
    ],
)
async def test_an_id_is_taken_from_a_trusted_proxy_where_it_is_sane(
    tmp_path: Path, address: str, given: str, kept: bool
) -> None:
    async with open_site(tmp_path / "node", trusted_proxies="10.0.0.0/8") as site:
        answer = await (await site.client(address=address)).get("/livez", headers={"X-Request-Id": given})
        assert (answer.headers["x-request-id"] == given) is kept


async def test_a_fault_of_the_node_has_its_number_its_id_and_its_security_headers(tmp_path: Path) -> None:
    async with open_site(tmp_path / "node") as site:

        async def fail() -> None:
            raise RuntimeError("the secret reason")

        site.app.add_api_route("/broken", fail)
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            answer = await (await site.client()).get("/broken")
        assert answer.status_code == 500
        assert "the secret reason" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        (fault,) = (line for line in logs if line["event"] == "unexpected_error")
        assert fault["incident"] == answer.json()["incident"]
        (line,) = lines(logs)
        assert line["status"] == 500
        assert fault["request_id"] == line["request_id"] == answer.headers["x-request-id"]
