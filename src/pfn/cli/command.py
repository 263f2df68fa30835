"""Commands that need a node: against a running one (``--node``), or in its data folder (``--data``).

Both ways the command speaks the same API; over a data folder the node's application runs inside the command, so there
is one path through the code. Whoever can read the folder is its operator.
"""

import asyncio
import functools
import inspect
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from pfn.cli.log import configure_logging
from pfn.cli.output import say, show_json
from pfn.client.node import NodeClient
from pfn.protocol.errors import Code, PfnError
from pfn.settings import load_settings

P = ParamSpec("P")
# Whoever reads the folder is its operator, and works for nobody else meanwhile.
_IN_PROCESS = {"work": False, "address_limit": 0, "key_limit": 0}
# To connect, to read, to write, to get a connection, in seconds; subscribing answers when the sync is done.
_TIMEOUT = (30, 600, 30, 30)

NodeUrl = Annotated[
    str | None,
    typer.Option("--node", envvar="PFN_NODE", help="Address of a running node.", rich_help_panel="Which node"),
]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="PFN_KEY", help="API key for --node.", show_envvar=True, rich_help_panel="Which node"),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="PFN_DATA", help="Data folder of a node, instead of --node.", rich_help_panel="Which node"
    ),
]
_SHARED: dict[str, Any] = {"node": NodeUrl, "key": Key, "data": Data}


def node_command(
    app: typer.Typer,
    name: str,
    *,
    help: str | None = None,  # noqa: A002  # typer's word
) -> Callable[
    [Callable[Concatenate[NodeClient, P], Awaitable[None]]], Callable[Concatenate[NodeClient, P], Awaitable[None]]
]:
    """Register an async function as a command; its first argument becomes the node that the options name."""

    def register(
        function: Callable[Concatenate[NodeClient, P], Awaitable[None]],
    ) -> Callable[Concatenate[NodeClient, P], Awaitable[None]]:
        @functools.wraps(function)
        def command(**arguments: Any) -> None:  # noqa: ANN401  # typer fills them by the signature below
            node, key, data = (arguments.pop(one) for one in _SHARED)
            asyncio.run(_call(node, key, data, arguments))

        async def _call(node: str | None, key: str | None, data: Path | None, arguments: dict[str, Any]) -> None:
            async with connect(node, key, data) as client:
                await function(client, **arguments)  # type: ignore[call-arg]  # the arguments typer parsed

        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]
        shared = [
            inspect.Parameter(one, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for one, annotation in _SHARED.items()
        ]
        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        command.__signature__ = signature.replace(parameters=[*keyword, *shared])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}
        del command.__wrapped__  # typer would look through to the function's own signature
        app.command(name, help=help)(command)
        return function

    return register


@asynccontextmanager
async def connect(node: str | None, key: str | None, data: Path | None) -> AsyncIterator[NodeClient]:
    """Open the node that is meant. Raises PfnError (``data_missing``) where there is none."""
    # Here, for a node that serves loads this module and has no use for it.
    import httpx

    if node is not None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(base_url=node, headers=headers, timeout=_TIMEOUT) as http:
            yield NodeClient(http)
        return
    from pfn.app import build_app, prepare
    from pfn.services.access import hash_master_key

    settings = load_settings({"data": data}, os.environ).settings
    if settings.keys is None and not settings.data.is_dir():
        raise PfnError(
            Code.DATA_MISSING,
            f"There is no node in {settings.data}. Make one with: pfn init --data {settings.data}, "
            "or name a running one: --node URL --key KEY",
        )
    configure_logging("console", "error")
    pass_key = secrets.token_urlsafe(32)
    prepared = replace(
        prepare(settings), settings=settings.model_copy(update=_IN_PROCESS), master_hash=hash_master_key(pass_key)
    )
    app = build_app(prepared)
    # A fault of the node is an answer here too, as it would be over the network; its log tells more.
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {pass_key}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=settings.address, headers=headers, timeout=None) as http,  # noqa: S113  # in-process
    ):
        yield NodeClient(http, live=False)


async def post_and_say(client: NodeClient, path: str, body: dict[str, object], *, as_json: bool) -> None:
    """Do what most commands do: post, and print the answer's message or, for programs, the answer."""
    answer = await client.post(path, body)
    if as_json:
        show_json(answer)
    else:
        say(answer["message"])
