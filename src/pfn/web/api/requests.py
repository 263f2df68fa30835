"""What clients send: strict about the members that matter, deaf to others."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pfn.domain.access import DEFAULT_LIFE_DAYS, LONGEST_LIFE_DAYS, Scope
from pfn.domain.activity import ActivityType
from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Filters
from pfn.domain.version_range import VersionRange
from pfn.services.webhook import Wish


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=_ONE_LINE)]


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
        return [known.get(str(one), one) for one in value] if isinstance(value, list) else value


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


class SourceQuota(NameSource):
    """``POST /federation/source-quota``."""

    plugins: Annotated[
        int | None, Field(ge=0, le=10**9, description="Plugins it may fill; 0 for no limit, null for the node's.")
    ] = None
    bytes: Annotated[
        int | None, Field(ge=0, le=2**60, description="Bytes it may fill; 0 for no limit, null for the node's.")
    ] = None


class SubscriptionFilters(_Body):
    """Which plugins of a source are wanted: every condition that is named must hold; all are where none is."""

    tags: Annotated[list[Line], Field(max_length=100, description="Has one of these tags.")] = []
    slugs: Annotated[list[Line], Field(max_length=1000, description="Is one of these plugins.")] = []
    authors: Annotated[list[Line], Field(max_length=100, description="Is by one of these authors.")] = []
    minimum_trust: Annotated[float | None, Field(description="The source's trust is at least this, 0 to 1.")] = None
    minimum_level: Annotated[
        SignatureLevel | None, Field(description="The publisher's key covers at least this much.")
    ] = None
    versions: Annotated[str, Field(max_length=400, description="In WordPress's order, e.g. >=1.2, <3")] = ""
    minimum_age_days: Annotated[
        float, Field(description="A cool-down: so long ago this node first saw the version listed.")
    ] = 0

    @field_validator("minimum_level", mode="before")
    @classmethod
    def _level(cls, value: object) -> object:
        # As for scopes: JSON has only strings.
        known = {level.value: level for level in SignatureLevel}
        return known.get(value, value) if isinstance(value, str) else value

    def to_filters(self) -> Filters:
        """Give the filters as the domain knows them. Raises PfnError (``invalid_field``)."""
        return Filters(
            tags=tuple(self.tags),
            slugs=tuple(self.slugs),
            authors=tuple(self.authors),
            minimum_trust=self.minimum_trust,
            minimum_level=self.minimum_level,
            versions=VersionRange.parse(self.versions),
            minimum_age_days=self.minimum_age_days,
        )


class Subscribe(NameSource):
    """``POST /federation/subscribe`` and ``/federation/preview-subscription``."""

    filters: SubscriptionFilters = SubscriptionFilters()


class ChangeSubscription(_Body):
    """``POST /federation/change-subscription``."""

    id: Annotated[int, Field(ge=1, le=2**31)]
    filters: SubscriptionFilters


class EndSubscription(_Body):
    """``POST /federation/unsubscribe``."""

    id: Annotated[int, Field(ge=1, le=2**31)]


class StartSync(NameSource):
    """``POST /federation/sync``."""

    recheck: Annotated[bool, Field(description="Fetch known releases again and compare; try what failed at once.")] = (
        False
    )


class ChangeWebhook(_Body):
    """``POST /federation/webhooks/{id}/change``: what is left out stays."""

    url: Annotated[str | None, Field(max_length=2_048, description="Where messages are sent, https.")] = None
    description: Annotated[str | None, Field(max_length=200, pattern=_ONE_LINE)] = None
    kinds: Annotated[
        list[ActivityType] | None, Field(max_length=20, description="Only events of these kinds; all where empty.")
    ] = None
    sources: Annotated[
        list[Line] | None, Field(max_length=1000, description="Only events of these sources; all where empty.")
    ] = None
    everything: Annotated[
        bool | None,
        Field(description="Events of all sources, private ones too: for operators, and their default."),
    ] = None

    @field_validator("kinds", mode="before")
    @classmethod
    def _kinds(cls, value: object) -> object:
        # As for scopes: JSON has only strings.
        known = {kind.value: kind for kind in ActivityType}
        return [known.get(str(one), one) for one in value] if isinstance(value, list) else value

    def to_wish(self) -> Wish:
        """Give what is wished for as the service knows it."""
        return Wish(self.url, self.description, self.kinds, self.sources, self.everything)


class AddWebhook(ChangeWebhook):
    """``POST /federation/webhooks``."""

    url: Annotated[str, Field(max_length=2_048, description="Where messages are sent, https.")]


class Redeliver(_Body):
    """``POST /federation/webhooks/{id}/redeliver``: one delivery, or all that failed."""

    delivery: Annotated[int | None, Field(ge=1, le=2**63 - 1, description="The id of one delivery.")] = None
    since: Annotated[
        int, Field(ge=0, le=2**63 - 1, description="Without an id: all that failed, made at this Unix time or later.")
    ] = 0


class NameQuarantined(_Body):
    """A body that names one item in quarantine."""

    id: Annotated[int, Field(ge=1, le=2**31)]


class CollectGarbage(_Body):
    """``POST /federation/collect-garbage``."""

    hours: Annotated[
        int | None, Field(ge=1, le=87_600, description="The grace period; left out, the node's setting holds.")
    ] = None


class Scrub(_Body):
    """``POST /federation/scrub``."""

    rate: Annotated[
        int | None, Field(ge=0, description="Bytes a second, 0 for no limit; left out, the node's setting holds.")
    ] = None


class SomeSource(_Body):
    """A body that may name one source; left out, all are meant."""

    sourceId: Line | None = None  # noqa: N815  # the wire's spelling


class Retire(SomeSource):
    """``POST /federation/retire``; what is left out is as the node's settings say."""

    versions: Annotated[int | None, Field(ge=0, le=1_000_000, description="Newest versions kept; 0 for all.")] = None
    days: Annotated[int | None, Field(ge=0, le=36_500, description="Days that all others are kept.")] = None
