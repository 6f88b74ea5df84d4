"""Sales tax by Stripe Tax: what is asked, by Stripe's own description, and what the answers mean"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import pytest
import stripe
from jsonschema import Draft202012Validator

from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.tax import registry
from payments.gateways.tax.base import Assessment, Ground, Place, PlaceUnknown
from payments.gateways.tax.stripe import StripeTax, read
from payments.models import Purchase, PurchaseTaxLine
from payments.services import purchases, taxes
from tests import factories, specs
from tests.factories import NOW
from tests.payments import books_of

PRICE = Money.parse("9.99", "CAD")
QUEBEC = Place("CA", "QC")


def part(amount: int, percent: str, tax_type: str | None, **changes: Any) -> dict[str, Any]:
    """One entry of a breakdown."""
    details = {"country": "CA", "state": "QC", "percentage_decimal": percent, "tax_type": tax_type}
    return {
        "amount": amount,
        "inclusive": False,
        "tax_rate_details": {**details, **changes.pop("details", {})},
        "taxability_reason": "standard_rated",
        "taxable_amount": 999,
        **changes,
    }


def calculation(*parts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An answer about 9.99: GST and QST, unless changed."""
    breakdown = list(parts) or [part(50, "5.0", "gst"), part(100, "9.975", "qst")]
    tax = sum(entry["amount"] for entry in breakdown)
    return {
        "id": "taxcalc_1",
        "object": "tax.calculation",
        "amount_total": 999 + tax,
        "tax_amount_exclusive": tax,
        "tax_amount_inclusive": 0,
        "tax_breakdown": breakdown,
        **changes,
    }


class OneAnswer(stripe.HTTPClient):
    """Stripe as far as the SDK sees it: it answers the same to everything, and remembers."""

    name = "test"

    def __init__(self, body: Mapping[str, Any], status: int = 200) -> None:
        super().__init__()
        self.body = json.dumps(body)
        self.status = status
        self.asked: list[tuple[str, str, dict[str, Any], str]] = []

    def request(
        self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any
    ) -> tuple[str, int, dict[str, str]]:
        self.asked.append((method, url, dict(headers), post_data))
        return self.body, self.status, {}

    def close(self) -> None:
        """Nothing to close."""


class NoAnswer(OneAnswer):
    """Stripe does not answer."""

    def request(self, *_: Any, **__: Any) -> Any:
        raise stripe.APIConnectionError("timed out")  # type: ignore[no-untyped-call]


@pytest.fixture
def by_stripe(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., OneAnswer]:
    """Has Stripe compute the tax, which answers what it is told to."""
    settings.TAX_PROVIDER = "stripe_tax"
    settings.STRIPE_SECRET_KEY = "sk_test_1"

    def use(client: OneAnswer) -> OneAnswer:
        monkeypatch.setattr(registry, "StripeTax", lambda: StripeTax(client))
        return client

    return use


def assess(place: Place = QUEBEC) -> Assessment:
    return taxes.assess(price=PRICE, place=place, now=NOW)


def decoded(form: str) -> dict[str, Any]:
    """A form of Stripe's kind as nested objects and lists: ``line_items[0][amount]=999``."""
    found: dict[str, Any] = {}
    for path, value in parse_qsl(form, keep_blank_values=True):
        names = re.findall(r"[^\[\]]+", path)
        here = found
        for name in names[:-1]:
            here = here.setdefault(name, {})
        here[names[-1]] = int(value) if value.isdecimal() else value
    return {
        name: list(value.values()) if isinstance(value, dict) and "0" in value else value
        for name, value in found.items()
    }


class TestAsking:
    def test_asks_what_the_official_description_allows(
        self, by_stripe: Callable[..., OneAnswer]
    ) -> None:
        stripe_peer = by_stripe(OneAnswer(calculation()))

        assess()

        [(method, url, headers, form)] = stripe_peer.asked
        assert (method, url) == ("post", "https://api.stripe.com/v1/tax/calculations")
        assert headers["Stripe-Version"] == "2026-05-27.dahlia"
        body = decoded(form)
        operation = specs.load("stripe-openapi-trimmed.json")["paths"]["/v1/tax/calculations"]
        content = operation["post"]["requestBody"]["content"]
        schema = strict(content["application/x-www-form-urlencoded"]["schema"])
        assert [error.message for error in Draft202012Validator(schema).iter_errors(body)] == []
        assert body == {
            "currency": "cad",
            "line_items": [
                {
                    "amount": 999,
                    "reference": "coins",
                    "tax_behavior": "exclusive",
                    "tax_code": "txcd_10000000",
                }
            ],
            "customer_details": {
                "address": {"country": "CA", "state": "QC"},
                "address_source": "billing",
            },
        }

    def test_without_a_country_nothing_is_asked(self, by_stripe: Callable[..., OneAnswer]) -> None:
        stripe_peer = by_stripe(OneAnswer(calculation()))

        with pytest.raises(PlaceUnknown):
            assess(Place())

        assert stripe_peer.asked == []

    def test_an_address_that_is_too_short_asks_the_reader_for_more(
        self, by_stripe: Callable[..., OneAnswer]
    ) -> None:
        error = {"type": "invalid_request_error", "code": "customer_tax_location_invalid"}
        by_stripe(OneAnswer({"error": {**error, "message": "no"}}, 400))

        with pytest.raises(PlaceUnknown) as refusal:
            assess(Place("US"))

        assert refusal.value.errors[0].pointer == "/region"

    @pytest.mark.parametrize(
        "client",
        [
            NoAnswer({}),
            OneAnswer({"error": {"type": "api_error", "message": "sorry"}}, 500),
            OneAnswer({"error": {"type": "invalid_request_error", "message": "sorry"}}, 400),
            OneAnswer({"error": {"type": "invalid_request_error", "message": "key"}}, 401),
            OneAnswer(calculation(tax_breakdown=None)),
            OneAnswer(calculation(amount_total=None)),
            OneAnswer({"object": "tax.calculation"}),
        ],
    )
    def test_no_usable_answer_stops_the_sale_for_a_while(
        self, by_stripe: Callable[..., OneAnswer], client: OneAnswer
    ) -> None:
        by_stripe(client)

        with pytest.raises(taxes.TaxUnavailable) as refusal:
            assess()

        assert (refusal.value.code, refusal.value.retry_after) == ("tax_unavailable", 5)


