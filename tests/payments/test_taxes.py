"""taxes.assess(): the sales tax of a purchase, by the rules (rules.md, rules 30 and 31)"""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from legato_payments.lib.money import Money
from payments.gateways.tax import registry
from payments.gateways.tax.base import Assessment, Ground, NoTaxRule, Place, PlaceUnknown
from payments.gateways.tax.rules import compute
from payments.models import TaxRegistration, TaxRule
from payments.services import tax_rules, taxes
from payments.services.taxes import Evidence
from tests import factories
from tests.factories import NOW

QUEBEC = Place("CA", "QC")
LAGOS = Place("NG", "LA")


def assess(price: str, place: Place, *, currency: str = "CAD", now: datetime = NOW) -> Assessment:
    return taxes.assess(price=Money.parse(price, currency), place=place, now=now)


def said(assessment: Assessment) -> list[tuple[str, str, int, str]]:
    """Each line in a few words: office, name, rate, amount."""
    return [
        (line.jurisdiction, line.name, line.rate_ppm, line.amount.amount())
        for line in assessment.lines
    ]


@pytest.mark.django_db
class TestByTheRules:
    def test_quebec_has_two_lines_each_rounded_to_the_cent(self) -> None:
        factories.register("CA")
        factories.register("CA-QC")

        assessment = assess("9.99", QUEBEC)

        assert said(assessment) == [("CA", "GST", 50_000, "0.50"), ("CA-QC", "QST", 99_750, "1.00")]
        assert assessment.net == Money.parse("9.99", "CAD")
        assert assessment.tax == Money.parse("1.50", "CAD")
        assert assessment.total == Money.parse("11.49", "CAD")
        assert assessment.ground == Ground.TAXED
        assert {line.number for line in assessment.lines} == {"CA-1234", "CA-QC-1234"}

    def test_who_is_registered_with_canada_alone_collects_no_quebec_tax(self) -> None:
        factories.register("CA")

        assert said(assess("9.99", QUEBEC)) == [("CA", "GST", 50_000, "0.50")]

    @pytest.mark.parametrize(
        ("day", "rate", "amount"),
        [("2025-03-31", 150_000, "1.50"), ("2025-04-01", 140_000, "1.40")],
    )
    def test_nova_scotia_went_down_on_the_first_of_april_2025(
        self, day: str, rate: int, amount: str
    ) -> None:
        then = datetime.fromisoformat(f"{day}T12:00:00+00:00")
        factories.register("CA", now=datetime(2025, 1, 1, tzinfo=UTC))

        assert said(assess("9.99", Place("CA", "NS"), now=then)) == [("CA", "HST", rate, amount)]

    @pytest.mark.parametrize(
        ("region", "tax"),
        [
            ("AB", "0.50"),
            ("BC", "0.50"),
            ("MB", "0.50"),
            ("NB", "1.50"),
            ("NL", "1.50"),
            ("NS", "1.40"),
            ("NT", "0.50"),
            ("NU", "0.50"),
            ("ON", "1.30"),
            ("PE", "1.50"),
            ("QC", "0.50"),
            ("SK", "0.50"),
            ("YT", "0.50"),
        ],
    )
    def test_every_province_and_territory_has_its_federal_tax(self, region: str, tax: str) -> None:
        factories.register("CA")

        assert assess("9.99", Place("CA", region)).tax.amount() == tax

    def test_saskatchewan_adds_its_own(self) -> None:
        factories.register("CA")
        factories.register("CA-SK")

        assert said(assess("9.99", Place("CA", "SK"))) == [
            ("CA", "GST", 50_000, "0.50"),
            ("CA-SK", "PST", 60_000, "0.60"),
        ]

    def test_nigeria_has_one_rate_whatever_the_state_and_the_currency(self) -> None:
        factories.register("NG")

        assert said(assess("13750", LAGOS, currency="NGN")) == [("NG", "VAT", 75_000, "1031.25")]
        assert said(assess("9.99", Place("NG"), currency="USD")) == [("NG", "VAT", 75_000, "0.75")]

    def test_a_price_may_have_the_tax_in_it(self) -> None:
        factories.register("NG", is_inclusive=True)

        assessment = assess("13750", LAGOS, currency="NGN")

        assert said(assessment) == [("NG", "VAT", 75_000, "959.30")]
        assert assessment.net == Money.parse("12790.70", "NGN")
        assert assessment.total == Money.parse("13750", "NGN")

    def test_half_a_cent_is_rounded_up(self) -> None:
        factories.register("CA")

        assert assess("0.10", Place("CA", "AB")).tax.amount() == "0.01"  # 0.005
        assert assess("0.09", Place("CA", "AB")).tax.amount() == "0.00"  # 0.0045

    @pytest.mark.parametrize("place", [Place(), Place("US", "NY"), Place("NG"), QUEBEC])
    def test_registered_nowhere_nothing_is_collected_and_that_is_said(self, place: Place) -> None:
        tax_rules.load(now=NOW)

        assessment = assess("9.99", place)

        assert (assessment.lines, assessment.ground) == ((), Ground.NOT_REGISTERED)
        assert assessment.total == Money.parse("9.99", "CAD")

    @pytest.mark.parametrize("place", [Place("US", "NY"), Place("GB"), LAGOS])
    def test_readers_elsewhere_pay_no_tax_of_ours(self, place: Place) -> None:
        factories.register("CA")

        assert assess("9.99", place).ground == Ground.NOT_REGISTERED

    def test_before_its_first_day_a_registration_collects_nothing(self) -> None:
        factories.register("CA")

        then = datetime(2026, 11, 1, 23, 59, tzinfo=UTC)
        assert assess("9.99", QUEBEC, now=then).ground == Ground.NOT_REGISTERED

    @pytest.mark.parametrize("office", ["CA", "CA-QC", "CA-SK"])
    def test_refuses_when_the_province_is_needed_and_not_known(self, office: str) -> None:
        factories.register(office)

        with pytest.raises(PlaceUnknown) as refusal:
            assess("9.99", Place("CA"))

        assert (refusal.value.code, refusal.value.errors[0].pointer) == ("no_tax_rule", "/region")

    def test_refuses_when_the_country_is_needed_and_not_known(self) -> None:
        factories.register("NG")

        with pytest.raises(PlaceUnknown) as refusal:
            assess("9.99", Place())

        assert refusal.value.errors[0].pointer == "/country"

    def test_refuses_a_province_that_no_rule_is_about(self) -> None:
        factories.register("CA")

        with pytest.raises(NoTaxRule, match="what CA gets for a sale to CA-XX"):
            assess("9.99", Place("CA", "XX"))

    def test_refuses_when_the_rule_was_switched_off_after_we_registered(self) -> None:
        factories.register("NG")
        row = TaxRule.objects.get(code="NG-R-02")
        fields = {
            field.name: getattr(row, field.name)
            for field in TaxRule._meta.fields
            if field.name not in {"id", "created_at", "created_by", "reason"}
        }
        tax_rules.add(
            fields={**fields, "is_active": False, "effective_from": NOW.date()},
            actor="staff:1",
            reason="",
            now=NOW,
        )

        with pytest.raises(NoTaxRule):
            assess("9.99", LAGOS)

    def test_refuses_two_rules_for_one_office(self) -> None:
        factories.register("NG")
        row = TaxRule.objects.get(code="NG-R-02")
        row.pk, row.code, row._state.adding = None, "NG-R-TWIN", True
        row.save()

        with pytest.raises(NoTaxRule, match="NG-R-02, NG-R-TWIN"):
            assess("9.99", LAGOS)


