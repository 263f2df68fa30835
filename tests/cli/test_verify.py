"""``pfn verify`` with a zip: no node, no data folder; and that the other form still asks a node."""

import json
import os
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.client.published import NEW, OLD, Published
from tests.client.test_documents import Quiet, serving
from tests.support.node import PFN
from tests.support.signed import DAY, ROOT, SLUG, SOURCE, STRANGER
from typer.testing import CliRunner

from pfn.cli.main import app
from pfn.protocol.catalog import Yank


class Shelf:
    """A folder with the publisher's documents, its key, and zips."""

    def __init__(self, path: Path, **member: Any) -> None:
        self.path = path
        self.published = Published(now=int(time.time()), member=member)
        self.write()
        (path / "alice.pem").write_text(ROOT.public_key.pem)
        for version, data in self.published.zips.items():
            (path / f"{version}.zip").write_bytes(data)

    def write(self) -> None:
        self.published.write(self.path / "documents")

    def verify(self, version: str, *options: str, key: str | None = None, source: str = SOURCE) -> tuple[int, Any]:
        """The exit code and, where it is 0 or 1, the JSON."""
        words = ["--source", source, "--key", key or str(self.path / "alice.pem"), "--json"]
        if "--documents" not in options:
            words += ["--documents", str(self.path / "documents")]
        result = CliRunner().invoke(app, ["verify", str(self.path / f"{version}.zip"), *words, *options])
        return result.exit_code, json.loads(result.stdout) if result.exit_code < 2 else result.stderr

    def refused(self, version: str, *options: str, **more: str) -> tuple[str, str | None]:
        """The code and the name of the check that failed."""
        code, said = self.verify(version, *options, **more)
        assert (code, said["valid"]) == (1, False)
        assert said["detail"]
        return said["code"], said["checks"][-1]["name"] if said["checks"] else None


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_it_needs_nothing_but_the_documents(shelf: Shelf, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [PFN, "verify", "../1.1.zip", "--source", SOURCE, "--key", "../alice.pem", "--documents", "../documents"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PFN_NODE": "http://127.0.0.1:9", "PFN_KEY": "x"}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Everything holds." in done.stdout
    assert not list(home.iterdir())

    (tmp_path / "1.1.zip").write_bytes(shelf.published.zips[NEW] + b"x")
    done = subprocess.run(
        [*command, "--slug", SLUG], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: The zip has ")
    assert done.stderr.endswith("(artifact_digest)\n")
    assert "fail digests" in done.stdout


def test_what_it_says_for_programs(shelf: Shelf) -> None:
    code, verdict = shelf.verify(NEW)
    assert code == 0
    assert (verdict["valid"], verdict["source"], verdict["plugin"]) == (True, SOURCE, SLUG)
    assert (verdict["version"], verdict["newest"], verdict["signature_level"]) == (NEW, NEW, "artifact")
    assert verdict["digests"]["size"] == len(shelf.published.zips[NEW])
    assert all(check["passed"] for check in verdict["checks"])
    assert len(verdict["checks"]) == 6


def test_the_signature_beside_the_zip(shelf: Shelf) -> None:
    beside = shelf.path / "1.1.zip.sig"
    beside.write_text(shelf.published.signature() + "\n")
    _, verdict = shelf.verify(NEW)
    assert verdict["checks"][-1]["name"] == "artifact_signature"
    beside.write_text(shelf.published.signature(key=STRANGER))
    assert shelf.refused(NEW) == ("artifact_signature", "artifact_signature")
    beside.write_bytes(b"\xff" * 5000)
    assert shelf.refused(NEW) == ("artifact_signature", "artifact_signature")


def test_an_older_version_must_be_asked_for(shelf: Shelf) -> None:
    assert shelf.refused(OLD) == ("catalog_mismatch", "newest")
    code, verdict = shelf.verify(OLD, "--version", OLD)
    assert (code, verdict["version"], verdict["newest"]) == (0, OLD, NEW)
    assert shelf.refused(NEW, "--version", OLD) == ("artifact_digest", "digests")
    assert shelf.refused(NEW, "--version", "9") == ("unsigned", "statement")


def test_a_yanked_version_needs_consent(shelf: Shelf) -> None:
    yanked = (Yank(slug=SLUG, version=OLD, reason="[red]Leaks\x1b[0m.", at=shelf.published.now - DAY),)
    shelf.published.catalog = shelf.published.sign_catalog(yanked=yanked)
    shelf.write()
    assert shelf.refused(OLD, "--version", OLD) == ("release_yanked", "not_yanked")
    assert shelf.verify(OLD, "--version", OLD, "--allow-yanked")[0] == 0
    arguments = [
        "--source",
        SOURCE,
        "--key",
        str(shelf.path / "alice.pem"),
        "--documents",
        str(shelf.path / "documents"),
    ]
    result = CliRunner().invoke(
        app, ["verify", str(shelf.path / "1.0.zip"), *arguments, "--version", OLD, "--allow-yanked"]
    )
    assert result.exit_code == 0
    assert "[red]Leaks" in result.stdout
    assert "\x1b" not in result.stdout


def test_whose_zip_it_is(shelf: Shelf) -> None:
    assert shelf.verify(NEW, key=ROOT.public_key.raw_base64)[0] == 0
    assert shelf.refused(NEW, key=STRANGER.public_key.raw_base64) == ("key_mismatch", "key_document")
    assert shelf.refused(NEW, key=str(shelf.path / "missing.pem")) == ("invalid_public_key", None)
    assert shelf.refused(NEW, source="bob@plugins.example.com") == ("document_mismatch", "key_document")
    assert shelf.refused(NEW, "--slug", "other", "--version", NEW) == ("unsigned", "statement")


def test_a_v1_source_is_refused_with_the_reason(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, said = shelf.verify(NEW, "--documents", str(tmp_path / "empty"))
    assert (code, said["code"]) == (1, "unsigned")
    assert "the publisher's key does not cover these bytes" in said["detail"]


def test_documents_come_from_the_sources_own_address(tmp_path: Path) -> None:
    with serving(partial(Quiet, directory=str(tmp_path))) as url:
        source = f"alice@{url.removeprefix('http://')}"
        shelf = Shelf(tmp_path, source=source, instance_url=url)
        shelf.published.write(tmp_path / ".well-known/pfn")
        arguments = ["verify", str(tmp_path / "1.1.zip"), "--source", source, "--key", str(tmp_path / "alice.pem")]
        assert CliRunner().invoke(app, arguments).exit_code == 0
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["code"] == "source_unreachable"


def test_going_back_is_noticed_with_a_state_file(shelf: Shelf, tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state.json"))
    first = shelf.published.catalog
    shelf.published.catalog = shelf.published.sign_catalog(sequence=2)
    shelf.write()
    assert shelf.verify(NEW, *state)[0] == 0
    assert shelf.verify(NEW, *state)[0] == 0
    kept = (tmp_path / "state.json").read_bytes()
    shelf.published.catalog = first
    shelf.write()
    assert shelf.verify(NEW)[0] == 0
    assert shelf.refused(NEW, *state) == ("catalog_rollback", "catalog")
    assert (tmp_path / "state.json").read_bytes() == kept


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.zip"],
        ["a.zip", "--source", SOURCE],
        ["a.zip", "--key", "alice.pem"],
        ["missing.zip", "--source", SOURCE, "--key", "alice.pem"],
        [SOURCE, SLUG, "--source", SOURCE],
        [SOURCE, SLUG, "--documents", "documents"],
        [SOURCE, SLUG, "--allow-yanked"],
        ["alice.pem", "--source", SOURCE, "--key", "alice.pem"],
        ["1.1.zip", "--source", SOURCE, "--key", "1.1.zip"],
    ],
)
def test_wrong_usage(shelf: Shelf, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shelf.path)
    assert CliRunner().invoke(app, ["verify", *arguments]).exit_code == 2


def test_the_key_of_an_api_is_never_the_publishers(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PFN_KEY", ROOT.public_key.raw_base64)
    arguments = [str(shelf.path / "1.1.zip"), "--source", SOURCE, "--documents", str(shelf.path / "documents")]
    assert CliRunner().invoke(app, ["verify", *arguments]).exit_code == 2


VERDICT = {
    "valid": True,
    "source": SOURCE,
    "plugin": SLUG,
    "version": NEW,
    "signature_level": "metadata",
    "explanation": "Not the bytes.",
    "key_fingerprint": "SHA256:x",
    "digests": {"sha256": "aa", "size": 3},
    "checks": [{"name": "sha256", "passed": True, "detail": "[red]As recorded."}],
}


@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize("options", [(), ("--key", "fadmin_key"), ("--json",)])
def test_the_other_form_asks_a_node(options: tuple[str, ...], valid: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Node(Quiet):
        def do_GET(self) -> None:  # noqa: N802
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({**VERDICT, "valid": valid}).encode())

    monkeypatch.setenv("PFN_KEY", "fadmin_environment")
    with serving(Node) as url:
        result = CliRunner().invoke(app, ["verify", SOURCE, SLUG, "--version", NEW, "--node", url, *options])
    key = "fadmin_key" if "--key" in options else "fadmin_environment"
    query = f"source={SOURCE.replace('@', '%40')}&plugin={SLUG}&version={NEW}"
    assert asked == [(f"/federation/verify?{query}", f"Bearer {key}")]
    assert result.exit_code == (0 if valid else 1)
    if "--json" in options:
        assert json.loads(result.stdout) == {**VERDICT, "valid": valid}
    else:
        assert "ok   sha256: [red]As recorded." in result.stdout
        assert ("Everything holds." in result.stdout) is valid
