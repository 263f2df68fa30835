"""A life cycle: the states a thing can be in, declared as one table and checked when the module is imported.

Answers for which state may follow which and on what event, for the sentence when one may not, and for the
drawing in the docs. Does not store a state, run an action or keep time: it says what is allowed, services do.

Rules: every transition joins declared states, every state can be reached from the initial one, and one event
leads from a state to one other only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pfn.protocol.errors import Code, PfnError


class Transition(NamedTuple):
    """From ``origin`` to ``target`` on ``event``; the event is named as people would say it."""

    origin: str
    target: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeCycle:
    """What a ``name`` ("source", "release") can be and become; a state with no way out is final.

    States are strings, so members of a ``StrEnum`` serve: ``states=tuple(SourceStatus)`` proves that table
    and enumeration agree. Left out, the states are those the transitions name. A faulty declaration raises
    ``ValueError`` that lists every fault.
    """

    name: str
    initial: str
    transitions: tuple[Transition, ...]
    states: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.states:
            named = (state for row in self.transitions for state in (row.origin, row.target))
            object.__setattr__(self, "states", tuple(dict.fromkeys(named)))
        faults = tuple(self._find_faults())
        if faults:
            raise ValueError(f"the life cycle of a {self.name} is faulty: {'; '.join(faults)}")

    def targets(self, state: str) -> tuple[str, ...]:
        """The states that may follow ``state``, each once, in the order of the table."""
        return tuple(dict.fromkeys(row.target for row in self.transitions if row.origin == state))

    def check(self, state: str, target: str) -> None:
        """Raise ``PfnError(WRONG_STATE)`` unless ``target`` may follow ``state``."""
        if target not in self.targets(state):
            raise PfnError(
                Code.WRONG_STATE,
                f"A {self.name} that is {state} cannot become {target}{self._ways_out(state)}.",
            )

    def next(self, state: str, event: str) -> str:
        """Return the state ``event`` leads to from ``state``; ``PfnError(WRONG_STATE)`` if there is none."""
        for row in self.transitions:
            if (row.origin, row.event) == (state, event):
                return row.target
        raise PfnError(
            Code.WRONG_STATE,
            f'"{event}" cannot happen to a {self.name} that is {state}{self._ways_out(state)}.',
        )

    def to_mermaid(self) -> str:
        """Draw it as a Mermaid state diagram, without the fence around it."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        lines += [f"    {row.origin} --> {row.target}: {row.event}" for row in self.transitions]
        lines += [f"    {state} --> [*]" for state in self.states if not self.targets(state)]
        return "\n".join(lines) + "\n"

    def _ways_out(self, state: str) -> str:
        others = [target for target in self.targets(state) if target != state]
        return f"; it can become {' or '.join(others)}" if others else "; that is final"

    def _find_faults(self) -> Iterator[str]:
        if len(set(self.states)) < len(self.states):
            yield "a state is declared twice"
        if self.initial not in self.states:
            yield f"the initial state {self.initial} is not declared"
        seen: set[tuple[str, str]] = set()
        for row in self.transitions:
            for state in (row.origin, row.target):
                if state not in self.states:
                    yield f"{state} is not declared ({row.event})"
            if (row.origin, row.event) in seen:
                yield f"from {row.origin}, {row.event} is declared twice"
            seen.add((row.origin, row.event))
        reached = self._reach()
        yield from (f"{state} cannot be reached" for state in self.states if state not in reached)

    def _reach(self) -> set[str]:
        reached, border = {self.initial}, [self.initial]
        while border:
            fresh = set(self.targets(border.pop())) - reached
            reached |= fresh
            border += fresh
        return reached
