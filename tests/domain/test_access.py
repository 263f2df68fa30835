"""Keys and grants: what each kind may do, when a key is alive, and that nothing secret is shown."""

import json
from dataclasses import replace

import pytest

from pfn.domain.access import ADMIN_SCOPES, ALL_SCOPES, SCOPES_OF, SUBSCRIBER_SCOPES, ApiKey, Grant, Scope
from pfn.protocol.api_key import Prefix

KEY = ApiKey(
    id="AbC123",
    kind=Prefix.SUBSCRIBER,
    secret_hash="5ec2e7" * 10,
    description="for CI",
    owner="carl",
    scopes=SUBSCRIBER_SCOPES,
    created_at=100,
    expires_at=200,
    created_by="master",
)


def test_each_kind_of_key_has_its_scopes():
    assert SCOPES_OF.keys() == set(Prefix)
    assert SCOPES_OF[Prefix.MASTER] == ALL_SCOPES == frozenset(Scope)
    # An admin's key cannot make keys: who steals one cannot outlive its end.
    assert SCOPES_OF[Prefix.ADMIN] == ALL_SCOPES - {Scope.KEYS_ADMIN}
    assert SCOPES_OF[Prefix.SUBSCRIBER] == {Scope.SOURCES_READ, Scope.SUBSCRIPTIONS_WRITE}


@pytest.mark.parametrize(
    ("revoked_at", "now", "state"),
    [
        (None, 100, "active"),
        (None, 199.999, "active"),
        (None, 200, "expired"),
        (None, 1e12, "expired"),
        (150, 160, "revoked"),
        (150, 300, "revoked"),
        (0, 160, "revoked"),
    ],
)
def test_a_key_is_active_until_it_ends_or_is_ended(revoked_at, now, state):
    assert replace(KEY, revoked_at=revoked_at).state(now) == state


def test_what_is_shown_of_a_key_is_json_and_no_secret():
    shown = replace(KEY, last_used_at=150).to_json(160)
    assert shown == {
        "id": "AbC123",
        "kind": "fsub",
        "description": "for CI",
        "owner": "carl",
        "scopes": ["sources:read", "subscriptions:write"],
        "created_at": 100,
        "expires_at": 200,
        "created_by": "master",
        "last_used_at": 150,
        "revoked_at": None,
        "state": "active",
    }
    assert KEY.secret_hash not in json.dumps(shown)


@pytest.mark.parametrize(
    ("scopes", "operator"),
    [
        (ALL_SCOPES, True),
        (ADMIN_SCOPES, True),
        ({Scope.SOURCES_WRITE}, True),
        (SUBSCRIBER_SCOPES, False),
        ({Scope.SOURCES_READ, Scope.MIRROR_RUN}, False),
        (set(), False),
    ],
)
def test_an_operator_is_who_may_change_sources(scopes, operator):
    assert Grant("key", "carl", frozenset(scopes)).is_operator is operator
