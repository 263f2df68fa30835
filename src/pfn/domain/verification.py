"""A verification: one attempt to learn that a publisher holds its registered key, with every step's outcome.

Answers for the record and for what counts as passed. The steps themselves are in ``pfn.services.verification``.
"""

from dataclasses import dataclass
from enum import StrEnum

from pfn.protocol.check import Check

VERIFIED_BY_NODE = "node"


class VerificationType(StrEnum):
    """Why the check ran (the seed's ``verification_type``)."""

    INITIAL = "initial"
    PERIODIC = "periodic"
    MANUAL = "manual"


class VerificationResult(StrEnum):
    """How it ended (the seed's ``result``)."""

    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Verification:
    """One row of ``source_verifications``. ``response_ms`` is the publisher's time for the ownership proof."""

    id: int
    source_id: str
    verifier: str
    verification_type: VerificationType
    result: VerificationResult
    details: str
    verified_at: int
    code: str | None = None
    response_ms: int | None = None
    checks: tuple[Check, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it: the seed's columns, the code and the single checks."""
        return {
            "id": self.id,
            "source_id": self.source_id,
            "verifier": self.verifier,
            "verification_type": self.verification_type.value,
            "result": self.result.value,
            "details": self.details,
            "verified_at": self.verified_at,
            "code": self.code,
            "response_ms": self.response_ms,
            "checks": [check.to_json() for check in self.checks],
        }
