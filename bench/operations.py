"""What is repeated: one sale, one decision, one request."""

import random
from collections.abc import Callable
from itertools import cycle

from rest_framework.test import APIClient

from access.queries import decisions
from access.services import content
from bench import data
from legato_payments.lib import clock
from legato_payments.lib.api import tokens

type Operation = Callable[[], object]


def buy(prefix: str = "c") -> Operation:
    """A random reader buys a random chapter, of all writers (``c``) or of one (``h``)."""

    def once() -> None:
        reader = f"r-{random.randint(1, data.READERS)}"
        chapter = f"{prefix}-{random.randint(1, data.CHAPTERS)}"
        content.buy(user_id=reader, content_id=chapter, now=clock.now(), actor=f"user:{reader}")

    return once


def buy_for(reader: str) -> Operation:
    """One reader buys random chapters."""

    def once() -> None:
        chapter = f"c-{random.randint(1, data.CHAPTERS)}"
        content.buy(user_id=reader, content_id=chapter, now=clock.now(), actor=f"user:{reader}")

    return once


def decide(ids: int) -> Operation:
    """A random reader asks about ``ids`` random chapters at once."""
    chapters = [f"c-{number}" for number in random.sample(range(1, data.CHAPTERS + 1), 2_000)]
    slices = cycle([chapters[at : at + ids] for at in range(0, len(chapters) - ids, ids)])

    def once() -> None:
        reader = f"r-{random.randint(1, data.READERS)}"
        decisions.decide_all(user_id=reader, content_ids=next(slices), now=clock.now())

    return once


def get(path: str, user_id: str) -> Operation:
    """A GET through the whole of Django, without a network."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user_id)}")

    def once() -> None:
        answer = client.get(path)
        assert answer.status_code == 200, answer.content

    return once
