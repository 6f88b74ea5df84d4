"""One Idempotency-Key from 64 threads through HTTP: one effect, one answer"""

from collections import Counter

import pytest

from access.models import Entitlement
from payments.models import CoinBalance, IdempotencyKey, LotUse
from tests import factories
from tests.clients import PAYMENTS, api
from tests.concurrency.threads import Crowd
from tests.factories import READER
from tests.ledger import books

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SPEND = f"{PAYMENTS}/users/{READER}/spend-coins"
ROUNDS = 4


def test_one_key_has_one_effect_and_one_answer() -> None:
    factories.buy_coins(READER, "Ultimate Pack")
    for at in range(ROUNDS):
        factories.put_content(f"chapter-{at}", price=100)
    crowd = Crowd(64)

    def spend(number: int) -> list[tuple[int, bool, bytes, str]]:
        caller = api(user=READER)
        answers = []
        for at in range(ROUNDS):
            crowd.gather()
            response = caller.keyed(SPEND, {"content_id": f"chapter-{at}"}, key=f"intent-{at}")
            code = response.json().get("code", "")
            replayed = "Idempotent-Replayed" in response.headers
            answers.append((response.status_code, replayed, response.content, code))
        return answers

    for at, answers in enumerate(zip(*crowd.run(spend), strict=True)):
        ran = [body for status, replayed, body, _ in answers if status == 201 and not replayed]
        replays = {body for status, replayed, body, _ in answers if status == 201 and replayed}
        refusals = Counter((status, code) for status, _, _, code in answers if status != 201)
        assert len(ran) == 1
        assert replays <= {ran[0]}
        assert set(refusals) <= {(409, "idempotency_in_progress")}
        later = api(user=READER).keyed(SPEND, {"content_id": f"chapter-{at}"}, key=f"intent-{at}")
        assert (later.status_code, later.content) == (201, ran[0])

    assert CoinBalance.objects.get().coins == 6_600 - ROUNDS * 100
    assert Entitlement.objects.count() == LotUse.objects.count() == ROUNDS
    assert IdempotencyKey.objects.count() == ROUNDS
    books.assert_sound()