class TestComputing:
    """Any price, any rates: the lines and the price before tax make what is paid."""

    @given(
        minor=st.integers(1, 10**9),
        rates=st.lists(st.tuples(st.integers(0, 400_000), st.booleans()), min_size=1, max_size=4),
    )
    def test_nothing_is_lost_and_each_line_is_its_rate_of_the_net_price(
        self, minor: int, rates: list[tuple[int, bool]]
    ) -> None:
        price = Money.from_minor(minor, "CAD")
        due = [
            (
                TaxRule(code=f"R-{number}", tax_name="T", rate_ppm=rate),
                TaxRegistration(jurisdiction=f"O{number}", is_inclusive=is_inclusive),
            )
            for number, (rate, is_inclusive) in enumerate(rates)
        ]

        assessment = compute(price, due)

        included = [line.amount.minor for line in assessment.lines if line.is_inclusive]
        added = [line for line in assessment.lines if not line.is_inclusive]
        assert assessment.net.minor + sum(included) == minor
        assert assessment.total.minor == minor + sum(line.amount.minor for line in added)
        for line in added:
            exact = assessment.net.minor * line.rate_ppm
            assert abs(2 * (line.amount.minor * 1_000_000 - exact)) <= 1_000_000
        for line in (line for line in assessment.lines if line.is_inclusive):
            # Each inclusive line was rounded by half a unit at the most, the net price by all.
            exact = assessment.net.minor * line.rate_ppm
            assert abs(2 * (line.amount.minor * 1_000_000 - exact)) <= 1_000_000 * (len(rates) + 1)


class TestWhereTheReaderIs:
    @pytest.mark.parametrize(
        ("pieces", "place", "is_conflict"),
        [
            ([], Place(), False),
            (["CA"], Place("CA"), False),
            (["CA", "CA-QC"], QUEBEC, False),
            (["CA-QC", "CA-QC", "CA"], QUEBEC, False),
            (["CA-QC", "CA-ON"], QUEBEC, True),
            (["US", "CA-QC"], Place("US"), True),
            (["NG-LA", "US"], LAGOS, True),
        ],
    )
    def test_the_first_piece_counts_and_contradictions_are_seen(
        self, pieces: list[str], place: Place, is_conflict: bool
    ) -> None:
        evidence = [Evidence("request", value) for value in pieces]

        assert taxes.locate(evidence) == place
        assert taxes.conflicts(evidence) == is_conflict


class TestChoiceOfTheProvider:
    def test_the_rules_are_the_default(self) -> None:
        assert registry.tax_provider("USD").code == "rules"

    def test_stripe_computes_dollars_and_the_rules_naira(self, settings: Any) -> None:
        settings.TAX_PROVIDER = "stripe_tax"
        settings.STRIPE_SECRET_KEY = "sk_test_1"

        codes = {unit: registry.tax_provider(unit).code for unit in ("USD", "CAD", "NGN")}

        assert codes == {"USD": "stripe_tax", "CAD": "stripe_tax", "NGN": "rules"}

    @pytest.mark.parametrize(
        ("provider", "fault"),
        [
            ("stripe_tax", "TAX_PROVIDER=stripe_tax needs STRIPE_SECRET_KEY."),
            ("avalara", "TAX_PROVIDER=avalara: choose rules or stripe_tax."),
        ],
    )
    def test_what_is_not_set_up_is_said_by_a_system_check(
        self, settings: Any, provider: str, fault: str
    ) -> None:
        settings.TAX_PROVIDER = provider
        settings.STRIPE_SECRET_KEY = ""

        with pytest.raises(ImproperlyConfigured):
            registry.tax_provider("USD")

        faults = [found.msg for found in run_checks() if found.id == "legato.E018"]
        assert faults == [fault]
