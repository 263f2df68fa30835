"""What a backup says of itself: ``manifest.json``, written last.

It names every file with its digest, but for the zips, which are in the list it names: ``blobs.sha256``, in the form of
``sha256sum --check``. What is not named is not of the backup. A folder without a manifest is no backup yet.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pfn.protocol.errors import Code, PfnError

MANIFEST_NAME = "manifest.json"
ROWS_NAME = "node.db"
LIST_NAME = "blobs.sha256"
BLOBS_NAME = "blobs"

_LINE = re.compile(r"([0-9a-f]{64})  (blobs/(?:sha256/([0-9a-f]{2})/([0-9a-f]{62})|quarantine/([0-9a-f]{64})))")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ManifestFile(_Part):
    """A file of the state folder by its name, its size in bytes and its digest."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.]{0,63}$")]
    size: Count
    sha256: Sha256


class Zips(_Part):
    """How many zips the rows name, in how many bytes, and which of them the node had lost already."""

    count: Count
    size: Count
    lost: list[Sha256]


class Manifest(_Part):
    """What was backed up, and when (Unix seconds). ``state`` is the folder beside it that all but the zips are in.

    The log's root and the state's digest (protocol.md section 4) are lower-case hex.
    """

    format: Literal["pfn-backup/1"] = "pfn-backup/1"
    pfn: str
    taken_at: Count
    origin: str
    schema_revision: str
    log_size: Count
    log_root: Sha256
    state_digest: Sha256
    state_count: Count
    state: Annotated[str, Field(pattern=r"^state-[0-9a-f]{16}$")]
    files: list[ManifestFile]
    zips: Zips


def read_manifest(folder: Path) -> Manifest | None:
    """Give the manifest of a backup; None where there is none. Raises PfnError (``wrong_state``) for a damaged one."""
    path = folder / MANIFEST_NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise PfnError(Code.WRONG_STATE, f"{path} is not the manifest of a backup that this version reads.") from error


def write_line(sha256: str, path: str) -> str:
    """Write the line of one zip, by its path below the backup."""
    return f"{sha256}  {path}\n"


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Give the digest and the path below the backup of each zip. Raises PfnError (``wrong_state``)."""
    with path.open(encoding="ascii", errors="replace") as file:
        for line in file:
            found = _LINE.fullmatch(line.removesuffix("\n"))
            if found is None or found[1] not in {f"{found[3]}{found[4]}", found[5]}:
                raise PfnError(Code.WRONG_STATE, f"{path} is not a list of zips.")
            yield found[1], found[2]
