"""How far a source has earned trust: one number between 0 and 1, with every part of it in the open.

Answers for the formula, its version, the gates that cap it and the rules that keep it from being stuffed
(facts: trust score; docs/decisions/002-trust-formula.md argues each choice). The five terms are the five
things sources are scored by: valid signatures, successful verifications, uptime and response time, age,
subscribers.

Deliberately does not collect or store evidence, and authorises nothing: the score orders lists and sets
polling rates. It never permits an install and never overrides a failed check.

Rules:

* More good evidence never lowers the score, more bad evidence never raises it, and time alone never raises
  what was earned: evidence decays, good evidence no slower than bad.
* Without signature checks, ownership proofs or probes that held the score is 0, and no popularity makes up
  for it.
* At most one observation per class and period counts, the worst. What a caller triggered can only lower.
* A gate caps the score whatever was earned.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log2, prod, sqrt

FORMULA = "2026-1"

HOUR = 3600
DAY = 86400

_Z = 1.645  # one-sided 95 %
_AGE_HALF_LIFE_DAYS = 90
_AGE_WEIGHT = 0.10
_SUBSCRIBERS_WEIGHT = 0.05
_SUBSCRIBERS_DOUBLINGS = 6
_MISMATCH_DAYS = 30
_SUBSCRIBER_DAYS = 30
_SUBSCRIBERS_PER_PEER = 5
_FAST_MS = 2000


class Gate(StrEnum):
    """A finding that caps the score at ``cap`` whatever was earned, with a ``sentence`` for people."""

    cap: float
    sentence: str

    def __new__(cls, slug: str, cap: float, sentence: str) -> "Gate":
        """Hang the cap and the sentence on the name."""
        gate = str.__new__(cls, slug)
        gate._value_ = slug
        gate.cap = cap
        gate.sentence = sentence
        return gate

    REVOKED_KEY = ("revoked_key", 0.0, "The source's key has been revoked.")
    EQUIVOCATION = ("equivocation", 0.0, "The source signed two different things as the same release.")
    OPERATOR_BLOCK = ("operator_block", 0.0, "The operator of this node has blocked the source.")
    CUSTODY_COOL_DOWN = ("custody_cool_down", 0.3, "The source changed hands and is in its cool-down.")
    STALE_CATALOG = ("stale_catalog", 0.5, "The source's catalogue has expired; it may hide newer releases.")
    QUARANTINED_RELEASE = ("quarantined_release", 0.5, "A release of the source is in quarantine.")
    FIRST_SEEN_CONFLICT = (
        "first_seen_conflict",
        0.5,
        "Another node was given other bytes for a version of the source, and no signature says whose are right.",
    )
    RECENT_MISMATCH = ("recent_mismatch", 0.5, "A signature or byte check failed in the last 30 days.")
    SIGNING_ORACLE = (
        "signing_oracle",
        0.5,
        "The source signs whatever it is sent, so its signature proves little.",
    )


@dataclass(frozen=True, slots=True)
class Observation:
    """One check: when (Unix seconds) and how it went, from 0 (failed) to 1 (held).

    ``triggered`` says that a caller asked for it; the node's own schedule did not. Raises ``ValueError`` for
    a grade outside 0 to 1.
    """

    at: float
    grade: float
    triggered: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.grade <= 1:
            raise ValueError(f"a grade lies between 0 and 1, not at {self.grade}")


@dataclass(frozen=True, slots=True)
class TrustEvidence:
    """Everything the score is computed from; this is what is stored, never the score alone.

    ``signatures`` are releases verified as they arrived, ``rechecks`` the daily look at mirrored bytes,
    ``ownership`` the proofs of the key, ``uptime`` probes graded by ``grade_response``. A failed signature or
    ownership proof is a false one: a publisher that cannot be reached failed a probe, and a fault of the
    node's own disk is no evidence against anyone. ``custody_since`` is when the present custody was first
    proven; a custody reset moves it, a key rotation does not. ``subscribers`` comes from
    ``count_subscribers``. ``gates`` are the findings known from elsewhere; a recent mismatch is found here.
    """

    signatures: Sequence[Observation] = ()
    rechecks: Sequence[Observation] = ()
    ownership: Sequence[Observation] = ()
    uptime: Sequence[Observation] = ()
    custody_since: float | None = None
    subscribers: int = 0
    gates: frozenset[Gate] = frozenset()


@dataclass(frozen=True, slots=True)
class EvidenceClass:
    """How one class of evidence counts: weight, half-lives in days, how much heavier a failure is."""

    name: str
    checks: str
    weight: float
    good_half_life: float
    bad_half_life: float
    severity: float
    period: int

    @property
    def horizon(self) -> float:
        """Seconds after which an observation keeps a thousandth of its weight and need not be loaded."""
        return 10 * self.bad_half_life * DAY


SIGNATURES = EvidenceClass("signatures", "signature and byte checks", 0.45, 180, 365, 5, DAY)
OWNERSHIP = EvidenceClass("ownership", "ownership proofs", 0.25, 90, 180, 3, DAY)
UPTIME = EvidenceClass("uptime", "availability probes", 0.15, 7, 7, 1, HOUR)


@dataclass(frozen=True, slots=True)
class Term:
    """One factor of the score, ``value ** weight``, and what it stands on.

    ``good`` and ``bad`` are the decayed counts and ``n`` their sum (for age: days, for subscribers: heads).
    ``uncertainty`` is 1 with no evidence and falls to 0 (subjective logic, 2 / (n + 2)).
    """

    name: str
    value: float
    weight: float
    n: float
    good: float
    bad: float
    uncertainty: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Trust:
    """The score with all its parts.

    ``earned`` is the score before the gates, ``uncertainty`` that of the evidence class least is known of.
    """

    score: float
    earned: float
    uncertainty: float
    terms: tuple[Term, ...]
    gates: tuple[Gate, ...]
    formula: str = FORMULA


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One subscription: its owner, the peer that authenticated the owner (None: this node), since when."""

    owner: str
    peer: str | None
    since: float


