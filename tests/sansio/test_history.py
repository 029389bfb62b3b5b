"""What is believed of a type: its own reports, those of others, and the documented window."""

from __future__ import annotations

import random
from itertools import chain
from statistics import NormalDist, mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.generation import CELLS, STEP, even, prior
from reports_async._sansio.history import SAMPLES, History

WINDOW = 2700.0
END = CELLS * STEP

TYPES = st.lists(st.lists(st.floats(-10.0, 2 * END), max_size=12), min_size=1, max_size=5)


def history(*types):
    """What is known if reports of TYPE_0, TYPE_1, ... took so long."""
    known = History(WINDOW)
    for number, times in enumerate(types):
        for count, time in enumerate(times):
            known.learn(f"TYPE_{number}", f"R{count}", time, at=float(count))
    return known


def learned(times):
    """What is believed of the only type that there is."""
    return history(times).of("TYPE_0")


# -- a type alone ---------------------------------------------------------------------------------


def test_learned():
    """
    A few real reports outweigh the prior.
    """
    belief = learned([1180.0, 1210.0, 1195.0, 1230.0, 1205.0, 1190.0])

    assert belief.ready_between(1000.0, 1400.0) > 0.8
    assert belief.ready_between(0.0, 1000.0) < 0.1


def test_two_modes():
    """
    Two far modes are not blurred into one.
    """
    early = [120.0 + number for number in range(10)]
    late = [2400.0 + number for number in range(10)]

    belief = learned([*early, *late])

    assert belief.ready_between(0.0, 300.0) > 0.4
    assert belief.ready_between(600.0, 2000.0) < 0.1


def test_a_narrow_mode_beside_a_wide_one():
    """
    Reports that come within seconds of each other stay so, whatever others of their type do.
    """
    early = [120.0 + number for number in range(20)]
    late = [2000.0 + 40.0 * number for number in range(20)]

    belief = learned([*early, *late])

    assert belief.ready_between(105.0, 165.0) / belief.ready_between(0.0, 600.0) > 0.85


def test_two_reports_by_chance():
    """
    Two reports that took equally long do not prove that all do.
    """
    belief = learned([1200.0, 1200.0])

    assert belief.ready_between(0.0, 1050.0) > 0.1


@pytest.mark.parametrize("useless", [[], [-5.0], [END + 1.0]])
def test_nothing_to_learn(useless):
    """
    Times that cannot be teach nothing: the prior holds.
    """
    assert prior(WINDOW) is learned(useless)


def test_one_report():
    """
    One report is believed a little.
    """
    belief = learned([600.0])

    assert belief.ready_between(300.0, 900.0) > prior(WINDOW).ready_between(300.0, 900.0)


def test_each_report_once():
    """
    A report counts once, however often it is told of, and the first word holds.
    """
    known = history([600.0])
    known.learn("TYPE_0", "R0", 2000.0, at=9.0)

    assert "<History 1 reports of 1 types>" == repr(known)
    assert learned([600.0]).mass == known.of("TYPE_0").mass
    assert known.of("TYPE_0") is known.of("TYPE_0")


def test_the_newest():
    """
    Of a type only the newest reports count.
    """
    times = [600.0] * 5 + [1200.0] * SAMPLES

    assert learned(times[5:]).mass == learned(times).mass


@given(order=st.permutations(range(SAMPLES + 5)))
def test_the_newest_in_any_order(order):
    """
    Which reports are the newest is told by when they were submitted, not by when they are heard of.
    """
    known = History(WINDOW)
    for number in order:
        known.learn("TYPE_0", f"R{number}", 600.0 + 10.0 * number, at=float(number))

    newest = [600.0 + 10.0 * number for number in range(5, SAMPLES + 5)]
    assert learned(newest).mass == known.of("TYPE_0").mass
    belief = known.of("TYPE_0")
    known.learn("TYPE_0", "R0", 600.0, at=0.0)
    assert belief is known.of("TYPE_0")


def test_many_at_one_moment():
    """
    Reports of one moment, more than are kept, do not take turns.
    """
    known = History(WINDOW)
    first = [known.learn("TYPE_0", f"R{number}", 600.0, at=0.0) for number in range(SAMPLES + 1)]
    again = [known.learn("TYPE_0", f"R{number}", 600.0, at=0.0) for number in range(SAMPLES + 1)]

    assert [True] * SAMPLES + [False] == first
    assert not any(again)


def test_asked_in_between():
    """
    What is believed after a new report is what would be if it had been known all along.
    """
    known = history([1200.0, 1800.0])
    known.of("TYPE_0")
    for number, time in enumerate([600.0, 610.0, 620.0, 615.0]):
        known.learn("TYPE_0", f"S{number}", time, at=10.0 + number)

    assert learned([1200.0, 1800.0, 600.0, 610.0, 620.0, 615.0]).mass == known.of("TYPE_0").mass


def test_a_new_report_counts_at_once():
    """
    A new report of a type is taken in, however many were known.
    """
    known = history([600.0 + number for number in range(20)])
    first = known.of("TYPE_0")
    known.learn("TYPE_0", "S", 1800.0, at=99.0)

    assert known.of("TYPE_0").ready_between(0.0, 900.0) < first.ready_between(0.0, 900.0)


# -- types beside each other ----------------------------------------------------------------------


