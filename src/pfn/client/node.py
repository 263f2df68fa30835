"""Talk to a node's API (protocol.md section 1): JSON in, JSON out, a problem document as an error."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import httpx

Query: TypeAlias = str | int | bool | Sequence[str] | None
# To connect, to read, to write, to get a connection, in seconds. Streams say something every 15; one that is silent
# for longer is dead.
_SILENT = (30, 60, 30, 30)


class NodeError(Exception):
    """A node said no, or could not be asked. ``code`` is its stable slug, or ``node_unreachable``.

    ``problem`` is its whole answer, where it had one.
    """

    def __init__(
        self, code: str, detail: str, status: int | None = None, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.problem = problem or {}


class NodeClient:
    """One node, through an HTTP client that knows its address and carries the key.

    ``live`` says whether answers come as they are written; a node inside this process gives them whole.
    """

    def __init__(self, http: "httpx.AsyncClient", *, live: bool = True) -> None:
        self._http = http
        self._live = live

    async def get(self, path: str, **query: Query) -> Any:  # noqa: ANN401  # JSON
        """GET a document; parameters that are None are left out. Raises NodeError."""
        return (await self.fetch(path, **query)).json()

    async def post(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401  # JSON
        """POST a document and give the answer. Raises NodeError."""
        return (await self._send("POST", path, json=dict(body))).json()

    async def fetch(self, path: str, **query: Query) -> "httpx.Response":
        """GET anything. Raises NodeError."""
        return await self._send("GET", path, params=_drop_none(query))

    async def stream(self, path: str, *, headers: Mapping[str, str], **query: Query) -> AsyncIterator[str]:
        """GET an answer line by line, as it comes. Raises NodeError, also where it breaks off."""
        if not self._live:
            raise NodeError("node_unreachable", "Only a running node can be followed; name it: --node URL --key KEY")
        params = _drop_none(query)
        with self._reach():
            async with self._http.stream("GET", path, params=params, headers=headers, timeout=_SILENT) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _read_problem(answer)
                async for line in answer.aiter_lines():
                    yield line

    async def _send(self, method: str, path: str, **more: Any) -> "httpx.Response":  # noqa: ANN401  # httpx's own
        with self._reach():
            answer = await self._http.request(method, path, **more)
        if answer.is_success:
            return answer
        raise _read_problem(answer)

    @contextmanager
    def _reach(self) -> Iterator[None]:
        # Here, for a node that serves loads this module and has no use for it.
        import httpx

        try:
            yield
        except httpx.HTTPError as error:
            raise NodeError(
                "node_unreachable",
                f"The node at {self._http.base_url} cannot be reached: {error or type(error).__name__}",
            ) from error


def _drop_none(query: Mapping[str, Query]) -> dict[str, str | int | bool | Sequence[str]]:
    return {name: value for name, value in query.items() if value is not None}


def _read_problem(answer: "httpx.Response") -> NodeError:
    try:
        problem = answer.json()
        return NodeError(problem["code"], problem["detail"], answer.status_code, problem)
    except (ValueError, KeyError, TypeError):
        return NodeError(
            "not_a_node", f"{answer.url} answered with status {answer.status_code} and no reason.", answer.status_code
        )
