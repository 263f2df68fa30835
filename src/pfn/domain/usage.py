"""Numbers of use: how often a plugin was fetched, and on about how many sites it runs.

Answers for what the sums by day mean. Sums are all there is: nothing here knows a site, an address or a person. The
numbers decide nothing; whoever wants to can make them larger, as with every count of strangers' requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median_low

DAY_S = 86_400
KEEP_USAGE_DAYS = 400
"""How long sums are kept by the day; older ones are kept as one sum."""
SEEN_DAYS = 7
"""How many full days tell on how many sites a plugin runs: each site asks twice a day, a quiet one when visited."""


@dataclass(frozen=True, slots=True)
class Usage:
    """All downloads, and the sites that run it, rounded down as ``round_installs`` does."""

    downloads: int = 0
    installs: int = 0


@dataclass(frozen=True, slots=True)
class UsageDay:
    """What was counted of one version on one day (days since the Unix epoch); not rounded.

    ``version`` is empty for sites that run a version which is not mirrored here. Day 0 has what came before all days
    that are still kept.
    """

    day: int
    version: str
    downloads: int
    installs: int

    def to_json(self) -> dict[str, object]:
        """Give the row as the API shows it; ``at`` is when the day began, in Unix seconds."""
        return {
            "at": self.day * DAY_S,
            "version": self.version or None,
            "downloads": self.downloads,
            "installs": self.installs,
        }


def estimate_installs(by_day: Mapping[int, int], today: int) -> int:
    """Tell on how many sites a plugin runs, from the sites counted on each day.

    It is the middle one of the last full days on which any site was counted. Not the largest: a restart of the node
    counts the sites of its day again, and a flood of invented sites would stand for a week. Not the mean: a day on
    which the node was away would pull it down. Today, which is not over, speaks only where no other day does.
    """
    full = [by_day[day] for day in range(today - SEEN_DAYS, today) if by_day.get(day)]
    return median_low(full) if full else by_day.get(today, 0)


def round_installs(count: int) -> int:
    """Round down to one significant digit, as wordpress.org shows it ("10+", "2000+"); 0 is fewer than ten."""
    if count < 10:
        return 0
    step = int("1" + "0" * (len(str(count)) - 1))
    return count // step * step
