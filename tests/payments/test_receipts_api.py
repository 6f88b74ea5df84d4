"""GET /api/v1/payments/transactions/{transaction_id}/receipt"""

import io
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pypdf import PdfReader

from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.models import CoinPackage, Purchase, Refund
from payments.queries import receipts
from payments.services import purchase_outcomes, refunds
from tests import factories, money_back
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER

pytestmark = pytest.mark.django_db

EVIL = "<script>alert('₦')</script> &amp; <b>"
CONSENT = {"immediate_delivery": True, "acknowledged": True}


def get(transaction_id: object, form: str = "", *, user: str = READER) -> Any:
    query = f"?format={form}" if form else ""
    return api(user=user).get(f"{PAYMENTS}/transactions/{transaction_id}/receipt{query}")


def words_of(document: bytes) -> str:
    """Everything a PDF says, as a reader of PDFs reads it."""
    pages = PdfReader(io.BytesIO(document)).pages
    return "\n".join(page.extract_text() for page in pages)


@pytest.fixture
def quebec(rates: None) -> Purchase:
    """13.99 CAD with GST and QST, bought with consent."""
    factories.register("CA")
    factories.register("CA-QC")
    return factories.buy_coins(
        name="Enthusiast Pack", currency="CAD", country="CA", region="QC", consent=CONSENT
    )


@pytest.fixture
def lagos(rates: None) -> Purchase:
    """13,750 naira with VAT, without a word about withdrawal."""
    factories.register("NG")
    return factories.buy_coins(name="Enthusiast Pack", currency="NGN", country="NG")


class TestAsJson:
    def test_says_what_was_paid_for_and_to_whom(self, quebec: Purchase) -> None:
        answer = get(quebec.pk)

        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        assert answer["Cache-Control"] == "no-store"
        money = {"currency": "CAD"}
        assert answer.json() == {
            "number": receipts.number_of(quebec.pk),
            "transaction_id": str(quebec.pk),
            "issued_at": "2026-11-02T12:00:00Z",
            "seller": "Legato",
            "user_id": READER,
            "package": "Enthusiast Pack",
            "coins": 1_320,
            "bonus_coins": 120,
            "price": {"amount": "13.99", **money},
            "taxes": [
                {
                    "name": "GST",
                    "jurisdiction": "CA",
                    "rate_percent": "5",
                    "amount": {"amount": "0.70", **money},
                    "included": False,
                    "tax_number": "CA-1234",
                },
                {
                    "name": "QST",
                    "jurisdiction": "CA-QC",
                    "rate_percent": "9.975",
                    "amount": {"amount": "1.40", **money},
                    "included": False,
                    "tax_number": "CA-QC-1234",
                },
            ],
            "tax_ground": "taxed",
            "tax": {"amount": "2.10", **money},
            "total": {"amount": "16.09", **money},
            "gateway": "sandbox",
            "gateway_reference": quebec.gateway_id,
            "reference": quebec.reference,
            "consent": {
                "given_at": "2026-11-02T12:00:00Z",
                "withdrawal_until": None,
                "statement": "On 2026-11-02 12:00 UTC you asked for the coins at once and"
                " acknowledged that the right of withdrawal ends with their delivery.",
            },
            "refunds": [],
            "refunded": {"amount": "0.00", **money},
            "refund_requests": [],
        }

    @pytest.mark.parametrize(
        "consent", [None, {}, {**CONSENT, "acknowledged": False}, {"immediate_delivery": True}]
    )
    def test_without_consent_and_acknowledgement_the_right_of_withdrawal_stays(
        self, consent: dict[str, Any] | None
    ) -> None:
        purchase = factories.buy_coins(consent=consent)

        shown = get(purchase.pk).json()["consent"]

        assert (shown["given_at"], shown["withdrawal_until"]) == (None, "2026-11-16T12:00:00Z")
        assert "until 2026-11-16 12:00 UTC" in shown["statement"]

    def test_where_we_are_not_registered_it_says_so(self) -> None:
        purchase = factories.buy_coins(country="GB")

        shown = get(purchase.pk).json()

        assert (shown["taxes"], shown["tax_ground"]) == ([], "not_registered")
        assert shown["tax"] == {"amount": "0.00", "currency": "USD"}
        assert "not registered where you are" in get(purchase.pk, "html").content.decode()

    def test_exact_coins_are_no_package(self) -> None:
        purchase = factories.pay(factories.start_purchase(coins=250))

        shown = get(purchase.pk).json()

        assert (shown["package"], shown["coins"], shown["bonus_coins"]) == (None, 250, 0)

    def test_names_the_seller_of_the_settings(self, settings: Any, quebec: Purchase) -> None:
        settings.SELLER_NAME = "Legato Fiction Ltd"
        settings.SELLER_ADDRESS = "1 Harbour Road, Lagos"

        assert get(quebec.pk).json()["seller"] == "Legato Fiction Ltd, 1 Harbour Road, Lagos"