def compute_trust(evidence: TrustEvidence, now: float) -> Trust:
    """Score a source at ``now`` (Unix seconds): the weighted geometric mean of its terms, then the gates.

    An observation from the future counts as made now. The same evidence in any order gives the same number.
    """
    signatures = thin(evidence.signatures, SIGNATURES.period)
    rechecks = thin(evidence.rechecks, SIGNATURES.period)
    classes = (
        _weigh(SIGNATURES, (*signatures, *rechecks), now),
        _weigh(OWNERSHIP, thin(evidence.ownership, OWNERSHIP.period), now),
        _weigh(UPTIME, thin(evidence.uptime, UPTIME.period), now),
    )
    terms = (*classes, _weigh_age(evidence, now), _weigh_subscribers(evidence.subscribers))
    earned = prod(term.value**term.weight for term in terms)
    gates = _fire_gates(evidence, now)
    return Trust(
        score=min([earned, *(gate.cap for gate in gates)]),
        earned=earned,
        uncertainty=max(term.uncertainty for term in classes),
        terms=terms,
        gates=gates,
    )


def grade_response(ok: bool, response_ms: float) -> float:
    """Grade a probe as Apdex does: 1 within two seconds, 0.5 within eight, 0 when slower or failed."""
    if not ok or response_ms > 4 * _FAST_MS:
        return 0.0
    return 1.0 if response_ms <= _FAST_MS else 0.5


