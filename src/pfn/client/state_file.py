"""What was seen of each source, in a file, so that going back is noticed the next time.

One JSON object: source to what is remembered of it, ``Known`` by the publisher's own documents, ``Remembered`` by a
node's bundles; a file is for one of the two. A file that cannot be read as that stops everything: forgetting silently
is what somebody who goes back would want.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pfn.client.verification import Known
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.bundle_verification import Remembered
from pfn.protocol.strict_json import parse_json

_T = TypeVar("_T")

_BYTES_AS_TEXT = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
_DOCUMENTS: TypeAdapter[dict[str, Known]] = TypeAdapter(dict[str, Known])
_BUNDLES: TypeAdapter[dict[str, Remembered]] = TypeAdapter(dict[str, Remembered], config=_BYTES_AS_TEXT)


@dataclass(frozen=True, slots=True)
class StateFile:
    """A file that need not be there yet. Raises PfnError (``config_invalid``) where it cannot be used."""

    path: Path

    def read(self, source: str) -> Known:
        """What is known of a source."""
        return _read(self.path, _DOCUMENTS).get(source, Known())

    def remember(self, source: str, known: Known) -> None:
        """Keep what was seen of a source in place of what was; the file is replaced as a whole."""
        _write(self.path, _DOCUMENTS, {**_read(self.path, _DOCUMENTS), source: known})


@dataclass(frozen=True, slots=True)
class BundleStateFile:
    """The same for bundles."""

    path: Path

    def read(self, source: str) -> Remembered:
        """What is known of a source and of the logs it was seen in."""
        return _read(self.path, _BUNDLES).get(source, Remembered())

    def remember(self, source: str, remembered: Remembered) -> None:
        """Keep what was seen of a source in place of what was; the file is replaced as a whole."""
        _write(self.path, _BUNDLES, {**_read(self.path, _BUNDLES), source: remembered})


def _read(path: Path, shape: TypeAdapter[dict[str, _T]]) -> dict[str, _T]:
    try:
        content = path.read_bytes()
        parse_json(content)
        return shape.validate_json(content)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PfnError(Code.CONFIG_INVALID, f"{path} cannot be read: {error.strerror}.") from error
    except (PfnError, ValidationError) as error:
        raise PfnError(Code.CONFIG_INVALID, f"{path} is not a state file of this kind of pfn verify.") from error


def _write(path: Path, shape: TypeAdapter[dict[str, _T]], content: dict[str, _T]) -> None:
    members = shape.dump_python(content, mode="json")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        partial.write_text(json.dumps(members, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise PfnError(Code.CONFIG_INVALID, f"{path} cannot be written: {error.strerror}.") from error
