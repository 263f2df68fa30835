"""Quarantine: what failed a check is kept apart with its reason, for a person to look at, and never served."""

from dataclasses import dataclass
from typing import Any

from pfn.protocol.errors import Code, Fault

_BROUGHT_BAD_BYTES = frozenset({Code.ZIP_REFUSED, Code.ZIP_MISMATCH})


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One row of ``quarantine``; ``sha256`` is empty where the release was refused before its bytes were fetched."""

    source_id: str
    plugin_id: str
    version: str
    code: str
    details: str
    quarantined_at: int
    sha256: str = ""
    size: int = 0
    report: dict[str, Any] | None = None
    statement: bytes | None = None
    id: int = 0

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it."""
        return {
            "id": self.id,
            "source_id": self.source_id,
            "plugin_id": self.plugin_id,
            "version": self.version,
            "code": self.code,
            "details": self.details,
            "sha256": self.sha256 or None,
            "size": self.size,
            "quarantined_at": self.quarantined_at,
            "findings": self.report["faults"] if self.report else [],
            "statement": self.statement.decode() if self.statement else None,
        }


def belongs_in_quarantine(code: Code) -> bool:
    """Tell whether a refusal for this reason is kept apart: bytes that broke a rule, and every failed proof.

    A zip that did not come, or has no signature, is no danger: it is tried again, or held back.
    """
    return code in _BROUGHT_BAD_BYTES or code.fault is Fault.SECURITY
