"""
Beside a loop that spends whatever call comes: how soon reports are seen, and with how many 429s.

In virtual time, against the simulator with its budgets on. The neighbour makes a list and a status
call every so often, whatever it is told; a call of its own takes up to half a second. Reports take
5 to 45 minutes. Means over seeds; "max" is the largest lag of all, and 429s are those of one run,
the neighbour's not counted. A report that was not seen in 90 minutes is missed, and its lag counts
until then.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import attrs
from bench_polling import CASES
from polling import AZURE, DISTRIBUTIONS, Rival, Run, loop, ours

OURS = "**ours**"


@attrs.frozen
class Trial:
    """One line of the table, for one seed; sent to a process of its own."""

    who: str
    case: str
    every: float
    seed: int = 0

    def run(self) -> Run:
        """Run it in virtual time."""
        draw, (jobs, rules) = DISTRIBUTIONS["uniform 5-45 min"], CASES[self.case]
        rival = Rival(self.every, late=0.5)
        if self.who == OURS:
            return ours(draw, jobs, self.seed, history=0, shared=True, rules=rules, rival=rival)
        return loop(self.who, draw, jobs, self.seed, shared=True, rival=rival, **rules)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print("| the neighbour calls every | who | mean lag, s | max | looks | 429s a run | missed |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        for case, every, who in product(CASES, (10.0, 30.0, 60.0), (OURS, AZURE)):
            trial = Trial(who, case, every)
            runs = list(pool.map(Trial.run, (attrs.evolve(trial, seed=seed) for seed in seeds)))
            print(
                f"| {every:.0f} s | {who}, {case} "
                f"| {statistics.mean(run.mean for run in runs):.0f} "
                f"| {max(run.maximum for run in runs):.0f} "
                f"| {statistics.mean(run.looks for run in runs):.1f} "
                f"| {statistics.mean(run.refused for run in runs):.1f} "
                f"| {sum(run.missed for run in runs)} of {len(runs) * CASES[case][0]} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
