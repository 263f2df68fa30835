"""Talk to a node's API (protocol.md section 1): JSON in, JSON out, a problem document as an error."""

from collections.abc import Mapping
from typing import Any

import httpx


class NodeError(Exception):
    """A node said no, or could not be asked. ``code`` is its stable slug, or ``node_unreachable``."""

    def __init__(self, code: str, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status


class NodeClient:
    """One node, through an HTTP client that knows its address and carries the key."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, path: str, **query: str | int | bool | None) -> Any:  # noqa: ANN401  # JSON
        """GET a document; parameters that are None are left out. Raises NodeError."""
        return (await self.fetch(path, **query)).json()

    async def post(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401  # JSON
        """POST a document and give the answer. Raises NodeError."""
        return (await self._send("POST", path, json=dict(body))).json()

    async def fetch(self, path: str, **query: str | int | bool | None) -> httpx.Response:
        """GET anything. Raises NodeError."""
        return await self._send("GET", path, params={k: v for k, v in query.items() if v is not None})

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401  # httpx's own
        try:
            answer = await self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise NodeError(
                "node_unreachable",
                f"The node at {self._http.base_url} cannot be reached: {error or type(error).__name__}",
            ) from error
        if answer.is_success:
            return answer
        raise _read_problem(answer)


def _read_problem(answer: httpx.Response) -> NodeError:
    try:
        problem = answer.json()
        return NodeError(problem["code"], problem["detail"], answer.status_code)
    except (ValueError, KeyError, TypeError):
        return NodeError(
            "not_a_node", f"{answer.url} answered with status {answer.status_code} and no reason.", answer.status_code
        )