class TestReading:
    def test_two_taxes_are_two_lines_of_two_offices(self) -> None:
        assessment = read(calculation(), PRICE)

        assert [
            (line.jurisdiction, line.name, line.rate_ppm, line.amount.amount())
            for line in assessment.lines
        ] == [("CA", "GST", 50_000, "0.50"), ("CA-QC", "QST", 99_750, "1.00")]
        assert (assessment.ground, assessment.reference) == (Ground.TAXED, "taxcalc_1")
        assert assessment.total == Money.parse("11.49", "CAD")

    def test_reads_the_official_fixture(self) -> None:
        fixture = specs.load("stripe-fixtures3.json")["resources"]["tax.calculation"]
        price = Money.from_minor(fixture["amount_total"] - fixture["tax_amount_exclusive"], "USD")

        assessment = read(fixture, price)

        [line] = assessment.lines
        assert (line.jurisdiction, line.name, line.rate_ppm) == ("US-CA", "Sales tax", 98_750)
        assert line.amount == Money.parse("1.48", "USD")

    def test_a_state_and_its_county_are_one_line(self) -> None:
        texas = {"details": {"country": "US", "state": "TX"}}
        answer = calculation(
            part(62, "6.25", "sales_tax", **texas), part(20, "2.0", "sales_tax", **texas)
        )

        [line] = read(answer, PRICE).lines
        assert (line.jurisdiction, line.rate_ppm, line.amount.amount()) == ("US-TX", 82_500, "0.82")

    @pytest.mark.parametrize(
        ("reason", "ground"),
        [
            ("not_collecting", Ground.NOT_REGISTERED),
            ("product_exempt", Ground.NOT_TAXABLE),
            ("zero_rated", Ground.NOT_TAXABLE),
        ],
    )
    def test_nothing_due_says_why(self, reason: str, ground: Ground) -> None:
        answer = calculation(part(0, "0.0", None, taxability_reason=reason))

        assessment = read(answer, PRICE)

        assert (assessment.lines, assessment.ground) == ([], ground)

    @pytest.mark.parametrize(
        "answer",
        [
            calculation(tax_amount_exclusive=149),
            calculation(amount_total=1_148),
            calculation(tax_amount_inclusive=1),
            calculation(part(50, "five", "gst")),
            calculation(part(50, "-5.0", "gst")),
        ],
    )
    def test_refuses_an_answer_that_does_not_add_up(self, answer: dict[str, Any]) -> None:
        with pytest.raises(base.Unavailable):
            read(answer, PRICE)


@pytest.mark.django_db
class TestPurchases:
    def test_are_taxed_as_stripe_says_and_keep_its_calculation(
        self, by_stripe: Callable[..., OneAnswer]
    ) -> None:
        by_stripe(OneAnswer(calculation()))

        purchase = factories.buy_coins(
            name="Enthusiast Pack", country="CA", region="QC", preferred_gateway="SANDBOX"
        )

        assert (purchase.tax_micros, purchase.tax_reference) == (1_500_000, "taxcalc_1")
        assert PurchaseTaxLine.objects.filter(rule=None).count() == 2
        entries = books_of.entries(purchase.pk)
        assert (entries["tax_payable:CA USD"], entries["tax_payable:CA-QC USD"]) == (
            -500_000, -1_000_000,
        )  # fmt: skip

    def test_are_not_started_without_an_answer(self, by_stripe: Callable[..., OneAnswer]) -> None:
        by_stripe(NoAnswer({}))

        with books_of.nothing_changed(), pytest.raises(taxes.TaxUnavailable):
            factories.start_purchase(country="CA", region="QC")

        assert not Purchase.objects.exists()

    def test_resume_without_asking_again(self, by_stripe: Callable[..., OneAnswer]) -> None:
        stripe_peer = by_stripe(OneAnswer(calculation()))
        purchase = factories.start_purchase(
            name="Enthusiast Pack", country="CA", region="QC", preferred_gateway="SANDBOX"
        )

        purchases.start(
            purchase_id=purchase.pk,
            order=purchases.Order(user_id=purchase.user_id, currency="USD"),
            now=NOW,
        )

        assert len(stripe_peer.asked) == 1


def strict(schema: Any) -> Any:
    """The same schema, in which an object has no member that is not described."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if "properties" in made and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made
