"""Webhooks: kept with the change they tell of, delivered when asked to, or at once."""

import random
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.peers.store import Json, Store

KIND = "_delivery"
PENDING, DELIVERED, DROPPED = "pending", "delivered", "dropped"
TIMEOUT_SECONDS = 30

type Sign = Callable[[bytes], Mapping[str, str]]


def add(store: Store, kind: str, event_id: str, about: str, body: bytes) -> None:
    """Keep a delivery, in the transaction of what it tells.

    Args:
        about: The object it is about, for the reader of the outbox.
    """
    store.put(
        KIND,
        {
            "id": event_id,
            "kind": kind,
            "about": about,
            "body": body.decode(),
            "state": PENDING,
            "attempts": 0,
            "status": None,
        },
    )


def listing(store: Store) -> list[Json]:
    """Every delivery, oldest first."""
    return [public(delivery) for delivery in store.find(KIND)]


def public(delivery: Json) -> Json:
    """A delivery as the control interface shows it."""
    return {name: value for name, value in delivery.items() if not name.startswith("_")}


@dataclass(frozen=True, slots=True)
class Order:
    """How to deliver.

    Args:
        only: Kinds to deliver, with ``*``; the others stay pending.
        without: Kinds that stay pending.
        drop: Kinds that are lost for good.
        drop_percent: So many of the others are lost too, by the seed.
        duplicates: How often each is sent again.
        seed: Shuffles everything that is sent; ``None`` keeps the order.
        again: Sends what was delivered before, too.
        limit: At most so many events, the oldest first.
        attempts: What was tried so often is left alone.
    """

    url: str
    only: list[str] = field(default_factory=lambda: ["*"])
    without: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    drop_percent: int = 0
    duplicates: int = 0
    seed: int | None = None
    again: bool = False
    limit: int | None = None
    attempts: int | None = None


def deliver(store: Store, order: Order, sign: Sign) -> list[Json]:
    """Send what the order says; one line for each sending, with the receiver's status.

    What is not answered with 2xx stays pending. The receiver may call the peer meanwhile.
    """
    chance = random.Random(order.seed)
    sendings: list[Json] = []
    with store.transaction():
        for delivery in _chosen(store, order):
            if _matches(delivery, order.drop) or chance.randrange(100) < order.drop_percent:
                store.put(KIND, {**delivery, "state": DROPPED})
                continue
            sendings += [delivery] * (1 + order.duplicates)
    if order.seed is not None:
        chance.shuffle(sendings)
    return [_send(store, delivery, order.url, sign) for delivery in sendings]


def _chosen(store: Store, order: Order) -> list[Json]:
    found = store.find(KIND) if order.again else store.find(KIND, state=PENDING)
    chosen = [
        delivery
        for delivery in found
        if delivery["state"] != DROPPED
        and _matches(delivery, order.only)
        and not _matches(delivery, order.without)
        and (order.attempts is None or delivery["attempts"] < order.attempts)
    ]
    return chosen if order.limit is None else chosen[: order.limit]


def _matches(delivery: Json, patterns: list[str]) -> bool:
    return any(fnmatchcase(delivery["kind"], pattern) for pattern in patterns)


def _send(store: Store, delivery: Json, url: str, sign: Sign) -> Json:
    body = delivery["body"].encode()
    headers = {"Content-Type": "application/json; charset=utf-8", **sign(body)}
    status = _post(url, body, headers)
    with store.transaction():
        now = store.get(KIND, delivery["id"]) or delivery
        good = status is not None and 200 <= status < 300
        now.update(attempts=now["attempts"] + 1, status=status)
        now["state"] = DELIVERED if good else now["state"]
        store.put(KIND, now)
    return {"id": delivery["id"], "kind": delivery["kind"], "status": status}


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except OSError:
        return None
