"""Routes that read their request themselves: what clients ask all day, without the framework's reading of arguments.

All that every request passes through, limits, log, counts, headers and error handlers, is the same.
"""

from starlette.routing import Match, Route
from starlette.types import Scope


class StraightRoute(Route):
    """A route that goes by its template in the log and the counts, as the framework's do; none has a description."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for this route."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}
