"""The trust score: its laws as properties, the worked values of the facts as a table, its rules as cases.

The worked values assume a source registered at day 0 with a release then and every 30 days, a daily byte
re-check and ownership proof and an hourly probe, each first made at the end of its first period, all good.
"""

from dataclasses import replace
from math import log2, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.trust import (
    DAY,
    HOUR,
    OWNERSHIP,
    SIGNATURES,
    UPTIME,
    Gate,
    Observation,
    Subscriber,
    TrustEvidence,
    compute_trust,
    count_subscribers,
    grade_response,
    thin,
)

START = 20_000 * DAY
NOW = START + 400 * DAY
CLASSES = ("signatures", "rechecks", "ownership", "uptime")
# Float sums may differ in the last digits; a law broken by less than this is not broken.
EPSILON = 1e-12


def see(day: float, grade: float = 1.0, *, triggered: bool = False) -> Observation:
    return Observation(START + day * DAY, grade, triggered)


def good_record(days: int) -> TrustEvidence:
    return TrustEvidence(
        signatures=[see(day) for day in range(0, days + 1, 30)],
        rechecks=[see(day) for day in range(1, days + 1)],
        ownership=[see(day) for day in range(1, days + 1)],
        uptime=[see(hour / 24) for hour in range(1, days * 24 + 1)],
        custody_since=START,
    )


def add(evidence: TrustEvidence, kind: str, *seen: Observation) -> TrustEvidence:
    return replace(evidence, **{kind: [*getattr(evidence, kind), *seen]})


def value_of(trust, name: str) -> float:
    return next(term.value for term in trust.terms if term.name == name)


moments = st.integers(START, NOW).map(float)
grades = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1)
observations = st.builds(Observation, moments, grades, st.booleans())
# Uptime forgets within weeks: half of what is drawn is recent.
recent = st.builds(Observation, st.integers(NOW - 10 * DAY, NOW).map(float), grades, st.booleans())
records = st.lists(observations | recent, max_size=12)
evidence = st.builds(
    TrustEvidence,
    signatures=records,
    rechecks=records,
    ownership=records,
    uptime=records,
    custody_since=moments,
    subscribers=st.integers(0, 200),
    gates=st.frozensets(st.sampled_from(Gate), max_size=2),
)
# Dense: many observations in few periods, so that thinning has something to do.
crowded = st.lists(
    st.builds(Observation, st.integers(NOW - 3 * HOUR, NOW).map(float), grades, st.booleans()), max_size=20
)


