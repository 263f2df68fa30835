"""Slugs: who speaks for which, who came later with the same one, and the operator's word about it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from pfn.services.slug import SlugReport
from pfn.web.access import Node, Reader, Writer
from pfn.web.api.answers import Json
from pfn.web.api.requests import Line, NameSource
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Slugs"], route_class=StrictRoute)


class NameClaim(NameSource):
    """A slug, and the source it is about."""

    slug: Line


@router.get("/slugs")
async def list_slugs(
    grant: Reader,
    node: Node,
    contested: Annotated[bool, Query(description="Only those that wait for the operator's word.")] = False,
    source: Annotated[str | None, Query(max_length=400, description="Those it holds or contests.")] = None,
) -> list[Json]:
    """List who speaks for which slug: all that are pinned or contested, or those of a source."""
    del grant
    return [_show(report) for report in await node.slugs.list(contested=contested, source_id=source)]


@router.get("/slugs/{slug}")
async def get_slug(slug: Annotated[str, Path(max_length=400)], grant: Reader, node: Node) -> Json:
    """Tell who speaks for a slug, who else has it, and what each of them offers under its own name."""
    del grant
    return _show_whole(await node.slugs.show(slug))


@router.post("/slugs/pin")
async def pin_slug(body: NameClaim, grant: Writer, node: Node) -> Json:
    """Let a source speak for a slug from now on: sites that run the plugin are offered this source's.

    Pinning the one that spoke before undoes it.
    """
    report = await node.slugs.pin(grant.key_id, body.slug, body.sourceId)
    message = f"{body.sourceId} speaks for {body.slug} now; sites that run it are offered its releases."
    return {"success": True, "message": message, "slug": _show_whole(report)}


@router.post("/slugs/refuse")
async def refuse_slug(body: NameClaim, grant: Writer, node: Node) -> Json:
    """Say that a source shall not speak for a slug it contests: it is not reported as waiting any more."""
    report = await node.slugs.refuse(grant.key_id, body.slug, body.sourceId)
    message = f"{body.sourceId} shall not speak for {body.slug}; {report.holder.source_id} does, as before."
    return {"success": True, "message": message, "slug": _show_whole(report)}


def _show(report: SlugReport) -> Json:
    return {**report.holder.to_json(), "contests": [contest.to_json() for contest in report.contests]}


def _show_whole(report: SlugReport) -> Json:
    offered = [
        {
            "source_id": one.source_id,
            "kind": one.kind,
            "name": one.name,
            "version": one.version,
            "trust_score": round(one.trust_score, 4),
            "signature_level": one.offer.level,
            "updated_at": one.updated_at,
        }
        for one in report.offered.values()
    ]
    return {**_show(report), "offered": offered}
