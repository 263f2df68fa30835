"""ETags and dates: made from what an answer depends on, and compared as RFC 9110 section 13 says."""

import hashlib
import math
from email.utils import parsedate_to_datetime

from starlette.requests import Request


def make_etag(*parts: str) -> str:
    """Make a weak ETag that changes when any part does."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f'W/"{digest[:32]}"'


def not_modified(request: Request, etag: str, last_modified: str | None = None) -> bool:
    """Tell whether the client holds this very answer; its date is looked at where it sent no ETag."""
    given = request.headers.get("if-none-match")
    if given is None:
        since = request.headers.get("if-modified-since")
        return since is not None and last_modified is not None and _moment(since) >= _moment(last_modified)
    return matches_any(given, etag)


def matches_any(given: str, etag: str) -> bool:
    """Tell whether an ``If-None-Match`` names an ETag."""
    return given.strip() == "*" or _opaque(etag) in {_opaque(one) for one in given.split(",")}


def _opaque(etag: str) -> str:
    return etag.strip().removeprefix("W/")


def _moment(text: str) -> float:
    """Give a date of HTTP in Unix seconds; what is none is longer ago than any."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return -math.inf
