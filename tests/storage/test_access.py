"""Rows of keys and sessions."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from pfn.domain.access import ADMIN_SCOPES, ALL_SCOPES, SUBSCRIBER_SCOPES, ApiKey, Scope
from pfn.protocol.api_key import Prefix
from pfn.storage.access import (
    Session,
    add_api_key,
    add_session,
    change_api_key,
    end_session,
    end_sessions_of_key,
    end_stale_sessions,
    get_api_key,
    get_session,
    list_api_keys,
    touch_session,
)
from pfn.storage.database import Database

KEY = ApiKey(
    id="AbC123",
    kind=Prefix.ADMIN,
    secret_hash="f" * 64,
    description="for “CI”",
    owner="operator",
    scopes=ADMIN_SCOPES,
    created_at=2**40,
    expires_at=2**40 + 1,
    created_by="master",
)
SESSION = Session(id_hash="a" * 64, key_id="AbC123", csrf="token", created_at=100, last_seen=200)


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        replace(KEY, kind=Prefix.SUBSCRIBER, scopes=SUBSCRIBER_SCOPES, last_used_at=5, revoked_at=6),
        replace(KEY, kind=Prefix.MASTER, scopes=ALL_SCOPES),
        replace(KEY, scopes=frozenset({Scope.MIRROR_RUN})),
    ],
)
async def test_a_key_comes_back_as_it_was_put(database: Database, key):
    async with database.write() as connection:
        await add_api_key(connection, key)
    async with database.read() as connection:
        assert await get_api_key(connection, key.id) == key
        assert await get_api_key(connection, key.id.lower()) is None


async def test_an_id_is_given_once(database: Database):
    async with database.write() as connection:
        await add_api_key(connection, KEY)
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await add_api_key(connection, replace(KEY, secret_hash="0" * 64))
    async with database.read() as connection:
        assert await get_api_key(connection, KEY.id) == KEY


async def test_keys_are_listed_newest_first_revoked_ones_too(database: Database):
    keys = [
        replace(KEY, id="old", created_at=1),
        replace(KEY, id="b", created_at=2, revoked_at=3),
        replace(KEY, id="a", created_at=2),
    ]
    async with database.write() as connection:
        for key in keys:
            await add_api_key(connection, key)
        assert await list_api_keys(connection) == [keys[2], keys[1], keys[0]]


async def test_a_change_touches_one_key(database: Database):
    other = replace(KEY, id="other")
    async with database.write() as connection:
        await add_api_key(connection, KEY)
        await add_api_key(connection, other)
        await change_api_key(connection, KEY.id, last_used_at=7, revoked_at=8)
        assert await get_api_key(connection, KEY.id) == replace(KEY, last_used_at=7, revoked_at=8)
        assert await get_api_key(connection, "other") == other


async def test_a_session_lives_until_it_is_ended(database: Database):
    other = replace(SESSION, id_hash="b" * 64)
    async with database.write() as connection:
        await add_session(connection, SESSION)
        await add_session(connection, other)
        await touch_session(connection, SESSION.id_hash, 999)
        assert await get_session(connection, SESSION.id_hash) == replace(SESSION, last_seen=999)
        await end_session(connection, SESSION.id_hash)
        await end_session(connection, SESSION.id_hash)
        assert await get_session(connection, SESSION.id_hash) is None
        assert await get_session(connection, other.id_hash) == other


async def test_a_keys_sessions_end_with_it(database: Database):
    async with database.write() as connection:
        for number, key_id in enumerate(("mine", "mine", "yours")):
            await add_session(connection, replace(SESSION, id_hash=str(number), key_id=key_id))
        await end_sessions_of_key(connection, "mine")
        assert [await get_session(connection, str(number)) is None for number in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("made", "seen", "lives"),
    [(50, 100, True), (49, 100, False), (50, 99, False), (49, 99, False), (500, 900, True)],
)
async def test_sessions_that_idled_or_lived_too_long_end(database: Database, made, seen, lives):
    async with database.write() as connection:
        await add_session(connection, replace(SESSION, created_at=made, last_seen=seen))
        await end_stale_sessions(connection, seen_before=100, made_before=50)
        assert (await get_session(connection, SESSION.id_hash) is not None) == lives
