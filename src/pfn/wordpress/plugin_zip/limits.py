"""How large a zip may be in every direction.

Data only; the defaults are those of the facts (fetch and zip safety, ZIP rules 1, 2 and 7).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """Bounds on a zip; sizes in bytes, ratios as unpacked over packed.

    The ratios hold only above ``ratio_floor`` unpacked bytes: short files of one repeated line are honest.
    """

    entries: int = 20_000
    directory_bytes: int = 8 << 20
    comment_bytes: int = 1 << 10
    name_bytes: int = 255
    depth: int = 32
    file_bytes: int = 64 << 20
    total_bytes: int = 512 << 20
    file_ratio: int = 200
    total_ratio: int = 100
    ratio_floor: int = 1 << 20
