"""A peer: another node, the life it leads here, and what is taken of it.

Answers for which state follows which event, for whose place a node that introduces itself takes, and for whether a
release a peer's log speaks of is wanted. It knows no rows, requests or clocks. A peer is believed for nothing but
delivery: what it brings is verified by the publisher's own signatures. Being away is no fault; a contradiction is, and
only an operator forgives it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal
from urllib.parse import urlsplit

from pfn.domain.activity import NODE, Activity, ActivityType, describe
from pfn.domain.life_cycle import LifeCycle, Transition
from pfn.domain.release import SignatureLevel
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.note import parse_verifier_key
from pfn.protocol.peer import NodeDescription


class PeerState(StrEnum):
    """Where a peer stands."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    FAULTY = "faulty"
    REMOVED = "removed"


ESTABLISHED = frozenset({PeerState.ACTIVE, PeerState.SUSPENDED, PeerState.FAULTY})
"""The states of those whom the operator once took for peers and has not removed."""

ACCEPT = "operator accepts, its keys are proven"
SUSPEND = "operator suspends"
RESUME = "operator resumes"
FORGIVE = "operator forgives"
REMOVE = "operator removes"
CONTRADICT = "it contradicts itself"

LIFE_CYCLE = LifeCycle(
    name="peer",
    initial=PeerState.PROPOSED,
    states=tuple(PeerState),
    transitions=(
        Transition("proposed", "active", ACCEPT),
        Transition("proposed", "removed", REMOVE),
        Transition("active", "suspended", SUSPEND),
        Transition("active", "faulty", CONTRADICT),
        Transition("active", "removed", REMOVE),
        Transition("suspended", "active", RESUME),
        Transition("suspended", "removed", REMOVE),
        Transition("faulty", "active", FORGIVE),
        Transition("faulty", "removed", REMOVE),
        Transition("removed", "active", "operator adds again"),
        Transition("removed", "proposed", "it introduces itself again"),
    ),
)

SETTLING_S = 600

