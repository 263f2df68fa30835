"""The activity: what happened on this node, newest first: to everyone what is public, to operators all of it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator, Field

from pfn.domain.activity import ActivityFilter, ActivityType
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Reading

router = APIRouter(include_in_schema=False)

T = TypeVar("T")
# A form sends its empty fields too.
Filled = Annotated[T | None, BeforeValidator(lambda given: given or None)]
Name = Filled[Annotated[str, Field(max_length=400)]]


@router.get("/activity")
async def show_activity(
    request: Request,
    node: Node,
    viewer: Reading,
    kind: Filled[ActivityType] = None,
    source: Name = None,
    plugin: Name = None,
    first: Filled[date] = None,
    last: Filled[date] = None,
    private: Filled[str] = None,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """Show one page of the activity; ``first`` and ``last`` are days, in UTC, both included.

    Raises PfnError: ``key_required``, ``scope_missing`` where private events are asked for by who may not see them.
    """
    keep_hot(request.scope)
    wanted = ActivityFilter(
        kinds=frozenset({kind} if kind else ()),
        source_id=source,
        plugin_id=plugin,
        since=begin_day(first),
        until=begin_day(last, days_later=1),
        private=True if private else None,
    )
    page = await node.activities.list(viewer.grant, wanted, before=before)
    of = {"kind": kind, "source": source, "plugin": plugin}
    asked = of | {"first": first, "last": last, "private": "yes" if private else None}
    return render(
        request, viewer, "activity.html", activity=page, before=before, asked=keep_set(asked), feed=keep_set(of)
    )


def begin_day(day: date | None, *, days_later: int = 0) -> int | None:
    """Give when a day begins, in Unix seconds."""
    if day is None:
        return None
    try:
        return int(datetime.combine(day + timedelta(days=days_later), time(), UTC).timestamp())
    except OverflowError:
        # The last day there is has no day after it.
        return None


def keep_set(given: Mapping[str, object]) -> dict[str, str]:
    """Give what of an address was filled in, to ask for the same again."""
    return {name: str(value) for name, value in given.items() if value}
