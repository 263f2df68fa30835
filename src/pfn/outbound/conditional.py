"""Conditional requests: ask for a document unless it is still the one that is known (RFC 9110 section 13).

Answers for the validators that go out and come back, and for how long the publisher says its answer holds. Whether the
bytes of a document that did come are new, the caller compares.
"""

from dataclasses import dataclass

from pfn.outbound.fetch import Answer, Fetcher

_NOT_MODIFIED = 304
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Validators:
    """What to ask with next time."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        """Give the request's headers; the stronger validator goes alone."""
        if self.etag:
            return {"If-None-Match": self.etag}
        return {"If-Modified-Since": self.last_modified} if self.last_modified else {}


UNKNOWN = Validators()


@dataclass(frozen=True, slots=True)
class Fresh:
    """A document as it came, None where it is still the one that is known.

    ``max_age`` is for how many seconds the publisher says the answer holds, a day at most; None where it does not say.
    """

    body: bytes | None
    validators: Validators
    max_age: int | None = None


async def ask_again(fetcher: Fetcher, url: str, known: Validators, *, max_bytes: int) -> tuple[Answer, Fresh]:
    """GET a document unless it is the one the validators are of; judging the answer's status is the caller's.

    Raises PfnError as ``Fetcher.get_document`` does.
    """
    headers = known.headers()
    answer = await fetcher.get_document(url, headers=headers, max_bytes=max_bytes)
    max_age = _read_max_age(answer.headers.get("Cache-Control", ""))
    if answer.status == _NOT_MODIFIED and headers:
        return answer, Fresh(None, known, max_age)
    validators = Validators(answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
    return answer, Fresh(answer.body, validators, max_age)


def _read_max_age(cache_control: str) -> int | None:
    """Give ``max-age``: a hint, so 0, nonsense and ``no-store`` ask for nothing."""
    directives = [one.strip().lower().partition("=") for one in cache_control.split(",")]
    named = {name.strip(): value.strip().strip('"') for name, _, value in directives}
    text = named.get("max-age", "")
    if named.keys() & {"no-store", "no-cache"} or not (text.isascii() and text.isdigit()):
        return None
    return min(int(text[:9]), _DAY_S) or None
