"""The log has no secrets, and one event a line."""

import json
from pathlib import Path

import pytest
import structlog
from tests.support.node import run_node

from pfn.cli.log import configure_logging

TOKEN = "fadmin_4fJ0aP2kQz91_" + "s3cret" * 8 + "x"


@pytest.fixture(autouse=True)
def _reset() -> object:
    yield
    structlog.reset_defaults()


def written(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize(
    ("value", "hidden", "kept"),
    [
        (TOKEN, "s3cret", "4fJ0aP2kQz91"),
        ({"headers": [("authorization", f"Bearer {TOKEN[:30]}")]}, "s3cret", "authorization"),
        (["Bearer abc.s3cret"], "s3cret", "earer"),
        ("whsec_s3cret/+=", "s3cret", "whsec_"),
        ("whsk_s3cret", "s3cret", "whsk_"),
        ("cannot reach postgresql+psycopg://pfn:s3cret@db/pfn", "s3cret", "@db/pfn"),
        (ValueError(TOKEN), "s3cret", "4fJ0aP2kQz91"),
    ],
)
def test_secrets_are_masked_wherever_they_stand(
    capsys: pytest.CaptureFixture[str], log_format: str, value: object, hidden: str, kept: str
) -> None:
    configure_logging(log_format, "info")
    structlog.get_logger().info("something", value=value)
    line = written(capsys)
    assert hidden not in line
    assert kept in line


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_secrets_in_tracebacks_are_masked(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    configure_logging(log_format, "info")
    try:
        int(TOKEN)
    except ValueError:
        structlog.get_logger().exception("something")
    line = written(capsys)
    assert "s3cret" not in line
    assert "4fJ0aP2kQz91_***" in line


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("text", ["a\nforged line", "a\r\x1b[2Kforged line", "a\u2028forged line"])
def test_nobody_forges_a_line(capsys: pytest.CaptureFixture[str], log_format: str, text: str) -> None:
    configure_logging(log_format, "info")
    structlog.get_logger().info("something", text=text)
    line = written(capsys)
    assert len(line.splitlines()) == 1
    assert line.rstrip("\n").isprintable()


def test_a_level_leaves_out_what_is_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "warning")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in written(capsys).splitlines()] == ["loud"]


def test_a_serving_node_logs_every_request_and_no_secret(tmp_path: Path) -> None:
    with run_node(tmp_path / "node", environment={"PFN_LOG_FORMAT": "json"}) as node:
        client = node.api
        assert client.get("/federation/sources").status_code == 200
        client.get(f"/nothing/{node.admin_key}", params={"key": node.admin_key})
        client.post("/federation/add-source", json={"instance_url": f"https://x.example/{node.admin_key}"})
        client.post("/sign-in", data={"key": node.admin_key}, headers={"Origin": node.url})
        client.get("/federation/sources", headers={"Authorization": f"Bearer {node.admin_key}x"})
    text = (tmp_path / "node.log").read_text()
    secret = node.admin_key.split("_")[2]
    assert secret not in text
    assert secret[:20] not in text
    assert node.master_key not in text
    lines = [json.loads(line) for line in text.splitlines()]
    requests = [(line["method"], line["path"], line["status"]) for line in lines if line["event"] == "request"]
    assert ("GET", "/federation/sources", 200) in requests
    assert ("POST", "/sign-in", 303) in requests
    assert all(len(line["request_id"]) == 16 for line in lines if line["event"] == "request")
