"""The comparisons, each with what it aims for. Order matters: ``growth`` fills the tables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench import costs, data, floor, growth, lean_orm, operations, peer, sealing, web, workers
from bench.sampling import Run, Samples, take_turns


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    what: str
    aim: str
    measured: str
    is_met: bool | None
    note: str


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float


def times(
    what: str, ratio: float, aim: float, samples: Samples, *, at_most: bool = False
) -> Result:
    """A ratio against its aim."""
    sign = "≤" if at_most else "≥"
    is_met = ratio <= aim if at_most else ratio >= aim
    return Result(what, f"{sign} {aim:.2f}", f"{ratio:.2f}", is_met, samples.note)


def in_processes(operation: Callable[[], operations.Operation], processes: int) -> Run:
    """An operation as a variant, repeated by so many processes."""
    return lambda seconds: workers.run(
        lambda _number: operation(), processes=processes, seconds=seconds
    )


def spend(effort: Effort) -> Iterator[Result]:
    """``content.buy()`` beside the floor, the lean ORM and another ledger."""
    variants: dict[str, Run] = {
        "floor": lambda seconds: floor.run(clients=1, seconds=seconds),
        "buy": in_processes(operations.buy, 1),
        "orm": in_processes(lambda: lean_orm.spend, 1),
    }
    if peer.is_installed():
        variants["hordak"] = peer.run
    one = take_turns(variants, rounds=effort.rounds, seconds=effort.seconds)
    yield times("buy() / floor, 1 process", one.ratio("buy", "floor"), 0.60, one)
    yield times("buy() / lean ORM of the same writes", one.ratio("buy", "orm"), 5, one)
    if peer.is_installed():
        yield times("buy() / django-hordak, 4 legs", one.ratio("buy", "hordak"), 4, one)
    four = take_turns(
        {
            "floor": lambda seconds: floor.run(clients=4, seconds=seconds),
            "buy": in_processes(operations.buy, 4),
        },
        rounds=effort.rounds,
        seconds=effort.seconds,
    )
    yield times("buy() / floor, 4 processes", four.ratio("buy", "floor"), 0.50, four)


def hot_writer(effort: Effort) -> Iterator[Result]:
    """Everybody buys from one writer."""
    samples = take_turns(
        {
            "uniform": in_processes(operations.buy, 16),
            "one writer": in_processes(lambda: operations.buy("h"), 16),
        },
        rounds=effort.rounds,
        seconds=effort.seconds,
    )
    ratio = samples.ratio("one writer", "uniform")
    yield times("one writer / all writers, 16 processes", ratio, 0.95, samples)


def http(effort: Effort) -> Iterator[Result]:
    """Spends over HTTP beside a view of one query, and the two web servers."""
    with web.serving("gunicorn") as plain, web.serving("granian") as other:
        variants: dict[str, Run] = {}
        for name, port in (("gunicorn", plain), ("granian", other)):
            page = "/bench/users/{user}/one-query"
            variants[f"{name} query"] = in_processes(partial(web.get, port, page), web.CLIENTS)
            variants[f"{name} spend"] = in_processes(partial(web.spend, port), web.CLIENTS)
        samples = take_turns(variants, rounds=effort.rounds, seconds=effort.seconds)
    for name in ("gunicorn", "granian"):
        ratio = samples.ratio(f"{name} spend", f"{name} query")
        yield times(f"HTTP spend / one-query view, {name}", ratio, 0.65, samples)
    for what in ("query", "spend"):
        ratio = samples.ratio(f"granian {what}", f"gunicorn {what}")
        yield Result(f"granian / gunicorn, {what}", "", f"{ratio:.2f}", None, samples.note)


def reads(effort: Effort) -> Iterator[Result]:
    """Access decisions, and a list of fifty."""
    asked = take_turns(
        {
            "one id": in_processes(lambda: operations.decide(1), 1),
            "100 ids": in_processes(lambda: operations.decide(100), 1),
        },
        rounds=effort.rounds,
        seconds=effort.seconds,
    )
    ratio = asked.ratio("one id", "100 ids")
    yield times("access decision of 100 ids / of one", ratio, 3, asked, at_most=True)

    workers.run(lambda _number: operations.buy_for("r-1"), processes=1, seconds=1)
    ours = partial(operations.get, "/api/v1/payments/users/r-1/transactions", "r-1")
    usual = partial(operations.get, "/bench/users/r-1/history", "r-1")
    lists = take_turns(
        {"ours": in_processes(ours, 1), "ModelSerializer": in_processes(usual, 1)},
        rounds=effort.rounds,
        seconds=effort.seconds,
    )
    ratio = lists.ratio("ours", "ModelSerializer")
    yield times("list of 50 transactions / by ModelSerializer", ratio, 1.5, lists)


def seal(effort: Effort) -> Iterator[Result]:
    """The sealer alone, on what the other suites left."""
    rate, sealed = sealing.rate(rounds=effort.rounds)
    yield Result(
        "sealing, transactions per second", "≥ 5,000", f"{rate:,.0f}", rate >= 5_000,
        f"{sealed:,} sealed",
    )  # fmt: skip


def grow(effort: Effort) -> Iterator[Result]:
    """The time of one ``buy()`` with few and with a million transactions, against the floor."""
    samples = {}
    for size in growth.SIZES:
        growth.fill(size)
        samples[size] = take_turns(
            {
                "floor": lambda seconds: floor.run(clients=1, seconds=seconds),
                "buy": in_processes(operations.buy, 1),
            },
            rounds=effort.rounds,
            seconds=effort.seconds,
        )
    small, large = (samples[size] for size in growth.SIZES)
    ratio = small.ratio("buy", "floor") / large.ratio("buy", "floor")
    what = "time of buy() at {1:,} transactions / at {0:,}".format(*growth.SIZES)
    yield times(what, ratio, 1.2, large, at_most=True)


def parts(effort: Effort) -> Iterator[Result]:
    """Which function of a purchase takes which part of its time in the database."""
    spent = costs.by_function(seconds=effort.rounds * effort.seconds)
    whole = sum(spent.values())
    for name, micros in spent.items():
        if micros / whole >= 0.02:
            yield Result(f"of access_buy(): {name}", "", f"{micros / whole:.0%}", None, "")


SUITES: dict[str, Callable[[Effort], Iterator[Result]]] = {
    "spend": spend,
    "parts": parts,
    "hot-writer": hot_writer,
    "http": http,
    "reads": reads,
    "seal": seal,
    "growth": grow,
}


def prepare() -> None:
    """What all of them work on."""
    data.fill()
    floor.prepare()
