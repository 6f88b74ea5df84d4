"""A purchase with sales tax: what the reader pays, what the coins are worth, whom we owe what"""

from datetime import timedelta
from typing import Any

import pytest

from legato_payments.lib import clock
from payments.gateways.tax.base import NoTaxRule, Place
from payments.ledger import invariants
from payments.models import CoinLot, Purchase, PurchaseTaxLine, SandboxCharge
from payments.services import purchases, quotes
from payments.services.taxes import Evidence
from tests import factories
from tests.clients import PAYMENTS, api, idempotency_key
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

Ground = Purchase.TaxGround
QUEBEC: dict[str, Any] = {"country": "CA", "region": "QC"}


@pytest.fixture
def canada(rates: None) -> None:
    """We collect GST and HST, and QST."""
    factories.register("CA")
    factories.register("CA-QC")


def lines_of(purchase: Purchase) -> list[tuple[str, str, int]]:
    """Office, name and micros of each tax line."""
    rows = PurchaseTaxLine.objects.filter(purchase=purchase).order_by("id")
    return list(rows.values_list("jurisdiction", "name", "amount_micros"))


@pytest.mark.usefixtures("canada")
class TestInQuebec:
    """13.99 CAD and 0.70 GST and 1.40 QST."""

    def test_the_gateway_is_asked_for_price_and_tax(self) -> None:
        purchase = factories.start_purchase(name="Enthusiast Pack", currency="CAD", **QUEBEC)

        assert factories.charge_of(purchase).amount_minor == 1_609
        assert (purchase.price_micros, purchase.tax_micros) == (13_990_000, 2_100_000)
        assert lines_of(purchase) == [("CA", "GST", 700_000), ("CA-QC", "QST", 1_400_000)]
        assert (purchase.tax_ground, purchase.country, purchase.region) == (
            Ground.TAXED, "CA", "QC",
        )  # fmt: skip

    def test_each_office_is_owed_its_tax_and_the_coins_are_worth_the_price_alone(self) -> None:
        purchase = factories.buy_coins(name="Enthusiast Pack", currency="CAD", **QUEBEC)

        assert books_of.entries(purchase.pk) == {
            "gateway:sandbox CAD": 16_090_000,
            "tax_payable:CA CAD": -700_000,
            "tax_payable:CA-QC CAD": -1_400_000,
            "fx CAD": -13_990_000,
            "fx USD": 10_207_208,
            "coins_deferred USD": -10_207_208,
            "wallet COIN": -1_320,
            "coins_issued COIN": 1_320,
        }
        lot = CoinLot.objects.get()
        assert (lot.value_micros, lot.paid_micros) == (10_207_208, 16_090_000)
        assert list(invariants.discrepancies()) == []

    def test_dollars_are_taxed_where_the_reader_is(self) -> None:
        purchase = factories.buy_coins(name="Enthusiast Pack", **QUEBEC)

        assert books_of.entries(purchase.pk) == {
            "gateway:sandbox USD": 11_490_000,
            "tax_payable:CA USD": -500_000,
            "tax_payable:CA-QC USD": -1_000_000,
            "coins_deferred USD": -9_990_000,
            "wallet COIN": -1_320,
            "coins_issued COIN": 1_320,
        }

    def test_a_payment_without_the_tax_is_quarantined(self) -> None:
        purchase = factories.start_purchase(name="Enthusiast Pack", **QUEBEC)
        SandboxCharge.objects.update(amount_minor=999)

        with books_of.nothing_credited():
            settled = factories.pay(purchase)

        assert settled.status == Purchase.Status.QUARANTINED

    def test_exact_coins_are_taxed_too(self) -> None:
        purchase = factories.start_purchase(coins=1_000, **QUEBEC)

        assert (purchase.price_micros, purchase.tax_micros) == (9_900_000, 1_490_000)

    def test_the_terms_stay_when_the_rate_changes_before_the_payment(self) -> None:
        purchase = factories.start_purchase(name="Enthusiast Pack", **QUEBEC)
        factories.register("NG")

        again = purchases.start(
            purchase_id=purchase.pk,
            order=purchases.Order(user_id=READER, currency="USD", country="NG"),
            now=NOW,
        )

        assert (again.pk, again.tax_micros) == (purchase.pk, 1_500_000)
        assert len(lines_of(purchase)) == 2


