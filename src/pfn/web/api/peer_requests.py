"""What is sent about peers, by operators and by other nodes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pfn.domain.peer import Order, PeerPolicy, Take, Terms
from pfn.domain.release import SignatureLevel
from pfn.web.api.requests import Line

_Url = Annotated[str, Field(max_length=2_000, description="A node's address, e.g. https://node.example.org")]
_Fingerprint = Annotated[
    str | None,
    Field(
        max_length=60,
        pattern=r"^SHA256:[A-Za-z0-9+/]{43}$",
        description="The fingerprint that its identity key must have, as its operator told it.",
    ),
]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class TakePolicy(_Body):
    """What is taken of a peer: of everything, or of the chosen sources and tags, what is trusted and signed enough."""

    take: Take = "all"
    sources: Annotated[list[Line], Field(max_length=1000, description="Chosen sources, as username@host.")] = []
    tags: Annotated[
        list[Line], Field(max_length=100, description="Plugins with one of these tags are chosen too.")
    ] = []
    minimum_trust: Annotated[float, Field(ge=0, le=1, description="This node's own score of the source.")] = 0.0
    minimum_level: Annotated[SignatureLevel, Field(description="The publisher's key covers at least this much.")] = (
        SignatureLevel.NONE
    )
    first: Annotated[Order, Field(description="Whom a zip is asked of first.")] = "publisher"

    @field_validator("minimum_level", mode="before")
    @classmethod
    def _level(cls, value: object) -> object:
        # Strict mode takes no strings for an enumeration; JSON has nothing else.
        known = {level.value: level for level in SignatureLevel}
        return known.get(value, value) if isinstance(value, str) else value

    def to_policy(self) -> PeerPolicy:
        """Give the policy as the domain knows it."""
        return PeerPolicy(
            self.take, tuple(self.sources), tuple(self.tags), self.minimum_trust, self.minimum_level, self.first
        )


class PeerTerms(_Body):
    """``POST /federation/peers/{id}/policy``: what is left out stays."""

    operator: Annotated[Line | None, Field(description="Who runs it; witnesses of one operator count as one.")] = None
    policy: TakePolicy | None = None
    witness: Annotated[bool | None, Field(description="Have it cosign this node's log, and count that.")] = None

    def to_terms(self) -> Terms:
        """Give the terms as the domain knows them."""
        return Terms(self.operator, None if self.policy is None else self.policy.to_policy(), self.witness)


class AcceptPeer(PeerTerms):
    """``POST /federation/peers/{id}/accept``."""

    identity_key: _Fingerprint = None


class AddPeer(AcceptPeer):
    """``POST /federation/peers``."""

    url: _Url


class SuspendPeer(_Body):
    """``POST /federation/peers/{id}/suspend``."""

    reason: Line = "suspended by the operator"


class Hello(_Body):
    """``POST /federation/peers/hello``."""

    url: _Url


class ProveNode(_Body):
    """``POST /federation/node/prove``."""

    challenge: Annotated[str, Field(max_length=8_000, description="Seven newline-ended lines, pfn-peer-v1 first.")]
