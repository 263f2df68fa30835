"""How an address says which events are wanted: the same words for the list, the feeds and the live stream."""

from typing import Annotated

from fastapi import Depends, Query

from pfn.domain.activity import ActivityFilter, ActivityType

Kinds = Annotated[list[ActivityType] | None, Query(description="Of these kinds; may be repeated.")]
Action = Annotated[str | None, Query(max_length=100, description="What was done, e.g. ``source_suspended``.")]
SourceId = Annotated[str | None, Query(max_length=400, description="Of this source.")]
PluginSlug = Annotated[str | None, Query(max_length=400, description="Of this plugin.")]
Since = Annotated[int | None, Query(ge=0, le=2**53, description="Not before this time.")]
Until = Annotated[int | None, Query(ge=0, le=2**53, description="Before this time.")]
Private = Annotated[
    bool | None, Query(description="Private events alone, or none of them; for operators, who get both otherwise.")
]


def read_filter(
    kind: Kinds = None, action: Action = None, source: SourceId = None, plugin: PluginSlug = None
) -> ActivityFilter:
    """Read what an event may be about."""
    actions = frozenset({action} if action else ())
    return ActivityFilter(kinds=frozenset(kind or ()), actions=actions, source_id=source, plugin_id=plugin)


Wanted = Annotated[ActivityFilter, Depends(read_filter)]
