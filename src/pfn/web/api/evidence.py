"""Evidence: what a publisher or a log signed that cannot all be honest. Anybody may read it, and bring some."""

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.evidence import EvidenceNotice
from pfn.storage.signed_document import Evidence
from pfn.storage.witness import LogEvidence
from pfn.web.access import Node
from pfn.web.api.answers import Json
from pfn.web.headers import PUBLIC
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Peers"], route_class=StrictRoute)

Subject = Annotated[str | None, Query(max_length=400, description="A source's id, or the origin of a log.")]
_Side = Annotated[str, Field(description="The signed document or note as it came, in base64.")]


class BringEvidence(BaseModel):
    """Two things that one signer cannot both have meant."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    kind: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$", description="release_conflict, log_fork …")]
    subject: Annotated[str, Field(min_length=1, max_length=400, description="The source's id, or the log's origin.")]
    first: _Side
    second: _Side

    def to_notice(self) -> EvidenceNotice:
        """Give it decoded. Raises PfnError (``evidence_invalid``)."""
        return EvidenceNotice(
            kind=self.kind, subject=self.subject, first=_decode(self.first), second=_decode(self.second)
        )


@router.get("/evidence")
async def list_evidence(
    node: Node, subject: Subject = None, source_id: Annotated[Subject, Query(alias="sourceId")] = None
) -> JSONResponse:
    """Give the evidence against a source, or against a log: both sides, as they came, newest first."""
    name = subject or source_id
    if name is None:
        raise PfnError(Code.INVALID_FIELD, "subject: name a source by its id, or a log by its origin.")
    if source_id is not None:
        await node.sources.get(source_id)
    return JSONResponse([_show(one) for one in await node.evidence.find(name)], headers=PUBLIC)


@router.post("/evidence")
async def bring_evidence(body: BringEvidence, node: Node) -> Json:
    """Bring evidence. It is proven here from both sides and the signer's keys alone; what does not hold is refused.

    What holds and is new gates the source, or gives up on the peer, is logged, and is sent on to this node's peers.
    """
    fresh = await node.evidence.receive(body.to_notice())
    message = f"It holds, and {body.subject} is judged by it." if fresh else "It holds, and is known already."
    return {"success": True, "new": fresh, "message": message}


def _show(one: Evidence | LogEvidence) -> Json:
    if isinstance(one, Evidence):
        return {**one.to_json(), "subject": one.source_id, "digest": one.digest}
    return {
        "subject": one.origin,
        "kind": one.kind,
        "details": one.details,
        "first": one.first.decode("utf-8", "replace"),
        "second": one.second.decode("utf-8", "replace"),
        "found_at": one.found_at,
        "digest": one.digest,
    }


def _decode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise PfnError(Code.EVIDENCE_INVALID, "Both sides of evidence are signed texts, in base64.") from error
