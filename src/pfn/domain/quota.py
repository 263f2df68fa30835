"""How much of a node one source may fill: plugins and bytes, with a warning before the wall.

What is there already is never taken away. A new version of a plugin that is mirrored is bound by bytes alone, so that
a full shelf of plugins still gets its updates.
"""

from dataclasses import dataclass, replace

from pfn.protocol.errors import Code, PfnError

_WARN_PERCENT = 80


@dataclass(frozen=True, slots=True)
class Quota:
    """What a source fills (``plugins``, ``bytes``) of what it may; a limit of 0 is none."""

    max_plugins: int
    max_bytes: int
    plugins: int = 0
    bytes: int = 0

    def refuse(self, *, new_plugin: bool, size: int) -> PfnError | None:
        """Give the error (``quota_exceeded``) for one more release of ``size`` bytes, or None where it fits."""
        if new_plugin and self.max_plugins and self.plugins >= self.max_plugins:
            return _exceeded(f"{self.max_plugins} plugins of this source are mirrored, which is all it may have here")
        if self.max_bytes and self.bytes + size > self.max_bytes:
            return _exceeded(f"with it this source would fill more than the {self.max_bytes} bytes it may have here")
        return None

    def add(self, *, new_plugin: bool, size: int) -> "Quota":
        """Count one more release."""
        return replace(self, plugins=self.plugins + new_plugin, bytes=self.bytes + size)

    def is_near(self) -> bool:
        """Tell whether four fifths of a limit are filled."""
        return _near(self.plugins, self.max_plugins) or _near(self.bytes, self.max_bytes)

    def to_json(self) -> dict[str, object]:
        """Give it as the API shows it; no limit is null."""
        return {
            "plugins": {"used": self.plugins, "limit": self.max_plugins or None},
            "bytes": {"used": self.bytes, "limit": self.max_bytes or None},
        }

    def describe(self) -> str:
        """Give it in words."""
        plugins = f"{self.plugins} of {self.max_plugins} plugins" if self.max_plugins else f"{self.plugins} plugins"
        room = f"{self.bytes} of {self.max_bytes} bytes" if self.max_bytes else f"{self.bytes} bytes"
        return f"{plugins}, {room}"


def _near(used: int, limit: int) -> bool:
    return limit > 0 and used * 100 >= limit * _WARN_PERCENT


def _exceeded(reason: str) -> PfnError:
    return PfnError(Code.QUOTA_EXCEEDED, f"It was not taken: {reason}. An operator may raise it: pfn source quota")
