"""Signed-in browsers: a key is exchanged once for a session (facts: keys and sessions).

The cookie carries 256 random bits, of which only a hash is kept. A session ends after 30 idle minutes, after twelve
hours, when its key does, or when its owner signs out. Signing in and out is written into the history, privately.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from pfn.domain.access import Grant
from pfn.domain.activity import Activity, ActivityType, describe
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import AccessService
from pfn.services.clock import Clock
from pfn.storage.access import (
    Session,
    add_session,
    end_session,
    end_stale_sessions,
    get_session,
    touch_session,
)
from pfn.storage.activity import add_activities
from pfn.storage.database import Database

IDLE_S = 30 * 60
LIFE_S = 12 * 3600
TOUCH_GRAIN_S = 60


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A living session: what it may do, and the token its forms must carry."""

    grant: Grant
    csrf: str


class SessionService:
    """Signs in, recognises, signs out."""

    def __init__(
        self,
        database: Database,
        access: AccessService,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._access = access
        self._clock = clock
        self._random_bytes = random_bytes

    async def sign_in(self, key: str, *, caller: str) -> str:
        """Exchange an API key for a new session and give its cookie.

        Raises PfnError as ``AccessService.authenticate`` does.
        """
        grant = await self._access.authenticate(key, caller=caller)
        cookie = self._random_bytes(32).hex()
        now = int(self._clock())
        session = Session(_hash(cookie), grant.key_id, self._random_bytes(32).hex(), now, now)
        async with self._database.write() as connection:
            await end_stale_sessions(connection, seen_before=now - IDLE_S, made_before=now - LIFE_S)
            await add_session(connection, session)
            await add_activities(connection, [_event("signed_in", "in", session, now)])
        return cookie

    async def recognize(self, cookie: str | None) -> SignedIn | None:
        """Give the session behind a cookie, or None where there is none that lives."""
        if not cookie:
            return None
        now = int(self._clock())
        id_hash = _hash(cookie)
        async with self._database.read() as connection:
            session = await get_session(connection, id_hash)
        if session is None or now - session.last_seen >= IDLE_S or now - session.created_at >= LIFE_S:
            return None
        try:
            grant = await self._access.authenticate_id(session.key_id)
        except PfnError as error:
            if error.code is not Code.KEY_UNKNOWN:
                raise
            return None
        if now - session.last_seen >= TOUCH_GRAIN_S:
            async with self._database.write() as connection:
                await touch_session(connection, id_hash, now)
        return SignedIn(grant, session.csrf)

    async def sign_out(self, cookie: str) -> None:
        """End the session behind a cookie."""
        id_hash = _hash(cookie)
        async with self._database.write() as connection:
            session = await get_session(connection, id_hash)
            if session is not None:
                await end_session(connection, id_hash)
                await add_activities(connection, [_event("signed_out", "out", session, int(self._clock()))])


def _event(action: str, way: str, session: Session, now: int) -> Activity:
    return Activity(
        type=ActivityType.FEDERATION_EVENT,
        timestamp=now,
        actor=session.key_id,
        details=describe(action, f"Somebody signed {way} with the key {session.key_id}."),
        private=True,
    )


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