class TestWorkedValues:
    @pytest.mark.parametrize(("days", "score"), [(1, 0.29), (7, 0.58), (30, 0.77), (365, 0.95)])
    def test_good_record(self, days, score):
        trust = compute_trust(good_record(days), START + days * DAY)
        assert trust.score == pytest.approx(score, abs=0.01)
        assert trust.score == trust.earned
        assert trust.formula == "2026-1"

    @pytest.mark.parametrize("subscribers", [63, 64, 1_000_000])
    def test_subscribers_are_capped(self, subscribers):
        trust = compute_trust(replace(good_record(365), subscribers=subscribers), START + 365 * DAY)
        assert trust.score == pytest.approx(0.98, abs=0.01)
        full = compute_trust(replace(good_record(365), subscribers=64), START + 365 * DAY)
        assert trust.score == full.score

    @pytest.mark.parametrize(("bad", "earned"), [(1, 0.93), (5, 0.89)])
    def test_bad_signatures(self, bad, earned):
        record = add(good_record(365), "signatures", *(see(365 - n, 0.0) for n in range(bad)))
        trust = compute_trust(record, START + 365 * DAY)
        assert trust.earned == pytest.approx(earned, abs=0.01)
        assert trust.score == 0.5
        assert trust.gates == (Gate.RECENT_MISMATCH,)

    def test_half_uptime(self):
        record = good_record(365)
        record = replace(record, uptime=[replace(seen, grade=float(n % 2)) for n, seen in enumerate(record.uptime)])
        assert compute_trust(record, START + 365 * DAY).score == pytest.approx(0.84, abs=0.01)

    @pytest.mark.parametrize(("days", "score"), [(30, 0.92), (180, 0.13)])
    def test_silence(self, days, score):
        trust = compute_trust(good_record(365), START + (365 + days) * DAY)
        assert trust.score == pytest.approx(score, abs=0.01)

    def test_the_first_minute(self):
        """One proof, one probe and three verified releases: something, and less than a day's record."""
        record = TrustEvidence([see(0)] * 3, [], [see(0)], [see(0)], START)
        trust = compute_trust(record, START)
        assert 0.1 < trust.score < compute_trust(good_record(1), START + DAY).score

    def test_an_observation_from_the_future_counts_as_made_now(self):
        record = TrustEvidence([see(0)], [], [see(0)], [see(0)], START)
        early, now = compute_trust(record, START - 9 * DAY), compute_trust(record, START)
        assert [term.n for term in early.terms] == [term.n for term in now.terms]

    def test_it_is_the_formula_of_the_facts(self):
        """Against a plain transcription, for a record that thinning and the age rules leave as it is."""

        def wilson(good, bad):
            n, z = good + bad, 1.645
            p = good / n
            return (p + z * z / 2 / n - z * sqrt(p * (1 - p) / n + z * z / 4 / n / n)) / (1 + z * z / n)

        def level(graded, good_half, bad_half, phi, period):
            ages = [(n * period / DAY, grade) for n, grade in enumerate(graded)]
            return wilson(
                sum(g * 2 ** (-age / good_half) for age, g in ages),
                phi * sum((1 - g) * 2 ** (-age / bad_half) for age, g in ages),
            )

        sig, own, up = [1, 1, 0.5, 1, 0, 1] * 9, [1, 1, 0, 1] * 9, [1, 0.5, 1, 0, 1, 1] * 30
        trust = compute_trust(
            TrustEvidence(
                signatures=[Observation(NOW - n * DAY, g) for n, g in enumerate(sig)],
                ownership=[Observation(NOW - n * DAY, g) for n, g in enumerate(own)],
                uptime=[Observation(NOW - n * HOUR, g) for n, g in enumerate(up)],
                custody_since=START,
                subscribers=9,
            ),
            NOW,
        )
        expected = (
            level(sig, 180, 365, 5, DAY) ** 0.45
            * level(own, 90, 180, 3, DAY) ** 0.25
            * level(up, 7, 7, 1, HOUR) ** 0.15
            * (1 - 2 ** (-400 / 90)) ** 0.10
            * (0.5 + 0.5 * log2(10) / 6) ** 0.05
        )
        assert trust.earned == pytest.approx(expected, rel=1e-12)


