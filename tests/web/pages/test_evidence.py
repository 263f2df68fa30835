"""Evidence is laid out so that the difference is seen, whatever size and shape a publisher gave it."""

import json

from hypothesis import given
from hypothesis import strategies as st
from tests.support.signed import RELEASE, listing, sign_document, sign_statement, statement
from tests.support.signed import catalog as make_catalog

from pfn.protocol.dsse import Envelope, write_envelope
from pfn.protocol.release_statement import PAYLOAD_TYPE
from pfn.storage.signed_document import Evidence
from pfn.web.pages.evidence import Side, exhibit


def lay_out(first: bytes, second: bytes) -> tuple[Side, Side]:
    return exhibit(Evidence("a@b.example", "release_conflict", "Two.", first, second, "00", 1)).sides


def envelope(document: Envelope) -> bytes:
    return write_envelope(document)


def differing(side: Side) -> list[str]:
    return [line.text.strip() for line in side.lines if line.differs]


def test_statements_are_unpacked_and_only_what_differs_is_marked() -> None:
    first, second = (envelope(sign_statement(statement(sha256=digest * 32))) for digest in ("aa", "bb"))
    one, other = lay_out(first, second)
    assert one.kind == other.kind == PAYLOAD_TYPE
    assert len(one.signers) == 1
    assert [text for text in differing(one) if "aa" * 32 in text] == differing(one)
    assert [text for text in differing(other) if "bb" * 32 in text] == differing(other)
    assert differing(one)


def test_a_long_catalogue_is_folded_to_the_difference() -> None:
    rows = [listing(sign_statement(statement()), slug=f"plugin-{number}") for number in range(500)]
    other_rows = [*rows[:250], rows[250].model_copy(update={"version": "6.6.6"}), *rows[251:]]
    one, other = lay_out(
        *(envelope(sign_document(make_catalog(releases=tuple(each)), RELEASE)) for each in (rows, other_rows))
    )
    assert len(one.lines) < 30
    assert len(differing(other)) == 1
    assert "6.6.6" in differing(other)[0]
    assert any("lines that both have" in line.text for line in other.lines)


def test_what_is_no_envelope_is_shown_as_it_came() -> None:
    one, other = lay_out(b"SHA-256 aa\n", b"\xff{\n")
    assert (one.kind, one.signers) == ("", ())
    assert [line.text for line in one.lines] == ["SHA-256 aa"]
    assert [line.text for line in other.lines] == ["\ufffd{"]


def test_more_than_a_page_can_show_is_cut() -> None:
    long = json.dumps({"payload": "x" * 100_000}).encode()
    one, _ = lay_out(long, b"")
    assert sum(len(line.text) for line in one.lines) < 13_000
    assert one.lines[-1].text == "⋯ cut here"


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_anything_can_be_laid_out_and_equal_sides_do_not_differ(first: bytes, second: bytes) -> None:
    lay_out(first, second)
    one, other = lay_out(first, first)
    assert differing(one) == differing(other) == []
