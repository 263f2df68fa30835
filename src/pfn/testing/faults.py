"""Ways for a publisher to misbehave: each turns the answer it would have given into something worse.

A fault is an async function of the honest answer and the connection; after it the connection is closed. Set one per
path in ``FakePublisher.faults``. Nothing here ends by a clock: what never ends is ended by the client or the test.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

_CHUNK: Final = b" " * (64 << 10)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client. ``Content-Length`` is the body's unless ``headers`` say otherwise."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def head(self) -> bytes:
        """Give the status line and the headers as bytes, with the empty line."""
        length = {} if self.status == HTTPStatus.NOT_MODIFIED else {"Content-Length": str(len(self.body))}
        headers = {**length, **self.headers}
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


Fault = Callable[[Answer, asyncio.StreamWriter], Awaitable[None]]


def status(number: int, **headers: str) -> Fault:
    """Answer with this status and a JSON error; headers are named as in Python (``Retry_After="60"``)."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return _say(Answer(number, _typed("application/json") | more, b'{"error":"Something is wrong."}'))


def headed(**headers: str) -> Fault:
    """Answer honestly, with these headers beside its own (``Cache_Control="max-age=60"``)."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        await _send(Answer(honest.status, _closing(honest.headers) | more, honest.body), writer)

    return play


def html() -> Fault:
    """Answer 200 with a page, as a host does that has no such site."""
    return _say(Answer(200, _typed("text/html"), b"<!doctype html><title>Parked</title><p>Nothing here."))


def body(content: bytes, *, content_type: str = "application/json") -> Fault:
    """Answer 200 with exactly these bytes: JSON of the wrong shape, no JSON, another zip."""
    return _say(Answer(200, _typed(content_type), content))


def redirect(url: str, *, number: int = 302) -> Fault:
    """Send the client elsewhere."""
    return _say(Answer(number, {"Location": url, "Connection": "close"}))


def edited(**members: Any) -> Fault:  # noqa: ANN401  # any JSON
    """Answer honestly but for these members of the JSON object, whatever their types."""
    return _rewrite(lambda document: document | members)


def without(*names: str) -> Fault:
    """Answer honestly, these members of the JSON object left out."""
    return _rewrite(lambda document: {name: value for name, value in document.items() if name not in names})


def duplicate_key(name: str, value: Any) -> Fault:  # noqa: ANN401  # any JSON
    """Answer with a JSON object that has the member ``name`` twice: first with ``value``, then the honest one."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        member = f"{json.dumps(name)}:{json.dumps(value)},".encode()
        await _send(Answer(honest.status, _changed(honest.headers), b"{" + member + honest.body[1:]), writer)

    return play


def truncated() -> Fault:
    """Announce the whole length, send half of it and hang up."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        headers = _closing(honest.headers) | {"Content-Length": str(len(honest.body))}
        await _send(Answer(honest.status, headers, honest.body[: len(honest.body) // 2]), writer)

    return play


def hang_up() -> Fault:
    """Close the connection without a word."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        del honest
        writer.transport.abort()

    return play


def hang() -> Fault:
    """Take the request and never answer."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        del honest, writer
        await asyncio.Event().wait()

    return play


def trickle(*, pause_s: float = 0.05) -> Fault:
    """Answer honestly, one byte at a time with a pause after each."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        whole = Answer(honest.status, _closing(honest.headers), honest.body)
        writer.write(whole.head())
        for byte in whole.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(pause_s)

    return play


def endless() -> Fault:
    """Send white space for ever, in chunks, without a length."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        head = Answer(honest.status, _closing(honest.headers) | {"Transfer-Encoding": "chunked"}).head()
        writer.write(head.replace(b"Content-Length: 0\r\n", b""))
        while True:
            writer.write(b"%x\r\n%b\r\n" % (len(_CHUNK), _CHUNK))
            await writer.drain()

    return play


def huge(size: int) -> Fault:
    """Announce and send ``size`` bytes of white space."""

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        writer.write(Answer(honest.status, _closing(honest.headers) | {"Content-Length": str(size)}).head())
        for start in range(0, size, len(_CHUNK)):
            writer.write(_CHUNK[: size - start])
            await writer.drain()

    return play


def _say(answer: Answer) -> Fault:
    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        del honest
        await _send(answer, writer)

    return play


def _rewrite(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Fault:
    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        document = json.dumps(change(json.loads(honest.body)), ensure_ascii=False)
        await _send(Answer(honest.status, _changed(honest.headers), document.encode()), writer)

    return play


async def _send(answer: Answer, writer: asyncio.StreamWriter) -> None:
    writer.write(answer.head() + answer.body)
    await writer.drain()


def _typed(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "Connection": "close"}


def _changed(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the headers of another body: without the ETag of the honest one."""
    return {name: value for name, value in _closing(headers).items() if name != "ETag"}


def _closing(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Connection": "close"}
