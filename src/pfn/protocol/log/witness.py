"""Witnessing: the request to cosign a checkpoint, the decision, and the answer (C2SP tlog-witness).

Answers for: ``POST …/add-checkpoint`` to the letter, both ends. A witness signs only what follows from the tree it
signed last; the order of its checks, and the status of each refusal, are the specification's: malformed or an old size
above the new one 400, an unknown log 404, no good signature 403, another old size 409 with the known size in the body,
everything that does not follow 422.

The caller keeps the state. What was decided here for one known tree holds only while that tree is the known one:
compare and set, durably, *before* the answer goes out, or two requests at once roll the log back.

Does not answer for: HTTP, or when to ask whom again. ``read_answer`` tells a witness that is elsewhere (try once more
from the size it names) from one that has seen another tree: then stop and raise the alarm.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, parse_checkpoint, verify_checkpoint
from pfn.protocol.log.cosignature import Cosignature, verify_cosignatures
from pfn.protocol.log.line import LARGEST_SIZE, malformed, read_number, read_proof, read_text, write_base64
from pfn.protocol.log.merkle import EMPTY_ROOT, check_consistency
from pfn.protocol.log.note import (
    MAX_NOTE_BYTES,
    Note,
    NoteSignature,
    VerifierKey,
    parse_note,
    parse_signatures,
    write_note,
)

MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 8 * 1024
MAX_ANSWER_BYTES = MAX_NOTE_BYTES
SIZE_TYPE = "text/x.tlog.size"

_SIGNED, _SIZE_CONFLICT, _NOT_CONSISTENT = 200, 409, 422
_OLD = "old "


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the size the witness is thought to have signed last, the proof from there, the checkpoint's note."""

    old: int
    proof: tuple[bytes, ...]
    note: Note


class SizeConflictError(PfnError):
    """The witness signed another size last, ``size``: as ``SIZE_TYPE`` in the body of the 409, decimal and newline."""

    def __init__(self, size: int) -> None:
        super().__init__(Code.LOG_SIZE, f"The log was last witnessed at {size} entries.")
        self.size = size

    @property
    def body(self) -> bytes:
        """What the answer carries."""
        return b"%d\n" % self.size


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A witness's good answer: the signature to add to the note, and what it says."""

    signature: NoteSignature
    cosignature: Cosignature


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read a request. Raises PfnError (``log_malformed``)."""
    text = read_text(body, max_bytes=MAX_REQUEST_BYTES, name="The request")
    head, blank, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if not blank or not first.startswith(_OLD):
        raise malformed("The request is a line with the old size, the proof, a blank line and the checkpoint.")
    old = read_number(first.removeprefix(_OLD), "The old size")
    return AddCheckpoint(old, read_proof(lines, "the proof"), parse_note(note.encode()))


def write_add_checkpoint(request: AddCheckpoint) -> bytes:
    """The body of a request."""
    lines = [f"{_OLD}{request.old}", *(write_base64(one) for one in request.proof), "", ""]
    return "\n".join(lines).encode() + write_note(request.note)


def judge_checkpoint(request: AddCheckpoint, *, logs: Iterable[VerifierKey], known: TreeHead | None) -> Checkpoint:
    """Decide whether to cosign; gives the checkpoint to remember in place of ``known`` and then to cosign.

    ``logs`` are the keys of the logs witnessed, ``known`` the tree of this log cosigned last, None where there is none.
    Raises, with the HTTP status in the code: PfnError ``log_malformed`` 400, ``log_unknown`` 404; SecurityError
    ``log_signature`` 403; SizeConflictError 409; SecurityError ``log_fork`` and ``log_consistency`` 422, after which
    the request is worth keeping as evidence.
    """
    shown = parse_checkpoint(request.note.text)
    if request.old > shown.size:
        raise malformed(f"The old size, {request.old}, is above the checkpoint's, {shown.size}.")
    checkpoint = verify_checkpoint(request.note, logs)
    before = known or TreeHead(0, EMPTY_ROOT)
    if request.old != before.size:
        raise SizeConflictError(before.size)
    if before.size == checkpoint.size > 0 and before.root != checkpoint.root:
        raise SecurityError(Code.LOG_FORK, f"The log has two different trees of {checkpoint.size} entries.")
    check_consistency(before.size, before.root, checkpoint.size, checkpoint.root, request.proof)
    return checkpoint


def write_answer(signatures: Sequence[NoteSignature]) -> bytes:
    """The body of the answer 200."""
    return "".join(one.line for one in signatures).encode()


def read_answer(status: int, body: bytes, *, note: Note, witness: VerifierKey) -> Cosigned:
    """What a witness's answer to a checkpoint means; keep the signature with ``add_signatures``.

    Raises SizeConflictError, PfnError (``witness_refused``) for any other refusal or an answer without its cosignature;
    SecurityError: ``witness_divergence`` for 422, and for 409 without a size (facts: transparency log, same size
    with another root), ``witness_signature``.
    """
    if status == _SIZE_CONFLICT:
        raise SizeConflictError(_read_size(body, witness))
    if status == _NOT_CONSISTENT:
        raise _divergence(witness)
    if status != _SIGNED:
        raise PfnError(Code.WITNESS_REFUSED, f"The witness {witness.name} answered with status {status}.")
    try:
        lines = parse_signatures(read_text(body, max_bytes=MAX_ANSWER_BYTES, name="The answer"))
    except PfnError as error:
        raise PfnError(
            Code.WITNESS_REFUSED, f"The answer of the witness {witness.name} cannot be read. {error.detail}"
        ) from error
    own = tuple(line for line in lines if (line.name, line.key_id) == (witness.name, witness.key_id))
    if len(own) != 1:
        raise PfnError(Code.WITNESS_REFUSED, f"The witness {witness.name} answered without one cosignature of its own.")
    (cosignature,) = verify_cosignatures(Note(note.text, own), [witness])
    return Cosigned(own[0], cosignature)


def _read_size(body: bytes, witness: VerifierKey) -> int:
    try:
        return read_number(read_text(body, max_bytes=len(str(LARGEST_SIZE)) + 1, name="The size")[:-1], "The size")
    except PfnError as error:
        raise _divergence(witness) from error


def _divergence(witness: VerifierKey) -> SecurityError:
    return SecurityError(
        Code.WITNESS_DIVERGENCE, f"The witness {witness.name} has seen a tree of this log that this one contradicts."
    )