class TestAsPage:
    def test_says_the_same(self, quebec: Purchase) -> None:
        answer = get(quebec.pk, "html")

        assert answer["Content-Type"] == "text/html; charset=utf-8"
        html = answer.content.decode()
        for words in (
            f"Receipt {receipts.number_of(quebec.pk)}",
            "2026-11-02 12:00 UTC",
            "Enthusiast Pack: 1,320 coins (1,200 and 120 bonus)",
            "Price before tax",
            "$13.99 CAD",
            "GST 5 % (CA)",
            "$0.70 CAD",
            "QST 9.975 % (CA-QC)",
            "$1.40 CAD",
            "$16.09 CAD",
            quebec.gateway_id,
            quebec.reference,
            "Our QST number",
            "CA-QC-1234",
            "you asked for the coins at once",
        ):
            assert words in html

    def test_needs_no_script_and_nothing_from_elsewhere(self, quebec: Purchase) -> None:
        answer = get(quebec.pk, "html")
        html = answer.content.decode()

        assert "<script" not in html
        assert "style=" not in html
        assert "http" not in html
        assert "unsafe" not in answer["Content-Security-Policy"]


class TestAsPdf:
    def test_says_the_same_with_the_naira_sign(self, lagos: Purchase) -> None:
        answer = get(lagos.pk, "pdf")

        assert answer["Content-Type"] == "application/pdf"
        number = receipts.number_of(lagos.pk)
        assert answer["Content-Disposition"] == f'attachment; filename="receipt-{number}.pdf"'
        said = words_of(answer.content)
        for words in (
            f"Receipt {number}",
            "₦13,750.00 NGN",
            "VAT 7.5 % (NG)",
            "₦1,031.25 NGN",
            "₦14,781.25 NGN",
            "2026-11-02 12:00 UTC",
            lagos.gateway_id,
            "until 2026-11-16 12:00 UTC",
        ):
            assert words in said

    def test_the_typeface_is_inside(self, lagos: Purchase) -> None:
        [page] = PdfReader(io.BytesIO(get(lagos.pk, "pdf").content)).pages

        fonts = page["/Resources"]["/Font"]  # type: ignore[index]
        names = {str(font.get_object()["/BaseFont"]) for font in fonts.values()}
        assert any(name.endswith("SourceSansPro-Regular") for name in names)
        assert all(
            "/FontFile2" in font.get_object()["/FontDescriptor"].get_object()
            for font in fonts.values()
            if "SourceSans" in str(font.get_object()["/BaseFont"])
        )

    def test_the_same_again_is_the_same_file(self, lagos: Purchase) -> None:
        assert get(lagos.pk, "pdf").content == get(lagos.pk, "pdf").content

    def test_has_a_title_for_screen_readers_and_windows(self, lagos: Purchase) -> None:
        document = PdfReader(io.BytesIO(get(lagos.pk, "pdf").content))

        assert document.metadata is not None
        assert document.metadata.title == f"Receipt {receipts.number_of(lagos.pk)}"


@pytest.mark.parametrize("form", ["json", "html", "pdf"])
def test_hostile_words_stay_words(form: str, quebec: Purchase) -> None:
    CoinPackage.objects.filter(name="Enthusiast Pack").update(name=EVIL)

    answer = get(quebec.pk, form)

    if form == "html":
        assert "<script>" not in answer.content.decode()
        assert "&lt;script&gt;alert(" in answer.content.decode()
    else:
        said = words_of(answer.content) if form == "pdf" else answer.json()["package"]
        assert EVIL in said.replace("\n", " ")


class TestRefunds:
    """Money that went back stands on the receipt, once the gateway has paid it."""

    def refund(self, purchase: Purchase, amount: str, *, days: int = 1) -> None:
        refunds.start(
            refund_id=uuid7(),
            request=refunds.Request(
                purchase_id=purchase.pk,
                reason="no need",
                actor="user:reader-1",
                amount=Money.parse(amount, "USD"),
            ),
            now=NOW + timedelta(days=days),
        )

    def test_stand_there_with_their_days(self) -> None:
        purchase = factories.buy_coins()
        self.refund(purchase, "10.00")
        self.refund(purchase, "2.50", days=3)

        shown = get(purchase.pk).json()

        assert shown["refunds"] == [
            {"amount": {"amount": "10.00", "currency": "USD"}, "at": "2026-11-03T12:00:00Z"},
            {"amount": {"amount": "2.50", "currency": "USD"}, "at": "2026-11-05T12:00:00Z"},
        ]
        assert shown["refunded"] == {"amount": "12.50", "currency": "USD"}
        assert shown["total"] == {"amount": "39.99", "currency": "USD"}
        said = words_of(get(purchase.pk, "pdf").content)
        assert "Paid back on 2026-11-03" in said
        assert "-$10.00 USD" in said

    def test_what_is_only_asked_for_is_not_paid_back_yet(self) -> None:
        purchase = factories.start_purchase(saved_method="pm_refund_pending")
        self.refund(purchase, "10.00")

        assert get(purchase.pk).json()["refunds"] == []

    def test_anothers_refund_is_none(self) -> None:
        purchase, other = factories.buy_coins(), factories.buy_coins("reader-2")
        self.refund(other, "10.00")

        assert get(purchase.pk).json()["refunds"] == []


