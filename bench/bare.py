"""The bare application: one answer, on the node's own server. ``python -m bench.bare FOLDER STATUS PORT``."""

import sys
from pathlib import Path

from starlette.types import Receive, Scope, Send

from pfn.cli.listen import open_listener, serve_app


def main() -> None:
    """Serve until a signal."""
    folder, status, port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    lines = [line.partition(": ") for line in (folder / "head").read_text().splitlines()]
    # The server has a date of its own.
    headers = [(name.lower().encode(), value.encode()) for name, _, value in lines if name.lower() != "date"]
    body = (folder / "body").read_bytes()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with open_listener("127.0.0.1", port) as listener:
        serve_app(answer, listener)


if __name__ == "__main__":
    main()
