"""Sources: register, list, explain, verify, update, suspend, resume, remove."""

from typing import Annotated

from fastapi import APIRouter, Query

from pfn.domain.verification import VerificationResult, VerificationType
from pfn.web.access import Node, Reader, Tasks, Verifier, Writer
from pfn.web.api.answers import (
    AddSourceAnswer,
    Json,
    show_overview,
    show_report,
    show_source_row,
)
from pfn.web.api.requests import (
    AddSource,
    AllowUnsigned,
    NameSource,
    ProbeSource,
    RemoveSource,
    ResetCustody,
    SourceQuota,
    SuspendSource,
)
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Sources"], route_class=StrictRoute)

SourceId = Annotated[str, Query(alias="sourceId", max_length=400)]


@router.post("/add-source")
async def add_source(body: AddSource, grant: Writer, node: Node, tasks: Tasks) -> AddSourceAnswer:
    """Register a publisher. Its verification starts by itself; ``source-status`` tells how it went."""
    source = await node.sources.add(
        grant.key_id,
        body.instance_url,
        body.username,
        body.public_key,
        allow_unsigned=body.allow_unsigned,
    )
    tasks.spawn(f"verify {source.id}", node.verifications.verify_now_if_due(source.id))
    return AddSourceAnswer(
        success=True,
        source_id=source.id,
        status=source.status.value,
        message="Registered. The verification has started; see source-status for its outcome.",
    )


@router.post("/probe-source")
async def probe_source(body: ProbeSource, grant: Writer, node: Node) -> Json:
    """Ask an instance what it announces, before registering it: above all the key it shows, to be compared."""
    del grant
    probe = await node.verifications.probe(body.instance_url)
    return {
        "instance_url": probe.instance_url,
        "public_key": probe.public_key and probe.public_key.pem,
        "fingerprint": probe.public_key and probe.public_key.fingerprint,
        "features": list(probe.features),
        "asset_domain": probe.asset_domain,
        "asset_naming_scheme": probe.asset_naming_scheme,
    }


@router.get("/sources")
async def list_sources(grant: Reader, node: Node) -> list[Json]:
    """List every source, highest trust first."""
    del grant
    return [show_overview(overview) for overview in await node.source_reports.list()]


@router.get("/source-status")
async def source_status(grant: Reader, node: Node, source_id: SourceId) -> Json:
    """Tell a source's health, trust with its terms, verifications, syncs, failures, next retry and what it fills."""
    del grant
    report = show_report(await node.source_reports.report(source_id))
    quota = (await node.quotas.measure(source_id)).to_json()
    return {**report, "quota": quota, "state_digest": (await node.state.held(source_id)).digest}


@router.post("/verify-source")
async def verify_source(body: NameSource, grant: Verifier, node: Node) -> Json:
    """Make a source prove its key now: what was checked and, where it failed, why."""
    verification = await node.verifications.verify(body.sourceId, VerificationType.MANUAL, grant.key_id)
    overview = await node.source_reports.overview(body.sourceId)
    held = verification.result is VerificationResult.SUCCESS
    return {
        "success": held,
        "message": verification.details,
        "code": verification.code,
        "error": None if held else verification.details,
        "checks": [check.to_json() for check in verification.checks],
        "verification": verification.to_json(),
        "source": show_overview(overview),
    }


@router.post("/update-source")
async def update_source(body: NameSource, grant: Writer, node: Node) -> Json:
    """Fetch a source's ``/federation-info`` again and keep what it says."""
    source = await node.verifications.refetch_info(body.sourceId, grant.key_id)
    return {
        "success": True,
        "message": f"{source.id} was asked again; its zips are at {source.asset_domain}.",
        "source": show_source_row(source),
    }


@router.post("/suspend-source")
async def suspend_source(body: SuspendSource, grant: Writer, node: Node) -> Json:
    """Stop offering and mirroring a source. Nothing is deleted; ``resume-source`` undoes it."""
    source = await node.sources.suspend(grant.key_id, body.sourceId, body.reason)
    return {"success": True, "message": f"{source.id} is suspended.", "source": show_source_row(source)}


@router.post("/resume-source")
async def resume_source(body: NameSource, grant: Writer, node: Node, tasks: Tasks) -> Json:
    """Offer a suspended source again. It is verified anew at once."""
    source = await node.sources.resume(grant.key_id, body.sourceId)
    tasks.spawn(f"verify {source.id}", node.verifications.verify_now_if_due(source.id))
    return {
        "success": True,
        "message": f"{source.id} is resumed and is being verified again.",
        "source": show_source_row(source),
    }


@router.post("/source-policy")
async def source_policy(body: AllowUnsigned, grant: Writer, node: Node) -> Json:
    """Say whether this source's unsigned plugins are mirrored."""
    source = await node.sources.allow_unsigned(grant.key_id, body.sourceId, body.allow_unsigned)
    return {"success": True, "source": show_source_row(source)}


@router.post("/source-quota")
async def source_quota(body: SourceQuota, grant: Writer, node: Node) -> Json:
    """Say how many plugins and bytes this source may fill; what waited for room is tried again at the next sync."""
    quota = await node.quotas.set(grant.key_id, body.sourceId, plugins=body.plugins, bytes=body.bytes)
    return {"success": True, "message": f"{body.sourceId} fills {quota.describe()}.", "quota": quota.to_json()}


@router.post("/remove-source")
async def remove_source(body: RemoveSource, grant: Writer, node: Node) -> Json:
    """Remove a source: its plugins are offered no more and its subscriptions end.

    Its releases stay on record, so that adding it again with the same key brings them back; ``purge`` deletes them
    for good.
    """
    removal = await node.sources.remove(grant.key_id, body.sourceId, purge=body.purge)
    deleted = f", {removal.releases_deleted} releases deleted for good" if body.purge else ""
    return {
        "success": True,
        "message": (
            f"{removal.source_id} is removed: {removal.plugins_withdrawn} plugins are offered no more, "
            f"{removal.subscriptions_ended} subscriptions ended{deleted}."
        ),
        "plugins_withdrawn": removal.plugins_withdrawn,
        "subscriptions_ended": removal.subscriptions_ended,
        "releases_deleted": removal.releases_deleted,
    }


@router.post("/lift-gate")
async def lift_gate(body: NameSource, grant: Writer, node: Node) -> Json:
    """Take a contradicting source's gate off, after looking at the evidence; the evidence stays on record."""
    source = await node.sources.lift_gates(grant.key_id, body.sourceId)
    message = f"{source.id} is no longer gated."
    return {"success": True, "message": message, "source": show_source_row(source)}


@router.post("/reset-custody")
async def reset_custody(body: ResetCustody, grant: Writer, node: Node, tasks: Tasks) -> Json:
    """Give a source another key, after its publisher lost all of them or sold it.

    It must prove the new key; nothing new of it is served for seven days. What was mirrored stays.
    """
    source = await node.sources.reset_custody(grant.key_id, body.sourceId, body.public_key)
    tasks.spawn(f"verify {source.id}", node.verifications.verify_now_if_due(source.id))
    message = f"{source.id} has a new key and is being verified; nothing new of it is served for seven days."
    return {"success": True, "message": message, "source": show_source_row(source)}