class TestLaws:
    @given(evidence)
    def test_a_score_lies_between_0_and_1(self, record):
        trust = compute_trust(record, NOW)
        assert 0 <= trust.score <= trust.earned <= 1
        assert 0 <= trust.uncertainty <= 1
        assert all(0 <= term.value <= 1 for term in trust.terms)

    @given(evidence, st.sampled_from(CLASSES), moments)
    def test_more_good_never_lowers(self, record, kind, at):
        before = compute_trust(record, NOW)
        after = compute_trust(add(record, kind, Observation(at, 1.0)), NOW)
        assert after.earned >= before.earned - EPSILON
        assert after.score >= before.score - EPSILON

    @given(evidence, st.sampled_from(CLASSES), moments, st.booleans())
    def test_more_bad_never_raises(self, record, kind, at, triggered):
        before = compute_trust(record, NOW).score
        assert compute_trust(add(record, kind, Observation(at, 0.0, triggered)), NOW).score <= before + EPSILON

    @given(evidence, crowded, st.sampled_from(CLASSES), observations)
    def test_what_a_caller_triggers_never_raises(self, record, crowd, kind, seen):
        record = add(record, kind, *crowd)
        before = compute_trust(record, NOW).earned
        after = compute_trust(add(record, kind, replace(seen, triggered=True)), NOW).earned
        assert after <= before + EPSILON

    @given(evidence, crowded, st.sampled_from(CLASSES), st.data())
    def test_a_better_grade_never_lowers(self, record, crowd, kind, data):
        record = add(record, kind, *crowd)
        seen = getattr(record, kind)
        if not seen:
            return
        index = data.draw(st.integers(0, len(seen) - 1))
        better = replace(seen[index], grade=data.draw(st.floats(seen[index].grade, 1)))
        after = replace(record, **{kind: [*seen[:index], better, *seen[index + 1 :]]})
        assert compute_trust(after, NOW).earned >= compute_trust(record, NOW).earned - EPSILON

    @given(evidence, st.floats(0, 1000 * DAY))
    def test_time_alone_never_raises_what_was_earned(self, record, silence):
        before = compute_trust(record, NOW).earned
        assert compute_trust(record, NOW + silence).earned <= before + EPSILON

    @given(evidence, st.sampled_from(CLASSES), st.lists(moments, max_size=12), st.integers(1, 500))
    def test_older_good_evidence_never_counts_more(self, record, kind, times, days):
        fresh = replace(record, **{kind: [Observation(at, 1.0) for at in times]})
        aged = replace(record, **{kind: [Observation(at - days * DAY, 1.0) for at in times]})
        assert compute_trust(aged, NOW).earned <= compute_trust(fresh, NOW).earned + EPSILON

    @given(evidence, st.randoms())
    def test_order_does_not_matter(self, record, random):
        shuffled = {kind: random.sample(getattr(record, kind), len(getattr(record, kind))) for kind in CLASSES}
        assert compute_trust(replace(record, **shuffled), NOW) == compute_trust(record, NOW)

    @given(evidence, st.frozensets(st.sampled_from(Gate), min_size=1))
    def test_gates_dominate(self, record, gates):
        trust = compute_trust(replace(record, gates=gates), NOW)
        assert trust.score <= min(gate.cap for gate in gates)
        assert set(trust.gates) >= gates

    @given(evidence, st.integers(63, 10**9))
    def test_sybils_stop_counting_at_63(self, record, heads):
        crowd = compute_trust(replace(record, subscribers=heads), NOW).score
        assert crowd == compute_trust(replace(record, subscribers=63), NOW).score
        assert crowd <= compute_trust(replace(record, subscribers=0), NOW).score * 2**0.05 + EPSILON

    @given(evidence, st.sampled_from([("signatures", "rechecks"), ("ownership",), ("uptime",)]), records)
    def test_nothing_good_in_one_class_is_fatal(self, record, kinds, failures):
        worthless = [replace(seen, grade=0.0) for seen in failures]
        record = replace(record, subscribers=10**6, **dict.fromkeys(kinds, worthless))
        assert compute_trust(record, NOW).score == 0


class TestAge:
    def test_no_proof_of_ownership_no_trust(self):
        assert compute_trust(replace(good_record(30), custody_since=None), START + 30 * DAY).score == 0

    def test_a_custody_reset_starts_it_again(self):
        record = good_record(365)
        reset = replace(record, custody_since=START + 360 * DAY)
        now = START + 365 * DAY
        assert value_of(compute_trust(reset, now), "age") == pytest.approx(1 - 2 ** (-5 / 90))
        assert compute_trust(reset, now).score < compute_trust(record, now).score

    def test_it_runs_to_the_last_scheduled_proof(self):
        record = good_record(30)
        age = value_of(compute_trust(record, START + 30 * DAY), "age")
        assert value_of(compute_trust(record, START + 300 * DAY), "age") == age
        for seen in (see(200, triggered=True), see(200, 0.0)):
            assert value_of(compute_trust(add(record, "ownership", seen), START + 300 * DAY), "age") == age
        assert value_of(compute_trust(add(record, "ownership", see(200)), START + 300 * DAY), "age") > age