Take = Literal["all", "chosen", "nothing"]
Order = Literal["publisher", "peers"]


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    """What is taken of a peer. ``chosen`` takes the named sources, and plugins with one of the tags.

    ``first`` says whom a zip is asked of first: its publisher, or peers that have it.
    """

    take: Take = "all"
    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    minimum_trust: float = 0.0
    minimum_level: SignatureLevel = SignatureLevel.NONE
    first: Order = "publisher"

    def wants_source(self, source_id: str) -> bool:
        """Tell whether anything of a source could be taken."""
        return self.take == "all" or (self.take == "chosen" and (source_id in self.sources or bool(self.tags)))

    def could_want(self, source_id: str, level: SignatureLevel) -> bool:
        """Tell whether a release could be taken whose tags are not known yet; only a statement's tags count."""
        tagged = bool(self.tags) and level is SignatureLevel.ARTIFACT
        named = self.take == "all" or (self.take == "chosen" and (source_id in self.sources or tagged))
        levels = tuple(SignatureLevel)
        return named and levels.index(level) >= levels.index(self.minimum_level)

    def wants(self, source_id: str, tags: Collection[str], level: SignatureLevel, trust: float) -> bool:
        """Tell whether a release is taken; ``trust`` is this node's own score of its source."""
        chosen = source_id in self.sources or bool(
            {tag.casefold() for tag in tags} & {tag.casefold() for tag in self.tags}
        )
        levels = tuple(SignatureLevel)
        return (
            (self.take == "all" or (self.take == "chosen" and chosen))
            and levels.index(level) >= levels.index(self.minimum_level)
            and trust >= self.minimum_trust
        )

    def to_json(self) -> dict[str, object]:
        """Give what is stored and shown."""
        return {
            "take": self.take,
            "sources": list(self.sources),
            "tags": list(self.tags),
            "minimum_trust": self.minimum_trust,
            "minimum_level": self.minimum_level.value,
            "first": self.first,
        }


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a node is a peer; what is None stays as it is, or is as by default.

    ``operator`` is who runs it, in this operator's words: by default its own.
    """

    operator: str | None = None
    policy: PeerPolicy | None = None
    is_witness: bool | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of ``peers``; times are Unix seconds, the log and witness keys as signed notes name them.

    ``size``, ``root`` and ``note`` are its newest checkpoint that was proven to follow from all before; of its entries
    those before ``read_to`` were taken in. ``equal`` tells whether both nodes held the same when last compared.
    """

    id: int
    url: str
    name: str
    operator: str
    identity_key: str
    log_key: str
    witness_key: str
    origin: str
    state: PeerState
    policy: PeerPolicy
    created_at: int
    is_witness: bool = True
    state_code: str | None = None
    state_detail: str | None = None
    proven_at: int | None = None
    last_seen: int | None = None
    note: str | None = None
    size: int = 0
    root: bytes | None = None
    read_to: int = 0
    cosigned_size: int = 0
    cosigned_at: int | None = None
    equal: bool | None = None
    compared_at: int | None = None

    @property
    def head(self) -> TreeHead | None:
        """The head of its log that is known; None before the first."""
        return None if self.root is None else TreeHead(self.size, self.root)

    @property
    def host(self) -> str:
        """The host its address names, with the port."""
        return urlsplit(self.url).netloc

    @property
    def fingerprint(self) -> str:
        """Of its identity key, for people to compare."""
        return parse_public_key(self.identity_key).fingerprint

    @property
    def lag(self) -> int:
        """How many entries of its log, as far as it is known, were not taken in yet."""
        return self.size - self.read_to

    @property
    def keys(self) -> tuple[str, str, str]:
        """Its identity, log and witness key."""
        return self.identity_key, self.log_key, self.witness_key

    def on_terms(self, terms: Terms) -> "Peer":
        """Give it on other terms."""
        return replace(
            self,
            operator=self.operator if terms.operator is None else terms.operator,
            policy=self.policy if terms.policy is None else terms.policy,
            is_witness=self.is_witness if terms.is_witness is None else terms.is_witness,
        )

    def to_json(self) -> dict[str, object]:
        """Give what is shown of a peer."""
        return {
            "id": self.id,
            "url": self.url,
            "name": self.name,
            "operator": self.operator,
            "state": self.state.value,
            "state_code": self.state_code,
            "state_detail": self.state_detail,
            "policy": self.policy.to_json(),
            "witness": self.is_witness,
            "origin": self.origin,
            "identity_key": self.identity_key,
            "fingerprint": self.fingerprint,
            "log_key": self.log_key,
            "witness_key": self.witness_key,
            "created_at": self.created_at,
            "proven_at": self.proven_at,
            "last_seen": self.last_seen,
            "log_size": self.size,
            "read_to": self.read_to,
            "lag": self.lag,
            "cosigned_size": self.cosigned_size,
            "cosigned_at": self.cosigned_at,
            "equal": self.equal,
            "compared_at": self.compared_at,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two nodes hold the same, None while that settles; since when or as of when; whether it is news."""

    equal: bool | None
    compared_at: int
    is_news: bool = False


def compare_holdings(equal: bool | None, compared_at: int | None, same: bool, now: int) -> Comparison:
    """Tell what follows from a look at both state digests, after ``equal`` as of ``compared_at``.

    One of two nodes that differ may still be catching up: they count as unequal when they still are after a while.
    """
    if same:
        return Comparison(True, now, is_news=equal is False)
    if equal is False:
        return Comparison(False, now)
    if equal is True or compared_at is None:
        return Comparison(None, now)
    settled = now >= compared_at + SETTLING_S
    return Comparison(False, now, is_news=True) if settled else Comparison(None, compared_at)


def keys_of(node: NodeDescription) -> tuple[str, str, str]:
    """Give a node's identity, log and witness key as rows have them."""
    return node.identity_key.pem, node.log_key.text, node.witness_key.text


def introduce(node: NodeDescription, before: Peer | None, state: PeerState, now: int) -> Peer:
    """Make a peer of a node that was just met; what is known of its log, and the terms, stay as ``before``."""
    identity_key, log_key, witness_key = keys_of(node)
    fresh = Peer(
        id=0,
        url=node.url,
        name=node.name,
        operator=node.operator,
        identity_key=identity_key,
        log_key=log_key,
        witness_key=witness_key,
        origin=node.origin,
        state=state,
        policy=PeerPolicy(),
        created_at=now,
        proven_at=now,
        last_seen=now,
    )
    if before is None:
        return fresh
    if before.state is not state:
        LIFE_CYCLE.check(before.state, state)
    return replace(
        before,
        url=fresh.url,
        name=fresh.name,
        identity_key=identity_key,
        witness_key=witness_key,
        state=state,
        proven_at=now,
        last_seen=now,
    )


def find_former(known: Iterable[Peer], node: NodeDescription, *, standing: Collection[PeerState]) -> Sequence[Peer]:
    """Give the rows whose place a node takes: those that have its address or its log.

    Rows in a ``standing`` state are not given up: a log is at one address, and an address has one log.
    Raises PfnError (``peer_exists``), SecurityError (``peer_keys``).
    """
    former = []
    for peer in known:
        same_log = peer.origin == node.origin or parse_verifier_key(peer.log_key).key == node.log_key.key
        if peer.url != node.url and not same_log:
            continue
        if peer.state in standing:
            raise _taken(peer, node)
        former.append(peer)
    return former


def _taken(peer: Peer, node: NodeDescription) -> PfnError:
    if peer.url != node.url:
        return PfnError(
            Code.PEER_EXISTS,
            f"{node.url} shows the log {node.origin}, which is that of the peer {peer.url}. If that node has moved, "
            f"remove the peer first: pfn peer remove {peer.id}",
        )
    if peer.keys != keys_of(node):
        return SecurityError(
            Code.PEER_KEYS,
            f"{peer.url} shows other keys than before. Ask its operator; if they were lost, remove the peer first: "
            f"pfn peer remove {peer.id}",
        )
    return PfnError(Code.PEER_EXISTS, f"{peer.url} is known already: it is {peer.state}. See: pfn peer show {peer.id}")


def peer_event(
    peer: Peer,
    now: int,
    action: str,
    sentence: str,
    *,
    actor: str = NODE,
    private: bool = False,
    code: str | None = None,
) -> Activity:
    """Make a federation event about a peer; ``code`` says what its fault is, where it has one."""
    facts = {} if code is None else {"code": code}
    return Activity(
        type=ActivityType.FEDERATION_EVENT,
        timestamp=now,
        actor=actor,
        details=describe(action, sentence, peer=peer.id, url=peer.url, origin=peer.origin, **facts),
        private=private,
    )
