"""Who may do what: scopes, keys, and the grant a request acts under (facts: keys and sessions)."""

from dataclasses import dataclass
from enum import StrEnum

from pfn.protocol.api_key import Prefix

DAY = 86_400
DEFAULT_LIFE_DAYS = 90
LONGEST_LIFE_DAYS = 365
OPERATOR = "operator"


class Scope(StrEnum):
    """One thing a key may do."""

    SOURCES_READ = "sources:read"
    SOURCES_WRITE = "sources:write"
    SOURCES_VERIFY = "sources:verify"
    SUBSCRIPTIONS_WRITE = "subscriptions:write"
    MIRROR_RUN = "mirror:run"
    KEYS_ADMIN = "keys:admin"
    LOG_ADMIN = "log:admin"


ALL_SCOPES = frozenset(Scope)
ADMIN_SCOPES = ALL_SCOPES - {Scope.KEYS_ADMIN}
SUBSCRIBER_SCOPES = frozenset({Scope.SOURCES_READ, Scope.SUBSCRIPTIONS_WRITE})


SCOPES_OF = {
    Prefix.ADMIN: ADMIN_SCOPES,
    Prefix.SUBSCRIBER: SUBSCRIBER_SCOPES,
    Prefix.MASTER: ALL_SCOPES,
}
"""The scopes a key of each kind has unless fewer are asked for."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One row of ``api_keys``: everything but the secret, of which only a hash is kept. Times are Unix seconds."""

    id: str
    kind: Prefix
    secret_hash: str
    description: str
    owner: str
    scopes: frozenset[Scope]
    created_at: int
    expires_at: int
    created_by: str
    last_used_at: int | None = None
    revoked_at: int | None = None

    def state(self, now: float) -> str:
        """Tell ``active``, ``revoked`` or ``expired``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if now >= self.expires_at else "active"

    def to_json(self, now: float) -> dict[str, object]:
        """Give what may be shown of a key."""
        return {
            "id": self.id,
            "kind": self.kind.value.rstrip("_"),
            "description": self.description,
            "owner": self.owner,
            "scopes": sorted(self.scopes),
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "created_by": self.created_by,
            "last_used_at": self.last_used_at,
            "revoked_at": self.revoked_at,
            "state": self.state(now),
        }


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do, and in whose name: the key's id for the audit trail, its owner for subscriptions."""

    key_id: str
    owner: str
    scopes: frozenset[Scope]

    @property
    def is_operator(self) -> bool:
        """Whether private events and other people's subscriptions may be seen."""
        return Scope.SOURCES_WRITE in self.scopes
