"""How the node's log stands, and a release in it: logged at a place, seen by so many witnesses of so many operators.

A witness that signed a tree has seen every entry before its end, whatever came after. So one look at how far each
witness got answers for all releases. Does not store, sign or verify anything.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WitnessStanding:
    """How much of the log a witness has signed, when last (Unix seconds), and who runs it."""

    name: str
    operator: str
    url: str
    verifier_key: str
    size: int
    at: int | None

    def to_json(self) -> dict[str, object]:
        """Give it for programs."""
        return {
            "name": self.name,
            "operator": self.operator,
            "url": self.url,
            "verifier_key": self.verifier_key,
            "cosigned_size": self.size,
            "cosigned_at": self.at,
        }


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where a release stands in the log, and which witnesses have seen it there.

    ``n`` of the ``of`` witnesses that are asked have, and behind these n are ``operators`` of ``of_operators``.
    """

    index: int
    origin: str
    size: int
    n: int
    of: int
    operators: int
    of_operators: int
    quorum: int

    @property
    def is_quorum(self) -> bool:
        """Whether as many operators as this node's settings want have seen it."""
        return self.operators >= self.quorum

    @property
    def sentence(self) -> str:
        """How well the release is known, in plain words."""
        entered = f"It is entry {self.index} of this node's public log, where nothing can be changed or taken out."
        if not self.of:
            return f"{entered} No other node witnesses the log yet."
        if not self.n:
            return f"{entered} None of the {_count(self.of, 'witness', 'witnesses')} has seen it yet."
        behind = f"{_count(self.operators, 'operator', 'operators')} other than this node's"
        seen = f"{'has' if self.n == 1 else 'have'} seen it there"
        return f"{entered} {self.n} of {_count(self.of, 'witness', 'witnesses')}, run by {behind}, {seen}."

    def to_json(self) -> dict[str, object]:
        """Give the members that answers about a release have."""
        return {
            "logged": True,
            "log": {"index": self.index, "origin": self.origin, "size": self.size},
            "witnessed": {
                "n": self.n,
                "of": self.of,
                "operators": self.operators,
                "of_operators": self.of_operators,
                "quorum": self.quorum,
                "is_quorum": self.is_quorum,
            },
        }


NOT_LOGGED: dict[str, object] = {"logged": False, "log": None, "witnessed": None}


@dataclass(frozen=True, slots=True)
class LogStanding:
    """The log now: its ``size`` in entries, who witnesses it, and how many operators its own node wants behind it.

    ``root`` and ``signed_at`` (Unix seconds) are those of the last checkpoint; None where nothing was signed.
    """

    origin: str
    size: int
    witnesses: tuple[WitnessStanding, ...]
    quorum: int
    root: bytes | None = None
    signed_at: int | None = None

    def place(self, index: int | None) -> LogPlace | None:
        """Tell how an entry stands; None for what has none."""
        if index is None:
            return None
        seen = [one for one in self.witnesses if one.size > index]
        return LogPlace(
            index=index,
            origin=self.origin,
            size=self.size,
            n=len(seen),
            of=len(self.witnesses),
            operators=len({one.operator for one in seen}),
            of_operators=len({one.operator for one in self.witnesses}),
            quorum=self.quorum,
        )

    def show(self, index: int | None) -> dict[str, object]:
        """Give the members that an answer about a release has, whether it is logged or not."""
        place = self.place(index)
        return NOT_LOGGED if place is None else place.to_json()


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
