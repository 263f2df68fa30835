"""Sessions on a clock the test holds: 30 idle minutes, twelve hours, the life of the key (facts: keys and sessions)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pfn.domain.access import Scope
from pfn.services.access import AccessService, hash_master_key
from pfn.services.bad_keys import BadKeys
from pfn.services.session import IDLE_S, LIFE_S, SessionService
from pfn.storage.database import Database, sqlite_url
from pfn.storage.migrate import migrate

MASTER = "a master key of the tests"


class Time:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def access(tmp_path: Path, clock: Time) -> AsyncIterator[AccessService]:
    url = sqlite_url(tmp_path / "node.db")
    migrate(url)
    database = Database(url)
    yield AccessService(database, clock, hash_master_key(MASTER), BadKeys(clock, 0))
    await database.close()


@pytest.fixture
def sessions(access: AccessService, clock: Time) -> SessionService:
    return SessionService(access._database, access, clock)


async def test_a_session_ends_after_thirty_idle_minutes(sessions: SessionService, clock: Time) -> None:
    cookie = await sessions.sign_in(MASTER, caller="here")
    clock.now += IDLE_S - 1
    signed_in = await sessions.recognize(cookie)
    assert signed_in is not None
    assert Scope.KEYS_ADMIN in signed_in.grant.scopes
    clock.now += IDLE_S - 1
    assert await sessions.recognize(cookie) is not None
    clock.now += IDLE_S
    assert await sessions.recognize(cookie) is None


async def test_a_session_ends_after_twelve_hours_however_busy(sessions: SessionService, clock: Time) -> None:
    cookie = await sessions.sign_in(MASTER, caller="here")
    for _ in range(LIFE_S // 1_000):
        clock.now += 1_000
        assert await sessions.recognize(cookie) is not None
    clock.now += LIFE_S % 1_000
    assert await sessions.recognize(cookie) is None


async def test_a_session_ends_with_its_key_and_when_its_owner_signs_out(
    access: AccessService, sessions: SessionService
) -> None:
    master = await access.authenticate(MASTER, caller="here")
    made = await access.create(master, "for a browser")
    first, second = [await sessions.sign_in(made.text, caller="here") for _ in range(2)]
    assert first != second
    await sessions.sign_out(first)
    assert await sessions.recognize(first) is None
    assert await sessions.recognize(second) is not None
    await access.revoke(master, made.key.id)
    assert await sessions.recognize(second) is None


@pytest.mark.parametrize("cookie", [None, "", "nonsense", "0" * 64])
async def test_a_foreign_cookie_is_nobodys(sessions: SessionService, cookie: str | None) -> None:
    assert await sessions.recognize(cookie) is None
