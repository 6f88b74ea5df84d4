"""Ratios that repeat on a shared machine: variants take turns, and what others took is watched.

Each round runs every variant for a few seconds, one after the other, so that slow and fast minutes
of the machine hit all of them. A ratio is taken within a round; reported is the median of the
rounds. A round during which other programs used much of the machine counts only when there are not
enough calm ones.
"""

import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CALM = 0.15
"""Of all cores: what others may use in a round that counts as calm."""

ENOUGH = 3
"""Calm rounds that are enough to leave the others out."""

type Run = Callable[[float], float]
"""Runs for about so many seconds; says how many operations it did in one."""


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of every variant: operations per second, and the part of the machine others had."""

    rates: Mapping[str, float]
    foreign: float


@dataclass
class Samples:
    """All rounds of one comparison."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def used(self) -> Sequence[Round]:
        """The calm ones, or all when they are too few."""
        calm = [turn for turn in self.rounds if turn.foreign <= CALM]
        return calm if len(calm) >= ENOUGH else self.rounds

    def ratio(self, name: str, to: str) -> float:
        """How many times as fast as another variant."""
        return statistics.median(turn.rates[name] / turn.rates[to] for turn in self.used)

    def rate(self, name: str) -> float:
        """Operations per second."""
        return statistics.median(turn.rates[name] for turn in self.used)

    @property
    def note(self) -> str:
        """How many rounds count, and whether they were calm."""
        calm = sum(turn.foreign <= CALM for turn in self.rounds)
        return f"{len(self.used)} rounds, {calm} of {len(self.rounds)} calm"


def take_turns(variants: Mapping[str, Run], *, rounds: int, seconds: float) -> Samples:
    """Run every variant once per round; more rounds, up to twice as many, until enough are calm."""
    samples = Samples()
    for run in variants.values():
        run(min(seconds, 1))  # caches, plans, connections
    while len(samples.rounds) < 2 * rounds:
        before = _Clock.read()
        rates = {name: run(seconds) for name, run in variants.items()}
        foreign = _Clock.read().foreign_since(before)
        samples.rounds.append(Round(rates, foreign))
        shown = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items())
        print(f"  {shown} (others {foreign:.0%})", file=sys.stderr)
        calm = sum(turn.foreign <= CALM for turn in samples.rounds)
        if len(samples.rounds) >= rounds and calm >= min(rounds, ENOUGH):
            break
    return samples


@dataclass(frozen=True, slots=True)
class _Clock:
    """Ticks of all cores so far: all, busy, and busy with us and what we started."""

    total: int
    busy: int
    ours: int

    @classmethod
    def read(cls) -> "_Clock":
        ticks = [int(text) for text in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        idle = ticks[3] + ticks[4]
        return cls(sum(ticks), sum(ticks) - idle, _ticks_of_tree(os.getpid()))

    def foreign_since(self, before: "_Clock") -> float:
        total = self.total - before.total
        foreign = (self.busy - before.busy) - (self.ours - before.ours)
        return max(0.0, foreign / total) if total else 0.0


def _ticks_of_tree(root: int) -> int:
    """User and system time of a process and all below it, the ended ones included."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        pid = int(folder.name)
        parents[pid] = int(fields[1])
        # Own time, and that of children which were waited for.
        used[pid] = sum(int(text) for text in fields[11:15])
    return sum(ticks for pid, ticks in used.items() if _is_below(pid, root, parents))


def _is_below(pid: int, root: int, parents: Mapping[int, int]) -> bool:
    while pid not in (0, 1):
        if pid == root:
            return True
        pid = parents.get(pid, 0)
    return False
