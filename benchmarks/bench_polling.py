"""
How soon reports are seen to be READY, and at what price: ours beside the loops everyone writes.

In virtual time, against the simulator with its budgets on. Lags are seconds from READY to being
seen, means over seeds and their standard error; "max" is the mean of each run's largest, and the
largest of all. Looks are list and status calls, calls those of the link besides. Who takes half of
the budget takes list and status calls: the oracle needs none. ``bound.py`` and ``bound_single.py``
say what the least possible is.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import attrs
from bound import blind, least
from bound_single import least_single
from known import READ, TOLD, UNPLACED, planned
from polling import AZURE, CONTENDERS, DISTRIBUTIONS, Run, loop, oracle, ours
from unplaced import SHAPES, TWO_TIMES, Unplaced

from reports_async import PollSchedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    Bound = tuple[str, bool]  # a case, and whether others take half of the budget
    Kept = tuple[str, int, bool]  # a case, how many earlier reports, and the same

CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "1 job": (1, {"max_page_limit": 100}),
    "5 jobs": (5, {"max_page_limit": 100}),
    "27 jobs": (27, {"max_page_limit": 100}),
    "27 jobs, pages of 10": (27, {"max_page_limit": 10}),
    "12 jobs, strict": (12, {"strict_list": True}),
    "27 jobs, strict": (27, {"strict_list": True}),
}
SPACE = PollSchedule().first
# Seeds of the plan alone, which takes no time.
PLANNED = 300


@attrs.frozen(kw_only=True)
class Trial:
    """One line of the table, for one seed: who, at what; sent to a process of its own."""

    who: str
    times: str
    case: str
    history: int = 0
    half: bool = False
    seed: int = 0

    def run(self) -> Run:
        """Run it in virtual time."""
        draw, (jobs, rules) = DISTRIBUTIONS[self.times], CASES[self.case]
        if self.who == "oracle":
            return oracle(draw, jobs, self.seed)
        if self.who in CONTENDERS:
            return loop(self.who, draw, jobs, self.seed, shared=self.half, **rules)
        return ours(draw, jobs, self.seed, history=self.history, shared=self.half, rules=rules)

    @property
    def title(self) -> str:
        """What the table calls it."""
        words = [f"{self.who}, {self.case}"]
        if self.who == "**ours**":
            words.append("with history" if self.history else "no history")
        if self.half:
            words.append("half the budget")
        return ", ".join(words)


def bound(times: str, which: Bound, *, alone: float = 0.0) -> float:
    """Compute the least mean lag possible, *alone* tokens of each bucket left alone."""
    case, half = which
    jobs, rules = CASES[case]
    share = 0.5 if half else 1.0
    if "strict_list" in rules:
        return least_single(DISTRIBUTIONS[times], jobs, share=share, alone=alone)
    return least(DISTRIBUTIONS[times], jobs, share=share, alone=alone)


def mean(runs: list[Run]) -> Run:
    """Average the runs; rejected calls are added up."""
    return Run(
        mean=statistics.mean(run.mean for run in runs),
        maximum=statistics.mean(run.maximum for run in runs),
        looks=statistics.mean(run.looks for run in runs),
        calls=statistics.mean(run.calls for run in runs),
        rejected=sum(run.rejected for run in runs),
        longest=max(run.longest for run in runs),
        error=standard_error([run.mean for run in runs]),
    )


def standard_error(values: list[float]) -> float:
    """Return how far the mean of all seeds may be from that of these."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def trials(times: str, *, earlier: int, loops: bool) -> Iterator[Trial]:
    """Iterate the lines of one table."""
    for case in CASES:
        for history in (0, earlier):
            for half in (False, True):
                yield Trial(who="**ours**", times=times, case=case, history=history, half=half)
    for case in ("1 job", "5 jobs", "27 jobs", "27 jobs, strict"):
        yield Trial(who="oracle", times=times, case=case)
        if loops:
            for name, half in product(CONTENDERS, (False, True)):
                yield Trial(who=name, times=times, case=case, half=half)


