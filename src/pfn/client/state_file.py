"""What was seen of each source, in a file, so that going back is noticed the next time.

One JSON object: source to ``Known``. A file that cannot be read as that stops everything: forgetting silently is what
somebody who goes back would want.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pfn.client.verification import Known
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.strict_json import parse_json

_SHAPE: TypeAdapter[dict[str, Known]] = TypeAdapter(dict[str, Known])


@dataclass(frozen=True, slots=True)
class StateFile:
    """A file that need not be there yet. Raises PfnError (``config_invalid``) where it cannot be used."""

    path: Path

    def read(self, source: str) -> Known:
        """What is known of a source."""
        return self._read_all().get(source, Known())

    def remember(self, source: str, known: Known) -> None:
        """Keep what was seen of a source in place of what was; the file is replaced as a whole."""
        content = _SHAPE.dump_python({**self._read_all(), source: known})
        partial = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        try:
            partial.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            partial.replace(self.path)
        except OSError as error:
            raise PfnError(Code.CONFIG_INVALID, f"{self.path} cannot be written: {error.strerror}.") from error

    def _read_all(self) -> Mapping[str, Known]:
        try:
            return _SHAPE.validate_python(parse_json(self.path.read_bytes()))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise PfnError(Code.CONFIG_INVALID, f"{self.path} cannot be read: {error.strerror}.") from error
        except (PfnError, ValidationError) as error:
            raise PfnError(Code.CONFIG_INVALID, f"{self.path} is not a state file of pfn verify.") from error
