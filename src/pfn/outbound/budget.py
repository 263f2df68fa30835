"""How much of the node's time and room one stranger may take.

Answers for the limits (facts: fetch and zip safety, fetching rule 6) and for the deadline of one exchange,
which moves as bytes arrive: first the whole head must come, then the body must keep a minimum pace, and all
of it must end within the total. Sizes are enforced where bodies are read, ``pfn.outbound.body``.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_SAMPLES_PER_WINDOW = 64


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Times in seconds, sizes in bytes.

    ``connect`` bounds the name lookup, and again TCP with TLS; ``first_byte`` is the longest silence,
    before the first byte or between two. A body slower than ``pace`` bytes per second over any
    ``pace_window`` is given up. ``per_host`` is how many exchanges one host may have at a time.
    """

    connect: float = 5.0
    first_byte: float = 10.0
    document_total: float = 30.0
    download_total: float = 300.0
    pace: int = 16 * 1024
    pace_window: float = 30.0
    document_bytes: int = 1024 * 1024
    download_bytes: int = 64 * 1024 * 1024
    header_bytes: int = 32 * 1024
    per_host: int = 2


class Pace:
    """Every ``window`` seconds of a body, wherever they begin, must bring ``needed`` bytes.

    Pure: the time is an argument. It is counted in 64ths of a window, to the disadvantage of the sender.
    """

    def __init__(self, needed: float, window: float, start: float) -> None:
        self._needed = needed
        self._window = window
        self._total = 0
        self._step = window / _SAMPLES_PER_WINDOW
        # (time, bytes so far): the first sample is the earliest moment since which too little has come.
        self._samples: deque[tuple[float, int]] = deque([(start, 0)])

    def receive(self, size: int, now: float) -> float:
        """Count ``size`` bytes at ``now`` and return the time by which more must have come."""
        self._total += size
        latest = self._samples[-1][0]
        if len(self._samples) > 1 and now - latest < self._step:
            self._samples[-1] = (latest, self._total)
        else:
            self._samples.append((now, self._total))
        while len(self._samples) > 1 and self._samples[0][1] <= self._total - self._needed:
            self._samples.popleft()
        return self._samples[0][0] + self._window


class Deadline:
    """The end of one exchange: what runs inside it ends in a TimeoutError that says which limit it hit."""

    def __init__(self, limits: FetchLimits, seconds: float) -> None:
        """Allow ``seconds`` for the whole exchange, and less for its head."""
        self._limits = limits
        self._seconds = seconds
        now = asyncio.get_running_loop().time()
        self._end = now + seconds
        self._timer = asyncio.timeout_at(min(self._end, now + 2 * limits.connect + limits.first_byte))
        self._pace: Pace | None = None

    async def __aenter__(self) -> Self:
        await self._timer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timer.__aexit__(kind, error, trace)
        except TimeoutError as expired:
            raise TimeoutError(self._explain()) from expired

    def receive(self, size: int) -> None:
        """Count ``size`` body bytes and move the end; the first call, with 0, ends the wait for the head."""
        now = asyncio.get_running_loop().time()
        if self._pace is None:
            self._pace = Pace(self._limits.pace * self._limits.pace_window, self._limits.pace_window, now)
        end = min(self._end, self._pace.receive(size, now))
        if end != self._timer.when():
            self._timer.reschedule(end)

    def _explain(self) -> str:
        if self._timer.when() == self._end:
            return f"not finished within {self._seconds:g} s"
        if self._pace is None:
            return "no complete head in time"
        return f"slower than {self._limits.pace} bytes per second over {self._limits.pace_window:g} s"
