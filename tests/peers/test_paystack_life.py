"""What a shop lives through at Paystack."""

from typing import Any

import pytest
import requests

from tests.peers.client import Peer
from tests.peers.shops import PaystackShop


def kinds(peer: Peer) -> list[str]:
    """The webhooks so far."""
    return [delivery["kind"] for delivery in peer.outbox()]


def test_a_page_that_is_not_paid_yet_is_called_abandoned(paystack_shop: PaystackShop) -> None:
    opened = paystack_shop.open("lp1")

    before = paystack_shop.verify("lp1")
    paystack_shop.peer.pay("lp1")

    after = paystack_shop.verify("lp1")
    assert opened["authorization_url"].startswith(paystack_shop.peer.address)
    assert (before["status"], before["fees"], before["paid_at"]) == ("abandoned", None, None)
    assert (after["status"], after["fees"], after["amount"]) == ("success", 17_500, 500_000)
    assert after["metadata"] == {"reference": "lp1"}


def test_a_declined_card_sends_no_webhook_and_may_be_followed_by_a_good_one(
    paystack_shop: PaystackShop,
) -> None:
    paystack_shop.open("lp1")

    paystack_shop.peer.decline("lp1")
    declined = paystack_shop.verify("lp1")
    told = kinds(paystack_shop.peer)
    paystack_shop.peer.pay("lp1")

    assert (declined["status"], declined["gateway_response"]) == ("failed", "Declined")
    assert told == []
    assert paystack_shop.verify("lp1")["status"] == "success"
    assert kinds(paystack_shop.peer) == ["charge.success"]


@pytest.mark.parametrize(
    ("amount", "fee"),
    [(240_000, 3_600), (250_000, 13_750), (500_000, 17_500), (50_000_000, 200_000)],
)
def test_the_fixed_part_of_the_fee_is_waived_below_2500_and_all_of_it_is_capped(
    paystack_shop: PaystackShop, amount: int, fee: int
) -> None:
    assert paystack_shop.paid("lp1", amount)["fees"] == fee


def test_a_person_pays_on_the_page(paystack_shop: PaystackShop) -> None:
    url = paystack_shop.open("lp1")["authorization_url"]

    page = requests.get(url, timeout=20)
    ongoing = paystack_shop.verify("lp1")["status"]
    declined = requests.post(url, {"action": "insufficient"}, timeout=20)
    paid = requests.post(url, {"action": "success"}, timeout=20, allow_redirects=False)

    assert "Pay 5000.00 NGN" in page.text
    assert ongoing == "ongoing"
    assert "Insufficient Funds" in declined.text
    assert paid.headers["Location"] == "https://legato.example/paid?trxref=lp1&reference=lp1"
    assert paystack_shop.verify("lp1")["status"] == "success"


def test_a_reference_is_used_once(paystack_shop: PaystackShop) -> None:
    paystack_shop.open("lp1")

    again = paystack_shop.post(
        "/transaction/initialize", email="a@legato.example", amount=600_000, reference="lp1"
    )

    assert (again.status_code, again.json()["code"]) == (400, "duplicate_reference")
    assert paystack_shop.verify("lp1")["amount"] == 500_000


def test_an_unknown_reference_is_not_found(paystack_shop: PaystackShop) -> None:
    missing = paystack_shop.get("/transaction/verify/lp1")

    assert (missing.status_code, missing.json()["code"]) == (404, "transaction_not_found")


def test_a_kept_card_is_charged_again(paystack_shop: PaystackShop) -> None:
    code = paystack_shop.paid("lp1")["authorization"]["authorization_code"]
    body = {"email": "reader@legato.example", "amount": 200_000, "authorization_code": code}

    charged = paystack_shop.post("/transaction/charge_authorization", reference="lp2", **body)
    paystack_shop.peer.control("authorization", code=code, card="declined")
    declined = paystack_shop.post("/transaction/charge_authorization", reference="lp3", **body)
    body["email"] = "other@legato.example"
    refused = paystack_shop.post("/transaction/charge_authorization", reference="lp4", **body)

    assert charged.json()["data"]["status"] == "success"
    assert (declined.status_code, declined.json()["data"]["status"]) == (200, "failed")
    assert refused.status_code == 400
    assert paystack_shop.get("/transaction/verify/lp4").status_code == 404


def test_a_deactivated_card_is_not_charged_again(paystack_shop: PaystackShop) -> None:
    code = paystack_shop.paid("lp1")["authorization"]["authorization_code"]
    body = {"email": "reader@legato.example", "amount": 200_000, "authorization_code": code}

    first, second = (
        paystack_shop.post("/customer/authorization/deactivate", authorization_code=code)
        for _ in range(2)
    )
    refused = paystack_shop.post("/transaction/charge_authorization", reference="lp2", **body)

    assert first.status_code == 200
    assert set(first.json()) == {"status", "message"}
    assert (second.status_code, refused.status_code) == (400, 400)
    assert paystack_shop.get("/transaction/verify/lp2").status_code == 404


def test_a_refund_goes_through_its_life(paystack_shop: PaystackShop) -> None:
    paystack_shop.paid("lp1")
    refund = paystack_shop.post("/refund", transaction="lp1").json()["data"]
    pending = paystack_shop.verify("lp1")["status"]
    account = {"currency": "NGN", "account_number": "0022728151", "bank_id": "5"}
    retry = f"/refund/retry_with_customer_details/{refund['id']}"

    too_early = paystack_shop.post(retry, refund_account_details=account)
    paystack_shop.peer.move_refund(refund["id"], "needs-attention")
    retried = paystack_shop.post(retry, refund_account_details=account)
    paystack_shop.peer.move_refund(refund["id"], "processed")

    assert (refund["status"], pending) == ("pending", "reversal pending")
    assert too_early.status_code == 422
    assert retried.json()["data"]["status"] == "processing"
    assert paystack_shop.verify("lp1")["status"] == "reversed"
    assert kinds(paystack_shop.peer) == [
        "charge.success",
        "refund.pending",
        "refund.needs-attention",
        "refund.processing",
        "refund.processed",
    ]


