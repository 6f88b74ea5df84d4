"""Every sabotage, for real: ``make sabotage``, or ``python -m tests.sabotage.run 07 wallet``."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from tests.sabotage import broken_trees, sabotages
from tests.sabotage.sabotages import Sabotage

JOBS = 2
"""Broken trees at a time: each has two servers of its own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when the tests notice every sabotage asked for."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names; without any, all of them")
    parser.add_argument("--jobs", type=int, default=JOBS, help="broken trees at a time")
    options = parser.parse_args(arguments)
    every = sabotages.every()
    if unknown := [name for name in options.names if not any(name in one.name for one in every)]:
        parser.error(f"no sabotage is called {' or '.join(unknown)}")
    chosen = [
        one for one in every if not options.names or any(name in one.name for name in options.names)
    ]
    if problem := broken_trees.not_green(chosen):
        print(f"Before anything is broken: {problem}")
        return 1
    return report(chosen, jobs=options.jobs)


def report(chosen: Sequence[Sabotage], *, jobs: int) -> int:
    """Break a tree with each, say a line about each, and sum up."""
    started, caught = monotonic(), 0
    with ThreadPoolExecutor(jobs) as pool:
        for verdict in pool.map(broken_trees.judge, chosen):
            caught += verdict.is_caught
            word = "caught" if verdict.is_caught else "MISSED"
            print(f"{word}  {verdict.sabotage.name}: {verdict.why}", flush=True)
    print(f"caught {caught} of {len(chosen)} in {monotonic() - started:.0f} s")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
