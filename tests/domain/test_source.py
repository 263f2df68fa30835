"""The life of a source: which event leads where from each status, and what a failed verification condemns."""

from itertools import product

import pytest

from pfn.domain.source import LIFE_CYCLE, Source, SourceStatus, status_after_failure
from pfn.protocol.errors import Code, Fault, PfnError

PENDING, VERIFIED, ERROR, SUSPENDED, REMOVED = SourceStatus
SUCCEEDED, FAILED = "verification succeeded", "verification failed"
SUSPENDS, RESUMES = "operator suspends", "operator resumes"
REMOVES, ADDS = "operator removes", "operator adds again"

# Every status and event; None where the event cannot happen.
TABLE = {
    PENDING: {SUCCEEDED: VERIFIED, FAILED: ERROR, SUSPENDS: SUSPENDED, RESUMES: None, REMOVES: REMOVED, ADDS: None},
    VERIFIED: {SUCCEEDED: VERIFIED, FAILED: ERROR, SUSPENDS: SUSPENDED, RESUMES: None, REMOVES: REMOVED, ADDS: None},
    ERROR: {SUCCEEDED: VERIFIED, FAILED: ERROR, SUSPENDS: SUSPENDED, RESUMES: None, REMOVES: REMOVED, ADDS: None},
    SUSPENDED: {SUCCEEDED: None, FAILED: None, SUSPENDS: None, RESUMES: PENDING, REMOVES: REMOVED, ADDS: None},
    REMOVED: {SUCCEEDED: None, FAILED: None, SUSPENDS: None, RESUMES: None, REMOVES: None, ADDS: PENDING},
}
CASES = [(status, event, target) for status, row in TABLE.items() for event, target in row.items()]


def test_the_table_is_whole():
    assert set(TABLE) == set(SourceStatus)
    assert {event for _, event, _ in CASES} == {row.event for row in LIFE_CYCLE.transitions}
    assert LIFE_CYCLE.initial == PENDING


@pytest.mark.parametrize(("status", "event", "target"), CASES)
def test_each_event_leads_where_the_table_says(status, event, target):
    if target is not None:
        assert LIFE_CYCLE.next(status, event) == target
        return
    with pytest.raises(PfnError) as caught:
        LIFE_CYCLE.next(status, event)
    assert caught.value.code is Code.WRONG_STATE


def test_only_a_fresh_proof_leads_to_verified():
    ways = {row.event for row in LIFE_CYCLE.transitions if row.target == VERIFIED}
    assert ways == {SUCCEEDED}
    assert VERIFIED not in LIFE_CYCLE.targets(SUSPENDED)
    assert VERIFIED not in LIFE_CYCLE.targets(REMOVED)


@pytest.mark.parametrize(("status", "fault"), list(product(SourceStatus, Fault)))
def test_only_a_failed_proof_condemns_and_only_who_is_judged(status, fault):
    condemned = fault is Fault.SECURITY and status in {PENDING, VERIFIED, ERROR}
    after = status_after_failure(status, fault)
    assert after is (ERROR if condemned else status)


@pytest.mark.parametrize("status", list(SourceStatus))
def test_what_was_proven_is_offered_until_an_operator_says_otherwise(status):
    source = Source("ann@one.example", "https://one.example", "ann", "key", status, 0.5, 1)
    assert source.serves == (status in {PENDING, VERIFIED, ERROR})