def row(trial: Trial, run: Run, least_lag: float) -> None:
    """Print one line of a table."""
    bound = f"{least_lag:.1f}"
    if trial.who == "**ours**":
        bound += f" ({run.mean / least_lag:.2f} x)"
    print(
        f"| {trial.title} | {run.mean:.1f} ± {run.error:.1f} "
        f"| {run.maximum:.0f}, {run.longest:.0f} "
        f"| {run.looks:.2f} | {run.calls:.2f} | {run.rejected} | {bound} |",
        flush=True,
    )


def both(times: str) -> None:
    """Print what status calls beside the lists could bring, and would cost."""
    for case in ("5 jobs", "27 jobs"):
        jobs, _ = CASES[case]
        lag = least(DISTRIBUTIONS[times], jobs, both=True)
        print(f"\nWith all status tokens spent beside the lists, {case}: {lag:.0f} s at least.")


def paged(times: str, found: Mapping[Kept, Run], earlier: int) -> None:
    """Print the least mean lag where a list costs as many calls as short pages make it cost."""
    for history in (0, earlier):
        run = found["27 jobs, pages of 10", history, False]
        calls = max(1.0, run.looks / found["27 jobs", history, False].looks)
        lag = least(DISTRIBUTIONS[times], 27, share=1.0 / calls)
        print(
            f"\nWith {calls:.2f} calls for a list, 27 jobs, pages of 10, {history} earlier "
            f"reports: {lag:.1f} s at least ({run.mean / lag:.2f} x)."
        )


def left_alone(times: str, found: Mapping[Kept, Run], earlier: int, pool: Executor) -> None:
    """Print the least mean lag of who leaves others, who may have had it, the last token."""
    which = [(case, True) for case in CASES]
    lags = pool.map(partial(bound, times, alone=1.0), which)
    for case, lag in zip(CASES, lags, strict=True):
        ratios = (f"{found[case, history, True].mean / lag:.2f} x" for history in (0, earlier))
        print(
            f"\nWith a token left in each bucket, half the budget, {case}: {lag:.1f} s at least "
            f"({' and '.join(ratios)}, without and with history)."
        )


def spaced_bound(times: str, jobs: int) -> float:
    """Compute the least mean lag where looks at one report are as far apart as the client's."""
    return least_single(DISTRIBUTIONS[times], jobs, apart=SPACE)


def spaced(times: str, pool: Executor) -> None:
    """Print it for lists that want a type."""
    cases = {case: jobs for case, (jobs, rules) in CASES.items() if "strict_list" in rules}
    lags = pool.map(partial(spaced_bound, times), cases.values())
    for case, lag in zip(cases, lags, strict=True):
        print(
            f"\nWith {SPACE:.0f} s between two looks at one report, {case}: {lag:.1f} s at least."
        )


def known(
    times: str, seeds: range, earlier: int, bounds: Mapping[Bound, float], pool: Executor
) -> None:
    """Print how near the plan for strict lists comes to the bound, by what it is told."""
    many = range(seeds.start, seeds.start + PLANNED)
    ways = (TOLD, READ, UNPLACED) if times == "log-normal, 20 min" else (TOLD, READ)
    for jobs, how in product((12, 27), ways):
        lags = list(pool.map(partial(planned, how, times, jobs, earlier), many, chunksize=10))
        lag, error = statistics.mean(lags), standard_error(lags)
        times_bound = lag / bounds[f"{jobs} jobs, strict", False]
        print(
            f"\nThe plan alone, lists strict, {jobs} jobs, {how.format(earlier)}: {lag:.1f} s "
            f"± {error:.1f}, {times_bound:.2f} x the least possible.",
            flush=True,
        )


