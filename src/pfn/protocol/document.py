"""What the publisher's signed JSON documents have in common: how a payload is read, written, and what its values are.

Answers for: one strict reading. Every payload goes through ``strict_json``, then through a frozen model that converts
nothing: an integer is not a float, a digest is lower-case hex, a key is the base64 of its 32 bytes and bears the id
made from them. Members a model does not know are ignored, so that documents can grow; a member that would narrow what
a document allows needs a new payload type instead.

Payloads are signed bytes: stored and served as they came, never written anew from what was read. ``write_payload`` is
for the one who signs.

Does not answer for: who signed, and what one document means beside another.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from pfn.protocol.dsse import Envelope, key_id
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.source_id import normalize_instance_url
from pfn.protocol.strict_json import JsonValue, parse_json

MAX_DEPTH = 16
# Exact in every language's numbers; sequences within what every database counts, times within what calendars show.
LARGEST_SIZE = 2**53 - 1
LARGEST_SEQUENCE = 2**31 - 1
LARGEST_TIME = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Head:
    """What is remembered of the newest document in a row: its sequence and the SHA-256 of its payload in hex."""

    sequence: int
    payload_hash: str


def _read_key(value: object) -> PublicKey:
    if isinstance(value, PublicKey):
        return value
    if not isinstance(value, str):
        raise ValueError("a key is a string")  # noqa: TRY004 - pydantic wants ValueError
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ValueError("a key is the padded standard base64 of 32 bytes") from error
    if base64.b64encode(raw).decode("ascii") != value:
        raise ValueError("a key is the padded standard base64 of 32 bytes")
    try:
        return PublicKey(raw)
    except PfnError as error:
        raise ValueError(error.detail) from error


def _check_instance_url(value: str) -> str:
    try:
        normal = normalize_instance_url(value)
    except PfnError as error:
        raise ValueError(error.detail) from error
    if normal != value:
        raise ValueError(f"the URL must be written {normal}")
    return value


def _check_version(value: str) -> str:
    if ".." in value:
        raise ValueError("a version has no two dots in a row")
    return value


Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
Sha384 = Annotated[str, Field(pattern=r"\A[0-9a-f]{96}\z")]
# The same as pfn.wordpress.slug and pfn.wordpress.version, which this package must not know.
Slug = Annotated[str, Field(pattern=r"\A[a-z0-9][a-z0-9-]{0,62}\z")]
Version = Annotated[str, Field(pattern=r"\A[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}\z"), AfterValidator(_check_version)]
Time = Annotated[int, Field(ge=0, le=LARGEST_TIME)]
SequenceNumber = Annotated[int, Field(ge=1, le=LARGEST_SEQUENCE)]
Size = Annotated[int, Field(ge=0, le=LARGEST_SIZE)]
Source = Annotated[str, Field(min_length=3, max_length=400)]
Reason = Annotated[str, Field(max_length=500)]
InstanceUrl = Annotated[str, AfterValidator(_check_instance_url)]
Key = Annotated[
    PublicKey, PlainValidator(_read_key), PlainSerializer(lambda key: key.raw_base64, return_type=str, when_used="json")
]


class Part(BaseModel):
    """An object inside a document."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class DocumentKey(Part):
    """A key as documents list it; ``id`` is ``key_id(key)``, or it is refused."""

    id: Sha256
    key: Key

    @model_validator(mode="after")
    def _check_id(self) -> "DocumentKey":
        if self.id != key_id(self.key):
            raise ValueError("the id of a key is the SHA-256 of its 32 bytes in lower-case hex")
        return self


class Document(Part):
    """A payload. A subclass names its payload type and, for sentences, itself."""

    payload_type: ClassVar[str]
    label: ClassVar[str]


_D = TypeVar("_D", bound=Document)


def read_document(model: type[_D], envelope: Envelope) -> _D:
    """Read an envelope's payload as ``model``; nothing is said of its signatures.

    Raises SecurityError (``document_type``) for another payload type, PfnError (``publisher_document``) for a shape.
    """
    return validate_document(model, read_payload(envelope, model.payload_type, model.label))


def read_payload(envelope: Envelope, payload_type: str, label: str) -> dict[str, JsonValue]:
    """Read an envelope's payload as a JSON object. Raises like ``read_document``."""
    if envelope.payload_type != payload_type:
        raise SecurityError(Code.DOCUMENT_TYPE, f"{label} must be signed as {payload_type}; this is something else.")
    try:
        payload = parse_json(envelope.payload, max_bytes=len(envelope.payload), max_depth=MAX_DEPTH)
    except PfnError as error:
        raise PfnError(Code.PUBLISHER_DOCUMENT, f"{label} cannot be read. {error.detail}") from error
    if not isinstance(payload, dict):
        raise PfnError(Code.PUBLISHER_DOCUMENT, f"{label} must be a JSON object.")
    return payload


def validate_document(model: type[_D], members: Mapping[str, object]) -> _D:
    """Make a document of JSON members. Raises PfnError (``publisher_document``) with the first thing that is wrong."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        sentence = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise PfnError(Code.PUBLISHER_DOCUMENT, f"{model.label} is wrong at {place}: {sentence}.") from error


def write_payload(value: Mapping[str, object] | Document) -> bytes:
    """JSON in UTF-8 with sorted keys and no spaces, as RFC 8785 has it; members that are None are left out."""
    members = value.model_dump(mode="json", exclude_none=True) if isinstance(value, Document) else value
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
