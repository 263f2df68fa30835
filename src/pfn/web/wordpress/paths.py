"""Where WordPress asks: the paths of its own server, for sites sent here instead, and those below ``/wordpress``."""

from collections.abc import Sequence


def spell(path: str) -> Sequence[str]:
    """Give every spelling of a path: with the slash at its end, as core writes it, and without, as people do."""
    return [f"{base}{path}{slash}" for base in ("", "/wordpress") for slash in ("/", "")]
