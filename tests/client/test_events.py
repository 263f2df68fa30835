"""Reading server-sent events, and going on after a connection breaks."""

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from pfn.client.events import EventReader, ServerEvent, follow_events
from pfn.client.node import NodeClient, NodeError


@pytest.mark.parametrize(
    ("lines", "events", "last_id"),
    [
        (["data: one", ""], [("message", "one")], None),
        (["id: 7", "event: health_change", 'data: {"a": 1}', ""], [("health_change", '{"a": 1}')], "7"),
        (["data: one", "data: two", ""], [("message", "one\ntwo")], None),
        (["data:one", ""], [("message", "one")], None),
        (["data:  one", ""], [("message", " one")], None),
        (["data", "data: one", ""], [("message", "\none")], None),
        ([": a comment", "", "data: one", ""], [("message", "one")], None),
        (["id: 7", ""], [], "7"),
        (["event: alone", "", "data: one", ""], [("message", "one")], None),
        (["retry: 10", "unknown: 1", "data: one", ""], [("message", "one")], None),
        (["id: 7", "data: not yet whole"], [], None),
        (["id: 1", "data: a", "", "id: 2", "data: b", ""], [("message", "a"), ("message", "b")], "2"),
    ],
)
def test_lines_become_events(lines: list[str], events: list[tuple[str, str]], last_id: str | None) -> None:
    reader = EventReader()
    found = [event for line in lines if (event := reader.feed(line)) is not None]
    assert found == [ServerEvent(*event) for event in events]
    assert reader.last_id == last_id


class Node:
    """Answers each request with the next of its parts, and remembers where clients wanted to go on."""

    def __init__(self, *parts: Sequence[str] | int) -> None:
        self.parts = list(parts)
        self.asked: list[str | None] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers.get("last-event-id"))
        part = self.parts.pop(0)
        if isinstance(part, int):
            code = {401: "key_unknown", 503: "not_ready"}[part]
            return httpx.Response(part, json={"code": code, "detail": "No."})
        return httpx.Response(200, content=self._write(part))

    async def _write(self, frames: Sequence[str]) -> AsyncIterator[bytes]:
        for frame in frames:
            if frame == "break":
                raise httpx.ReadError("broken")
            yield frame.encode()


async def follow(node: Node, *, live: bool = True) -> tuple[list[str], NodeError]:
    """Follow a node until it refuses; give what was said, and the refusal."""
    seen: list[str] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(node), base_url="http://node.test") as http:
        try:
            async for event in follow_events(NodeClient(http, live=live), "/federation/events", pause=0):
                seen.append(event.data)
        except NodeError as error:
            return seen, error
    raise AssertionError("it ended by itself")


async def test_a_broken_connection_is_made_again_from_the_last_event() -> None:
    node = Node(
        ["id: 3\n\n", "id: 4\ndata: four\n\n", "id: 5\nda", "break"],
        503,
        ["id: 5\ndata: five\n\n", ": still here\nid: 9\n\n"],
        401,
    )
    seen, refusal = await follow(node)
    assert (seen, refusal.code) == (["four", "five"], "key_unknown")
    assert node.asked == [None, "4", "4", "9"]


async def test_half_an_event_is_not_an_event() -> None:
    node = Node(["id: 4\ndata: four\n\n", "event: half\ndata: hal", "break"], ["data: whole\n\n"], 401)
    assert (await follow(node))[0] == ["four", "whole"]


@pytest.mark.parametrize(("node", "code"), [(Node(401), "key_unknown"), (Node(503), "not_ready")])
async def test_a_refusal_at_first_ends_it(node: Node, code: str) -> None:
    seen, refusal = await follow(node)
    assert (seen, refusal.code) == ([], code)


async def test_a_node_that_cannot_be_reached_at_first_is_an_error() -> None:
    assert (await follow(Node(["break"])))[1].code == "node_unreachable"


async def test_a_node_inside_this_process_cannot_be_followed() -> None:
    assert "--node" in (await follow(Node(), live=False))[1].detail
