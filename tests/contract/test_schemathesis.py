"""Whatever Schemathesis makes up from the description is answered as described, and moves no books

Each round sends thousands of requests as many identities, in any order, to a world in which things
stay done. ``LEGATO_SCHEMATHESIS_ROUNDS`` asks for more rounds, ``LEGATO_SCHEMATHESIS_SEED`` for
others.
"""

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.db.transaction import set_rollback
from schemathesis import Response

from payments.api import events
from payments.gateways.sandbox import signatures
from payments.ledger import invariants, sealing
from tests.contract import generated, judging
from tests.contract.callers import openers, strangers
from tests.contract.judging import Fault, Request
from tests.contract.targets import make_targets
from tests.ledger import books
from tests.security.endpoints import ENDPOINTS, EVENT, savepoint, signature

SEED = int(os.environ.get("LEGATO_SCHEMATHESIS_SEED", "20261102"))
ROUNDS = int(os.environ.get("LEGATO_SCHEMATHESIS_ROUNDS", "1"))
EXAMPLES = 30
PROMISED = 3_000
"""Requests of one round."""

MORE_ROUNDS = 20
"""Of what has not succeeded yet, at the most."""

STRANGERS = 5
"""One of so many requests comes from somebody who may not."""


@dataclass
class Tally:
    """What a round has seen."""

    sent: Counter[str] = field(default_factory=Counter)
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    def first_of_each_kind(self) -> str:
        """One fault of each kind, and how many there are."""
        counts = Counter(fault.kind for fault in self.faults)
        firsts = {fault.kind: fault for fault in reversed(self.faults)}
        return "\n\n".join(f"{counts[kind]} x {fault}" for kind, fault in firsts.items())


def requests_of_round(number: int, rng: random.Random) -> list[Request]:
    """Generated requests to every endpoint, in any order, mostly by those who may send them."""
    schema = generated.load()
    requests = []
    for endpoint in ENDPOINTS:
        friends, others = openers(endpoint), strangers(endpoint)
        cases = generated.cases(schema, endpoint, examples=EXAMPLES, number=number)
        for index, case in enumerate(cases):
            is_open = not others or index % STRANGERS > 0
            callers = friends if is_open else others
            caller = callers[index // (1 if is_open else STRANGERS) % len(callers)]
            requests.append(Request(endpoint, caller, is_open, case))
    rng.shuffle(requests)
    return requests


def once_more(requests: list[Request], tally: Tally) -> Iterator[Request]:
    """Valid requests again, while some endpoint or somebody has got nothing done.

    What Hypothesis makes up also depends on the modules that other tests have loaded: the few
    requests of one caller may all have met what was refunded or taken already.
    """
    for _ in range(MORE_ROUNDS):
        done = [pair for pair, times in tally.done.items() if times]
        endpoints, callers = {name for name, _ in done}, {name for _, name in done}
        missing = [
            request
            for request in requests
            if request.is_open
            and request.is_valid
            and (str(request.endpoint) not in endpoints or request.caller.name not in callers)
        ]
        if not missing:
            return
        yield from missing


def send(request: Request) -> tuple[Response, dict[str, str]]:
    """Send it, and undo only what broke; with the headers that were not generated."""
    headers = {**request.caller.headers}
    body: dict[str, Any] = {}
    if request.caller.is_gateway and request.is_valid:
        # The signature is over the bytes: they are sent as they are.
        headers |= {signatures.HEADER: signature(EVENT), "Content-Type": "application/json"}
        body = {"data": EVENT}
    with savepoint():
        response = request.case.call(headers=headers, **body)
        if response.status_code >= 500:
            set_rollback(True)
    return response, headers


@contextmanager
def connection_kept() -> Iterator[None]:
    """As in Django's own test client: the end of a request does not close the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


@pytest.fixture
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    # As when many readers wait: all others are answered at once.
    monkeypatch.setattr(events, "_places", threading.Semaphore(0))


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("_nobody_waits")
@pytest.mark.parametrize("number", range(SEED, SEED + ROUNDS))
def test_every_answer_is_as_described_and_the_books_add_up(number: int) -> None:
    rng = random.Random(number)
    # Before the first query: PostgreSQL ends a transaction in which nothing happens for long.
    requests = requests_of_round(number, rng)
    targets = make_targets(rng)
    tally = Tally()

    with connection_kept():
        for request in chain(requests, once_more(requests, tally)):
            targets.aim(request.case, request.caller)
            response, headers = send(request)
            endpoint, caller = str(request.endpoint), request.caller.name
            is_first = response.status_code < 300 and not tally.done[endpoint, caller]
            tally.sent[endpoint] += 1
            tally.done[endpoint, caller] += response.status_code < 300
            tally.faults += judging.faults(request, response, headers, try_without_token=is_first)

    total, callers = tally.sent.total(), {name for _, name in tally.done}
    print(f"schemathesis: {total:,} requests by {len(callers)} identities, seed {number}")
    assert not tally.faults, tally.first_of_each_kind()
    assert total >= PROMISED
    assert_everything_was_done(tally)
    sealing.seal_all(now=datetime.now(UTC))
    assert list(invariants.discrepancies()) == []
    books.assert_sound()


def assert_everything_was_done(tally: Tally) -> None:
    """Every endpoint did what it is for, and everybody got something done. Without exception."""
    done = [pair for pair, times in tally.done.items() if times]
    assert {endpoint for endpoint, _ in done} == {str(endpoint) for endpoint in ENDPOINTS}
    friends = {caller.name for endpoint in ENDPOINTS for caller in openers(endpoint)}
    assert {caller for _, caller in done} == friends