class TestRequests:
    """Every refund stands on the receipt, from the moment it was declared."""

    def declare(self, purchase: Purchase, amount: str | None = None) -> Refund:
        return money_back.pay_back(purchase, amount, now=NOW + timedelta(days=1), actor="user:x")

    def said_of(self, purchase: Purchase) -> list[str]:
        """The page and the document say the same; what they say of it."""
        html = get(purchase.pk, "html").content.decode()
        document = " ".join(words_of(get(purchase.pk, "pdf").content).split())
        said = re.findall(r"<p>(On 2026-11-03 .*?)</p>", html)
        assert all(words in document for words in said)
        return said

    def test_a_withdrawal_is_dated_and_told_with_its_coins_and_ground(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack", country="DE")
        refund = self.declare(purchase)

        shown = get(purchase.pk).json()

        assert shown["refund_requests"] == [
            {
                "refund_id": str(refund.pk),
                "declared_at": "2026-11-03T12:00:00Z",
                "ended_at": "2026-11-03T12:00:00Z",
                "amount": {"amount": "0.99", "currency": "USD"},
                "coins": 100,
                "ground": "withdrawal",
                "status": "succeeded",
            }
        ]
        assert self.said_of(purchase) == [
            "On 2026-11-03 12:00 UTC you declared your withdrawal from this purchase: 100 coins for"
            " $0.99 USD. It was paid back on 2026-11-03 12:00 UTC."
        ]

    def test_what_is_on_its_way_and_what_failed_stand_there_too(self) -> None:
        purchase = factories.start_purchase(saved_method="pm_refund_pending")
        self.declare(purchase, "10.00")
        failed = self.declare(purchase, "5.00")
        money_back.refund_fails(failed, now=NOW + timedelta(days=2))

        shown = get(purchase.pk).json()

        asked = shown["refund_requests"]
        assert [(one["status"], one["ground"]) for one in asked] == [
            ("pending", "unused"),
            ("failed", "unused"),
        ]
        assert [one["ended_at"] for one in asked] == [None, "2026-11-04T12:00:00Z"]
        assert (shown["refunds"], shown["refunded"]["amount"]) == ([], "0.00")
        pending, gone = self.said_of(purchase)
        assert pending.endswith("It is on its way.")
        assert gone.endswith("It failed on 2026-11-04 12:00 UTC, and the coins were given back.")

    def test_one_that_was_paid_after_it_had_failed_names_the_coins_it_took_then(self) -> None:
        debt = money_back.owing(READER)
        assert debt.closing is not None
        purchase = debt.closing.refund.purchase

        [asked] = get(purchase.pk).json()["refund_requests"]

        assert (asked["status"], asked["coins"]) == ("succeeded", 515)
        assert asked["amount"] == {"amount": "4.99", "currency": "USD"}

    def test_a_contradicted_one_is_on_its_way_to_the_reader(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack")
        money_back.contradicted(purchase)

        [asked] = get(purchase.pk).json()["refund_requests"]

        assert (asked["status"], asked["ended_at"]) == ("pending", None)


class TestWhoMay:
    def test_a_service_reads_every_receipt(self, quebec: Purchase) -> None:
        service = api(service="support", scopes=["transactions:read"])

        answer = service.get(f"{PAYMENTS}/transactions/{quebec.pk}/receipt")

        assert answer.status_code == 200

    def test_another_reader_finds_none(self, quebec: Purchase) -> None:
        unknown = get(uuid7(), user="reader-2")
        anothers = get(quebec.pk, user="reader-2")

        assert (unknown.status_code, anothers.status_code) == (404, 404)
        assert unknown.json()["detail"] == anothers.json()["detail"]

    @pytest.mark.parametrize("form", ["json", "html", "pdf"])
    def test_what_was_not_paid_has_none(self, form: str) -> None:
        waiting = factories.start_purchase()
        failed = factories.start_purchase()
        purchase_outcomes.fail(failed.pk, "card_declined", now=NOW)

        for purchase in (waiting, failed):
            answer = get(purchase.pk, form)
            assert answer.status_code == 404
            assert answer["Content-Type"] == "application/problem+json"

    def test_the_form_is_chosen_by_the_query_whatever_is_accepted(self, quebec: Purchase) -> None:
        path = f"{PAYMENTS}/transactions/{quebec.pk}/receipt"

        answer = api(user=READER).get(f"{path}?format=pdf", headers={"Accept": "application/pdf"})

        assert answer.status_code == 200
        refused = api(user=READER).get(f"{path}?format=docx", headers={"Accept": "application/pdf"})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "?format")


def test_the_number_is_short_and_tells_purchases_apart() -> None:
    first, second = uuid7(), uuid7()

    assert receipts.number_of(UUID("01930000-0000-7000-8000-0123456789ab")) == "0123-4567-89AB"
    assert receipts.number_of(first) != receipts.number_of(second)
