"""``Retry-After``: how long another side asks to be left alone (RFC 9110 section 10.2.3)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MOST_DIGITS = 9


def read_retry_after(headers: Mapping[str, str]) -> int | None:
    """Give the seconds to wait; None where nothing sensible was asked.

    A date is measured from the answer's own ``Date``, so that neither side's clock need be right.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= _MOST_DIGITS else None
    until, now = _read_date(text), _read_date(headers.get("Date", ""))
    return None if until is None or now is None else max(0, int((until - now).total_seconds()))


def _read_date(text: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
