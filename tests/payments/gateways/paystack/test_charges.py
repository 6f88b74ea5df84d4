"""PaystackGateway: payments on its page, with a saved card, and read again"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from legato_payments.lib.ids import gateway_reference
from payments.gateways.base import (
    ActionRequired,
    Ambiguous,
    AuthenticationFailed,
    ChargeGateway,
    Declined,
    DuplicateReference,
    InvalidRequest,
    WebhookVerifier,
)
from payments.gateways.paystack import client
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.values import ClientAction, CustomerRef, Outcome, SavedMethod
from tests.factories import NOW
from tests.payments.gateways.paystack.rows import (
    INSIDE,
    OUTSIDE,
    PAGE,
    REFERENCE,
    WINDOW,
    charge,
    naira,
    transaction,
)
from tests.payments.gateways.paystack.wire import Wire

INITIALIZE = "/transaction/initialize"
AUTHORIZATION = "/transaction/charge_authorization"
DEACTIVATE = "/customer/authorization/deactivate"
VERIFY = f"/transaction/verify/{REFERENCE}"

CARD = {
    "authorization_code": "AUTH_uh8bcl3zbn",
    "last4": "4081",
    "exp_month": "12",
    "exp_year": "2030",
    "channel": "card",
    "brand": "visa ",
    "reusable": True,
}
SAVED = charge(saved_method="AUTH_uh8bcl3zbn")


def test_offers_all_that_a_gateway_offers(gateway: PaystackGateway) -> None:
    charging: ChargeGateway = gateway
    verifying: WebhookVerifier = gateway

    assert callable(verifying.verify)
    assert charging.code == "PAYSTACK"
    assert charging.currencies == {"NGN"}
    assert charging.minimum_minor == {"NGN": 5_000}


class TestOpeningAPage:
    def test_sends_the_reader_to_paystack(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("POST", INITIALIZE, {"authorization_url": PAGE, "reference": REFERENCE})

        state = gateway.create_charge(charge(), key="key-1", now=NOW)

        assert state.outcome is Outcome.ACTION_REQUIRED
        assert state.action == ClientAction("redirect", url=PAGE)
        assert (state.gateway_id, state.reference, state.payment_id) == (REFERENCE, REFERENCE, "")
        assert state.amount == naira("4000.00")
        assert state.fee is None

    def test_says_what_is_bought_and_where_to_return(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("POST", INITIALIZE, {"authorization_url": PAGE, "reference": REFERENCE})

        gateway.create_charge(charge(), key="key-1", now=NOW)

        assert wire.body() == {
            "email": "reader@legato.example",
            "amount": 400_000,
            "currency": "NGN",
            "reference": REFERENCE,
            "callback_url": "https://legato.example/coins",
            "metadata": {
                "purchase_id": "01a",
                "legato_reference": REFERENCE,
                "cancel_action": "https://legato.example/coins",
                "custom_fields": [
                    {
                        "display_name": "Description",
                        "variable_name": "description",
                        "value": "1,320 Legato coins",
                    }
                ],
            },
        }

    def test_needs_no_address_to_return_to(self, wire: Wire, gateway: PaystackGateway) -> None:
        reference = gateway_reference()
        wire.answer("POST", INITIALIZE, {"authorization_url": PAGE, "reference": reference})

        gateway.create_charge(charge(reference=reference, return_url=None), key="key-1", now=NOW)

        assert "callback_url" not in wire.body()

    @pytest.mark.parametrize("email", [None, ""])
    def test_asks_nothing_without_an_email(
        self, email: str | None, wire: Wire, gateway: PaystackGateway
    ) -> None:
        nameless = charge(customer=CustomerRef("reader-1", email=email))

        with pytest.raises(InvalidRequest) as refusal:
            gateway.create_charge(nameless, key="key-1", now=NOW)

        assert refusal.value.code == "email_required"
        assert wire.requests == []

    def test_tells_that_a_reference_was_used(self, wire: Wire, gateway: PaystackGateway) -> None:
        message = "Duplicate Transaction Reference"
        wire.refuse("POST", INITIALIZE, 400, message, "duplicate_reference")

        with pytest.raises(DuplicateReference):
            gateway.create_charge(charge(), key="key-1", now=NOW)

        assert wire.asked == [f"POST {INITIALIZE}"]

    @pytest.mark.parametrize(
        "data",
        [
            {"authorization_url": PAGE, "reference": "lpanother"},
            {"authorization_url": PAGE},
            {"reference": REFERENCE},
            {"authorization_url": "javascript:alert(1)", "reference": REFERENCE},
            {"authorization_url": None, "reference": REFERENCE},
            None,
            "",
            [],
        ],
        ids=repr,
    )
    def test_believes_no_answer_that_it_cannot_read(
        self, data: Any, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("POST", INITIALIZE, data)

        with pytest.raises(Ambiguous):
            gateway.create_charge(charge(), key="key-1", now=NOW)

        assert wire.asked == [f"POST {INITIALIZE}"]


class TestChargingASavedCard:
    def test_pays_at_once(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("POST", AUTHORIZATION, transaction(transaction_date=INSIDE))

        state = gateway.create_charge(SAVED, key="key-1", now=NOW)

        assert state.outcome is Outcome.SUCCEEDED
        assert state.payment_id == "4099260516"
        assert state.gateway_id == REFERENCE
        body = wire.body()
        assert body["authorization_code"] == "AUTH_uh8bcl3zbn"
        assert json.loads(body["metadata"])["legato_reference"] == REFERENCE

    def test_is_refused_by_the_bank(self, wire: Wire, gateway: PaystackGateway) -> None:
        failed = transaction(status="failed", gateway_response="Insufficient Funds")
        wire.answer("POST", AUTHORIZATION, failed)

        with pytest.raises(Declined) as refusal:
            gateway.create_charge(SAVED, key="key-1", now=NOW)

        assert refusal.value.code == "insufficient_funds"

    def test_is_declined_when_the_card_is_gone(self, wire: Wire, gateway: PaystackGateway) -> None:
        message = "Authorization does not exist or does not belong to integration"
        wire.refuse("POST", AUTHORIZATION, 400, message)

        with pytest.raises(Declined) as refusal:
            gateway.create_charge(SAVED, key="key-1", now=NOW)

        assert refusal.value.code == "authorization_unusable"

    def test_does_not_blame_the_card_for_another_fault(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.refuse("POST", AUTHORIZATION, 400, "Invalid amount sent", "invalid_params")

        with pytest.raises(InvalidRequest):
            gateway.create_charge(SAVED, key="key-1", now=NOW)

    def test_sends_the_reader_to_the_bank(self, wire: Wire, gateway: PaystackGateway) -> None:
        paused = {"paused": True, "authorization_url": PAGE, "reference": REFERENCE}
        wire.answer("POST", AUTHORIZATION, paused)

        state = gateway.create_charge(SAVED, key="key-1", now=NOW)

        assert state.outcome is Outcome.ACTION_REQUIRED
        assert state.action == ClientAction("redirect", url=PAGE)

    def test_cannot_go_to_the_bank_off_session(self, wire: Wire, gateway: PaystackGateway) -> None:
        paused = {"paused": True, "authorization_url": PAGE, "reference": REFERENCE}
        wire.answer("POST", AUTHORIZATION, paused)

        with pytest.raises(ActionRequired):
            gateway.create_charge(replace(SAVED, off_session=True), key="key-1", now=NOW)

    def test_may_wait_for_the_bank(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("POST", AUTHORIZATION, transaction(status="pending", fees=None))

        state = gateway.create_charge(SAVED, key="key-1", now=NOW)

        assert state.outcome is Outcome.PENDING


class TestForgettingASavedCard:
    def test_is_asked_for_by_its_code(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.reply("POST", DEACTIVATE, {"status": True, "message": "Authorization deactivated"})

        gateway.detach_method("AUTH_uh8bcl3zbn", key="key-1")

        assert wire.asked == [f"POST {DEACTIVATE}"]
        assert wire.body() == {"authorization_code": "AUTH_uh8bcl3zbn"}

    @pytest.mark.parametrize("status", [400, 404])
    def test_one_that_is_gone_is_fine(
        self, wire: Wire, gateway: PaystackGateway, status: int
    ) -> None:
        message = "Authorization does not exist or does not belong to integration"
        wire.refuse("POST", DEACTIVATE, status, message)

        gateway.detach_method("AUTH_uh8bcl3zbn", key="key-1")

        assert wire.asked == [f"POST {DEACTIVATE}"]

    @pytest.mark.parametrize(
        ("status", "message", "error"),
        [
            (400, "Something else", InvalidRequest),
            (401, "Invalid key", AuthenticationFailed),
            (500, "Authorization service failed", Ambiguous),
        ],
    )
    def test_does_not_call_it_forgotten_otherwise(
        self,
        wire: Wire,
        gateway: PaystackGateway,
        status: int,
        message: str,
        error: type[Exception],
    ) -> None:
        wire.refuse("POST", DEACTIVATE, status, message)

        with pytest.raises(error):
            gateway.detach_method("AUTH_uh8bcl3zbn", key="key-1")

    def test_needs_no_customer_made_first(self, gateway: PaystackGateway) -> None:
        assert gateway.ensure_customer(CustomerRef("reader-1"), key="key-1") == ""
        assert not gateway.has_customers


class TestReading:
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("success", Outcome.SUCCEEDED),
            ("reversed", Outcome.SUCCEEDED),
            ("reversal pending", Outcome.SUCCEEDED),
            ("failed", Outcome.FAILED),
            ("abandoned", Outcome.ACTION_REQUIRED),
            ("ongoing", Outcome.ACTION_REQUIRED),
            ("pending", Outcome.PENDING),
            ("processing", Outcome.PENDING),
            ("queued", Outcome.PENDING),
            ("a new word", Outcome.UNKNOWN),
            (None, Outcome.UNKNOWN),
        ],
    )
    def test_knows_every_status(
        self, status: str | None, outcome: Outcome, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", VERIFY, transaction(status=status))

        state = gateway.get_charge(reference=REFERENCE)

        assert state is not None
        assert state.outcome is outcome
        assert state.action is None

    def test_reads_what_was_paid(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer(
            "GET",
            VERIFY,
            transaction(
                authorization=CARD, customer={"customer_code": "C1", "email": "ada@example.com"}
            ),
        )

        state = gateway.get_charge(reference=REFERENCE)

        assert state is not None
        assert state.amount == naira("4000.00")
        assert state.fee == naira("160.00")
        assert state.occurred_at == datetime(2026, 11, 1, 9, 15, 2, tzinfo=UTC)
        assert state.method == SavedMethod(
            token="AUTH_uh8bcl3zbn",
            customer_id="C1",
            kind="card",
            brand="visa",
            last4="4081",
            expires="2030-12",
            email="ada@example.com",
        )

    @pytest.mark.parametrize(
        "authorization",
        [{**CARD, "reusable": False}, {**CARD, "authorization_code": None}, {}, None, 0, ""],
        ids=repr,
    )
    def test_keeps_no_method_that_cannot_be_charged_again(
        self, authorization: Any, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", VERIFY, transaction(authorization=authorization))

        state = gateway.get_charge(reference=REFERENCE)

        assert state is not None
        assert state.method is None

    @pytest.mark.parametrize("year", ["9999", None, "", "20301", "1999"])
    def test_knows_what_does_not_expire(
        self, year: str | None, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", VERIFY, transaction(authorization={**CARD, "exp_year": year}))

        state = gateway.get_charge(reference=REFERENCE)

        assert state is not None
        assert state.method is not None
        assert state.method.expires == ""

    def test_has_no_fee_before_paystack_has_one(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", VERIFY, transaction(fees=None))

        state = gateway.get_charge(reference=REFERENCE)

        assert state is not None
        assert state.fee is None

    def test_says_why_it_failed_and_never_when_it_was_paid(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        failed = transaction(status="failed", gateway_response="Declined by bank: do-not-honour")
        wire.answer("GET", VERIFY, failed)

        state = gateway.get_charge(reference=REFERENCE)

        assert state is not None
        assert state.failure_code == "declined_by_bank_do_not_honour"
        assert state.occurred_at is None
        assert state.fee is None

    @pytest.mark.parametrize(
        ("metadata", "read"),
        [
            ({"purchase_id": "01a", "custom_fields": [], "referrer": "x"}, {"purchase_id": "01a"}),
            ('{"purchase_id": "01a"}', {"purchase_id": "01a"}),
            (0, {}),
            ("", {}),
            ("[" * 100_000, {}),
            (None, {}),
            ([], {}),
        ],
        ids=lambda value: repr(value)[:40],
    )
    def test_reads_every_form_of_metadata(
        self, metadata: Any, read: dict[str, str], wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", VERIFY, transaction(metadata=metadata))

        state = gateway.get_charge(reference=REFERENCE)

        assert state is not None
        assert state.metadata == read

    @pytest.mark.parametrize(
        ("status", "message", "code"),
        [
            (404, "Transaction reference not found.", "transaction_not_found"),
            (404, "Transaction reference not found", ""),
            (400, "Transaction reference not found.", "transaction_not_found"),
            (400, "Transaction reference not found.", ""),
        ],
    )
    def test_knows_when_there_is_certainly_none(
        self, status: int, message: str, code: str, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.refuse("GET", VERIFY, status, message, code)

        assert gateway.get_charge(reference=REFERENCE) is None

    def test_finds_one_by_paystacks_own_id(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/transaction/4099260516", transaction())

        state = gateway.get_charge(reference="", gateway_id="4099260516")

        assert state is not None
        assert (state.reference, state.payment_id) == (REFERENCE, "4099260516")

    def test_knows_when_nothing_has_the_id(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.refuse("GET", "/transaction/7", 404, "Transaction not found", "transaction_not_found")

        assert gateway.get_charge(reference="", gateway_id="7") is None
        assert gateway.get_charge(reference="", gateway_id="") is None

    def test_takes_no_refusal_for_absence(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.refuse("GET", VERIFY, 400, "Invalid key")

        with pytest.raises(AuthenticationFailed):
            gateway.get_charge(reference=REFERENCE)

    @pytest.mark.parametrize(
        "changes",
        [
            {"reference": "lpanother"},
            {"reference": None},
            {"amount": None},
            {"amount": 400_000.5},
            {"amount": True},
            {"amount": "4000.00"},
            {"currency": None},
            {"currency": "GHS"},
        ],
        ids=repr,
    )
    def test_guesses_nothing(self, changes: Any, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", VERIFY, transaction(**changes))

        with pytest.raises(Ambiguous):
            gateway.get_charge(reference=REFERENCE)

    def test_cannot_close_a_page(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", VERIFY, transaction(status="abandoned"))

        state = gateway.cancel_charge(reference=REFERENCE, now=NOW)

        assert state is not None
        assert state.outcome is Outcome.ACTION_REQUIRED
        assert wire.asked == [f"GET {VERIFY}"]

    def test_escapes_what_it_puts_into_a_path(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer(
            "GET", "/transaction/verify/..%2Fbalance%3F", transaction(reference="../balance?")
        )

        state = gateway.get_charge(reference="../balance?")

        assert state is not None
        assert state.reference == "../balance?"


class TestListing:
    def test_reads_every_page_once(self, wire: Wire, gateway: PaystackGateway) -> None:
        rows = [transaction(id=number, reference=f"lp{number}") for number in range(5)]
        wire.answer("GET", "/transaction", rows[:2], meta={"page": 1, "pageCount": 3})
        # A payment made meanwhile moved the second row to the second page.
        wire.answer("GET", "/transaction", rows[1:3], meta={"page": 2, "pageCount": 3})
        wire.answer("GET", "/transaction", rows[3:], meta={"page": 3, "pageCount": 3})

        states = list(gateway.list_charges(WINDOW))

        assert [state.reference for state in states] == ["lp0", "lp1", "lp2", "lp3", "lp4"]
        assert [wire.query(number)["page"] for number in range(3)] == ["1", "2", "3"]
        assert wire.query() == {
            "from": "2026-11-01T00:00:00.000Z",
            "to": "2026-11-02T00:00:00.000Z",
            "per_page": "100",
            "page": "3",
        }

    def test_leaves_out_what_is_not_of_the_window(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        rows = [
            transaction(id=1, reference="lp1", created_at=OUTSIDE),
            transaction(id=2, reference="lp2", created_at="2026-11-01T00:00:00.000Z"),
        ]
        wire.answer("GET", "/transaction", rows, meta={"pageCount": 1})

        assert [state.reference for state in gateway.list_charges(WINDOW)] == ["lp2"]

    def test_lists_what_is_not_paid_too(self, wire: Wire, gateway: PaystackGateway) -> None:
        rows = [transaction(status="abandoned", paid_at=None, fees=None)]
        wire.answer("GET", "/transaction", rows, meta={"pageCount": 1})

        (state,) = gateway.list_charges(WINDOW)

        assert state.outcome is Outcome.ACTION_REQUIRED

    def test_passes_over_currencies_that_our_books_do_not_keep(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        rows = [transaction(id=1, currency="GHS"), transaction(id=2)]
        wire.answer("GET", "/transaction", rows, meta={"pageCount": 1})

        assert [state.payment_id for state in gateway.list_charges(WINDOW)] == ["2"]

    @pytest.mark.parametrize(
        "meta", [None, {}, {"perPage": 2}, {"pageCount": None, "perPage": "2"}]
    )
    def test_ends_without_a_count_of_pages(
        self, meta: Any, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/transaction", [transaction()], meta=meta)

        assert len(list(gateway.list_charges(WINDOW))) == 1
        assert len(wire.requests) == 1

    def test_ends_when_pages_repeat(self, wire: Wire, gateway: PaystackGateway) -> None:
        for _ in range(2):
            wire.answer("GET", "/transaction", [transaction()], meta={"pageCount": 9})

        assert len(list(gateway.list_charges(WINDOW))) == 1
        assert len(wire.requests) == 2

    def test_reads_no_list_without_end(
        self, wire: Wire, gateway: PaystackGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "MAX_PAGES", 2)
        for number in range(2):
            wire.answer("GET", "/transaction", [transaction(id=number)], meta={"pageCount": 9})

        with pytest.raises(Ambiguous, match="more than 2 pages"):
            list(gateway.list_charges(WINDOW))

    @pytest.mark.parametrize("data", [{}, None, [1], "no list"], ids=repr)
    def test_takes_no_broken_list_for_an_empty_one(
        self, data: Any, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/transaction", data)

        with pytest.raises(Ambiguous):
            list(gateway.list_charges(WINDOW))
