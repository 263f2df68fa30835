"""Two nodes that meet: what a node says it is, and the proof that it holds its key (protocol.md section 4).

Answers for: the description at ``GET /federation/node``; the challenge, seven newline-ended lines in one spelling, with
which a node has another prove its identity key; what may be signed with that key: a fresh challenge that names this
very node and its keys, and nothing else; what a node says it holds, to be compared.

The challenge carries the verifier keys of the asked node's log and witness, so what is signed says "these are mine". It
cannot be taken for another signed message: checkpoints have a number in their second line, cosignatures begin
``cosignature/v1``, envelopes ``DSSEv1 ``, ownership challenges ``pfn-ownership-v2``.

Does not answer for: single use, for whoever asks has made the challenge a moment ago and remembers it; whether a node
may be contacted; what is believed of it.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, ValidationError, model_validator

from pfn.protocol.document import InstanceUrl, Part, Sha256, Size
from pfn.protocol.ed25519 import PublicKey, SigningKey, parse_public_key, parse_signature, verify
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.entry import Origin
from pfn.protocol.log.note import KeyType, VerifierKey, parse_verifier_key
from pfn.protocol.strict_json import parse_json

MAX_AGE = 300
NONCE_BYTES = 32
MAX_DESCRIPTION_BYTES = 16 * 1024

_FIRST_LINE = "pfn-peer-v1"
_CHALLENGE = re.compile(
    _FIRST_LINE + r"\n(https?://[!-~]+)\n(https?://[!-~]+)\n([!-~]+)\n([!-~]+)\n([0-9a-f]{64})\n(0|[1-9][0-9]{0,11})\n"
)


def _read_identity(value: object) -> PublicKey:
    if isinstance(value, PublicKey):
        return value
    if not isinstance(value, str):
        raise ValueError("a key is a string")  # noqa: TRY004 - pydantic wants ValueError
    try:
        return parse_public_key(value)
    except PfnError as error:
        raise ValueError(error.detail) from error


def _read_verifier(value: object) -> VerifierKey:
    if isinstance(value, VerifierKey):
        return value
    if not isinstance(value, str) or not value.isascii():
        raise ValueError("a verifier key is a string of ASCII")
    try:
        return parse_verifier_key(value)
    except PfnError as error:
        raise ValueError(error.detail) from error


def _check_line(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("it must be one line of visible characters")
    return value


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_line)]
Identity = Annotated[
    PublicKey,
    PlainValidator(_read_identity, json_schema_input_type=str),
    PlainSerializer(lambda key: key.pem, return_type=str, when_used="json"),
]
Verifier = Annotated[
    VerifierKey,
    PlainValidator(_read_verifier, json_schema_input_type=str),
    PlainSerializer(lambda key: key.text, return_type=str, when_used="json"),
]


class NodeDescription(Part):
    """What a node says of itself. Three keys, none of them used for two things; the log's is named like its origin."""

    name: Line
    url: InstanceUrl
    operator: Line
    origin: Origin
    identity_key: Identity
    log_key: Verifier
    witness_key: Verifier
    software: Line
    version: Line

    @model_validator(mode="after")
    def _check_keys(self) -> "NodeDescription":
        if self.log_key.key_type is not KeyType.NOTE or self.log_key.name != self.origin:
            raise ValueError("the log key is one for notes, and its name is the log's origin")
        if self.witness_key.key_type is not KeyType.COSIGNATURE:
            raise ValueError("the witness key is one for cosignatures")
        if len({self.identity_key.raw, self.log_key.key.raw, self.witness_key.key.raw}) < 3:
            raise ValueError("the identity, the log and the witness have three different keys")
        return self

    def to_json(self) -> dict[str, object]:
        """Give the document: keys as PEM and as ``name+id+base64``."""
        return self.model_dump(mode="json")


class PeerProof(Part):
    """The answer of ``POST /federation/node/prove``."""

    signature: Annotated[str, Field(max_length=100)]


class Greeting(Part):
    """The answer of ``POST /federation/peers/hello``: how who introduced itself stands there."""

    status: Line


class HeldState(Part):
    """The answer of ``GET /federation/state``: the digest over what a node holds, of one source or of all.

    ``log_size`` is how many entries its log had then.
    """

    source: Annotated[str, Field(max_length=400)] | None = None
    digest: Sha256
    count: Size
    log_size: Size | None = None


class KeyDocuments(Part):
    """The answer of ``GET /federation/key-documents``: every version, the first first, as it came, in base64."""

    documents: Annotated[tuple[str, ...], Field(strict=False, max_length=1_000)]


_P = TypeVar("_P", bound=Part)


