"""A setting of the node, as people may see it; what settings there are is not known here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting: secrets are masked. ``origin`` is where its value came from: ``default``, ``given``, or a name.

    ``value`` and ``default`` are as they would be written down; None is nothing.
    """

    name: str
    value: str | None
    default: str | None
    origin: str
    meaning: str
