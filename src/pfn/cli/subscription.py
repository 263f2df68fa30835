"""``pfn subscribe``, ``change-subscription``, ``unsubscribe``, ``subscriptions``, ``sync``."""

from typing import Annotated, Any

import typer

from pfn.cli.command import node_command, post_and_say
from pfn.cli.options import Json, SourceId
from pfn.cli.output import FAILED, say, show_json, show_table, when
from pfn.cli.progress import follow_sync, watch_source
from pfn.client.node import NodeClient
from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Filters

Tag = Annotated[list[str] | None, typer.Option("--tag", "-t", help="Take only plugins with this tag.")]
Slug = Annotated[list[str] | None, typer.Option("--slug", help="Take only this plugin.")]
Author = Annotated[list[str] | None, typer.Option("--author", help="Take only what this author made.")]
MinTrust = Annotated[
    float | None, typer.Option("--min-trust", help="Only while the source's trust is at least this.", min=0, max=1)
]
MinLevel = Annotated[
    SignatureLevel | None, typer.Option("--min-level", help="Only what the publisher's key covers at least so far.")
]
Versions = Annotated[
    str, typer.Option("--versions", metavar="RANGE", help="Only these versions, in WordPress's order: '>=1.2, <3'.")
]
MinAge = Annotated[float, typer.Option("--min-age-days", help="Only versions listed for so long, a cool-down.", min=0)]
SubscriptionId = Annotated[int, typer.Argument(metavar="ID", help="As in: pfn subscriptions")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    node_command(app, "subscribe")(subscribe)
    node_command(app, "change-subscription")(change_subscription)
    node_command(app, "unsubscribe")(unsubscribe)
    node_command(app, "subscriptions")(list_subscriptions)
    node_command(app, "sync")(sync)


async def subscribe(
    client: NodeClient,
    source_id: SourceId,
    tag: Tag = None,
    slug: Slug = None,
    author: Author = None,
    min_trust: MinTrust = None,
    min_level: MinLevel = None,
    versions: Versions = "",
    min_age_days: MinAge = 0,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would be taken, and why not.")] = False,
    as_json: Json = False,
) -> None:
    """Subscribe to a verified source and mirror what the filters take; again to change the filters.

    Every kind of filter that is named must hold; of several tags, plugins or authors one is enough.

    Example: pfn subscribe alice@plugins.example.com --tag privacy --tag forms --min-level artifact --preview
    """
    filters = _filters(tag, slug, author, min_trust, min_level, versions, min_age_days)
    body = {"sourceId": source_id, "filters": filters}
    if preview:
        _show_preview(await client.post("/federation/preview-subscription", body), as_json=as_json)
        return
    async with watch_source(client, source_id, quiet=as_json):
        answer = await client.post("/federation/subscribe", body)
    if as_json:
        show_json(answer)
    else:
        say(answer["message"])
    if not answer["syncResult"]["success"]:
        raise typer.Exit(FAILED)


async def change_subscription(
    client: NodeClient,
    subscription_id: SubscriptionId,
    tag: Tag = None,
    slug: Slug = None,
    author: Author = None,
    min_trust: MinTrust = None,
    min_level: MinLevel = None,
    versions: Versions = "",
    min_age_days: MinAge = 0,
    as_json: Json = False,
) -> None:
    """Change what a subscription takes: to all of these filters and no others. What is mirrored stays.

    Example: pfn change-subscription 3 --tag privacy --min-age-days 7
    """
    filters = _filters(tag, slug, author, min_trust, min_level, versions, min_age_days)
    body: dict[str, object] = {"id": subscription_id, "filters": filters}
    await post_and_say(client, "/federation/change-subscription", body, as_json=as_json)


async def unsubscribe(
    client: NodeClient,
    subscription_id: SubscriptionId,
    as_json: Json = False,
) -> None:
    """End a subscription; what it brought stays mirrored.

    Example: pfn unsubscribe 3
    """
    answer = await client.post("/federation/unsubscribe", {"id": subscription_id})
    if as_json:
        show_json(answer)
    else:
        ended = answer["subscription"]
        say(f"The subscription of {ended['subscriber']} to {ended['source_id']} ended.")


async def list_subscriptions(
    client: NodeClient,
    ended: Annotated[bool, typer.Option("--ended", help="Those that ended too.")] = False,
    as_json: Json = False,
) -> None:
    """List subscriptions: all for an operator, your own for a subscriber.

    Example: pfn subscriptions
    """
    rows = await client.get("/federation/subscriptions", ended=ended)
    if as_json:
        show_json(rows)
        return
    show_table(
        ("id", "source", "subscriber", "takes", "since", "ended"),
        (
            (
                row["id"],
                row["source_id"],
                row["subscriber"],
                Filters.from_json(row["filters"]).describe(),
                when(row["created_at"]),
                when(row["ended_at"]),
            )
            for row in rows
        ),
        empty="No subscriptions. Make one: pfn subscribe SOURCE",
    )


async def sync(
    client: NodeClient,
    source_id: SourceId,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Fetch known zips again and compare; try failed ones at once.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Sync a source now. Exit code 1 where the sync failed.

    Example: pfn sync alice@plugins.example.com
    """
    answer = await client.post("/federation/sync", {"sourceId": source_id, "recheck": recheck})
    if answer["joined"] and not as_json:
        say("A sync of it is running already; this is how it goes.")
    result = await follow_sync(client, answer["sync"], quiet=as_json)
    if as_json:
        show_json(result)
    elif result["state"] == "finished":
        not_taken = f", {result['failed']} not taken (see: pfn source show {source_id})" if result["failed"] else ""
        say(f"{result['mirrored']} new of {result['total']} listed{not_taken}.")
    else:
        say(f"The sync {result['state']}: {result['detail']} ({result['code']})")
    if result["state"] != "finished":
        raise typer.Exit(FAILED)


def _filters(
    tags: list[str] | None,
    slugs: list[str] | None,
    authors: list[str] | None,
    min_trust: float | None,
    min_level: SignatureLevel | None,
    versions: str,
    min_age_days: float,
) -> dict[str, object]:
    return {
        "tags": tags or [],
        "slugs": slugs or [],
        "authors": authors or [],
        "minimum_trust": min_trust,
        "minimum_level": min_level,
        "versions": versions,
        "minimum_age_days": min_age_days,
    }


def _show_preview(preview: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(preview)
        return
    show_table(
        ("plugin", "version", "would be", "why not"),
        (
            (
                plugin["plugin"],
                plugin["version"],
                _fate(plugin),
                " ".join(reason["sentence"] for reason in plugin["reasons"]),
            )
            for plugin in preview["plugins"]
        ),
        empty="The source lists nothing.",
    )
    say(f"{preview['taken']} of {preview['total']} listed plugins would be taken. Nothing was changed.")


def _fate(plugin: dict[str, Any]) -> str:
    if not plugin["taken"]:
        return "skipped"
    return "taken (mirrored already)" if plugin["mirrored"] else "taken"