def thin(observations: Iterable[Observation], period: int) -> tuple[Observation, ...]:
    """Keep one observation per ``period`` (seconds, counted from the Unix epoch): the worst grade in it.

    It is dated to the period's start, so that repeating a check can neither freshen nor age it, and it is
    marked ``triggered`` only where the schedule saw nothing. A period with nothing but triggered successes
    says nothing.
    """
    periods: dict[int, Observation] = {}
    for seen in observations:
        index = int(seen.at // period)
        kept = periods.get(index, seen)
        periods[index] = Observation(index * period, min(kept.grade, seen.grade), kept.triggered and seen.triggered)
    return tuple(
        periods[index] for index in sorted(periods) if not (periods[index].triggered and periods[index].grade == 1)
    )


def count_subscribers(subscriptions: Iterable[Subscriber], now: float) -> int:
    """Count the subscribers that may weigh: each owner once, after 30 days, at most five per peer node.

    An owner is a name at the node that authenticated it. Nobody can add heads faster than by running nodes
    for a month, and the score stops counting at 63 of them.
    """
    owners = {(s.peer, s.owner) for s in subscriptions if now - s.since >= _SUBSCRIBER_DAYS * DAY}
    heads: dict[str | None, int] = {}
    for peer, _ in owners:
        heads[peer] = heads.get(peer, 0) + 1
    return sum(n if peer is None else min(n, _SUBSCRIBERS_PER_PEER) for peer, n in heads.items())


def _weigh(kind: EvidenceClass, observations: Sequence[Observation], now: float) -> Term:
    """Turn one class's thinned observations into a term: decayed counts and their Wilson lower bound."""
    good = sum(seen.grade * _decay(seen, kind.good_half_life, now) for seen in observations if not seen.triggered)
    bad = kind.severity * sum((1 - seen.grade) * _decay(seen, kind.bad_half_life, now) for seen in observations)
    if not observations:
        sentence = f"No {kind.checks} yet, and without them there is no trust."
    elif bad == 0:
        sentence = f"All {kind.checks} held; faded with age they weigh {good:.1f}."
    else:
        sentence = f"Failed {kind.checks} weigh {bad:.1f} against {good:.1f} for those that held."
    n = good + bad
    return Term(kind.name, _lower_bound(good, bad), kind.weight, n, good, bad, 2 / (n + 2), sentence)


def _decay(seen: Observation, half_life_days: float, now: float) -> float:
    return float(2.0 ** (-max(0.0, now - seen.at) / (half_life_days * DAY)))


def _lower_bound(good: float, bad: float) -> float:
    """Wilson's lower bound of the share of good (Wilson 1927), 0 without any.

    The usual form multiplied by its conjugate, so that nothing cancels near zero.
    """
    n = good + bad
    if n == 0:
        return 0.0
    share = good / n
    return share * good / (good + _Z**2 / 2 + _Z * sqrt(share * bad + _Z**2 / 4))


def _weigh_age(evidence: TrustEvidence, now: float) -> Term:
    """Age of the present custody, in days up to the last ownership proof: silence earns nothing.

    A custody that has begun counts as one day; by the bare formula it would start at zero and take the whole
    score with it.
    """
    since = evidence.custody_since
    if since is None:
        return Term("age", 0.0, _AGE_WEIGHT, 0, 0, 0, 1, "Ownership of the source has never been proven.")
    proofs = [min(seen.at, now) for seen in evidence.ownership if seen.grade > 0 and not seen.triggered]
    proven = (max(proofs, default=since) - since) / DAY
    days = max(1.0, proven)
    value = 1 - 2.0 ** (-days / _AGE_HALF_LIFE_DAYS)
    lasted = _count(int(proven), "day") if proven >= 1 else "less than a day"
    sentence = f"The source has proven to be in the same hands for {lasted}."
    return Term("age", value, _AGE_WEIGHT, days, days, 0, 0, sentence)


def _weigh_subscribers(subscribers: int) -> Term:
    """Popularity: worth little, needed by nobody, and full at 63."""
    value = 0.5 + 0.5 * min(1.0, log2(1 + subscribers) / _SUBSCRIBERS_DOUBLINGS)
    sentence = f"{_count(subscribers, 'long-standing subscriber')}; this can only help a little."
    return Term("subscribers", value, _SUBSCRIBERS_WEIGHT, subscribers, subscribers, 0, 0, sentence)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _fire_gates(evidence: TrustEvidence, now: float) -> tuple[Gate, ...]:
    """List the gates that hold at ``now``, strictest first.

    A failed check of bytes or signatures is one for 30 days, so that no caller can forget it.
    """
    checks = (*evidence.signatures, *evidence.rechecks)
    fired = set(evidence.gates)
    if any(seen.grade < 1 and now - seen.at < _MISMATCH_DAYS * DAY for seen in checks):
        fired.add(Gate.RECENT_MISMATCH)
    return tuple(gate for gate in Gate if gate in fired)
