"""
What was seen of generation times, and what is believed of each type for it.

Reports of a type speak for it, those of other types a little, and the documented window for all.
How much of each is asked of the reports themselves, at two places by the same rule: take one half
of them, with the belief beforehand counted as so many reports, and see how well it foretells the
other half. So types that are alike teach each other from the first report on, and types that differ
do not.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING, Final

from .generation import CELLS, STEP, Generation, bandwidths, bells, even, prior
from .newcomers import LIKELY, newcomers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLES: Final = 50
"""How many of the newest reports are kept of a type."""

TOGETHER: Final = 400
"""About how many of the newest reports speak for all types."""

FORETOLD: Final = 8
"""How many of the newest reports of a type are foretold from each other."""

WEIGHTS: Final = (0.1, 0.5, 2.0, 8.0, 32.0)
"""How many reports the belief beforehand may count for."""

OTHERS: Final = (*WEIGHTS, 128.0)
"""And how many that of other types may, whose reports are more than any type has of its own."""

DOUBT: Final = 1.0
"""The logarithm of the odds for each weight against the one before, where all types are asked: a
few reports that happen to be close prove little."""


class History:
    """
    What is known of generation times, type by type; asked by the plan, fed by whoever learns.

    Args:
        window: The documented time within which reports are ready, in seconds.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._times: dict[str, _Newest] = {}
        self._count = 0
        self._beliefs: dict[bool, _Beliefs] = {}
        self._newcomers: tuple[Generation, Sequence[float], int] | None = None

    def learn(self, report_type: str, request_id: str, seconds: float, *, at: float) -> bool:
        """
        Remember how long one report took; False if that is no news, or cannot be.

        Args:
            report_type: Its type.
            request_id: Its request.
            seconds: From its submission until it was ready.
            at: When it was submitted, in seconds since any one moment: the newest count.
        """
        if not 0.0 <= seconds < CELLS * STEP:
            return False
        times = self._times.setdefault(report_type, _Newest())
        if not times.add(request_id, seconds, at):
            return False
        self._count += 1
        for beliefs in self._beliefs.values():
            beliefs.forget(report_type)
        return True

    def knows(self, report_type: str) -> bool:
        """Tell whether a report of a type was seen."""
        return report_type in self._times

    def is_new(self, report_type: str) -> bool:
        """Tell whether others must speak for a type: some were seen already, this one was not."""
        return bool(self._times) and not self.knows(report_type)

    def of(
        self,
        report_type: str,
        *,
        several: bool = False,
        ask_others: bool = False,
        waited: Sequence[float] = (),
    ) -> Generation:
        """
        Return what is believed of a type.

        Args:
            report_type: The type.
            several: Several wait that each look sees. None of them may wait much longer than the
                others, so any time is believed alike beforehand.
            ask_others: Where no report of the type was seen yet, take the word of other types, as
                where each look sees one type: those that it has not seen may be ready long since.
            waited: Otherwise the word of other types counts as far as it explains this as well: how
                long, in seconds, each of the others that were never seen was seen not to be ready.
        """
        before = even(self._window) if several else prior(self._window)
        if not self._times:
            return before
        if self.is_new(report_type) and not ask_others:
            return self._unseen(waited)
        beliefs = self._beliefs.setdefault(several, _Beliefs(self._times, before))
        if self.is_new(report_type):
            return beliefs.together(self._count).generation
        return beliefs.of(report_type, self._count)

    def _unseen(self, waited: Sequence[float]) -> Generation:
        # A plan asks for one type after the other, with the same list.
        made = self._newcomers
        if made is None or made[1] is not waited or made[2] != self._count:
            times = chain.from_iterable(_newest(self._times).values())
            made = newcomers(self._window, times, waited), waited, self._count
            self._newcomers = made
        return made[0]

    def __repr__(self) -> str:
        count = sum(len(of_one.times) for of_one in self._times.values())
        return f"<History {count} reports of {len(self._times)} types>"


class _Newest:
    """What the newest reports of one type took: `times`, in the order of their submission."""

    __slots__ = ("_at", "_known", "times")

    def __init__(self) -> None:
        # Twenty types of a thousand accounts have some each: an id is remembered by its hash.
        self._known = array("q")
        self._at = array("d")
        self.times = array("d")

    def add(self, request_id: str, seconds: float, at: float) -> bool:
        """Take one in; False if it is known, or no newer than any of as many as are kept."""
        known, full = hash(request_id), len(self.times) == SAMPLES
        if known in self._known or (full and at <= self._at[0]):
            return False
        place = bisect_right(self._at, at)
        self._known.insert(place, known)
        self._at.insert(place, at)
        self.times.insert(place, seconds)
        if full:
            del self._known[0], self._at[0], self.times[0]
        return True


