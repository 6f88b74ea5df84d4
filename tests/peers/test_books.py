"""The peers' own books add up, whatever happened."""

from typing import Any

from tests.peers.shops import PaystackShop, StripeShop


def test_stripe_s_balance_is_what_came_in_less_what_went_out(shop: StripeShop) -> None:
    shop.peer.options(settle_in={"cad": "usd"}, rates={"cad:usd": "0.7312"})
    for number in range(4):
        shop.paid(f"lp{number}", amount=5_000, currency="cad" if number == 3 else "usd")
    shop.peer.control("refund/make", id="lp0", amount=1_234)
    refund = shop.peer.control("refund/make", id="lp1")
    shop.peer.move_refund(refund["id"], "failed")
    shop.peer.open_dispute("lp2")
    [failed] = shop.peer.settle(at_once=True)
    shop.peer.control("payout", id=failed["id"], status="failed")
    shop.peer.settle(at_once=True, status="paid")

    books = shop.peer.books()

    rows = books["transactions"]
    [paid] = [payout for payout in books["payouts"] if payout["status"] == "paid"]
    fees = 3 * 175 + 136 + 1_500
    expected = 3 * 5_000 + 3_656 - 1_234 - 5_000 - fees
    assert books["fees"] == {"usd": fees}
    assert paid["amount"] == expected
    assert books["balance"] == {"usd": {"available": 0, "pending": 0}}
    assert all(row["net"] == row["amount"] - row["fee"] for row in rows)
    assert sum(row["net"] for row in rows) == 0
    assert [one["holds_funds"] for one in books["disputes"]] == [True]


def test_paystack_s_ledger_ends_at_its_balance(paystack_shop: PaystackShop) -> None:
    for number in range(3):
        paystack_shop.paid(f"lp{number}")
    refund: Any = paystack_shop.peer.control("refund/make", id="lp0", amount=100_000)
    paystack_shop.peer.move_refund(refund["id"], "processed")
    dispute = paystack_shop.peer.open_dispute("lp1", amount=200_000)
    paystack_shop.peer.move_dispute(dispute["id"], "resolved", resolution="merchant-accepted")
    [failed] = paystack_shop.peer.settle(at_once=True)
    paystack_shop.peer.control("settlement", id=failed["id"], status="failed")
    [settled] = paystack_shop.peer.settle(at_once=True, status="success")

    books = paystack_shop.peer.books()
    lines = paystack_shop.get("/balance/ledger").json()["data"]

    expected = 3 * (500_000 - 17_500) - 100_000 - 200_000
    assert books["fees"] == {"NGN": 3 * 17_500}
    assert settled["effective_amount"] == failed["effective_amount"] == expected
    assert books["balance"] == {"NGN": 0}
    assert lines[0]["balance"] == sum(line["difference"] for line in lines) == 0