def test_the_same_refund_twice_is_two_refunds_until_nothing_is_left(
    paystack_shop: PaystackShop,
) -> None:
    payment = paystack_shop.paid("lp1", 500_000)

    answers = [paystack_shop.post("/refund", transaction="lp1", amount=200_000) for _ in range(3)]

    listed = paystack_shop.get("/refund", transaction=payment["id"]).json()["data"]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert [refund["amount"] for refund in listed] == [200_000, 200_000]
    assert {refund["transaction"] for refund in listed} == {payment["id"]}


def test_a_failed_refund_returns_the_money(paystack_shop: PaystackShop) -> None:
    paystack_shop.paid("lp1")
    balance = paystack_shop.get("/balance").json()["data"][0]["balance"]
    refund = paystack_shop.post("/refund", transaction="lp1").json()["data"]
    between = paystack_shop.get("/balance").json()["data"][0]["balance"]

    paystack_shop.peer.move_refund(refund["id"], "failed")

    assert between == balance - 500_000
    assert paystack_shop.get("/balance").json()["data"][0]["balance"] == balance
    assert paystack_shop.verify("lp1")["status"] == "success"


@pytest.mark.parametrize(("resolution", "taken"), [("merchant-accepted", 500_000), ("declined", 0)])
def test_a_dispute_takes_the_money_only_when_it_is_accepted(
    paystack_shop: PaystackShop, resolution: str, taken: int
) -> None:
    paystack_shop.paid("lp1")
    before = paystack_shop.get("/balance").json()["data"][0]["balance"]
    dispute = paystack_shop.peer.open_dispute("lp1")
    evidence = {
        "customer_email": "reader@legato.example",
        "customer_name": "A Reader",
        "customer_phone": "0802345167",
        "service_details": "500 coins",
    }

    paystack_shop.post(f"/dispute/{dispute['id']}/evidence", **evidence)
    paystack_shop.put(
        f"/dispute/{dispute['id']}/resolve",
        resolution=resolution,
        message="The coins were used.",
        refund_amount=taken,
        uploaded_filename="",
    )
    if resolution == "declined":
        paystack_shop.peer.move_dispute(dispute["id"], "resolved", resolution="declined")

    fetched = paystack_shop.get(f"/dispute/{dispute['id']}").json()["data"]
    after = paystack_shop.get("/balance").json()["data"][0]["balance"]
    assert (fetched["status"], fetched["resolution"]) == ("resolved", resolution)
    assert before - after == taken
    assert kinds(paystack_shop.peer)[1:] == ["charge.dispute.create", "charge.dispute.resolve"]


def test_a_dispute_nobody_answers_counts_as_accepted(paystack_shop: PaystackShop) -> None:
    paystack_shop.peer.set_clock("2026-11-20T10:00:00Z")
    paystack_shop.paid("lp1")
    dispute = paystack_shop.peer.open_dispute("lp1")

    paystack_shop.peer.advance(86_400)

    fetched = paystack_shop.get(f"/dispute/{dispute['id']}").json()["data"]
    assert fetched["resolution"] == "auto-accepted"
    assert paystack_shop.verify("lp1")["status"] == "reversed"


def test_a_settlement_bundles_the_payments_of_yesterday(paystack_shop: PaystackShop) -> None:
    paystack_shop.peer.set_clock("2026-11-20T10:00:00Z")
    first = paystack_shop.paid("lp1", 500_000)
    paystack_shop.peer.advance(86_400)
    paystack_shop.paid("lp2", 500_000)
    paystack_shop.post("/refund", transaction="lp1", amount=100_000)

    [settled] = paystack_shop.peer.settle(status="success")

    listed = paystack_shop.get("/settlement").json()["data"]
    rows = paystack_shop.get(f"/settlement/{settled['id']}/transactions").json()["data"]
    assert [row["effective_amount"] for row in listed] == [500_000 - 17_500 - 100_000]
    assert [row["id"] for row in rows] == [first["id"]]


def test_lists_have_pages_and_cursors(paystack_shop: PaystackShop) -> None:
    for number in range(5):
        paystack_shop.open(f"lp{number}")

    def walk(name: str, **query: Any) -> list[str]:
        seen, place = [], query.pop("start")
        while place:
            answer = paystack_shop.get(
                "/transaction", **{**query, name: place} if place != "first" else query
            ).json()
            seen += [row["reference"] for row in answer["data"]]
            meta = answer["meta"]
            place = meta["next"] if name == "next" else place + 1
            if name == "page" and place > meta["pageCount"]:
                place = None
        return seen

    newest_first = ["lp4", "lp3", "lp2", "lp1", "lp0"]
    assert walk("page", start=1, perPage=2) == newest_first
    assert walk("next", start="first", use_cursor="true", per_page=2) == newest_first


def test_a_bank_account_has_a_holder(paystack_shop: PaystackShop) -> None:
    banks = paystack_shop.get("/bank", currency="NGN").json()["data"]
    holder = paystack_shop.get("/bank/resolve", account_number="0022728151", bank_code="058")
    nobody = paystack_shop.get("/bank/resolve", account_number="0000000000", bank_code="058")

    assert "058" in {bank["code"] for bank in banks}
    assert holder.json()["data"]["account_name"] == "WRITER 8151"
    assert nobody.status_code == 422
