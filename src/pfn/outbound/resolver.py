"""Names to addresses: bounded in time and threads, and all answers judged.

Answers for what the connector may dial. One lookup per new connection, no cache: the addresses returned are
the addresses dialled, so a name that changes its answer between check and use gains nothing (facts: fetch
and zip safety, fetching rules 2 and 3). One answer that does not pass refuses the whole name: a publisher
has no honest reason to mix public and private addresses.
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from pfn.outbound.policy import OutboundPolicy

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""A host to all its addresses as text, in order of preference; raises OSError when there are none."""

MAX_ADDRESSES = 8
MAX_THREADS = 8


class AddressRefused(OSError):  # noqa: N818
    """An address that must not be dialled; to the connector, a failed connection."""

    def __init__(self, what: str, reason: str) -> None:
        # aiohttp passes on only what stands in ``strerror``, which needs an errno before it.
        super().__init__(errno.EACCES, f"{what}: {reason}")


class JudgingResolver(AbstractResolver):
    """Resolves a host once and lets it pass only when every answer passes.

    Lookups run in a few threads of their own: name servers that never answer can starve neither the event
    loop's threads nor, since each wait ends after ``seconds``, each other for long. ``lookup`` replaces the
    system's.
    """

    def __init__(self, policy: OutboundPolicy, *, seconds: float, lookup: Lookup | None = None) -> None:
        self._policy = policy
        self._seconds = seconds
        self._lookup = lookup or self._ask_system
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the judged addresses of ``host``; raises OSError when none, late, or refused."""
        try:
            async with asyncio.timeout(self._seconds):
                answers = await self._lookup(host)
        except TimeoutError as error:
            raise OSError(errno.EHOSTUNREACH, f"{host} was not resolved within {self._seconds:g} s") from error
        addresses = [ip_address(answer) for answer in dict.fromkeys(answers)]
        if not addresses:
            raise OSError(errno.EHOSTUNREACH, f"{host} has no address")
        for address in addresses:
            reason = self._policy.refusal(host, address)
            if reason is not None:
                raise AddressRefused(f"{host} resolves to {address}", reason)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses[:MAX_ADDRESSES]
        ]

    async def close(self) -> None:
        """Forget lookups not yet begun; one that hangs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask_system(self, host: str) -> list[str]:
        # The final dot keeps the system from trying the name inside its own search domains; a host the
        # operator opened may well be such a local name.
        name = host if self._policy.exempts(host) else host + "."
        return await asyncio.get_running_loop().run_in_executor(self._threads, _get_addresses, name)


def _get_addresses(name: str) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