class TestInNigeria:
    """13,750 naira and 7.5 % VAT."""

    def test_on_top_of_the_price(self, rates: None) -> None:
        factories.register("NG")

        purchase = factories.buy_coins(
            name="Enthusiast Pack", currency="NGN", country="NG", region="LA"
        )

        assert books_of.entries(purchase.pk) == {
            "gateway:sandbox NGN": 14_781_250_000,
            "tax_payable:NG NGN": -1_031_250_000,
            "fx NGN": -13_750_000_000,
            "fx USD": 10_023_269,
            "coins_deferred USD": -10_023_269,
            "wallet COIN": -1_320,
            "coins_issued COIN": 1_320,
        }

    def test_in_the_price_the_coins_are_worth_less(self, rates: None) -> None:
        factories.register("NG", is_inclusive=True)

        purchase = factories.buy_coins(name="Enthusiast Pack", currency="NGN", country="NG")

        assert factories.charge_of(purchase).amount_minor == 1_375_000
        assert (purchase.price_micros, purchase.tax_micros) == (12_790_700_000, 959_300_000)
        assert books_of.entries(purchase.pk)["coins_deferred USD"] == -9_323_973
        assert PurchaseTaxLine.objects.get().is_inclusive


class TestElsewhere:
    def test_registered_nowhere_a_purchase_says_why_it_is_not_taxed(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack", **QUEBEC)

        assert (purchase.tax_micros, purchase.tax_ground) == (0, Ground.NOT_REGISTERED)
        assert not PurchaseTaxLine.objects.exists()
        assert "tax_payable:CA USD" not in books_of.entries(purchase.pk)

    def test_the_smallest_payment_of_the_gateway_includes_the_tax(self) -> None:
        factories.register("NG")

        def total(place: Place) -> str:
            quoted = quotes.quote(
                package_id=None, coins=48, currency="USD", minimum_minor=50, now=NOW, place=place
            )
            return quoted.assessment.total.amount()

        assert total(Place("NG")) == "0.52"
        with pytest.raises(quotes.BelowMinimum):
            total(Place("US"))

    @pytest.mark.parametrize("order", [{}, {"country": "CA"}, {"country": "CA", "region": "XX"}])
    def test_refuses_where_tax_is_due_and_nothing_says_how_much(
        self, order: dict[str, Any]
    ) -> None:
        factories.register("CA")

        with books_of.nothing_changed(), pytest.raises(NoTaxRule):
            factories.start_purchase(**order)

    def test_the_evidence_is_kept_and_contradictions_are_marked(self) -> None:
        pieces = [Evidence("request", "CA-QC"), Evidence("ip", "US")]

        purchase = factories.start_purchase(evidence=pieces, **QUEBEC)

        purchase.refresh_from_db()
        assert purchase.evidence == [
            {"source": "request", "value": "CA-QC"},
            {"source": "ip", "value": "US"},
        ]
        assert purchase.evidence_conflicts


class TestOverHttp:
    """POST /payments/users/{user_id}/purchase-coins"""

    BODY = {"package_id": "01930000-0000-7000-8000-000000000003", "currency": "USD"}

    def buy(self, headers: dict[str, str] | None = None, **body: Any) -> Any:
        return api(user=READER).post(
            f"{PAYMENTS}/users/{READER}/purchase-coins",
            {**self.BODY, **body},
            headers={**idempotency_key(), **(headers or {})},
        )

    def put_profile(self, **profile: Any) -> None:
        api(user=READER).put(
            f"{PAYMENTS}/users/{READER}/profile", profile, headers={"If-None-Match": "*"}
        )

    @pytest.fixture(autouse=True)
    def _registered(self) -> None:
        now = clock.now()
        factories.register("CA", now=now)
        factories.register("CA-QC", now=now)

    def test_answers_total_and_tax(self) -> None:
        answer = self.buy(country="CA", region="QC")

        assert answer.status_code == 201
        assert answer.json()["total"] == {"amount": "11.49", "currency": "USD"}
        assert answer.json()["tax"] == {"amount": "1.50", "currency": "USD"}
        assert Purchase.objects.get().evidence == [{"source": "request", "value": "CA-QC"}]

    def test_the_shop_shows_prices_without_tax(self) -> None:
        answer = api().get(f"{PAYMENTS}/coin-packages/{self.BODY['package_id']}")

        assert answer.json()["price"] == {"amount": "9.99", "currency": "USD"}

    def test_the_profile_says_where_the_reader_is(self) -> None:
        self.put_profile(country="CA", region="ON", currency="CAD")

        assert self.buy().json()["tax"]["amount"] == "1.30"
        assert Purchase.objects.get().evidence == [{"source": "profile", "value": "CA-ON"}]

    def test_the_region_of_the_profile_goes_with_its_country_alone(self) -> None:
        self.put_profile(country="CA", region="ON", currency="CAD")

        assert self.buy(country="CA").json()["tax"]["amount"] == "1.30"
        assert self.buy(country="US").json()["tax"]["amount"] == "0.00"
        assert self.buy(region="QC").json()["tax"]["amount"] == "1.50"

        conflicts = Purchase.objects.order_by("id").values_list("evidence_conflicts", flat=True)
        assert list(conflicts) == [False, True, True]

    def test_our_proxy_may_say_the_country_of_the_address(self, settings: Any) -> None:
        settings.COUNTRY_HEADER = "CF-IPCountry"

        self.buy(country="CA", region="QC", headers={"CF-IPCountry": "NG"})
        self.buy(country="CA", region="QC", headers={"CF-IPCountry": "XX"})
        self.buy(country="CA", region="QC", headers={"CF-IPCountry": "<script>"})

        kept = Purchase.objects.order_by("id").values_list("evidence", "evidence_conflicts")
        request = {"source": "request", "value": "CA-QC"}
        assert list(kept) == [
            ([request, {"source": "ip", "value": "NG"}], True),
            ([request], False),
            ([request], False),
        ]

    def test_a_header_that_no_proxy_of_ours_sets_says_nothing(self) -> None:
        self.buy(country="CA", region="QC", headers={"CF-IPCountry": "NG"})

        assert len(Purchase.objects.get().evidence) == 1

    @pytest.mark.parametrize(
        ("body", "pointer"), [({}, "/country"), ({"country": "CA"}, "/region")]
    )
    def test_refuses_when_the_place_is_not_known_well_enough(
        self, body: dict[str, Any], pointer: str
    ) -> None:
        with books_of.nothing_changed():
            answer = self.buy(**body)

        assert (answer.status_code, answer.json()["code"]) == (422, "no_tax_rule")
        assert answer.json()["errors"][0]["pointer"] == pointer

    @pytest.mark.parametrize("region", ["qc", "QUEB", "Q-C", "", "CA-QC"])
    def test_refuses_what_is_no_region(self, region: str) -> None:
        answer = self.buy(country="CA", region=region)

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/region")


def test_a_purchase_from_before_a_registration_is_paid_as_it_was_quoted() -> None:
    purchase = factories.start_purchase(name="Starter Pack", **QUEBEC)
    factories.register("CA", now=NOW + timedelta(minutes=1))

    settled = factories.pay(purchase, now=NOW + timedelta(minutes=2))

    assert (settled.status, settled.tax_micros) == (Purchase.Status.SUCCEEDED, 0)
