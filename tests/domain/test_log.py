"""How a release stands in the log: counted by how far each witness got, told in plain words."""

import pytest

from pfn.domain.log import LogStanding, WitnessStanding


def witness(name: str, operator: str, size: int) -> WitnessStanding:
    return WitnessStanding(name, operator, f"https://{name}", f"{name}+key", size, 5)


WITNESSES = (witness("a", "Ann", 10), witness("a2", "Ann", 8), witness("b", "Bob", 5), witness("c", "Cat", 0))


@pytest.mark.parametrize(
    ("index", "n", "operators", "is_quorum"),
    [(0, 3, 2, True), (4, 3, 2, True), (5, 2, 1, False), (8, 1, 1, False), (9, 1, 1, False), (10, 0, 0, False)],
)
def test_who_signed_a_larger_tree_has_seen_the_entry(index: int, n: int, operators: int, is_quorum: bool) -> None:
    place = LogStanding("node/pfn", 12, WITNESSES, 2).place(index)
    assert place is not None
    assert (place.n, place.of, place.operators, place.of_operators) == (n, 4, operators, 3)
    assert place.is_quorum is is_quorum
    shown = place.to_json()
    assert shown["logged"] is True
    assert shown["log"] == {"index": index, "origin": "node/pfn", "size": 12}


def test_what_is_not_logged_says_so() -> None:
    standing = LogStanding("node/pfn", 12, WITNESSES, 0)
    assert standing.place(None) is None
    assert standing.show(None) == {"logged": False, "log": None, "witnessed": None}
    place = standing.place(11)
    assert place is not None
    assert place.is_quorum  # none is asked for


@pytest.mark.parametrize(
    ("witnesses", "index", "said"),
    [
        ((), 3, "No other node witnesses the log yet."),
        (WITNESSES, 11, "None of the 4 witnesses has seen it yet."),
        (WITNESSES, 3, "3 of 4 witnesses, run by 2 operators other than this node's, have seen it there."),
        (WITNESSES[:1], 3, "1 of 1 witness, run by 1 operator other than this node's, has seen it there."),
    ],
)
def test_it_is_told_in_plain_words(witnesses: tuple[WitnessStanding, ...], index: int, said: str) -> None:
    place = LogStanding("node/pfn", 12, witnesses, 0).place(index)
    assert place is not None
    assert place.sentence.startswith("It is entry ")
    assert place.sentence.endswith(said)