def test_nothing_known():
    """
    Of what nothing is known, the documented window is believed: evenly, if a look sees several.
    """
    assert prior(WINDOW) is history().of("ITEM")
    assert prior(WINDOW) is history().of("ITEM", ask_others=True)
    assert even(WINDOW) is history().of("ITEM", several=True)


def test_types_that_are_alike():
    """
    Types whose reports take 2 or 40 minutes alike tell each other of both.
    """
    twos, forties = [118.0, 121.0, 124.0], [2380.0, 2400.0, 2430.0]
    mixed = [[two, forty] for two in twos for forty in forties]

    belief = history([2410.0], *mixed).of("TYPE_0")

    assert 0.25 < belief.ready_between(60.0, 180.0) < 0.6
    assert belief.ready_between(400.0, 2000.0) < 0.2


def test_types_with_many_reports_that_are_alike():
    """
    Even a type with forty reports learns from those of others which chance there was in its own.
    """
    rng, truth = random.Random(0), NormalDist(1200.0, 60.0)
    types = [[rng.gauss(1200.0, 60.0) for _ in range(40)] for _ in range(12)]
    together = history(*types)

    def far(belief):
        return max(
            abs(belief.ready_between(0.0, at) - truth.cdf(at)) for at in range(900, 1500, 15)
        )

    alone = mean(far(learned(times)) for times in types)
    assert mean(far(together.of(f"TYPE_{number}")) for number in range(12)) < 0.5 * alone


def test_types_that_differ():
    """
    Types whose reports take long, each in its own way, say nothing of each other.
    """
    times = [[600.0 * kind + 4.0 * number for number in range(8)] for kind in (1, 2, 3, 4)]

    belief = history(*times).of("TYPE_2")

    assert belief.ready_between(1650.0, 1950.0) > 0.9
    assert belief.ready_between(0.0, 1500.0) < 0.05


def test_a_type_not_seen_yet():
    """
    Of a type without reports, what is believed is what the others say, the more of them agree.
    """

    def chance(count):
        known = history(*[[600.0 + number] for number in range(count)])
        return known.of("OTHER", ask_others=True).ready_between(500.0, 700.0)

    chances = [chance(count) for count in (0, 1, 4, 12)]

    assert chances == sorted(chances)
    assert chances[1] < 0.2
    assert chances[3] > 0.5


def test_a_type_not_seen_yet_beside_others():
    """
    What others say of such a type counts less where they do not explain who is waited for.
    """
    known = history(*[[350.0 + 80.0 * number] for number in range(6)])
    waited = [830.0] * 20

    belief = known.of("OTHER", waited=waited)

    assert belief.ready_between(300.0, 830.0) < known.of("OTHER").ready_between(300.0, 830.0) - 0.1
    assert belief.ready_between(300.0, 830.0) < 0.3


def test_types_not_seen_yet():
    """
    All types that were not seen yet are one belief, made once for each list of what is waited for.
    """
    known = history([1200.0])
    waited = [600.0]
    first = known.of("OTHER", waited=waited)

    assert first is known.of("ANOTHER", waited=waited)
    assert first is not known.of("OTHER", waited=[1100.0])
    assert (False, True) == (known.is_new("TYPE_0"), known.is_new("OTHER"))
    assert not history().is_new("OTHER")

    belief = known.of("OTHER")
    known.learn("TYPE_1", "R", 1210.0, at=9.0)
    assert belief is not known.of("OTHER")


def test_the_newest_of_others():
    """
    Of other types the newest reports count.
    """
    times = [600.0 + number for number in range(25)] + [1800.0 + number for number in range(25)]

    belief = history(times, times).of("OTHER", ask_others=True)

    assert belief.ready_between(1700.0, 1900.0) > 0.9


def test_the_quick_ones_are_known_first():
    """
    That no report was slow yet does not prove that all are quick.
    """
    times = [350.0 + 80.0 * number for number in range(6)]

    belief = history(*[[time] for time in times]).of("OTHER", ask_others=True)

    assert belief.ready_between(300.0, 830.0) < 0.5


def test_others_have_more_to_say():
    """
    What is believed of a type is thought over when twice as many reports are known at all.
    """
    known = history([1200.0], [600.0, 1800.0])
    first = known.of("TYPE_0")
    known.learn("TYPE_2", "R0", 900.0, at=9.0)
    second = known.of("TYPE_0")
    for number in range(4):
        known.learn("TYPE_2", f"S{number}", 900.0, at=10.0 + number)

    assert first is second
    assert known.of("TYPE_0") is not first


@given(types=TYPES, back=st.booleans())
def test_beliefs(types, back):
    """
    A belief adds up to one, and the order in which types were heard of does not change it.
    """
    known, other = history(*types), History(WINDOW)
    named = list(enumerate(types))
    for number, times in reversed(named) if back else named:
        for count, time in enumerate(times):
            other.learn(f"TYPE_{number}", f"R{count}", time, at=float(count))

    for number in range(len(types) + 1):
        masses = known.of(f"TYPE_{number}", ask_others=True).mass
        assert min(masses) >= 0.0
        assert 1.0 == pytest.approx(sum(masses))
        assert list(masses) == pytest.approx(
            list(other.of(f"TYPE_{number}", ask_others=True).mass), abs=1e-2
        )
    assert len(list(chain(*types))) >= int(repr(known).split()[1])
