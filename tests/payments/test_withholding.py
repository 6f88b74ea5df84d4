"""withholding: what is kept back from a writer, by a rule or not at all (rules.md, rules 29, 30)"""

from datetime import date

import pytest

from legato_payments.lib.money import Money
from payments.gateways.tax.base import NoTaxRule
from payments.models import TaxRule
from payments.services import tax_rules, withholding
from payments.services.withholding import Item, Payee, Payer, Payment, Withheld
from tests.factories import NOW

pytestmark = pytest.mark.django_db

US, CA, NG = Payer(country="US"), Payer(country="CA"), Payer(country="NG")
TODAY = NOW.date()
COMPANY = TaxRule.PayeeType.COMPANY


@pytest.fixture(autouse=True)
def _rules(db: None) -> None:
    tax_rules.load(now=NOW)


def keep(
    payer: Payer,
    payee: Payee,
    amount: str,
    *,
    domestic: str = "0",
    item: str = Item.ROYALTY_COPYRIGHT,
    currency: str = "",
    on: date = TODAY,
    before: str = "0",
) -> Withheld:
    unit = currency or ("NGN" if payer.country == "NG" else "USD")
    payment = Payment(
        item=item,
        amount=Money.parse(amount, unit),
        domestic=Money.parse(domestic, unit),
        paid_this_month=Money.parse(before, unit).micros,
    )
    return withholding.withhold(payment=payment, payee=payee, payer=payer, on=on)


class TestAnAmericanPayer:
    def test_a_nigerian_writer_keeps_all_but_30_percent_of_what_american_readers_paid(self) -> None:
        payee = Payee(country="NG", form="W-8BEN")

        kept = keep(US, payee, "100", domestic="40")

        assert (kept.amount.amount(), kept.base.amount()) == ("12.00", "40.00")
        assert (kept.rate_ppm, kept.rule.code) == (300_000, "US-W-06")

    def test_a_canadian_writer_with_a_treaty_form_keeps_all_literary_royalties(self) -> None:
        payee = Payee(country="CA", form="W-8BEN", has_tax_number=True)

        kept = keep(US, payee, "100", domestic="40")

        assert (kept.amount.amount(), kept.rule.code) == ("0.00", "US-W-07")
        other = keep(US, payee, "100", domestic="40", item=Item.ROYALTY_OTHER)
        assert (other.amount.amount(), other.rule.code) == ("4.00", "US-W-08")

    def test_the_treaty_needs_a_tax_number(self) -> None:
        kept = keep(US, Payee(country="CA", form="W-8BEN"), "100", domestic="40")

        assert (kept.amount.amount(), kept.rule.code) == ("12.00", "US-W-06")

    def test_an_american_writer_without_a_number_loses_24_percent(self) -> None:
        payee = Payee(country="US", form="W-9")

        assert keep(US, payee, "100", domestic="40").amount.amount() == "24.00"
        assert keep(US, payee, "100", item=Item.SERVICE_FEE).amount.amount() == "24.00"

    def test_an_american_writer_with_form_and_number_is_paid_whole_by_a_rule(self) -> None:
        kept = keep(US, Payee(country="US", form="W-9", has_tax_number=True), "100")

        assert (kept.amount.amount(), kept.rule.code) == ("0.00", "US-W-11")

    @pytest.mark.parametrize("country", ["US", "NG", "CA"])
    def test_without_any_form_24_percent_of_everything(self, country: str) -> None:
        kept = keep(US, Payee(country=country, has_tax_number=True), "100", domestic="40")

        assert (kept.amount.amount(), kept.rule.code) == ("24.00", "US-W-09")


class TestACanadianPayer:
    @pytest.mark.parametrize("country", ["US", "NG", "GB"])
    def test_literary_royalties_go_abroad_whole(self, country: str) -> None:
        kept = keep(CA, Payee(country=country), "100", currency="CAD")

        assert (kept.amount.amount(), kept.rule.code) == ("0.00", "CA-W-03")

    @pytest.mark.parametrize(
        ("payee", "amount"),
        [
            (Payee(country="NG"), "25.00"),
            (Payee(country="NG", form="NR301"), "12.50"),
            (Payee(country="US", form="NR301"), "10.00"),
        ],
    )
    def test_other_royalties_depend_on_the_treaty(self, payee: Payee, amount: str) -> None:
        kept = keep(CA, payee, "100", currency="CAD", item=Item.ROYALTY_OTHER)

        assert kept.amount.amount() == amount

    def test_a_writer_in_canada_is_paid_whole_by_a_rule(self) -> None:
        kept = keep(CA, Payee(country="CA"), "100", currency="CAD", item=Item.SERVICE_FEE)

        assert (kept.amount.amount(), kept.rule.code) == ("0.00", "CA-W-09")


