"""What clients send: strict about the members that matter, deaf to others."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pfn.domain.access import DEFAULT_LIFE_DAYS, LONGEST_LIFE_DAYS, Scope
from pfn.domain.subscription import Filters


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class CreateKey(_Body):
    """``POST /federation/create-admin-key`` and ``/federation/create-subscriber-key``."""

    description: Annotated[Line, Field(description="What the key is for.")]
    scopes: Annotated[list[Scope] | None, Field(description="Fewer than the kind's usual scopes.")] = None
    expires_in_days: Annotated[int, Field(ge=1, le=LONGEST_LIFE_DAYS)] = DEFAULT_LIFE_DAYS
    owner: Annotated[Line | None, Field(description="Whose subscriptions the key makes.")] = None

    @field_validator("scopes", mode="before")
    @classmethod
    def _scopes(cls, value: object) -> object:
        # Strict mode takes no strings for an enumeration; JSON has nothing else.
        known = {scope.value: scope for scope in Scope}
        return [known.get(one, one) for one in value] if isinstance(value, list) else value


class RevokeKey(_Body):
    """``POST /federation/revoke-key``."""

    id: Line


class ProbeSource(_Body):
    """``POST /federation/probe-source``."""

    instance_url: Annotated[
        str, Field(max_length=2_000, description="Where the publisher is, e.g. https://plugins.example.com")
    ]


class AddSource(ProbeSource):
    """``POST /federation/add-source``."""

    username: Annotated[str, Field(max_length=200)]
    public_key: Annotated[
        str,
        Field(max_length=10_000, description="Its Ed25519 key: PEM, or base64 of the SPKI or of the 32 bytes."),
    ]
    allow_unsigned: Annotated[
        bool | None, Field(description="Mirror its unsigned plugins; left out, the node's setting holds.")
    ] = None


class NameSource(_Body):
    """A body that names one source, in the prototype's spelling."""

    sourceId: Annotated[Line, Field(description="username@host")]  # noqa: N815  # the wire's spelling


class SuspendSource(NameSource):
    """``POST /federation/suspend-source``."""

    reason: Line = "suspended by the operator"


class RemoveSource(NameSource):
    """``POST /federation/remove-source``."""

    purge: Annotated[bool, Field(description="Delete its releases too; this cannot be undone.")] = False


class ResetCustody(NameSource):
    """``POST /federation/reset-custody``."""

    public_key: Annotated[str, Field(max_length=10_000, description="The key that speaks for the source from now on.")]


class AllowUnsigned(NameSource):
    """``POST /federation/source-policy``."""

    allow_unsigned: Annotated[bool | None, Field(description="null follows the node's setting.")]


class SubscriptionFilters(_Body):
    """Which plugins of a source are wanted; all where nothing is named."""

    tags: Annotated[list[Line], Field(max_length=100)] = []


class Subscribe(NameSource):
    """``POST /federation/subscribe``."""

    filters: SubscriptionFilters = SubscriptionFilters()

    def to_filters(self) -> Filters:
        """Give the filters as the domain knows them."""
        return Filters(tags=tuple(self.filters.tags))


class EndSubscription(_Body):
    """``POST /federation/unsubscribe``."""

    id: Annotated[int, Field(ge=1, le=2**31)]


class StartSync(NameSource):
    """``POST /federation/sync``."""

    recheck: Annotated[bool, Field(description="Fetch known releases again and compare; try what failed at once.")] = (
        False
    )


class NameQuarantined(_Body):
    """A body that names one item in quarantine."""

    id: Annotated[int, Field(ge=1, le=2**31)]
