"""What Composer makes of a version: the four-part form it compares and reports installs by.

Answers for the versions that Composer can order as releases, equal to composer/semver for each of them. Not for
branches (``trunk``, ``1.x-dev``), which no release is, nor for WordPress's own order (``pfn.wordpress.version``): the
two differ, and where Composer makes one of two versions, as of ``1.0`` and ``1.0+b1``, WordPress may see two.
"""

import re
from typing import Final

_STABILITY: Final = (
    r"[._-]?(?:(?P<word>stable|beta|b|RC|alpha|a|patch|pl|p)(?P<number>(?:[.-]?\d+)*+)?)?(?P<dev>[.-]?dev)?"
)
_FLAGS: Final = re.IGNORECASE | re.ASCII
_BUILD: Final = re.compile(r"([^,\s+]++)\+\S++", re.ASCII)
_NUMBERS: Final = re.compile(rf"v?(\d{{1,5}})(\.\d++)?(\.\d++)?(\.\d++)?{_STABILITY}", _FLAGS)
_DATE: Final = re.compile(rf"v?(\d{{4}}(?:[.:-]?\d{{2}}){{1,6}}(?:[.:-]?\d{{1,3}})?){_STABILITY}", _FLAGS)
_WORDS: Final = {"a": "alpha", "b": "beta", "p": "patch", "pl": "patch", "rc": "RC"}


def normalize_version(version: str) -> str | None:
    """Give Composer's form of a version, ``1.2.0.0-beta3`` of ``1.2b3``; None where it knows no such release."""
    build = _BUILD.fullmatch(version)
    text = build[1] if build else version
    if found := _NUMBERS.fullmatch(text):
        first, *others = found.group(1, 2, 3, 4)
        normal = first + "".join(part or ".0" for part in others)
    elif found := _DATE.fullmatch(text):
        normal = re.sub(r"\D", ".", found[1], flags=re.ASCII)
    else:
        return None
    word = found["word"] or ""
    if word == "stable":
        return normal
    if word:
        number = (found["number"] or "").lstrip(".-")
        normal += f"-{_WORDS.get(word.lower(), word.lower())}{number}"
    return f"{normal}-dev" if found["dev"] else normal
