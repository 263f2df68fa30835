"""Which logs are known, and which witnesses are enough (C2SP tlog-policy; facts: threats and architecture, b.5.2).

Answers for: the policy as data and as the specification's text; the quorum, a witness or a group of which so many must
have cosigned; and how many operators stand behind the witnesses, for ten witnesses of one person are one. Only
cosignatures that are not of the future, and are fresh, count: what nobody witnesses any more may be held back.

A key stands for one thing alone: no log's or witness's key comes twice. An operator is who the settings say; where they
say nothing, and in a policy file, it is the host that the witness's key is named after.

Does not answer for: a log's entries.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pfn.protocol.catalog import MAX_CLOCK_SKEW
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import Checkpoint, verify_checkpoint
from pfn.protocol.log.cosignature import Cosignature, verify_cosignatures
from pfn.protocol.log.note import KeyType, Note, VerifierKey

# In seconds: how old a cosignature may be to count.
DEFAULT_MAX_AGE = 24 * 3600
NO_QUORUM = "none"


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A known log, named by its origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A known witness. ``name`` is for groups and the quorum alone; ``operator`` is who runs it."""

    name: str
    key: VerifierKey
    url: str | None = None
    operator: str = ""

    @property
    def operated_by(self) -> str:
        """Who runs it, or else the host in the key's name."""
        return self.operator or self.key.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Group:
    """Has witnessed where at least ``threshold`` of its members have: witnesses, and groups that stand before it."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Known logs, known witnesses, and the quorum: the name of a witness or group, or ``none``.

    PfnError (``config_invalid``) where it contradicts itself.
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NO_QUORUM

    def __post_init__(self) -> None:
        keys = [*(log.key.key for log in self.logs), *(witness.key.key for witness in self.witnesses)]
        if len(set(keys)) != len(keys):
            raise _contradiction("a key is listed twice")
        if not all(log.key.key_type is KeyType.NOTE for log in self.logs):
            raise _contradiction("a log's key is not of type 1")
        if not all(witness.key.key_type is KeyType.COSIGNATURE for witness in self.witnesses):
            raise _contradiction("a witness's key is not of type 4")
        self._check_names()

    def is_met_by(self, names: Collection[str]) -> bool:
        """Whether the witnesses of these names are a quorum."""
        met = set(names)
        for group in self.groups:
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum == NO_QUORUM or self.quorum in met

    def _check_names(self) -> None:
        names = [witness.name for witness in self.witnesses]
        grouped: list[str] = []
        for group in self.groups:
            if not 1 <= group.threshold <= len(group.members):
                raise _contradiction(f"the group {group.name} has no such number of members")
            if not set(group.members) <= set(names):
                raise _contradiction(f"the group {group.name} names something that is not there before it")
            names.append(group.name)
            grouped.extend(group.members)
        if len(set(names)) != len(names) or NO_QUORUM in names:
            raise _contradiction("a name is given twice, or is none")
        if len(set(grouped)) != len(grouped):
            raise _contradiction("a name is a member twice")
        if self.quorum not in {NO_QUORUM, *names}:
            raise _contradiction("the quorum is neither a witness nor a group")


@dataclass(frozen=True, slots=True)
class Witnessing:
    """Who stands behind a checkpoint: the policy's witnesses whose cosignatures ``counted``, or were ``stale``.

    ``of`` witnesses are in the policy, run by ``of_operators``; ``operators`` run those that counted. ``was_quorum``
    tells whether counted and stale together are one.
    """

    counted: tuple[Cosignature, ...]
    stale: tuple[Cosignature, ...]
    of: int
    operators: frozenset[str]
    of_operators: frozenset[str]
    is_quorum: bool
    was_quorum: bool


@dataclass(frozen=True, slots=True)
class WitnessedCheckpoint:
    """A checkpoint that its log signed and a quorum witnessed."""

    checkpoint: Checkpoint
    witnessing: Witnessing


def require_operators(logs: Iterable[PolicyLog], witnesses: Iterable[Witness], threshold: int) -> Policy:
    """The policy that witnesses of at least ``threshold`` different operators have cosigned; 0 asks for none.

    Raises PfnError (``config_invalid``), where there are not so many operators for instance.
    """
    known = tuple(witnesses)
    members: dict[str, list[str]] = {}
    for witness in known:
        members.setdefault(witness.operated_by, []).append(witness.name)
    if threshold == 0:
        return Policy(tuple(logs), known)
    each = [Group(f"operator-{number}", 1, tuple(names)) for number, names in enumerate(members.values(), start=1)]
    quorum = Group("operators", threshold, tuple(group.name for group in each))
    return Policy(tuple(logs), known, (*each, quorum), quorum.name)


def count_witnesses(note: Note, policy: Policy, *, now: int, max_age: int = DEFAULT_MAX_AGE) -> Witnessing:
    """Count who cosigned; ``now`` in Unix seconds, ``max_age`` in seconds.

    Raises SecurityError (``witness_signature``) where one that stands in the note does not hold.
    A cosignature of the future does not count: its witness's clock is wrong, or it was made to stay fresh.
    """
    found = verify_cosignatures(note, [witness.key for witness in policy.witnesses])
    past = tuple(one for one in found if one.at <= now + MAX_CLOCK_SKEW)
    counted = tuple(one for one in past if now - one.at <= max_age)
    return Witnessing(
        counted=counted,
        stale=tuple(one for one in past if one not in counted),
        of=len(policy.witnesses),
        operators=frozenset(witness.operated_by for witness in _behind(counted, policy)),
        of_operators=frozenset(witness.operated_by for witness in policy.witnesses),
        is_quorum=policy.is_met_by([witness.name for witness in _behind(counted, policy)]),
        was_quorum=policy.is_met_by([witness.name for witness in _behind(past, policy)]),
    )


def verify_witnessed(note: Note, policy: Policy, *, now: int, max_age: int = DEFAULT_MAX_AGE) -> WitnessedCheckpoint:
    """Believe a checkpoint: a known log signed it, and a quorum of witnesses did lately.

    Raises SecurityError: ``log_signature``, and all that ``require_quorum`` raises; PfnError: ``log_malformed``,
    ``log_unknown``.
    """
    checkpoint = verify_checkpoint(note, [log.key for log in policy.logs])
    return WitnessedCheckpoint(checkpoint, require_quorum(note, policy, now=now, max_age=max_age))


def require_quorum(note: Note, policy: Policy, *, now: int, max_age: int = DEFAULT_MAX_AGE) -> Witnessing:
    """Like ``count_witnesses``, but insist. Raises SecurityError: ``witness_…signature``, ``quorum``, ``stale``."""
    witnessing = count_witnesses(note, policy, now=now, max_age=max_age)
    if witnessing.is_quorum:
        return witnessing
    shown = f"{len(witnessing.counted)} of {witnessing.of} witnesses have cosigned the checkpoint lately"
    if witnessing.was_quorum:
        raise SecurityError(
            Code.WITNESS_STALE, f"{shown}; others did, too long ago. Either they are down or the tree is held back."
        )
    raise SecurityError(Code.WITNESS_QUORUM, f"{shown}; that is no quorum of the policy.")


def _behind(cosignatures: Sequence[Cosignature], policy: Policy) -> list[Witness]:
    keys = {one.key for one in cosignatures}
    return [witness for witness in policy.witnesses if witness.key in keys]


def _contradiction(what: str) -> PfnError:
    return PfnError(Code.CONFIG_INVALID, f"The log policy cannot be used: {what}.")