class TestGates:
    def test_a_mismatch_holds_for_30_days(self):
        for kind in ("signatures", "rechecks"):
            record = add(good_record(400), kind, see(365, 0.0))
            assert compute_trust(record, START + 394 * DAY).gates == (Gate.RECENT_MISMATCH,)
            later = compute_trust(record, START + 396 * DAY)
            assert later.gates == ()
            assert later.score > 0.9

    @pytest.mark.parametrize(
        ("gate", "cap"),
        [
            ("revoked_key", 0.0),
            ("equivocation", 0.0),
            ("operator_block", 0.0),
            ("custody_cool_down", 0.3),
            ("quarantined_release", 0.5),
            ("recent_mismatch", 0.5),
            ("signing_oracle", 0.5),
        ],
    )
    def test_each_has_its_cap_and_a_sentence(self, gate, cap):
        trust = compute_trust(replace(good_record(365), gates=frozenset({Gate(gate)})), START + 365 * DAY)
        assert trust.score == cap
        assert trust.earned > 0.9
        assert trust.gates[0].sentence.endswith(".")

    def test_the_strictest_comes_first(self):
        gates = frozenset({Gate.SIGNING_ORACLE, Gate.REVOKED_KEY, Gate.CUSTODY_COOL_DOWN})
        trust = compute_trust(TrustEvidence(gates=gates), NOW)
        assert trust.gates == (Gate.REVOKED_KEY, Gate.CUSTODY_COOL_DOWN, Gate.SIGNING_ORACLE)
        assert [gate.cap for gate in Gate] == sorted(gate.cap for gate in Gate)


