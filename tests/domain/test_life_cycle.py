"""A declared life cycle: what it allows, what it says when it does not, what it refuses at import."""

from enum import StrEnum

import pytest

from pfn.domain.life_cycle import LifeCycle, Transition
from pfn.protocol.errors import Code, PfnError


class Status(StrEnum):
    PENDING = "pending"
    VERIFIED = "verified"
    ERROR = "error"
    REMOVED = "removed"


TRANSITIONS = (
    Transition("pending", "verified", "verification succeeded"),
    Transition("pending", "error", "verification failed"),
    Transition("verified", "verified", "verification succeeded"),
    Transition("error", "verified", "verification succeeded"),
    Transition("verified", "removed", "operator removes"),
    Transition("verified", "removed", "publisher leaves"),
)
SOURCE = LifeCycle(name="source", initial=Status.PENDING, states=tuple(Status), transitions=TRANSITIONS)


@pytest.mark.parametrize(("state", "target", "event"), TRANSITIONS)
def test_declared_steps_are_allowed(state, target, event):
    SOURCE.check(state, target)
    assert SOURCE.next(state, event) == target
    assert SOURCE.next(Status(state), event) == Status(target)


@pytest.mark.parametrize(
    ("state", "target"),
    sorted({(a, b) for a in Status for b in Status} - {(t.origin, t.target) for t in TRANSITIONS}),
)
def test_every_other_step_is_refused(state, target):
    with pytest.raises(PfnError) as caught:
        SOURCE.check(state, target)
    assert caught.value.code is Code.WRONG_STATE


def test_a_refusal_says_what_would_be_possible():
    with pytest.raises(PfnError) as caught:
        SOURCE.check("pending", "removed")
    assert caught.value.detail == ("A source that is pending cannot become removed; it can become verified or error.")
    with pytest.raises(PfnError) as caught:
        SOURCE.next("removed", "verification failed")
    assert caught.value.code is Code.WRONG_STATE
    assert caught.value.detail == ('"verification failed" cannot happen to a source that is removed; that is final.')


def test_a_refusal_does_not_offer_to_stay():
    with pytest.raises(PfnError) as caught:
        SOURCE.check("verified", "error")
    assert caught.value.detail == "A source that is verified cannot become error; it can become removed."


def test_targets_come_once_and_in_order():
    assert SOURCE.targets("verified") == ("verified", "removed")
    assert SOURCE.targets("removed") == ()


def test_states_default_to_those_the_table_names():
    derived = LifeCycle(name="source", initial="pending", transitions=TRANSITIONS)
    assert derived.states == ("pending", "verified", "error", "removed")


@pytest.mark.parametrize(
    ("declaration", "fault"),
    [
        ({"initial": "new"}, "the initial state new is not declared"),
        ({"transitions": (*TRANSITIONS, Transition("error", "lost", "x"))}, "lost is not declared (x)"),
        ({"transitions": (*TRANSITIONS, Transition("lost", "error", "x"))}, "lost is not declared (x)"),
        ({"transitions": TRANSITIONS[:4]}, "removed cannot be reached"),
        ({"states": (*Status, "lost")}, "lost cannot be reached"),
        ({"states": (*Status, "pending")}, "a state is declared twice"),
        (
            {"transitions": (*TRANSITIONS, Transition("pending", "removed", "verification failed"))},
            "from pending, verification failed is declared twice",
        ),
        (  # a ring that nothing leads to
            {
                "states": (*Status, "a", "b"),
                "transitions": (*TRANSITIONS, Transition("a", "b", "x"), Transition("b", "a", "y")),
            },
            "a cannot be reached; b cannot be reached",
        ),
    ],
)
def test_a_faulty_declaration_is_refused(declaration, fault):
    sound = {"name": "source", "initial": "pending", "states": tuple(Status), "transitions": TRANSITIONS}
    with pytest.raises(ValueError) as caught:
        LifeCycle(**sound | declaration)
    assert fault in str(caught.value)


def test_a_misspelt_state_is_caught_even_without_declared_states():
    with pytest.raises(ValueError, match="verifed cannot be reached"):
        LifeCycle(
            name="source",
            initial="pending",
            transitions=(*TRANSITIONS, Transition("verifed", "error", "verification failed")),
        )


def test_it_draws_itself():
    assert SOURCE.to_mermaid() == (
        "stateDiagram-v2\n"
        "    [*] --> pending\n"
        "    pending --> verified: verification succeeded\n"
        "    pending --> error: verification failed\n"
        "    verified --> verified: verification succeeded\n"
        "    error --> verified: verification succeeded\n"
        "    verified --> removed: operator removes\n"
        "    verified --> removed: publisher leaves\n"
        "    removed --> [*]\n"
    )
