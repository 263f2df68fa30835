"""What counts as the name of a plugin's folder, in URLs, rows and zips.

Answers one question and knows nothing of who owns a slug or whether it is taken.
"""

import re
from typing import Final

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def is_slug(text: str) -> bool:
    """Tell whether ``text`` may name a plugin: 1-63 of ``a-z 0-9 -``, not starting with a hyphen."""
    return _SLUG.fullmatch(text) is not None
