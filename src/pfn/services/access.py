"""API keys and the grants they give (facts: keys and sessions).

A key is shown once and kept as a hash. An unknown id costs the same work as a wrong secret. The master key has every
scope and is for making other keys; it lives outside the database.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pfn.domain.access import (
    ALL_SCOPES,
    DAY,
    DEFAULT_LIFE_DAYS,
    LONGEST_LIFE_DAYS,
    OPERATOR,
    SCOPES_OF,
    ApiKey,
    Grant,
    Scope,
)
from pfn.domain.activity import Activity, ActivityType, describe
from pfn.protocol.api_key import Prefix, generate_token, hash_secret, parse_token
from pfn.protocol.errors import Code, PfnError
from pfn.services.bad_keys import BadKeys
from pfn.services.clock import Clock
from pfn.storage.access import (
    add_api_key,
    change_api_key,
    end_sessions_of_key,
    get_api_key,
    list_api_keys,
    list_expiring_keys,
)
from pfn.storage.activity import add_activities
from pfn.storage.database import Database

MASTER_ID = "master"
LAST_USED_GRAIN_S = 3600
_NO_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only moment its text exists."""

    text: str
    key: ApiKey


class AccessService:
    """Makes, lists, revokes and recognises keys."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        master_hash: str,
        bad_keys: BadKeys,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._master_hash = master_hash
        self._bad_keys = bad_keys
        self._random_bytes = random_bytes

    async def authenticate(self, text: str | None, *, caller: str) -> Grant:
        """Give the grant behind a bearer token that ``caller``, an address, sent.

        Raises PfnError: ``key_required`` without one; ``key_unknown`` for a wrong, revoked or expired one;
        ``too_many_requests`` for one wrong key too many.
        """
        try:
            return await self._recognize(text)
        except PfnError as error:
            if error.code is Code.KEY_UNKNOWN:
                self._bad_keys.note(caller)
            raise

    async def _recognize(self, text: str | None) -> Grant:
        if not text:
            raise PfnError(Code.KEY_REQUIRED, "Send an API key: Authorization: Bearer KEY.")
        if hmac.compare_digest(hash_master_key(text), self._master_hash):
            return Grant(MASTER_ID, OPERATOR, ALL_SCOPES)
        token = parse_token(text)
        key = None
        if token is not None:
            async with self._database.read() as connection:
                key = await get_api_key(connection, token.id)
        given = hash_secret(token) if token is not None else _NO_HASH
        # The comparison runs for unknown ids too, so that time tells nothing about which ids exist.
        matches = hmac.compare_digest(given, key.secret_hash if key else "f" * 64)
        if key is None or not matches:
            raise PfnError(Code.KEY_UNKNOWN, "This API key is not valid. Check that it was copied whole.")
        return await self._grant(key)

    async def authenticate_id(self, key_id: str) -> Grant:
        """Give the grant of a key known by a session; it may have been revoked since. Raises as above."""
        if key_id == MASTER_ID:
            return Grant(MASTER_ID, OPERATOR, ALL_SCOPES)
        async with self._database.read() as connection:
            key = await get_api_key(connection, key_id)
        if key is None:
            raise PfnError(Code.KEY_UNKNOWN, "The key of this session is gone; sign in again.")
        return await self._grant(key)

    async def _grant(self, key: ApiKey) -> Grant:
        now = self._clock()
        state = key.state(now)
        if state != "active":
            raise PfnError(Code.KEY_UNKNOWN, f"This API key is {state}. Ask the node's operator for a new one.")
        if key.last_used_at is None or now - key.last_used_at >= LAST_USED_GRAIN_S:
            async with self._database.write() as connection:
                await change_api_key(connection, key.id, last_used_at=int(now))
        return Grant(key.id, key.owner, key.scopes)

    async def create(
        self,
        grant: Grant,
        description: str,
        *,
        kind: Prefix = Prefix.ADMIN,
        scopes: Collection[Scope] | None = None,
        expires_in_days: int = DEFAULT_LIFE_DAYS,
        owner: str | None = None,
    ) -> NewKey:
        """Make a key; by default an admin's, owned by the operator, for 90 days.

        Raises PfnError: ``scope_missing`` where the grant may not make keys, or lacks a scope it would give away;
        ``invalid_field`` for a life outside 1 to 365 days.
        """
        require(grant, Scope.KEYS_ADMIN)
        if not 1 <= expires_in_days <= LONGEST_LIFE_DAYS:
            raise PfnError(Code.INVALID_FIELD, f"expires_in_days: must be between 1 and {LONGEST_LIFE_DAYS}.")
        chosen = frozenset(SCOPES_OF[kind] if scopes is None else scopes)
        if not chosen:
            raise PfnError(Code.INVALID_FIELD, "scopes: name at least one, or leave the field out.")
        if kind is Prefix.SUBSCRIBER and not chosen <= SCOPES_OF[kind]:
            raise PfnError(
                Code.INVALID_FIELD,
                f"scopes: a subscriber's key can have {', '.join(sorted(SCOPES_OF[kind]))} only.",
            )
        if beyond := chosen - grant.scopes:
            raise PfnError(
                Code.SCOPE_MISSING,
                f"A key cannot be given what yours lacks: {', '.join(sorted(beyond))}. "
                "Choose scopes that yours has, or use the master key.",
            )
        now = self._clock()
        token = generate_token(kind, self._random_bytes)
        key = ApiKey(
            id=token.id,
            kind=kind,
            secret_hash=hash_secret(token),
            description=description,
            owner=owner or (OPERATOR if kind is Prefix.ADMIN else token.id),
            scopes=chosen,
            created_at=int(now),
            expires_at=int(now) + expires_in_days * DAY,
            created_by=grant.key_id,
        )
        sentence = f"API key {key.id} ({description}) was made for {key.owner}."
        async with self._database.write() as connection:
            await add_api_key(connection, key)
            await add_activities(connection, [self._event(grant, "key_created", sentence, key)])
        return NewKey(token.text, key)

    async def list(self, grant: Grant) -> Sequence[ApiKey]:
        """Give every key, newest first. Raises PfnError (``scope_missing``)."""
        require(grant, Scope.KEYS_ADMIN)
        async with self._database.read() as connection:
            return await list_api_keys(connection)

    async def find(self, grant: Grant, key_id: str) -> ApiKey:
        """Find a key. Raises PfnError: ``scope_missing``, ``api_key_unknown``."""
        require(grant, Scope.KEYS_ADMIN)
        async with self._database.read() as connection:
            key = await get_api_key(connection, key_id)
        if key is None:
            raise _unknown(key_id)
        return key

    async def list_expiring(self, grant: Grant, *, within_days: int) -> Sequence[ApiKey]:
        """Give the keys that end soon, the next one first: who may not list keys is told of its own alone."""
        now = self._clock()
        own = None if Scope.KEYS_ADMIN in grant.scopes else grant.key_id
        async with self._database.read() as connection:
            return await list_expiring_keys(connection, now, now + within_days * DAY, key_id=own)

    async def revoke(self, grant: Grant, key_id: str) -> ApiKey:
        """End a key and the sessions it opened, at once and for good; revoking twice changes nothing.

        Raises PfnError: ``scope_missing``, ``api_key_unknown``.
        """
        require(grant, Scope.KEYS_ADMIN)
        now = int(self._clock())
        async with self._database.write() as connection:
            key = await get_api_key(connection, key_id)
            if key is None:
                raise _unknown(key_id)
            if key.revoked_at is None:
                await change_api_key(connection, key_id, revoked_at=now)
                await end_sessions_of_key(connection, key_id)
                sentence = f"API key {key.id} ({key.description}) was revoked."
                await add_activities(connection, [self._event(grant, "key_revoked", sentence, key)])
            revoked = await get_api_key(connection, key_id)
        assert revoked is not None  # it was read in this transaction
        return revoked

    def _event(self, grant: Grant, action: str, sentence: str, key: ApiKey) -> Activity:
        return Activity(
            type=ActivityType.FEDERATION_EVENT,
            timestamp=int(self._clock()),
            actor=grant.key_id,
            details=describe(action, sentence, key_id=key.id, owner=key.owner, scopes=sorted(key.scopes)),
            private=True,
        )


def require(grant: Grant, scope: Scope) -> None:
    """Raise PfnError (``scope_missing``) unless the grant has the scope."""
    if scope not in grant.scopes:
        raise PfnError(Code.SCOPE_MISSING, f"This API key lacks the scope {scope.value}.")


def _unknown(key_id: str) -> PfnError:
    return PfnError(Code.API_KEY_UNKNOWN, f"No API key has the id {key_id!r}; see: pfn key list")


def hash_master_key(text: str) -> str:
    """Hash a master key as it is kept: SHA-256, in hex. It carries enough randomness to need no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()