def read_node_description(body: bytes) -> NodeDescription:
    """Read ``/federation/node``. Raises PfnError (``peer_answer``)."""
    return _read(NodeDescription, body, "/federation/node")


def read_peer_proof(body: bytes) -> bytes:
    """Read the signature in the answer of ``/federation/node/prove``. Raises PfnError (``peer_answer``)."""
    signature = parse_signature(_read(PeerProof, body, "/federation/node/prove").signature)
    if signature is None:
        raise PfnError(Code.PEER_ANSWER, "The peer's proof is not a signature in base64.")
    return signature


def read_greeting(body: bytes) -> str:
    """Read the answer of ``/federation/peers/hello``. Raises PfnError (``peer_answer``)."""
    return _read(Greeting, body, "/federation/peers/hello").status


def read_held_state(body: bytes) -> HeldState:
    """Read ``/federation/state``. Raises PfnError (``peer_answer``)."""
    return _read(HeldState, body, "/federation/state")


def read_key_documents(body: bytes) -> list[bytes]:
    """Read ``/federation/key-documents``. Raises PfnError (``peer_answer``)."""
    where = "/federation/key-documents"
    try:
        listed = _read(KeyDocuments, body, where, max_bytes=len(body)).documents
        return [base64.b64decode(one, validate=True) for one in listed]
    except ValueError as error:
        raise PfnError(Code.PEER_ANSWER, f"The peer's {where} is not in base64.") from error


@dataclass(frozen=True, slots=True)
class PeerChallenge:
    """Who is asked and with which keys, who asks, 32 random bytes in hex, and when in Unix seconds."""

    asked: str
    asking: str
    log_key: str
    witness_key: str
    nonce: str
    issued_at: int

    @property
    def text(self) -> str:
        """The exact text that is sent and, in UTF-8, signed."""
        lines = (
            _FIRST_LINE,
            self.asked,
            self.asking,
            self.log_key,
            self.witness_key,
            self.nonce,
            str(self.issued_at),
        )
        return "".join(f"{line}\n" for line in lines)


def new_peer_challenge(
    asked: NodeDescription, *, asking: str, now: int, random_bytes: Callable[[int], bytes]
) -> PeerChallenge:
    """A fresh challenge to a node, by the node at ``asking``; ``random_bytes`` must be a cryptographic source."""
    return PeerChallenge(
        asked.url, asking, asked.log_key.text, asked.witness_key.text, random_bytes(NONCE_BYTES).hex(), now
    )


def sign_peer_challenge(text: str, key: SigningKey, *, own: NodeDescription, now: int) -> str:
    """Prove to whoever asks that this node, which is ``own``, holds its identity key; gives the signature in base64.

    Raises SecurityError (``ownership_challenge``) for everything but a fresh challenge to this node.
    """
    found = _CHALLENGE.fullmatch(text)
    if found is None:
        raise _refused("Only a challenge of the form pfn-peer-v1 is signed, and nothing else.")
    challenge = PeerChallenge(found[1], found[2], found[3], found[4], found[5], int(found[6]))
    if challenge.asked != own.url:
        raise _refused(f"The challenge is for another node; this one is {own.url}.")
    if challenge.asking == own.url:
        raise _refused("A node does not prove itself to itself.")
    if (challenge.log_key, challenge.witness_key) != (own.log_key.text, own.witness_key.text):
        raise _refused("The challenge names other keys than this node's log and witness have.")
    if abs(now - challenge.issued_at) > MAX_AGE:
        raise _refused(f"The challenge is not of the last {MAX_AGE} seconds by this clock.")
    return base64.b64encode(key.sign(text.encode())).decode("ascii")


def check_peer_proof(node: NodeDescription, challenge: PeerChallenge, signature: bytes) -> None:
    """Believe that a node holds its identity key, and that its log and witness are its own.

    ``challenge`` is the one that was just made for it. Raises SecurityError (``peer_proof``).
    """
    if not verify(node.identity_key, challenge.text.encode(), signature):
        raise SecurityError(Code.PEER_PROOF, f"{node.url} did not sign the challenge with the key that it shows.")


def _read(model: type[_P], body: bytes, where: str, *, max_bytes: int = MAX_DESCRIPTION_BYTES) -> _P:
    members = parse_json(body, max_bytes=max_bytes, code=Code.PEER_ANSWER)
    try:
        return model.model_validate(members)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        sentence = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise PfnError(Code.PEER_ANSWER, f"The peer's {where} is wrong at {place}: {sentence}.") from error


def _refused(detail: str) -> SecurityError:
    return SecurityError(Code.OWNERSHIP_CHALLENGE, detail)
