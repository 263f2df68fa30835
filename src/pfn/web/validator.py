"""ETags: made from what an answer depends on, and compared as RFC 9110 section 13.1.2 says."""

import hashlib

from starlette.requests import Request


def make_etag(*parts: str) -> str:
    """Make a weak ETag that changes when any part does."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f'W/"{digest[:32]}"'


def not_modified(request: Request, etag: str) -> bool:
    """Tell whether the client holds this very answer."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    if given.strip() == "*":
        return True
    return _opaque(etag) in {_opaque(one) for one in given.split(",")}


def _opaque(etag: str) -> str:
    return etag.strip().removeprefix("W/")
