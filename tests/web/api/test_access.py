"""API keys over HTTP, against a real node (protocol.md section 1; facts: keys and sessions)."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import RunningNode, run_node
from tests.support.problem import assert_problem
from tests.support.rows import open_rows

from pfn.protocol.errors import Code
from pfn.storage.schema import metadata


def test_the_master_key_makes_an_admin_key_that_is_shown_once(node: RunningNode) -> None:
    before = time.time() * 1000
    made = node.create_key(description="Admin Console Access")
    assert re.fullmatch(r"fadmin_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", made["key"])
    assert made["description"] == "Admin Console Access"
    assert before - 1000 <= made["created"] <= time.time() * 1000
    listed = node.client(node.master_key).get("/federation/keys").json()
    assert made["id"] in {row["id"] for row in listed}
    assert made["key"] not in str(listed)


def test_only_a_hash_of_a_key_is_stored(node: RunningNode) -> None:
    made = node.create_key()
    secret = made["key"].split("_")[2]
    with open_rows(node.data) as rows:
        dump = "\n".join(str(rows.execute(f"SELECT * FROM {name}").fetchall()) for name in metadata.tables)
    assert made["id"] in dump
    assert secret not in dump
    assert secret[:20] not in dump


def test_a_key_has_the_scopes_and_the_life_that_were_asked_for(node: RunningNode) -> None:
    made = node.create_key(scopes=["sources:read"], expires_in_days=2)
    assert made["scopes"] == ["sources:read"]
    assert abs(made["expires_at"] - time.time() - 2 * 86_400) < 60
    client = node.client(made["key"])
    assert client.get("/federation/sources").status_code == 200
    assert_problem(client.post("/federation/verify-source", json={"sourceId": "a@b"}), Code.SCOPE_MISSING)


def test_an_admin_key_may_do_all_but_make_keys(node: RunningNode) -> None:
    made = node.create_key()
    assert "keys:admin" not in made["scopes"]
    answer = node.client(made["key"]).post("/federation/create-admin-key", json={"description": "more"})
    assert_problem(answer, Code.SCOPE_MISSING)


def test_a_subscriber_reads_and_subscribes_but_does_not_administer(node: RunningNode) -> None:
    made = node.create_key("subscriber", owner="agency")
    assert made["key"].startswith("fsub_")
    assert made["owner"] == "agency"
    client = node.client(made["key"])
    assert client.get("/federation/sources").status_code == 200
    for path in ("add-source", "verify-source", "update-source", "suspend-source", "remove-source", "sync"):
        body = {"sourceId": "a@b", "instance_url": "https://a.example", "username": "a", "public_key": "k"}
        assert_problem(client.post(f"/federation/{path}", json=body), Code.SCOPE_MISSING)


def test_a_subscribers_key_cannot_be_given_an_admins_scopes(node: RunningNode) -> None:
    answer = node.client(node.master_key).post(
        "/federation/create-subscriber-key", json={"description": "x", "scopes": ["sources:write"]}
    )
    assert_problem(answer, Code.INVALID_FIELD)


def test_no_key_gives_away_what_it_lacks(node: RunningNode) -> None:
    client = node.client(node.create_key(scopes=["keys:admin", "sources:read"])["key"])
    for kind, scopes, missing in (
        ("admin", ["sources:read", "sources:write"], "sources:write"),
        ("admin", ["log:admin"], "log:admin"),
        # The usual ones of its kind are no more than asked for.
        ("admin", None, "mirror:run"),
        ("subscriber", None, "subscriptions:write"),
    ):
        before = len(node.api.get("/federation/keys").json())
        answer = client.post(f"/federation/create-{kind}-key", json={"description": "x", "scopes": scopes})
        assert missing in str(assert_problem(answer, Code.SCOPE_MISSING)["detail"])
        assert len(node.api.get("/federation/keys").json()) == before
    made = client.post("/federation/create-admin-key", json={"description": "x", "scopes": ["keys:admin"]})
    assert made.json()["scopes"] == ["keys:admin"]


def test_a_revoked_key_ends_at_once(node: RunningNode) -> None:
    made = node.create_key()
    client = node.client(made["key"])
    assert client.get("/federation/sources").status_code == 200
    revoked = node.client(node.master_key).post("/federation/revoke-key", json={"id": made["id"]})
    assert revoked.json()["key"]["state"] == "revoked"
    problem = assert_problem(client.get("/federation/sources"), Code.KEY_UNKNOWN)
    assert "revoked" in str(problem["detail"])
    again = node.client(node.master_key).post("/federation/revoke-key", json={"id": made["id"]})
    assert again.json()["key"]["revoked_at"] == revoked.json()["key"]["revoked_at"]


def test_an_expired_key_is_refused(node: RunningNode) -> None:
    made = node.create_key()
    with open_rows(node.data) as rows:
        rows.execute("UPDATE api_keys SET expires_at = 1 WHERE id = ?", (made["id"],))
    problem = assert_problem(node.client(made["key"]).get("/federation/sources"), Code.KEY_UNKNOWN)
    assert "expired" in str(problem["detail"])


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({}, Code.KEY_REQUIRED),
        ({"Authorization": "Bearer"}, Code.KEY_REQUIRED),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, Code.KEY_REQUIRED),
        ({"Authorization": "Bearer nonsense"}, Code.KEY_UNKNOWN),
        ({"Authorization": "Bearer fadmin_" + "0" * 12 + "_" + "0" * 49}, Code.KEY_UNKNOWN),
        ({"Cookie": "pfn=abc"}, Code.KEY_REQUIRED),
    ],
)
def test_no_wrong_or_foreign_credential_opens_anything(node: RunningNode, header: dict[str, str], code: Code) -> None:
    answer = node.client().get("/federation/sources", headers=header)
    assert_problem(answer, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_wrong_secret_for_a_known_id_is_refused(node: RunningNode) -> None:
    key = node.create_key()["key"]
    other = node.create_key()["key"]
    forged = "_".join([*key.split("_")[:2], other.split("_")[2]])
    assert_problem(node.client(forged).get("/federation/sources"), Code.KEY_UNKNOWN)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "description"),
        ({"description": 5}, "description"),
        ({"description": ""}, "description"),
        ({"description": "x" * 201}, "description"),
        ({"description": "x", "expires_in_days": 0}, "expires_in_days"),
        ({"description": "x", "expires_in_days": 366}, "expires_in_days"),
        ({"description": "x", "expires_in_days": "7"}, "expires_in_days"),
        ({"description": "x", "scopes": ["everything"]}, "scopes"),
        ({"description": "x", "scopes": []}, "scopes"),
    ],
)
def test_a_missing_or_mistyped_field_is_named(node: RunningNode, body: dict[str, Any], field: str) -> None:
    answer = node.client(node.master_key).post("/federation/create-admin-key", json=body)
    problem = assert_problem(answer, Code.INVALID_FIELD)
    assert field in str(problem["detail"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"description": "a", "description": "b"}',
        b'{"description": NaN}',
        b"\xff\xfe",
        b"[" * 500,
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(node: RunningNode, body: bytes) -> None:
    answer = node.client(node.master_key).post(
        "/federation/create-admin-key", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {400, 422}
    assert_problem(answer, Code.MALFORMED_JSON if body else Code.INVALID_FIELD)


@pytest.mark.parametrize("declared", [True, False])
def test_a_huge_body_is_refused(node: RunningNode, declared: bool) -> None:
    body = b'{"description": "' + b"x" * 1_000_000 + b'"}'
    content = body if declared else (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    answer = node.client(node.master_key).post(
        "/federation/create-admin-key", content=content, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, Code.BODY_TOO_LARGE)


def test_key_actions_are_in_the_operators_trail_only(node: RunningNode) -> None:
    made = node.create_key(description="for the trail")
    trail = node.api.get("/federation/activity").json()["activities"]
    assert any(row["details"].get("key_id") == made["id"] and row["actor"] == "master" for row in trail)
    subscriber = node.create_key("subscriber")["key"]
    seen = node.client(subscriber).get("/federation/activity").json()["activities"]
    assert not any("key_id" in row["details"] for row in seen)


def test_wrong_keys_are_counted_and_a_right_one_still_opens(tmp_path: Path) -> None:
    with run_node(tmp_path / "node", environment={"PFN_BAD_KEY_LIMIT": "3"}) as node:
        wrong = node.client("fadmin_wrong")
        for _ in range(3):
            assert_problem(wrong.get("/federation/sources"), Code.KEY_UNKNOWN)
        refused = wrong.get("/federation/sources")
        assert_problem(refused, Code.TOO_MANY_REQUESTS)
        assert 0 < int(refused.headers["retry-after"]) <= 61
        assert node.api.get("/federation/sources").status_code == 200
        assert_problem(node.client().get("/federation/sources"), Code.KEY_REQUIRED)
