"""PaystackGateway: disputes read, answered, given up"""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from payments.gateways.base import Ambiguous, InvalidRequest, Unavailable
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.values import DisputeState, DisputeStatus, Evidence
from tests.payments.gateways.paystack.rows import OUTSIDE, REFERENCE, WINDOW, dispute, naira
from tests.payments.gateways.paystack.wire import BASE, Wire

PLACE = "https://files.paystack.example/evidence?X-Amz-Signature=1"
EVIDENCE = Evidence(
    customer_email="reader@legato.example",
    product_description="1,320 coins for reading",
    access_log="2026-11-01 10:00 chapter 1",
    receipt_url="https://legato.example/receipts/1",
    message="The coins were used.",
)
CLOSED = dispute(status="resolved", resolution="merchant-accepted")


def answer_upload(wire: Wire, *, url: str = PLACE, status: int = 200) -> None:
    """Paystack names a place, where a document is taken."""
    wire.answer("GET", "/dispute/2867/upload_url", {"signedUrl": url, "fileName": "qesp8a4df"})
    wire.mock.add("PUT", url, status=status)


def uploaded(wire: Wire) -> Any:
    sent = [call.request for call in wire.mock.calls if call.request not in wire.requests]
    return sent[0].body


class TestReading:
    def test_reads_what_is_disputed(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/dispute/2867", dispute())

        assert gateway.get_dispute(gateway_id="2867") == DisputeState(
            gateway_id="2867",
            payment_id="4099260516",
            charge_reference=REFERENCE,
            status=DisputeStatus.NEEDS_RESPONSE,
            amount=naira("4000.00"),
            reason="chargeback",
            holds_funds=False,
            evidence_due_at=datetime(2026, 11, 3, 18, tzinfo=UTC),
            opened_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
            occurred_at=datetime(2026, 11, 1, 13, tzinfo=UTC),
        )

    @pytest.mark.parametrize(
        ("status", "resolution", "expected"),
        [
            ("awaiting-merchant-feedback", None, DisputeStatus.NEEDS_RESPONSE),
            ("awaiting-bank-feedback", None, DisputeStatus.UNDER_REVIEW),
            ("pending", None, DisputeStatus.UNDER_REVIEW),
            ("resolved", "declined", DisputeStatus.WON),
            ("resolved", "merchant-accepted", DisputeStatus.LOST),
            ("resolved", "auto-accepted", DisputeStatus.LOST),
            ("resolved", "bank-accepted", DisputeStatus.LOST),
            ("archived", None, DisputeStatus.WON),
            ("resolved", "a new word", DisputeStatus.UNDER_REVIEW),
            ("resolved", None, DisputeStatus.UNDER_REVIEW),
            ("a new word", None, DisputeStatus.UNDER_REVIEW),
        ],
    )
    def test_knows_every_status(
        self,
        status: str,
        resolution: str | None,
        expected: DisputeStatus,
        wire: Wire,
        gateway: PaystackGateway,
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute(status=status, resolution=resolution))

        state = gateway.get_dispute(gateway_id="2867")

        assert state is not None
        assert state.status is expected
        assert state.holds_funds is (expected is DisputeStatus.LOST)
        assert state.is_withdrawn is (status == "archived")

    def test_is_about_the_whole_payment_unless_it_says_less(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute(refund_amount=None, currency=None))
        wire.answer("GET", "/dispute/2867", dispute(refund_amount="150000"))

        whole = gateway.get_dispute(gateway_id="2867")
        part = gateway.get_dispute(gateway_id="2867")

        assert whole is not None
        assert part is not None
        assert (whole.amount, part.amount) == (naira("4000.00"), naira("1500.00"))

    def test_one_of_which_nothing_goes_back_was_about_the_whole_payment(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        declined = dispute(status="resolved", resolution="declined", refund_amount=0)
        wire.answer("GET", "/dispute/2867", declined)

        state = gateway.get_dispute(gateway_id="2867")

        assert state is not None
        assert (state.status, state.amount) == (DisputeStatus.WON, naira("4000.00"))

    def test_knows_when_there_is_none(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.refuse("GET", "/dispute/2867", 404, "Dispute not found")

        assert gateway.get_dispute(gateway_id="2867") is None

    @pytest.mark.parametrize(
        "changes", [{"id": None}, {"refund_amount": None, "transaction": 4099260516}], ids=repr
    )
    def test_guesses_nothing(self, changes: Any, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/dispute/2867", dispute(**changes))

        with pytest.raises(Ambiguous):
            gateway.get_dispute(gateway_id="2867")

    def test_lists_those_of_the_window(self, wire: Wire, gateway: PaystackGateway) -> None:
        rows = [
            dispute(id=1),
            dispute(id=2, createdAt=OUTSIDE),
            dispute(id=3, currency="GHS"),
            dispute(id=4, currency=None),
        ]
        wire.answer("GET", "/dispute", rows, meta={"pageCount": 1})

        assert [state.gateway_id for state in gateway.list_disputes(WINDOW)] == ["1", "4"]


class TestAnswering:
    # By the official description the payment is a number in this answer.
    @pytest.mark.parametrize("payment", [4099260516, None])
    def test_uploads_a_document_and_declines(
        self, payment: int | None, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute())
        answer_upload(wire)
        wire.answer("POST", "/dispute/2867/evidence", {"id": 21, "dispute": 2867})
        answered = {"status": "awaiting-bank-feedback", "refund_amount": 0, "transaction": payment}
        wire.answer("PUT", "/dispute/2867/resolve", dispute(**answered))

        state = gateway.submit_evidence(gateway_id="2867", evidence=EVIDENCE, key="key-1")

        assert state.status is DisputeStatus.UNDER_REVIEW
        assert (state.charge_reference, state.payment_id) == (REFERENCE, "4099260516")
        assert state.amount == naira("4000.00")
        assert wire.body() == {
            "resolution": "declined",
            "message": "The coins were used.",
            "refund_amount": 0,
            "uploaded_filename": "qesp8a4df",
            "evidence": 21,
        }
        evidence = wire.body(2)
        assert evidence["customer_email"] == "reader@legato.example"
        assert evidence["customer_name"] == evidence["customer_phone"] == "not collected"
        assert uploaded(wire).decode() == evidence["service_details"]
        assert "2026-11-01 10:00 chapter 1" in evidence["service_details"]
        assert "Terms" not in evidence["service_details"]

    @pytest.mark.parametrize("data", [{}, {"id": None}, None, []], ids=repr)
    def test_declines_without_the_number_of_the_evidence(
        self, data: Any, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute())
        answer_upload(wire)
        wire.answer("POST", "/dispute/2867/evidence", data)
        wire.answer("PUT", "/dispute/2867/resolve", [dispute(status="awaiting-bank-feedback")])

        gateway.submit_evidence(gateway_id="2867", evidence=Evidence(), key="key-1")

        assert "evidence" not in wire.body()
        assert wire.body()["message"]

    @pytest.mark.parametrize("status", ["awaiting-bank-feedback", "resolved", "archived"])
    def test_leaves_alone_what_needs_no_answer(
        self, status: str, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute(status=status, resolution="declined"))

        state = gateway.submit_evidence(gateway_id="2867", evidence=EVIDENCE, key="key-1")

        assert state.status is not DisputeStatus.NEEDS_RESPONSE
        assert wire.asked == ["GET /dispute/2867"]

    def test_answers_nothing_when_the_document_does_not_arrive(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute())
        answer_upload(wire, status=403)

        with pytest.raises(Unavailable):
            gateway.submit_evidence(gateway_id="2867", evidence=EVIDENCE, key="key-1")

        assert wire.asked == ["GET /dispute/2867", "GET /dispute/2867/upload_url"]

    def test_answers_nothing_when_the_upload_breaks(
        self, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute())
        place = {"signedUrl": PLACE, "fileName": "qesp8a4df"}
        wire.answer("GET", "/dispute/2867/upload_url", place)
        wire.mock.add("PUT", PLACE, body=requests.ReadTimeout())

        with pytest.raises(Unavailable):
            gateway.submit_evidence(gateway_id="2867", evidence=EVIDENCE, key="key-1")

        assert wire.asked == ["GET /dispute/2867", "GET /dispute/2867/upload_url"]

    @pytest.mark.parametrize(
        "url", ["http://files.paystack.example/1", "file:///etc/passwd", "https://127.0.0.1/1"]
    )
    def test_uploads_nothing_to_where_it_must_not(
        self, url: str, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute())
        wire.answer("GET", "/dispute/2867/upload_url", {"signedUrl": url, "fileName": "q"})
        wire.mock.add_passthru(url)

        with pytest.raises(Unavailable, match=r"InvalidIPAddress|InvalidSchema"):
            gateway.submit_evidence(gateway_id="2867", evidence=EVIDENCE, key="key-1")

        assert wire.asked == ["GET /dispute/2867", "GET /dispute/2867/upload_url"]

    def test_uploads_to_paystacks_own_host(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/dispute/2867", dispute())
        answer_upload(wire, url=f"{BASE}/uploads/1")
        wire.answer("POST", "/dispute/2867/evidence", {"id": 21})
        wire.answer("PUT", "/dispute/2867/resolve", dispute(status="awaiting-bank-feedback"))

        state = gateway.submit_evidence(gateway_id="2867", evidence=EVIDENCE, key="key-1")

        assert state.status is DisputeStatus.UNDER_REVIEW

    @pytest.mark.parametrize("place", [{}, {"signedUrl": PLACE}, {"fileName": "q"}], ids=repr)
    def test_answers_nothing_without_a_place(
        self, place: Any, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute())
        wire.answer("GET", "/dispute/2867/upload_url", place)

        with pytest.raises(Ambiguous):
            gateway.submit_evidence(gateway_id="2867", evidence=EVIDENCE, key="key-1")

        assert wire.asked == ["GET /dispute/2867", "GET /dispute/2867/upload_url"]

    def test_answers_nothing_that_is_not_there(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.refuse("GET", "/dispute/2867", 404, "Dispute not found")

        with pytest.raises(InvalidRequest):
            gateway.submit_evidence(gateway_id="2867", evidence=EVIDENCE, key="key-1")

        assert wire.asked == ["GET /dispute/2867"]


class TestGivingUp:
    @pytest.mark.parametrize("status", ["awaiting-merchant-feedback", "awaiting-bank-feedback"])
    def test_gives_all_that_is_disputed(
        self, status: str, wire: Wire, gateway: PaystackGateway
    ) -> None:
        wire.answer("GET", "/dispute/2867", dispute(status=status))
        answer_upload(wire)
        wire.answer("PUT", "/dispute/2867/resolve", CLOSED)

        state = gateway.accept_dispute(gateway_id="2867", key="key-1")

        assert state.status is DisputeStatus.LOST
        assert state.holds_funds
        assert wire.body() == {
            "resolution": "merchant-accepted",
            "message": "Accepted by the merchant.",
            "refund_amount": 400_000,
            "uploaded_filename": "qesp8a4df",
        }

    def test_leaves_alone_what_is_closed(self, wire: Wire, gateway: PaystackGateway) -> None:
        wire.answer("GET", "/dispute/2867", CLOSED)

        state = gateway.accept_dispute(gateway_id="2867", key="key-1")

        assert state.status is DisputeStatus.LOST
        assert wire.asked == ["GET /dispute/2867"]
