"""payments.ledger: locks are taken in one order, so that money operations queue"""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection
from django.db.transaction import atomic

from payments.ledger import balances
from payments.models import CoinBalance
from tests.concurrency.threads import until_blocked

LOCK = "SELECT FROM payments_coinbalance WHERE id = %s FOR NO KEY UPDATE NOWAIT"


@pytest.mark.django_db(transaction=True)
def test_several_wallets_are_locked_by_primary_key() -> None:
    first, second = (balances.open_wallet(user_id=user_id) for user_id in ("zoe", "ann"))
    assert first.pk < second.pk
    # Ann's comes first by name, and in the table: a row with new index entries moves to its end.
    for name in ("nobody", "zoe"):
        CoinBalance.objects.filter(pk=first.pk).update(user_id=name)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(LOCK, [first.pk])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(_lock_both)
            until_blocked(waiting)
            second_is_free = _can_lock(other, second.pk)
            other.rollback()

    # Whoever waits for the first one holds nothing that the one who has it could wait for.
    assert second_is_free
    assert waiting.result() == {"zoe": first.pk, "ann": second.pk}


def _lock_both() -> dict[str, int]:
    try:
        with atomic():
            locked = balances.lock_all(user_ids={"ann", "zoe"})
            return {user_id: wallet.pk for user_id, wallet in locked.items()}
    finally:
        connection.close()


def _can_lock(other: psycopg.Connection, pk: int) -> bool:
    try:
        other.execute(LOCK, [pk])
    except psycopg.errors.LockNotAvailable:
        return False
    return True