class TestANigerianPayer:
    @pytest.mark.parametrize(
        ("payee", "amount"),
        [
            (Payee(country="NG", has_tax_number=True), "2500.00"),
            (Payee(country="NG"), "5000.00"),
            (Payee(country="NG", kind=COMPANY, has_tax_number=True), "5000.00"),
            (Payee(country="NG", kind=COMPANY), "10000.00"),
            (Payee(country="GB", has_tax_number=True), "2500.00"),
            (Payee(country="GB", kind=COMPANY, has_tax_number=True), "5000.00"),
            (Payee(country="CA", kind=COMPANY, has_tax_number=True), "5000.00"),
        ],
    )
    def test_royalties_of_50_000(self, payee: Payee, amount: str) -> None:
        for item in (Item.ROYALTY_COPYRIGHT, Item.ROYALTY_OTHER):
            assert keep(NG, payee, "50000", item=item).amount.amount() == amount

    @pytest.mark.parametrize(
        ("before", "amount"), [("0", "0.00"), ("1950000", "0.00"), ("1950000.01", "2500.00")]
    )
    def test_a_small_company_keeps_nothing_back_up_to_two_million_a_month(
        self, before: str, amount: str
    ) -> None:
        payer = Payer(country="NG", is_small=True)
        payee = Payee(country="NG", has_tax_number=True)

        assert keep(payer, payee, "50000", before=before).amount.amount() == amount

    def test_a_small_company_keeps_back_from_who_has_no_number(self) -> None:
        payer = Payer(country="NG", is_small=True)

        assert keep(payer, Payee(country="NG"), "50000").amount.amount() == "5000.00"


class TestNoRule:
    """Nobody is paid whole because nothing was found."""

    @pytest.mark.parametrize(
        ("payer", "payee", "item"),
        [
            (US, Payee(country="NG", form="W-8BEN"), Item.SERVICE_FEE),
            (US, Payee(country="NG", form="W-8BEN"), Item.ROYALTY_OTHER),
            (CA, Payee(country="GB", form="NR301"), Item.ROYALTY_OTHER),
            (NG, Payee(country="NG", kind=COMPANY, has_tax_number=True), Item.SERVICE_FEE),
            (NG, Payee(country="NG"), Item.PRIZE),
            (Payer(country="GB"), Payee(country="GB"), Item.ROYALTY_COPYRIGHT),
        ],
    )
    def test_refuses(self, payer: Payer, payee: Payee, item: str) -> None:
        with pytest.raises(NoTaxRule) as refusal:
            keep(payer, payee, "100", item=item)

        assert refusal.value.code == "no_tax_rule"

    def test_refuses_before_the_first_rule_began(self) -> None:
        with pytest.raises(NoTaxRule):
            keep(NG, Payee(country="NG"), "100", on=date(2024, 12, 31))

    def test_refuses_two_rules_that_contradict_each_other(self) -> None:
        row = TaxRule.objects.get(code="CA-W-03")
        row.pk, row.code, row.rate_ppm, row._state.adding = None, "CA-W-03-TWIN", 100_000, True
        row.save()

        with pytest.raises(NoTaxRule, match="contradict"):
            keep(CA, Payee(country="US"), "100", currency="CAD")


class TestRounding:
    @pytest.mark.parametrize(
        ("amount", "kept"), [("0.05", "0.01"), ("0.02", "0.00"), ("33.33", "8.00")]
    )
    def test_half_a_cent_goes_to_the_office(self, amount: str, kept: str) -> None:
        assert keep(US, Payee(country="US", form="W-9"), amount).amount.amount() == kept


class TestReporting:
    """The limits of yearly forms."""

    AMERICAN = Payee(country="US", form="W-9", has_tax_number=True)

    @pytest.mark.parametrize(("year", "limit"), [(2025, 600), (2026, 2_000)])
    def test_service_fees_are_reported_from_600_and_since_2026_from_2_000(
        self, year: int, limit: int
    ) -> None:
        rule = withholding.report_rule(
            item=Item.SERVICE_FEE, payee=self.AMERICAN, payer=US, on=date(year, 12, 31)
        )

        assert rule.threshold_micros == limit * 1_000_000
        assert rule.form == "1099-NEC box 1"
        assert withholding.must_report(rule, total_micros=limit * 1_000_000)
        assert not withholding.must_report(rule, total_micros=limit * 1_000_000 - 1)

    @pytest.mark.parametrize("year", [2025, 2026])
    def test_royalties_are_reported_from_10_in_both_years(self, year: int) -> None:
        rule = withholding.report_rule(
            item=Item.ROYALTY_COPYRIGHT, payee=self.AMERICAN, payer=US, on=date(year, 12, 31)
        )

        assert (rule.threshold_micros, rule.form) == (10_000_000, "1099-MISC box 2")

    def test_a_foreign_writer_is_reported_from_the_first_cent(self) -> None:
        payee = Payee(country="NG", form="W-8BEN")
        rule = withholding.report_rule(
            item=Item.ROYALTY_COPYRIGHT, payee=payee, payer=US, on=date(2026, 12, 31)
        )

        assert rule.form.startswith("1042-S")
        assert withholding.must_report(rule, total_micros=1)
        assert not withholding.must_report(rule, total_micros=0)

    def test_canada_asks_below_the_limit_too_when_tax_was_withheld(self) -> None:
        rule = withholding.report_rule(
            item=Item.SERVICE_FEE, payee=Payee(country="CA"), payer=CA, on=date(2026, 12, 31)
        )

        assert rule.form == "T4A box 048"
        assert not withholding.must_report(rule, total_micros=499_000_000)
        assert withholding.must_report(rule, total_micros=499_000_000, withheld_micros=1)

    def test_refuses_what_no_rule_is_about(self) -> None:
        with pytest.raises(NoTaxRule):
            withholding.report_rule(
                item=Item.PRIZE, payee=Payee(country="NG"), payer=NG, on=date(2026, 12, 31)
            )
