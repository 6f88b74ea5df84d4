"""POST /payments/users/{user_id}/send-tip and /access/users/{user_id}/tip"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from access.models import Tip
from access.services import tips
from payments.ledger import chart
from payments.models import CoinBalance, Transaction
from revenue.models import Earning
from tests import factories
from tests.clients import PAYMENTS, ApiClient, api
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

Send = Callable[..., Any]


def send_tip(caller: ApiClient | None = None, *, key: str | None = None, **body: Any) -> Any:
    """Tip by the route of the payments."""
    return _send(f"{PAYMENTS}/users/{READER}/send-tip", caller, key, body)


def tip(caller: ApiClient | None = None, *, key: str | None = None, **body: Any) -> Any:
    """Tip by the route of the access rights."""
    return _send(f"/api/v1/access/users/{READER}/tip", caller, key, body)


def _send(path: str, caller: ApiClient | None, key: str | None, body: dict[str, Any]) -> Any:
    sent = {"recipient_id": WRITER, "coins": 10, **body}
    return (caller or api(user=READER)).keyed(path, sent, key=key)


both_routes = pytest.mark.parametrize("send", [send_tip, tip])


@pytest.fixture(autouse=True)
def _writer() -> None:
    factories.put_content("chapter-4")


@both_routes
def test_gives_coins_to_a_writer(send: Send, reader: str) -> None:
    response = send(coins=500, content_id="chapter-4", message="Bravo!\nMore, please.")

    assert response.status_code == 201
    row = Tip.objects.get()
    assert response.json() == {
        "transaction_id": str(row.transaction_id),
        "recipient_id": WRITER,
        "coins": 500,
        "balance": {
            "coins": 6_100,
            "purchased_coins": 6_100,
            "promo_coins": 0,
            "held_coins": 0,
        },
    }
    assert (row.sender_id, row.coins, row.message) == (READER, 500, "Bravo!\nMore, please.")
    # 500 of 6,600 coins worth 39.99 release 3,029,545 micros, of which 70 % are the writer's.
    assert books.balance(chart.writer(WRITER)) == -2_120_681
    assert books.balance(chart.platform("tips")) == -908_864
    metadata = Transaction.objects.get(pk=row.transaction_id).metadata
    assert metadata == {"counterparty_id": WRITER, "content_id": "chapter-4"}
    assert CoinBalance.objects.get(user_id=READER).lifetime_tipped == 500
    books.assert_sound()


@both_routes
@pytest.mark.parametrize(
    ("body", "status", "code", "members"),
    [
        ({"coins": 9}, 422, "tip_too_small", {"minimum_coins": 10}),
        ({"recipient_id": READER}, 422, "self_tip", {}),
        ({"recipient_id": "reader-2"}, 422, "unknown_recipient", {}),
        ({"coins": 10_001}, 422, "tip_limit_reached", {"limit_coins": 10_000, "sent_coins": 0}),
        (
            {"coins": 6_601},
            409,
            "insufficient_coins",
            {"required_coins": 6_601, "available_coins": 6_600},
        ),
    ],
)
def test_refuses(
    send: Send, reader: str, body: dict[str, Any], status: int, code: str, members: dict[str, Any]
) -> None:
    books.give(5_000)  # promotional coins do not count
    before = books.fingerprint()

    response = send(**body)

    assert response.status_code == status
    answer = response.json()
    assert answer["code"] == code
    assert {name: answer[name] for name in members} == members
    assert books.fingerprint() == before


def test_promotional_coins_do_not_count(reader: str) -> None:
    books.give(5_000)

    answer = send_tip(coins=6_600).json()

    balance = answer["balance"]
    assert (balance["coins"], balance["purchased_coins"], balance["promo_coins"]) == (
        5_000,
        0,
        5_000,
    )
    earning = Earning.objects.get()
    assert (earning.stream, earning.coins, earning.promo_coins) == ("TIP", 6_600, 0)
    assert earning.amount_micros == 39_990_000 * 70 // 100


def test_counts_the_tips_of_one_utc_day(reader: str) -> None:
    factories.buy_coins(READER, "Ultimate Pack")
    last_second = datetime(2026, 11, 2, 23, 59, 59, tzinfo=UTC)

    def send(coins: int, now: datetime) -> None:
        tips.send(sender_id=READER, recipient_id=WRITER, coins=coins, now=now, actor="user:x")

    send(3_000, last_second - timedelta(days=1))
    send(4_000, datetime(2026, 11, 2, tzinfo=UTC))
    send(5_990, NOW)
    before = books.fingerprint()
    with pytest.raises(tips.DailyLimitReached) as refusal:
        send(11, last_second)
    assert refusal.value.members == {"limit_coins": 10_000, "sent_coins": 9_990}
    assert books.fingerprint() == before

    send(10, last_second)
    send(200, last_second + timedelta(seconds=1))

    assert CoinBalance.objects.get(user_id=READER).coins == 0


def test_the_same_key_tips_once(reader: str) -> None:
    first, second = (tip(coins=100, key="one-intent") for _ in range(2))

    assert first.content == second.content
    assert Tip.objects.count() == 1
    assert CoinBalance.objects.get(user_id=READER).coins == 6_500


@both_routes
def test_no_service_tips_for_a_reader(send: Send, reader: str) -> None:
    before = books.fingerprint(with_keys=True)

    response = send(api(service="app", scopes=["coins:spend:delegated"], act=READER))

    assert response.status_code == 403
    assert books.fingerprint(with_keys=True) == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"coins": 0}, "/coins"),
        ({"coins": -10}, "/coins"),
        ({"coins": "10"}, "/coins"),
        ({"coins": 10.0}, "/coins"),
        ({"message": "x" * 501}, "/message"),
        ({"message": "my card is 4111 1111 1111 1111"}, "/message"),
        ({"message": "\u202egnp.exe"}, "/message"),
        ({"recipient_id": "two words"}, "/recipient_id"),
        ({"price": 3}, "/price"),
    ],
)
def test_a_body_out_of_form_is_refused_where_it_is_wrong(
    reader: str, body: dict[str, Any], pointer: str
) -> None:
    before = books.fingerprint(with_keys=True)

    response = send_tip(**body)

    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert books.fingerprint(with_keys=True) == before
