"""``pfn webhook``: have events sent to a URL, see how that goes, send again."""

from typing import Annotated, Any

import typer

from pfn.cli.command import node_command
from pfn.cli.options import Json
from pfn.cli.output import FAILED, say, show_facts, show_json, show_table, when
from pfn.client.node import NodeClient
from pfn.domain.activity import ActivityType
from pfn.domain.delivery import DeliveryState

webhook = typer.Typer(help="Webhooks: have events sent to a URL, signed; see how that goes, send again.")

WebhookId = Annotated[int, typer.Argument(metavar="ID", help="As in: pfn webhook list")]
Kinds = Annotated[list[ActivityType] | None, typer.Option("--kind", help="Only events of this kind; repeatable.")]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only events of this source; repeatable.")]
Description = Annotated[str | None, typer.Option("--description", help="What it is for.")]
Everything = Annotated[
    bool | None,
    typer.Option(
        "--everything/--subscribed",
        help="All events, private ones too (operators only, and their default), or those of what you subscribe to.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(webhook, name="webhook", no_args_is_help=True)


@node_command(webhook, "add")
async def add(
    client: NodeClient,
    url: Annotated[str, typer.Argument(help="Where messages are sent, https.")],
    description: Description = None,
    kind: Kinds = None,
    source: Sources = None,
    everything: Everything = None,
    as_json: Json = False,
) -> None:
    """Have events sent to a URL, signed as Standard Webhooks say. The secret is shown this once.

    Example: pfn webhook add https://agency.example.com/hooks/pfn --kind version_update
    """
    body = {"url": url, **_wish(description, kind, source, everything)}
    _show_keys(await client.post("/federation/webhooks", body), as_json=as_json)


@node_command(webhook, "list")
async def list_webhooks(client: NodeClient, as_json: Json = False) -> None:
    """List webhooks: all for an operator, your own for a subscriber.

    Example: pfn webhook list
    """
    rows = await client.get("/federation/webhooks")
    if as_json:
        show_json(rows)
        return
    show_table(
        ("id", "url", "owner", "state", "pending", "failed", "description"),
        (
            (
                row["id"],
                row["url"],
                row["owner"],
                row["state"],
                row["deliveries"]["pending"],
                row["deliveries"]["failed"],
                row["description"],
            )
            for row in rows
        ),
        empty="No webhooks. Make one: pfn webhook add URL",
    )


@node_command(webhook, "show")
async def show(client: NodeClient, webhook_id: WebhookId, as_json: Json = False) -> None:
    """Show a webhook: what it is told, its public key, how its deliveries stand.

    Example: pfn webhook show 3
    """
    row = await client.get(f"/federation/webhooks/{webhook_id}")
    if as_json:
        show_json(row)
        return
    state = row["state"] if row["state_detail"] is None else f"{row['state']}: {row['state_detail']}"
    show_facts(
        (
            ("url", row["url"]),
            ("owner", row["owner"]),
            ("description", row["description"]),
            ("state", state),
            ("kinds", ", ".join(row["kinds"]) or "all"),
            ("sources", ", ".join(row["sources"]) or "all"),
            ("is told", "everything" if row["everything"] else "what its owner's subscriptions take"),
            ("public key", row["public_key"]),
            ("old keys sign until", when(row["old_keys_until"])),
            ("failing since", when(row["failing_since"])),
            ("left alone until", when(row["rest_until"])),
            *((f"{name} deliveries", number) for name, number in row["deliveries"].items()),
        )
    )


@node_command(webhook, "change")
async def change(
    client: NodeClient,
    webhook_id: WebhookId,
    url: Annotated[str | None, typer.Option("--url", help="Where messages are sent, https.")] = None,
    description: Description = None,
    kind: Kinds = None,
    source: Sources = None,
    everything: Everything = None,
    as_json: Json = False,
) -> None:
    """Change what a webhook is told, or where; what is not named stays.

    Example: pfn webhook change 3 --url https://agency.example.com/hooks/new
    """
    body = _wish(description, kind, source, everything) | ({} if url is None else {"url": url})
    answer = await client.post(f"/federation/webhooks/{webhook_id}/change", body)
    _say_done(answer, f"Webhook {webhook_id} is changed.", as_json=as_json)


@node_command(webhook, "deliveries")
async def deliveries(
    client: NodeClient,
    webhook_id: WebhookId,
    state: Annotated[DeliveryState | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    before: Annotated[int | None, typer.Option(help="Older than the delivery with this id.")] = None,
    as_json: Json = False,
) -> None:
    """Print the log of a webhook, newest first: every message, its tries and what came of them.

    Example: pfn webhook deliveries 3 --state failed
    """
    page = await client.get(
        f"/federation/webhooks/{webhook_id}/deliveries",
        limit=limit,
        before=before,
        state=None if state is None else state.value,
    )
    if as_json:
        show_json(page)
        return
    show_table(
        ("id", "type", "state", "tries", "status", "ms", "made", "next try", "error"),
        (
            (
                row["id"],
                row["type"],
                row["state"],
                row["attempts"],
                row["last_status"],
                row["last_ms"],
                when(row["created_at"]),
                when(row["next_try"]),
                row["last_error"],
            )
            for row in page["deliveries"]
        ),
        empty="Nothing was to be sent yet. Try it: pfn webhook test ID",
    )
    if page["next"] is not None:
        say(f"Older ones: pfn webhook deliveries {webhook_id} --before {page['next']}")


@node_command(webhook, "test")
async def send_test(client: NodeClient, webhook_id: WebhookId, as_json: Json = False) -> None:
    """Send a test message now and tell how it went. Exit code 1 where it was not taken.

    Example: pfn webhook test 3
    """
    answer = await client.post(f"/federation/webhooks/{webhook_id}/test", {})
    sent = answer["delivery"]
    if as_json:
        show_json(answer)
    elif answer["success"]:
        say(f"Delivered: status {sent['last_status']} after {sent['last_ms']} ms.")
    else:
        say(f"Not delivered, after {sent['last_ms']} ms. {sent['last_error']}")
    if not answer["success"]:
        raise typer.Exit(FAILED)


@node_command(webhook, "redeliver")
async def redeliver(
    client: NodeClient,
    webhook_id: WebhookId,
    delivery: Annotated[int | None, typer.Option("--delivery", help="This one alone, by its id.")] = None,
    since: Annotated[int, typer.Option(min=0, help="All that failed, made at this Unix time or later.")] = 0,
    as_json: Json = False,
) -> None:
    """Send again what failed, or one delivery, under the ids they had.

    Example: pfn webhook redeliver 3 --delivery 124
    """
    body: dict[str, object] = {"since": since} if delivery is None else {"delivery": delivery}
    answer = await client.post(f"/federation/webhooks/{webhook_id}/redeliver", body)
    _say_done(answer, f"Sent again as soon as a worker is free: {answer['count']}.", as_json=as_json)


@node_command(webhook, "rotate-secret")
async def rotate_secret(client: NodeClient, webhook_id: WebhookId, as_json: Json = False) -> None:
    """Give a webhook a new secret and key pair; the old ones sign for 24 hours more.

    Example: pfn webhook rotate-secret 3
    """
    _show_keys(await client.post(f"/federation/webhooks/{webhook_id}/rotate-secret", {}), as_json=as_json)


@node_command(webhook, "enable")
async def enable(client: NodeClient, webhook_id: WebhookId, as_json: Json = False) -> None:
    """Make a disabled webhook active again; what failed can then be sent again.

    Example: pfn webhook enable 3
    """
    answer = await client.post(f"/federation/webhooks/{webhook_id}/enable", {})
    _say_done(
        answer, f"Webhook {webhook_id} is active. What failed: pfn webhook redeliver {webhook_id}", as_json=as_json
    )


@node_command(webhook, "remove")
async def remove(client: NodeClient, webhook_id: WebhookId, as_json: Json = False) -> None:
    """Remove a webhook for good, with what was not delivered yet.

    Example: pfn webhook remove 3
    """
    answer = await client.post(f"/federation/webhooks/{webhook_id}/remove", {})
    _say_done(answer, f"Webhook {webhook_id} is removed.", as_json=as_json)


def _wish(
    description: str | None, kinds: list[ActivityType] | None, sources: list[str] | None, everything: bool | None
) -> dict[str, object]:
    given = {
        "description": description,
        "kinds": [kind.value for kind in kinds] if kinds else None,
        "sources": sources or None,
        "everything": everything,
    }
    return {name: value for name, value in given.items() if value is not None}


def _show_keys(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(answer)
        return
    say(f"[bold]{answer['secret']}[/bold]")
    say(f"The secret of webhook {answer['webhook']['id']}, shown this once: its receiver checks v1 signatures with it.")
    say(f"The public key, for v1a signatures: {answer['webhook']['public_key']}")


def _say_done(answer: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        show_json(answer)
    else:
        say(sentence)
