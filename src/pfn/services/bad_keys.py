"""Wrong keys, counted by caller: ten in a minute, then it is told to wait (facts: keys and sessions).

A right key always opens, however many wrong ones came from the same address: else a stranger behind the same proxy
could lock the operator out. Nothing is written down, and memory is bounded: the callers seen longest ago are forgotten.
"""

from collections import OrderedDict, deque

from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock

PERIOD_S = 60
MOST_CALLERS = 10_000


class BadKeys:
    """The wrong keys of the last minute; ``limit`` per caller, 0 for no limit."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, caller: str) -> None:
        """Count a wrong key. Raises PfnError (``too_many_requests``) where the caller has had its share."""
        if not self._limit:
            return
        now = self._clock()
        times = self._seen.setdefault(caller, deque(maxlen=self._limit))
        self._seen.move_to_end(caller)
        if len(self._seen) > MOST_CALLERS:
            self._seen.popitem(last=False)
        while times and now - times[0] >= PERIOD_S:
            times.popleft()
        if len(times) == self._limit:
            wait = int(times[0] + PERIOD_S - now) + 1
            raise PfnError(
                Code.TOO_MANY_REQUESTS,
                f"Too many wrong API keys came from your address; try again in {wait} seconds, with a right one.",
                retry_after=wait,
            )
        times.append(now)
