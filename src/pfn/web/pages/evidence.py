"""Evidence, side by side: two things of one publisher unpacked into lines, with those marked that only one side has.

An envelope is shown as what it says, its signed payload; whose signature it carries is said beside. Nothing is judged
here: who signed was checked when it came. Long texts are folded to what differs, and cut.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pfn.protocol.catalog import MAX_CATALOG_BYTES
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import PfnError
from pfn.protocol.strict_json import parse_json
from pfn.storage.signed_document import Evidence
from pfn.web.pages.language import gettext, ngettext

_SHORT = 60
_AROUND = 3
_MOST_CHARACTERS = 12_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one side; ``differs`` says that the other side has none like it."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two things: ``kind`` and ``signers`` (key ids) are empty for what is no signed document."""

    kind: str
    signers: tuple[str, ...]
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A piece of evidence and both its sides, the one that came first first."""

    evidence: Evidence
    sides: tuple[Side, Side]


def exhibit(evidence: Evidence) -> Exhibit:
    """Lay both sides of a piece of evidence out for comparison."""
    return Exhibit(evidence, lay_out(evidence.first, evidence.second))


def lay_out(first: bytes, second: bytes) -> tuple[Side, Side]:
    """Unpack two things and mark what only one of them says."""
    one, other = _unpack(first), _unpack(second)
    return _compare(one, other), _compare(other, one)


def unpack(content: bytes) -> Side:
    """Lay out one document that nothing is compared with."""
    kind, signers, texts = _unpack(content)
    return Side(kind, signers, _cut([Line(text) for text in texts]))


def _unpack(content: bytes) -> tuple[str, tuple[str, ...], list[str]]:
    """Give a document's type, the keys it is signed with, and its text in lines."""
    try:
        envelope = parse_envelope(content, max_bytes=MAX_CATALOG_BYTES)
        payload = parse_json(envelope.payload, max_bytes=MAX_CATALOG_BYTES)
    except PfnError:
        return "", (), content.decode(errors="replace").splitlines()
    text = json.dumps(payload, indent=2, ensure_ascii=False)
    return envelope.payload_type, tuple(one.key_id for one in envelope.signatures), text.splitlines()


def _compare(one: tuple[str, tuple[str, ...], list[str]], other: tuple[str, tuple[str, ...], list[str]]) -> Side:
    kind, signers, texts = one
    # A comma more at the end of a line, because something follows it, makes no difference.
    known = {text.rstrip(",") for text in other[2]}
    lines = [Line(text, text.rstrip(",") not in known) for text in texts]
    return Side(kind, signers, _cut(_fold(lines) if len(lines) > _SHORT else lines))


def _fold(lines: Sequence[Line]) -> list[Line]:
    """Leave out what both sides have, but for a few lines around each difference."""
    near = {
        index
        for number, line in enumerate(lines)
        if line.differs
        for index in range(number - _AROUND, number + _AROUND + 1)
    }
    folded: list[Line] = []
    alike = 0
    for number, line in enumerate(lines):
        if number not in near:
            alike += 1
            continue
        if alike:
            folded.append(_alike(alike))
        alike = 0
        folded.append(line)
    return [*folded, _alike(alike)] if alike else folded


def _alike(number: int) -> Line:
    return Line(ngettext("⋯ %(num)s line that both have", "⋯ %(num)s lines that both have", number))


def _cut(lines: Collection[Line]) -> list[Line]:
    """Keep as much as a page can show."""
    room = _MOST_CHARACTERS
    kept: list[Line] = []
    for line in lines:
        kept.append(Line(line.text[:room], line.differs))
        room -= len(line.text)
        if room <= 0:
            kept.append(Line(gettext("⋯ cut here")))
            break
    return kept
