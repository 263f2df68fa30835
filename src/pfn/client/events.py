"""Follow a node's events as they happen: server-sent events (WHATWG HTML, section 9.2), resumed by themselves.

A lost connection is made again after a pause, from the last event that was seen, so nothing is missed or seen twice as
long as the node keeps it; what it does not keep any more it announces with an event named ``reset``.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from pfn.client.node import NodeClient, NodeError

_PAUSE_S = 2.0
_WORTH_WAITING = frozenset({"node_unreachable", "not_ready", "too_many_requests"})


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name and its data."""

    name: str
    data: str


@dataclass(slots=True)
class EventReader:
    """Reads the lines of a stream. ``last_id``, of what came whole, is where to go on from."""

    last_id: str | None = None
    _id: str | None = None
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> ServerEvent | None:
        """Take one line, without its end; give the event that it ends, if it does."""
        if not line:
            name, data = self._name or "message", self._data
            self.last_id = self._id or self.last_id
            self._name, self._data = "", []
            return ServerEvent(name, "\n".join(data)) if data else None
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "id":
            self._id = value
        elif key == "event":
            self._name = value
        elif key == "data":
            self._data.append(value)
        return None


async def follow_events(
    client: NodeClient, path: str, *, pause: float = _PAUSE_S, **query: str | int | list[str] | None
) -> AsyncIterator[ServerEvent]:
    """Give events for ever. Raises NodeError where the node refuses, or cannot be reached the first time."""
    reader = EventReader()
    while True:
        try:
            headers = {"Last-Event-ID": reader.last_id} if reader.last_id else {}
            async for line in client.stream(path, headers=headers, **query):
                event = reader.feed(line)
                if event is not None:
                    yield event
        except NodeError as error:
            if reader.last_id is None or error.code not in _WORTH_WAITING:
                raise
        # What a broken connection began, the next one says whole.
        reader = EventReader(reader.last_id)
        await asyncio.sleep(pause)