def unplaced(seeds: range, pool: Executor) -> None:
    """Print what no plan can do without earlier reports, and what ours does."""
    print("\n### No earlier reports, and times that lie elsewhere in each run\n")
    print("| | mean lag, s | least possible | for who knows where they lie |")
    print("|---|---|---|---|", flush=True)
    for times in SHAPES:
        for case, (jobs, rules) in CASES.items():
            shared = jobs > 1 and "strict_list" not in rules
            if rules.get("max_page_limit") == 10 or (shared and times != TWO_TIMES):
                continue
            line = Unplaced(times=times, jobs=jobs, rules=rules, shared=shared)
            least_lag = pool.submit(line.least)
            known_lag = statistics.mean(pool.map(line.knowing, seeds))
            run = mean(list(pool.map(line.run, seeds)))
            print(
                f"| {times}, {case} | {run.mean:.1f} ± {run.error:.1f} "
                f"| {least_lag.result():.1f} ({run.mean / least_lag.result():.2f} x) "
                f"| {known_lag:.1f} |",
                flush=True,
            )


def draw_plot(path: str, seeds: range) -> None:
    """Draw the mean lag and the calls per report of ours and two loops."""
    import matplotlib as mpl  # noqa: PLC0415 -- only for the picture

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- only for the picture

    draw, numbers = DISTRIBUTIONS["uniform 5-45 min"], (1, 2, 5, 10, 20, 40, 80)
    everyone: dict[str, Callable[[int, int], Run]] = {
        "reports_async": lambda jobs, seed: ours(
            draw, jobs, seed, history=0, shared=False, rules={"max_page_limit": 100}
        ),
        "reports_async, list needs a type": lambda jobs, seed: ours(
            draw, jobs, seed, history=0, shared=False, rules={"strict_list": True}
        ),
        "status every 30 s": lambda jobs, seed: loop(AZURE, draw, jobs, seed),
        "status every 300 s": lambda jobs, seed: loop("status every 300 s", draw, jobs, seed),
    }
    figure, (lag, calls) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, contender in everyone.items():
        runs = [mean([contender(jobs, seed) for seed in seeds]) for jobs in numbers]
        style = "-o" if name.startswith("reports") else "--s"
        lag.plot(numbers, [run.mean for run in runs], style, label=name)
        calls.plot(numbers, [run.looks for run in runs], style, label=name)
    for axes, what in ((lag, "mean seconds from READY to seen"), (calls, "looks per report")):
        axes.set(xscale="log", yscale="log", xlabel="reports asked for at once", title=what)
        axes.set_xticks(numbers, [str(number) for number in numbers], minor=False)
        axes.minorticks_off()
        axes.grid(visible=True, alpha=0.3)
    lag.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0, help="others than it was tuned on")
    parser.add_argument("--earlier", type=int, default=40, help="reports of each type in a history")
    parser.add_argument("--loops", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--plot", help="draw lag and calls over the number of jobs into this file")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    if arguments.plot:
        draw_plot(arguments.plot, seeds)
        return
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        for times in DISTRIBUTIONS:
            print(f"\n### Generation times: {times}\n")
            print("| | mean lag, s | max lag, s | looks | calls | 429s in all | least possible |")
            print("|---|---|---|---|---|---|---|", flush=True)
            every = list(product(CASES, (False, True)))
            bounds = dict(zip(every, pool.map(partial(bound, times), every), strict=True))
            found: dict[Kept, Run] = {}
            for trial in trials(times, earlier=arguments.earlier, loops=arguments.loops):
                runs = pool.map(Trial.run, (attrs.evolve(trial, seed=seed) for seed in seeds))
                run = mean(list(runs))
                row(trial, run, bounds[trial.case, trial.half])
                if trial.who == "**ours**":
                    found[trial.case, trial.history, trial.half] = run
            both(times)
            paged(times, found, arguments.earlier)
            left_alone(times, found, arguments.earlier, pool)
            spaced(times, pool)
            known(times, seeds, arguments.earlier, bounds, pool)
        unplaced(seeds, pool)
    three = tuple(DISTRIBUTIONS.values())
    for draws, which in ((three, "all three distributions"), (three[:2], "the first two")):
        print(
            f"\nWithout history, no schedule for one report is within {blind(draws):.2f} x of the "
            f"least possible lag for {which}."
        )


if __name__ == "__main__":
    main()
