"""The form fields of a subscription's filters: read, and written back as they were typed."""

from collections.abc import Mapping
from typing import Final

from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Filters
from pfn.domain.version_range import VersionRange
from pfn.protocol.errors import Code, PfnError
from pfn.web.pages.submission import Submission

_WORDS: Final = ("tags", "slugs", "authors")
_FIELDS: Final = (*_WORDS, "minimum_trust", "minimum_level", "versions", "minimum_age_days")
_LONGEST_LIST: Final = 2_000
_MOST_WORDS: Final = 100


def read_fields(form: Submission) -> dict[str, str]:
    """Give what was typed. Raises PfnError (``invalid_field``) where it is too long to be typed again."""
    return {name: form.text(name, longest=_LONGEST_LIST) for name in _FIELDS}


def read_query(query: Mapping[str, str]) -> dict[str, str]:
    """Give what an address says of the fields, cut where it is too long to be typed."""
    return {name: query.get(name, "").strip()[:_LONGEST_LIST] for name in _FIELDS}


def write_fields(filters: Filters) -> dict[str, str]:
    """Give what would have to be typed for these filters."""
    return {
        **{name: ", ".join(getattr(filters, name)) for name in _WORDS},
        "minimum_trust": "" if filters.minimum_trust is None else f"{filters.minimum_trust:g}",
        "minimum_level": filters.minimum_level or "",
        "versions": str(filters.versions),
        "minimum_age_days": f"{filters.minimum_age_days:g}" if filters.minimum_age_days else "",
    }


def to_filters(typed: Mapping[str, str]) -> Filters:
    """Read what was typed. Raises PfnError (``invalid_field``); its sentence begins with the field's name."""
    level = typed["minimum_level"]
    if level and level not in tuple(SignatureLevel):
        raise PfnError(Code.INVALID_FIELD, f"minimum_level: choose one of {', '.join(SignatureLevel)}.")
    return Filters(
        **{name: _split(name, typed[name]) for name in _WORDS},
        minimum_trust=_number("minimum_trust", typed),
        minimum_level=SignatureLevel(level) if level else None,
        versions=VersionRange.parse(typed["versions"]),
        minimum_age_days=_number("minimum_age_days", typed) or 0,
    )


def field_of(error: PfnError) -> str | None:
    """Give the field that an error is about, or None where it is about none of them."""
    name = error.detail.partition(":")[0]
    return name if error.code is Code.INVALID_FIELD and name in _FIELDS else None


def _split(name: str, text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if len(words) > _MOST_WORDS:
        raise PfnError(Code.INVALID_FIELD, f"{name}: name {_MOST_WORDS} at most.")
    return words


def _number(name: str, typed: Mapping[str, str]) -> float | None:
    try:
        return float(typed[name]) if typed[name] else None
    except ValueError as error:
        raise PfnError(Code.INVALID_FIELD, f"{name}: must be a number.") from error
