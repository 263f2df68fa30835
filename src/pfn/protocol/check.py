"""One step of any verification, as nodes answer it and clients report it: what was checked, and whether it held."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One step: its name, whether it held, and a sentence."""

    name: str
    passed: bool
    detail: str

    def to_json(self) -> dict[str, object]:
        """Give the shape of protocol.md's verdicts."""
        return {"name": self.name, "passed": self.passed, "detail": self.detail}
