"""How fast the sealer is, on transactions that wait for it."""

import statistics
import time

from bench import growth
from legato_payments.lib import clock
from payments.ledger import sealing

WAITING = 10_000


def rate(*, rounds: int) -> tuple[float, int]:
    """Transactions sealed per second, the median of some runs, and how many in all."""
    rates = []
    total = 0
    sealing.seal_all(now=clock.now())
    for _ in range(rounds):
        growth.add(WAITING)
        began = time.perf_counter()
        sealed = sealing.seal_all(now=clock.now())
        rates.append(sealed / (time.perf_counter() - began))
        total += sealed
    return statistics.median(rates), total
