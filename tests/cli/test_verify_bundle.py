"""``pfn verify --bundle``: by files alone; what is missing, or was said otherwise, has failed by its name."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.client.published import NEW, OLD, Published
from tests.protocol.log.bundles import POLICY, Logged
from tests.protocol.log.trees import KNOWN_LOG, KNOWN_WITNESSES, WITNESSES
from tests.support.signed import DAY, ROOT, SLUG, SOURCE, STRANGER
from typer.testing import CliRunner

from pfn.cli.main import app
from pfn.protocol.log.bundle import Bundle, write_bundle
from pfn.protocol.log.policy import require_operators
from pfn.protocol.log.policy_text import write_policy


class Shelf:
    """A folder with a proof, the zip, a policy and the publisher's key, all of now."""

    def __init__(self, path: Path, **changes: Any) -> None:
        self.path = path
        now = int(time.time())
        published = Published(now=now)
        self.logged = Logged(published=published, cosigned_at=now - 60, **changes)
        self.logged.taken |= {"at": now - DAY // 2}
        self.logged.listed |= {"at": now - DAY // 2}
        (path / "alice.pem").write_text(ROOT.public_key.pem)
        (path / "policy.txt").write_bytes(write_policy(POLICY))
        (path / "new.zip").write_bytes(self.logged.data)
        self.write(self.logged.bundle())

    def write(self, bundle: Bundle) -> None:
        (self.path / "proof.json").write_bytes(write_bundle(bundle))

    def verify(
        self, *words: str, zipped: str | None = "new.zip", pin: str | None = "alice.pem", policy: str = "policy.txt"
    ) -> tuple[int, Any]:
        """The exit code and, where it is 0 or 1, the JSON."""
        command = ["verify", "--bundle", str(self.path / "proof.json"), "--policy", str(self.path / policy), "--json"]
        command += [] if zipped is None else [str(self.path / zipped)]
        command += [] if pin is None else ["--pin", str(self.path / pin) if pin.endswith(".pem") else pin]
        result = CliRunner().invoke(app, [*command, *words])
        return result.exit_code, json.loads(result.stdout) if result.exit_code < 2 else result.stderr

    def refused(self, *words: str, **more: Any) -> tuple[str, str | None]:
        """The code and the name of the check that failed."""
        code, said = self.verify(*words, **more)
        assert (code, said["valid"]) == (1, False)
        assert said["detail"]
        return said["code"], said["checks"][-1]["name"] if said["checks"] else None


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_everything_is_checked_in_order(shelf: Shelf) -> None:
    code, said = shelf.verify()
    assert (code, said["valid"]) == (0, True)
    assert (said["source"], said["plugin"], said["version"]) == (SOURCE, SLUG, NEW)
    assert (said["signature_level"], said["zip_checked"]) == ("artifact", True)
    assert said["witnessed"] == {"n": 5, "of": 5, "operators": 4}
    assert [check["name"] for check in said["checks"]] == [
        *("log_signature", "witnesses", "growth", "inclusion", "leaf", "key_document", "catalog", "statement"),
        *("sequence", "newest", "digests", "not_withdrawn"),
    ]
    assert all(check["passed"] for check in said["checks"])


def test_for_people_it_says_the_same(shelf: Shelf) -> None:
    words = ["--bundle", "proof.json", "--policy", "policy.txt", "--pin", "alice.pem"]
    paths = [word if word.startswith("--") else str(shelf.path / word) for word in words]
    result = CliRunner().invoke(app, ["verify", str(shelf.path / "new.zip"), *paths])
    assert result.exit_code == 0
    assert "Everything holds." in result.stdout
    assert "witnesses" in result.stdout
    (shelf.path / "new.zip").write_bytes(b"other")
    result = CliRunner().invoke(app, ["verify", str(shelf.path / "new.zip"), *paths])
    assert result.exit_code == 1
    assert "artifact_digest" in result.stderr


def test_without_a_zip_it_says_that_none_was_checked(shelf: Shelf) -> None:
    code, said = shelf.verify(zipped=None)
    assert (code, said["valid"], said["zip_checked"]) == (0, True, False)
    assert "digests" not in [check["name"] for check in said["checks"]]


def test_what_was_asked_for_must_be_what_is_proven(shelf: Shelf) -> None:
    assert shelf.verify("--source", SOURCE, "--slug", SLUG, "--version", NEW)[0] == 0
    for words in (["--source", "bob@plugins.example.com"], ["--slug", "other"], ["--version", OLD]):
        assert shelf.refused(*words) == ("leaf_mismatch", "leaf")


@pytest.mark.parametrize(
    ("changes", "code", "check"),
    [
        ({"release_entry": None}, "proof_incomplete", None),
        ({"publisher": ()}, "unsigned", "key_document"),
        ({"catalog": None}, "proof_incomplete", "catalog"),
        ({"catalog_entry": None}, "proof_incomplete", "catalog"),
        ({"statement": None}, "unsigned", "statement"),
        ({"sha256": "0" * 64}, "leaf_mismatch", "leaf"),
    ],
)
def test_a_missing_piece_has_failed(shelf: Shelf, changes: dict[str, Any], code: str, check: str | None) -> None:
    shelf.write(replace(shelf.logged.bundle(), **changes))
    assert shelf.refused() == (code, check)
    # Nor does a person's word stand in for what the log says the publisher signed.
    assert shelf.refused("--allow-unsigned") == (code, check)


def test_another_zip_another_key_and_another_log_fail(shelf: Shelf) -> None:
    (shelf.path / "other.zip").write_bytes(shelf.logged.data + b"\0")
    assert shelf.refused(zipped="other.zip") == ("artifact_digest", "digests")
    assert shelf.refused(pin=STRANGER.public_key.raw_base64)[1] == "key_document"
    stranger = replace(KNOWN_LOG, key=replace(KNOWN_LOG.key, name="other.example.org/pfn"))
    (shelf.path / "other.txt").write_bytes(write_policy(require_operators([stranger], KNOWN_WITNESSES, 3)))
    assert shelf.refused(policy="other.txt") == ("log_unknown", "log_signature")


def test_too_few_operators_are_no_quorum(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, witnesses=WITNESSES[2:4])
    assert shelf.refused() == ("witness_quorum", "witnesses")


def test_old_cosignatures_are_no_quorum(shelf: Shelf) -> None:
    shelf.logged.cosigned_at -= 2 * DAY
    shelf.write(shelf.logged.bundle())
    assert shelf.refused()[0] in {"witness_stale", "leaf_mismatch"}


def test_what_was_seen_is_remembered_and_nothing_older_believed(shelf: Shelf) -> None:
    state = str(shelf.path / "state.json")
    young = shelf.logged.bundle()
    shelf.logged.notices = []
    shelf.logged.before = shelf.logged.before[:10]
    old = shelf.logged.bundle()
    shelf.write(young)
    assert shelf.verify("--state", state)[0] == 0
    assert shelf.verify("--state", state)[0] == 0
    shelf.write(old)
    assert shelf.refused("--state", state) == ("log_rollback", "growth")


def test_a_release_without_a_statement_is_accepted_at_a_persons_word_alone(shelf: Shelf) -> None:
    shelf.logged.taken |= {"statement": None, "manifest": None, "signature": "ab" * 32}
    bundle = replace(shelf.logged.bundle(), statement=None, catalog=None, catalog_entry=None, publisher=())
    shelf.write(bundle)
    assert shelf.refused()[0] == "unsigned"
    code, said = shelf.verify("--allow-unsigned", pin=None)
    assert (code, said["signature_level"], said["key_fingerprint"]) == (0, "metadata", None)
    assert [check["name"] for check in said["checks"]] == [
        *("log_signature", "witnesses", "inclusion", "leaf", "digests")
    ]
    (shelf.path / "other.zip").write_bytes(b"other")
    assert shelf.refused("--allow-unsigned", zipped="other.zip") == ("artifact_digest", "digests")
    assert shelf.refused("--allow-unsigned", "--slug", "other") == ("leaf_mismatch", "leaf")
    assert shelf.refused("--allow-unsigned", zipped=None, policy=_few(shelf))[0] == "witness_quorum"


def _few(shelf: Shelf) -> str:
    """A policy whose witnesses have signed nothing."""
    others = [replace(one, key=replace(one.key, name=f"x{one.key.name}")) for one in KNOWN_WITNESSES]
    (shelf.path / "few.txt").write_bytes(write_policy(require_operators([KNOWN_LOG], others, 1)))
    return "few.txt"


@pytest.mark.parametrize(
    "words",
    [
        ["--bundle", "proof.json"],
        ["--policy", "policy.txt"],
        ["--allow-unsigned"],
        [],
        ["new.zip", "plugin", "--bundle", "proof.json", "--policy", "policy.txt"],
        ["--bundle", "proof.json", "--policy", "policy.txt"],
        ["--bundle", "none.json", "--policy", "policy.txt"],
        ["--bundle", "proof.json", "--policy", "none.txt"],
    ],
)
def test_wrong_usage(shelf: Shelf, words: list[str]) -> None:
    paths = [str(shelf.path / word) if "." in word else word for word in words]
    assert CliRunner().invoke(app, ["verify", *paths]).exit_code == 2
