"""What a plugin's header or readme calls its license, as the SPDX identifier that Composer and scanners know.

Answers for the spellings that are common among WordPress plugins; anything else is None, never a guess.
"""

import re
from typing import Final

_GPL: Final = re.compile(
    r"(?:GNU )?(?P<family>A|L)?(?:GPL|General Public License)[ -]*v?(?:ersion )?"
    r"(?P<number>2|2\.1|3)(?:\.0)?(?P<or_later>\+| or later|,? or \(at your option\) any later version|-or-later)?"
    r"(?P<only>-only| only)?",
    re.IGNORECASE | re.ASCII,
)
_FULL: Final = {"2": "2.0", "2.1": "2.1", "3": "3.0"}
_EXIST: Final = frozenset({"GPL-2.0", "GPL-3.0", "LGPL-2.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0"})
_OTHERS: Final = {
    "mit": "MIT",
    "mit license": "MIT",
    "expat": "MIT",
    "apache-2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "isc": "ISC",
    "mpl-2.0": "MPL-2.0",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
    "cc0-1.0": "CC0-1.0",
}


def spdx_license(text: str) -> str | None:
    """Give the SPDX identifier of what a plugin calls its license: ``GPL-2.0-or-later`` of ``GPLv2 or later``."""
    words = " ".join(text.split()).rstrip(".")
    if found := _GPL.fullmatch(words):
        name = f"{(found['family'] or '').upper()}GPL-{_FULL[found['number']]}"
        if name not in _EXIST or (found["or_later"] and found["only"]):
            return None
        return f"{name}-{'or-later' if found['or_later'] else 'only'}"
    return _OTHERS.get(words.lower())
