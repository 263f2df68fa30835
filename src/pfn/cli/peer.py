"""``pfn peer``: other nodes whose logs this one reads, mirrors and has witness its own."""

from typing import Annotated, Any

import typer

from pfn.cli.command import node_command, post_and_say
from pfn.cli.options import Json
from pfn.cli.output import say, show_facts, show_json, show_table, when
from pfn.client.node import NodeClient
from pfn.domain.peer import Order, Take
from pfn.domain.release import SignatureLevel

peer = typer.Typer(help="Peers: other nodes that this one mirrors and that witness its log.")

PeerId = Annotated[int, typer.Argument(metavar="ID", help="As in: pfn peer list")]
Operator = Annotated[
    str | None, typer.Option("--operator", help="Who runs it, in your words: witnesses of one operator count as one.")
]
Fingerprint = Annotated[
    str | None, typer.Option("--identity-key", help="The fingerprint its key must have, as its operator told you.")
]
TakeOption = Annotated[
    Take | None, typer.Option("--take", help="What is taken of it: everything, the chosen, nothing.")
]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Choose this source; repeatable.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Choose plugins with this tag; repeatable.")]
Trust = Annotated[
    float | None, typer.Option("--minimum-trust", min=0, max=1, help="Only of sources with at least this trust here.")
]
Level = Annotated[
    SignatureLevel | None, typer.Option("--minimum-level", help="Only what its publisher signed at least like this.")
]
First = Annotated[Order | None, typer.Option("--first", help="Whom a zip is asked of first.")]
Witness = Annotated[
    bool | None, typer.Option("--witness/--no-witness", help="Whether it cosigns this node's log, and that counts.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(peer, name="peer", no_args_is_help=True)


@node_command(peer, "add")
async def add(
    client: NodeClient,
    url: Annotated[str, typer.Argument(help="The other node's address.")],
    operator: Operator = None,
    identity_key: Fingerprint = None,
    take: TakeOption = None,
    source: Sources = None,
    tag: Tags = None,
    minimum_trust: Trust = None,
    minimum_level: Level = None,
    first: First = None,
    witness: Witness = None,
    as_json: Json = False,
) -> None:
    """Take another node for a peer; it must prove its key, and its operator has to accept this node too.

    Example: pfn peer add https://node.example.org --operator "Example Society" --take chosen --tag forms
    """
    policy = _policy({}, take, source, tag, minimum_trust, minimum_level, first)
    body = _drop_none(url=url, operator=operator, identity_key=identity_key, policy=policy or None, witness=witness)
    await post_and_say(client, "/federation/peers", body, as_json=as_json)


@node_command(peer, "list")
async def list_peers(client: NodeClient, as_json: Json = False) -> None:
    """List peers and those who want to be one.

    Example: pfn peer list
    """
    rows = await client.get("/federation/peers")
    if as_json:
        show_json(rows)
        return
    show_table(
        ("id", "url", "operator", "state", "seen", "log", "behind", "same", "cosigned"),
        (
            (
                row["id"],
                row["url"],
                row["operator"],
                row["state"],
                when(row["last_seen"]),
                row["log_size"],
                row["lag"],
                _same(row),
                row["cosigned_size"] if row["witness"] else "no witness",
            )
            for row in rows
        ),
        empty="No peers. Add one: pfn peer add URL",
    )


@node_command(peer, "show")
async def show(client: NodeClient, peer_id: PeerId, as_json: Json = False) -> None:
    """Show a peer: its keys, how far its log was read, what is missing and why, whether both nodes hold the same.

    Example: pfn peer show 2
    """
    row = await client.get(f"/federation/peers/{peer_id}")
    if as_json:
        show_json(row)
        return
    state = row["state"] if row["state_detail"] is None else f"{row['state']}: {row['state_detail']}"
    show_facts(
        (
            ("url", row["url"]),
            ("name", row["name"]),
            ("operator", row["operator"]),
            ("state", state),
            ("taken", _describe_policy(row["policy"])),
            ("identity key", row["fingerprint"]),
            ("log key", row["log_key"]),
            ("witness key", row["witness_key"]),
            ("proved its key", when(row["proven_at"])),
            ("last seen", when(row["last_seen"])),
            ("its log", f"{row['log_size']} entries, {row['lag']} of them not read yet"),
            ("missing", f"{row['missing']} releases"),
            ("holds the same", f"{_same(row)}, compared {when(row['compared_at'])}"),
            ("is a witness", "yes" if row["witness"] else "no"),
            (
                "cosigned",
                f"{row['cosigned_size']} of the {row['own_log_size']} entries here, {when(row['cosigned_at'])}",
            ),
            *(("evidence", f"{one['details']} ({one['kind']}, {when(one['found_at'])})") for one in row["evidence"]),
        )
    )
    if row["wants"]:
        say("")
        show_table(
            ("missing", "version", "why", "next try"),
            (
                (f"{want['source']}/{want['plugin']}", want["version"], want["details"], when(want["next_retry"]))
                for want in row["wants"]
            ),
            empty="",
        )


@node_command(peer, "accept")
async def accept(
    client: NodeClient,
    peer_id: PeerId,
    operator: Operator = None,
    identity_key: Fingerprint = None,
    witness: Witness = None,
    as_json: Json = False,
) -> None:
    """Take a node that introduced itself for a peer. What is taken of it: pfn peer policy

    Example: pfn peer accept 2 --operator "Example Society"
    """
    body = _drop_none(operator=operator, identity_key=identity_key, witness=witness)
    await post_and_say(client, f"/federation/peers/{peer_id}/accept", body, as_json=as_json)


@node_command(peer, "suspend")
async def suspend(
    client: NodeClient,
    peer_id: PeerId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
    as_json: Json = False,
) -> None:
    """Read and take nothing of a peer for now.

    Example: pfn peer suspend 2 --reason "moves house"
    """
    await post_and_say(client, f"/federation/peers/{peer_id}/suspend", _drop_none(reason=reason), as_json=as_json)


@node_command(peer, "resume")
async def resume(client: NodeClient, peer_id: PeerId, as_json: Json = False) -> None:
    """End a suspension.

    Example: pfn peer resume 2
    """
    await post_and_say(client, f"/federation/peers/{peer_id}/resume", {}, as_json=as_json)


@node_command(peer, "forgive")
async def forgive(client: NodeClient, peer_id: PeerId, as_json: Json = False) -> None:
    """Try once more with a peer that contradicted itself; look first: pfn peer show

    Example: pfn peer forgive 2
    """
    await post_and_say(client, f"/federation/peers/{peer_id}/forgive", {}, as_json=as_json)


@node_command(peer, "policy")
async def change_policy(
    client: NodeClient,
    peer_id: PeerId,
    take: TakeOption = None,
    source: Sources = None,
    tag: Tags = None,
    minimum_trust: Trust = None,
    minimum_level: Level = None,
    first: First = None,
    operator: Operator = None,
    witness: Witness = None,
    as_json: Json = False,
) -> None:
    """Change what is taken of a peer; what is not named stays, but named sources and tags replace those before.

    Example: pfn peer policy 2 --take chosen --source alice@plugins.example.com --minimum-level artifact
    """
    before = (await client.get(f"/federation/peers/{peer_id}"))["policy"]
    policy = _policy(before, take, source, tag, minimum_trust, minimum_level, first)
    body = _drop_none(operator=operator, policy=policy if policy != before else None, witness=witness)
    await post_and_say(client, f"/federation/peers/{peer_id}/policy", body, as_json=as_json)


@node_command(peer, "remove")
async def remove(client: NodeClient, peer_id: PeerId, as_json: Json = False) -> None:
    """End a peer, or refuse a node that introduced itself. What was taken of it stays.

    Example: pfn peer remove 2
    """
    await post_and_say(client, f"/federation/peers/{peer_id}/remove", {}, as_json=as_json)


def _policy(
    before: dict[str, object],
    take: str | None,
    sources: list[str] | None,
    tags: list[str] | None,
    minimum_trust: float | None,
    minimum_level: SignatureLevel | None,
    first: str | None,
) -> dict[str, object]:
    named = _drop_none(
        # Whoever chooses takes what he chose.
        take=take or ("chosen" if sources or tags else None),
        sources=sources or None,
        tags=tags or None,
        minimum_trust=minimum_trust,
        minimum_level=minimum_level and minimum_level.value,
        first=first,
    )
    return {**before, **named}


def _drop_none(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _same(row: dict[str, Any]) -> str:
    return {True: "yes", False: "no"}.get(row["equal"], "unknown")


def _describe_policy(policy: dict[str, Any]) -> str:
    taken = {"all": "everything", "nothing": "nothing"}.get(policy["take"])
    if taken is None:
        taken = ", ".join([*policy["sources"], *(f"tag {tag}" for tag in policy["tags"])]) or "nothing was chosen"
    return (
        f"{taken}; trust at least {policy['minimum_trust']}, signed at least: {policy['minimum_level']}; "
        f"zips from the {policy['first']} first"
    )