class _Beliefs:
    """
    What is believed of each type that was seen, made when it is asked for.

    Args:
        times: By type: the newest; they grow while reports are seen.
        before: What is believed before.
    """

    def __init__(self, times: Mapping[str, _Newest], before: Generation) -> None:
        self._times = times
        self._before = before
        # Each with how many reports were known when it was made.
        self._known: dict[str, tuple[Generation, int]] = {}
        self._all: tuple[_All, int] | None = None
        self._evidence: dict[str, Sequence[float]] = {}

    def forget(self, report_type: str) -> None:
        """Believe of a type what was seen now."""
        self._known.pop(report_type, None)
        self._evidence.pop(report_type, None)

    def of(self, report_type: str, count: int) -> Generation:
        """Return what is believed of a type, of *count* reports in all."""
        known, before = self._known.get(report_type, (None, 0))
        # Anew when as many again are known, of whatever type.
        if known is None or count > 2 * before:
            known = self._believed(report_type, count)
            self._known[report_type] = known, count
        return known

    def together(self, count: int) -> _All:
        """Return what all types say together, of *count* reports in all."""
        if self._all is None or self._all[1] != count:
            self._all = _All(_newest(self._times), self._before), count
        return self._all[0]

    def _believed(self, report_type: str, count: int) -> Generation:
        together = self.together(count)
        for name, of_one in self._times.items():
            if name not in self._evidence:
                newest = of_one.times[-FORETOLD:]
                halves = newest[::2], newest[1::2]
                foretold = _foretold(halves, together.without(name), OTHERS)
                self._evidence[name] = array("d", foretold)
        odds = _odds([sum(column) for column in zip(*self._evidence.values(), strict=True)])
        times = self._times[report_type].times
        others = together.without(report_type)
        return Generation(_blend(bells(times), len(times), others, odds, OTHERS))


def _newest(times: Mapping[str, _Newest]) -> dict[str, Sequence[float]]:
    """Return the newest times of each type: about `TOGETHER` in all."""
    share = -(-TOGETHER // len(times))
    return {name: of_one.times[-share:] for name, of_one in times.items()}


class _All:
    """
    What the newest reports of all types say together.

    Args:
        times: By type, of which there is at least one: the newest.
        before: What is believed before.
    """

    def __init__(self, times: Mapping[str, Sequence[float]], before: Generation) -> None:
        self._before = before
        self._times = times
        self._joined = array("d", chain.from_iterable(times.values()))
        self._widths = bandwidths(self._joined)
        self._bells = array("d", bells(self._joined, widths=self._widths))
        # Each type gives to both halves, and not all of them their first ones to the same.
        halves: tuple[list[float], list[float]] = [], []
        for number, newest in enumerate(self._times.values()):
            for place, time in enumerate(newest, start=number):
                halves[place % 2].append(time)
        # Some may be of requests that were made together: the slower ones are not ready yet.
        cells = int(max(self._joined) / STEP) + 1
        evidence = _foretold(halves, before.cells, WEIGHTS, cells=cells)
        self._odds = _odds([one + DOUBT * step for step, one in enumerate(evidence)])
        blend = _blend(self._bells, len(self._joined), before.cells, self._odds, WEIGHTS)
        self.generation = Generation(blend)

    def without(self, name: str) -> Sequence[float]:
        """Return the masses that all types but that one suggest."""
        own = self._times[name]
        others = [
            max(0.0, mass - part)
            for mass, part in zip(self._bells, bells(own, widths=self._widths), strict=True)
        ]
        count = len(self._joined) - len(own)
        return _blend(others, count, self._before.cells, self._odds, WEIGHTS)


def _foretold(
    halves: tuple[Sequence[float], Sequence[float]],
    before: Sequence[float],
    weights: Sequence[float],
    *,
    cells: int = CELLS,
) -> list[float]:
    """
    Return, for each of *weights*, the log likelihood of each half by the other.

    Args:
        halves: Seconds, of one report each.
        before: The masses that are believed before.
        weights: How many reports that belief counts for.
        cells: Only so many are compared, where no report could take longer yet.
    """
    evidence = [0.0] * len(weights)
    whole = sum(before[:cells])
    for known, unknown in (halves, halves[::-1]):
        masses = bells(known)[:cells]
        count = sum(masses)
        for time in unknown:
            cell = int(time / STEP)
            for number, weight in enumerate(weights):
                likely = (masses[cell] + weight * before[cell]) / (count + weight * whole)
                evidence[number] += math.log(max(likely, LIKELY))
    return evidence


def _odds(evidence: Sequence[float]) -> list[float]:
    """Return the chances that log likelihoods stand for."""
    most = max(evidence)
    raw = [math.exp(one - most) for one in evidence]
    return [one / sum(raw) for one in raw]


def _blend(
    masses: Sequence[float],
    count: int,
    before: Sequence[float],
    odds: Sequence[float],
    weights: Sequence[float],
) -> list[float]:
    """Return *masses* of *count* reports over *before*, which counts for *weights*, by *odds*."""
    shares = [(odd / (count + weight), weight) for odd, weight in zip(odds, weights, strict=True)]
    ours = sum(share for share, _ in shares)
    theirs = sum(share * weight for share, weight in shares)
    blend = [ours * mass + theirs * other for mass, other in zip(masses, before, strict=True)]
    total = sum(blend)
    return [mass / total for mass in blend]