class TestStuffing:
    def test_one_observation_per_period_counts(self):
        once = TrustEvidence([see(0)], [see(0)], [see(0)], [see(0)], START)
        often = TrustEvidence(
            [see(n / 1000) for n in range(1000)],
            [see(n / 1000) for n in range(1000)],
            [see(n / 1000) for n in range(1000)],
            [see(n / 24 / 1000) for n in range(1000)],
            START,
        )
        assert compute_trust(often, START + DAY).score == pytest.approx(compute_trust(once, START + DAY).score)

    @pytest.mark.parametrize(
        ("seen", "kept"),
        [
            ([], []),
            ([see(0.1)], [see(0)]),
            ([see(0.1), see(0.9, 0.5), see(0.2)], [see(0, 0.5)]),
            ([see(1.1), see(0.1)], [see(0), see(1)]),
            ([see(0.1, triggered=True)], []),
            ([see(0.1, 0.0, triggered=True)], [see(0, 0.0, triggered=True)]),
            ([see(0.1), see(0.2, 0.0, triggered=True)], [see(0, 0.0)]),
            ([see(0.1, 0.0), see(0.2, triggered=True)], [see(0, 0.0)]),
        ],
    )
    def test_thin(self, seen, kept):
        assert list(thin(seen, DAY)) == kept

    @given(crowded, st.sampled_from([60, HOUR, DAY]))
    def test_thinning_twice_is_thinning_once(self, seen, period):
        once = thin(seen, period)
        assert thin(once, period) == once
        assert len({s.at // period for s in once}) == len(once)

    def test_a_triggered_check_counts_for_nothing_good(self):
        record = good_record(30)
        unasked = replace(record, ownership=[])
        asked = replace(record, ownership=[replace(seen, triggered=True) for seen in record.ownership])
        assert compute_trust(unasked, NOW).score == compute_trust(asked, NOW).score == 0


class TestExplanation:
    def test_all_terms_are_named_and_weights_sum_to_1(self):
        trust = compute_trust(good_record(7), START + 7 * DAY)
        assert [term.name for term in trust.terms] == [
            "signatures",
            "ownership",
            "uptime",
            "age",
            "subscribers",
        ]
        assert sum(term.weight for term in trust.terms) == pytest.approx(1)
        assert all(term.n == pytest.approx(term.good + term.bad) for term in trust.terms)

    def test_sentences(self):
        record = replace(good_record(7), ownership=[see(6), see(7, 0.0)], uptime=[], subscribers=1)
        trust = compute_trust(record, START + 7 * DAY)
        assert [term.sentence for term in trust.terms] == [
            "All signature and byte checks held; faded with age they weigh 7.9.",
            "Failed ownership proofs weigh 3.0 against 1.0 for those that held.",
            "No availability probes yet, and without them there is no trust.",
            "The source has proven to be in the same hands for 6 days.",
            "1 long-standing subscriber; this can only help a little.",
        ]

    def test_uncertainty_falls_with_evidence(self):
        assert compute_trust(TrustEvidence(), NOW).uncertainty == 1
        week, month = (compute_trust(good_record(n), START + n * DAY).uncertainty for n in (7, 30))
        assert 1 > week > month > 0

    @pytest.mark.parametrize("kind", [SIGNATURES, OWNERSHIP, UPTIME])
    def test_beyond_the_horizon_nothing_moves_by_a_hundredth(self, kind):
        record = good_record(365)
        stale = Observation(START + 365 * DAY - kind.horizon, 0.0)
        before = compute_trust(record, START + 365 * DAY).earned
        after = compute_trust(add(record, kind.name, stale), START + 365 * DAY).earned
        assert before - 0.01 < after <= before


class TestGrades:
    @pytest.mark.parametrize(
        ("ok", "response_ms", "grade"),
        [
            (True, 0, 1.0),
            (True, 2000, 1.0),
            (True, 2000.1, 0.5),
            (True, 8000, 0.5),
            (True, 8000.1, 0.0),
            (False, 10, 0.0),
        ],
    )
    def test_apdex(self, ok, response_ms, grade):
        assert grade_response(ok, response_ms) == grade

    @pytest.mark.parametrize("grade", [-0.1, 1.1, float("nan")])
    def test_a_grade_outside_0_to_1_is_refused(self, grade):
        with pytest.raises(ValueError):
            Observation(START, grade)


class TestSubscribers:
    @given(
        st.lists(
            st.builds(
                Subscriber,
                st.sampled_from("abcdefgh"),
                st.sampled_from([None, "one", "two"]),
                st.integers(START, NOW).map(float),
            )
        ),
        st.integers(0, 200),
    )
    def test_a_peer_counts_for_five_however_many_it_invents(self, subscriptions, invented):
        honest = count_subscribers(subscriptions, NOW)
        crowd = [Subscriber(f"sybil {n}", "one", START) for n in range(invented)]
        assert honest <= count_subscribers([*subscriptions, *crowd], NOW) <= honest + 5

    @pytest.mark.parametrize(
        ("subscriptions", "count"),
        [
            ([], 0),
            ([Subscriber("a", None, START)], 1),
            ([Subscriber("a", None, NOW - 30 * DAY)], 1),
            ([Subscriber("a", None, NOW - 30 * DAY + 1)], 0),
            ([Subscriber("a", None, START), Subscriber("a", None, NOW)], 1),
            ([Subscriber("a", None, START)] * 9, 1),
            ([Subscriber("a", None, START), Subscriber("a", "peer", START)], 2),
            ([Subscriber(str(n), None, START) for n in range(9)], 9),
            ([Subscriber(str(n), "peer", START) for n in range(9)], 5),
            ([Subscriber(str(n), f"peer {n % 2}", START) for n in range(99)], 10),
        ],
    )
    def test_bounds(self, subscriptions, count):
        assert count_subscribers(subscriptions, NOW) == count
