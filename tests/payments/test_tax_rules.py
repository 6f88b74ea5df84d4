"""tax_rules: the table that comes with the product, rows that supersede, where we are registered"""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError
from django.db.transaction import atomic

from legato_payments.lib.append_only import AppendOnlyError
from payments.gateways.tax.base import NoTaxRule
from payments.models import TaxRegistration, TaxRule
from payments.services import tax_rules
from tests import factories
from tests.factories import NOW
from tests.payments import books_of

pytestmark = pytest.mark.django_db

TODAY = NOW.date()
TOMORROW = TODAY + timedelta(days=1)
RULES = 61


@pytest.fixture(autouse=True)
def _loaded(db: None) -> None:
    tax_rules.load(now=NOW)


def changed(code: str, **fields: Any) -> dict[str, Any]:
    """The fields of the row in force, some of them changed, from today on."""
    row = tax_rules.in_force(code, on=TODAY)
    assert row is not None
    copied = {
        field.name: getattr(row, field.name)
        for field in TaxRule._meta.fields
        if field.name not in {"id", "created_at", "created_by", "reason"}
    }
    return {**copied, "effective_from": TODAY, **fields}


def add(fields: dict[str, Any], *, reason: str = "") -> TaxRule:
    return tax_rules.add(fields=fields, actor="staff:1", reason=reason, now=NOW)


def register(office: str, *, valid_from: date = TODAY, **terms: Any) -> TaxRegistration:
    described = {"is_registered": True, "number": "12345", "is_inclusive": False, **terms}
    return tax_rules.register(
        registration=tax_rules.Registration(jurisdiction=office, **described),
        valid_from=valid_from,
        actor="staff:1",
        reason="",
        now=NOW,
    )


class TestTheTable:
    def test_every_line_is_a_rule_with_its_source(self) -> None:
        assert TaxRule.objects.count() == RULES
        assert not TaxRule.objects.filter(source="").exists()
        assert set(TaxRule.objects.values_list("created_by", flat=True)) == {tax_rules.BY}

    def test_loading_it_again_adds_nothing(self) -> None:
        with books_of.nothing_changed():
            assert tax_rules.load(now=NOW) == 0

    def test_loading_it_again_leaves_what_finance_changed(self) -> None:
        add(changed("CA-R-QST", rate_ppm=100_000))

        assert tax_rules.load(now=NOW) == 0

        row = tax_rules.in_force("CA-R-QST", on=TODAY)
        assert row is not None
        assert row.rate_ppm == 100_000

    def test_what_is_uncertain_is_off(self) -> None:
        off = TaxRule.objects.filter(is_active=False).values_list("code", flat=True)

        assert sorted(off) == ["CA-R-PST-BC", "CA-R-RST-MB", "EU-R-01", "US-R-01"]
        assert not TaxRule.objects.in_force(TODAY).filter(certainty="L").exists()

    @pytest.mark.parametrize(
        ("code", "first", "last"),
        [
            ("CA-R-HST-NS1", date(2010, 7, 1), date(2025, 3, 31)),
            ("CA-R-HST-NS2", date(2025, 4, 1), None),
            ("US-W-02-SERVICE_FEE", date(2020, 1, 1), date(2025, 12, 31)),
            ("US-W-03-SERVICE_FEE", date(2026, 1, 1), None),
        ],
    )
    def test_a_rule_holds_from_its_first_day_to_its_last(
        self, code: str, first: date, last: date | None
    ) -> None:
        def holds(day: date) -> bool:
            return TaxRule.objects.in_force(day).filter(code=code).exists()

        assert (holds(first - timedelta(days=1)), holds(first)) == (False, True)
        if last:
            assert (holds(last), holds(last + timedelta(days=1))) == (True, False)
        else:
            assert holds(date(2099, 1, 1))


class TestAdd:
    def test_a_newer_row_supersedes_and_the_old_one_stays(self) -> None:
        add(changed("CA-R-GST-AB", rate_ppm=60_000, effective_from=TOMORROW), reason="budget")

        assert [
            (row.rate_ppm, row.created_by)
            for day in (TODAY, TOMORROW)
            for row in TaxRule.objects.in_force(day).filter(code="CA-R-GST-AB")
        ] == [(50_000, tax_rules.BY), (60_000, "staff:1")]
        [entry] = books_of.audit("payments.tax_rule.changed")
        assert (entry.object_id, entry.reason) == ("CA-R-GST-AB", "budget")
        assert entry.before is not None
        assert entry.after is not None
        assert (entry.before["rate_ppm"], entry.after["rate_ppm"]) == (50_000, 60_000)

    def test_a_rule_can_be_switched_on_and_off(self) -> None:
        def is_on() -> bool:
            return TaxRule.objects.in_force(TODAY).filter(code="CA-R-PST-BC").exists()

        assert not is_on()
        add(changed("CA-R-PST-BC", is_active=True))
        assert is_on()
        add(changed("CA-R-PST-BC", is_active=False))
        assert not is_on()

    def test_refuses_to_change_the_past(self) -> None:
        yesterday = TODAY - timedelta(days=1)
        fields = changed("CA-R-QST", rate_ppm=1, effective_from=yesterday)

        with books_of.nothing_changed(), pytest.raises(tax_rules.StartsInThePast):
            add(fields)

    def test_refuses_what_is_said_already(self) -> None:
        with books_of.nothing_changed(), pytest.raises(tax_rules.RuleUnchanged):
            add(changed("CA-R-QST"))

    def test_no_row_is_changed(self) -> None:
        row = TaxRule.objects.get(code="CA-R-QST")
        row.rate_ppm = 0

        with pytest.raises(AppendOnlyError):
            row.save()
        with pytest.raises(ProgrammingError, match="permission denied"), atomic():
            TaxRule.objects.update(rate_ppm=0)

        assert TaxRule.objects.get(code="CA-R-QST").rate_ppm == 99_750

    @pytest.mark.parametrize(
        "wrong",
        [
            {"rate_ppm": None},
            {"rate_ppm": 1_000_001},
            {"tax_name": ""},
            {"effective_to": TODAY - timedelta(days=1)},
            {"threshold_micros": 5},
        ],
    )
    def test_the_database_keeps_a_rule_sound(self, wrong: dict[str, Any]) -> None:
        fields = {**changed("CA-R-QST"), **wrong}

        with books_of.nothing_changed(), pytest.raises(IntegrityError), atomic():
            add(fields)


class TestRegister:
    def test_collects_from_its_day_on(self) -> None:
        register("NG", valid_from=TOMORROW)

        assert not TaxRegistration.objects.in_force(TODAY).exists()
        assert TaxRegistration.objects.in_force(TOMORROW).get().number == "12345"

    def test_may_end(self) -> None:
        register("NG")
        register("NG", valid_from=TOMORROW, is_registered=False, number="")

        assert TaxRegistration.objects.in_force(TODAY).exists()
        assert not TaxRegistration.objects.in_force(TOMORROW).exists()
        assert len(books_of.audit("payments.tax_registration.changed")) == 2

    @pytest.mark.parametrize("office", ["GB", "CA-ON", "CA-BC", "US-XX", "EU"])
    def test_refuses_an_office_that_no_rule_in_force_is_about(self, office: str) -> None:
        with books_of.nothing_changed(), pytest.raises(NoTaxRule, match=f"what {office} gets"):
            register(office)

    def test_refuses_the_past_and_what_is_said_already(self) -> None:
        register("NG")

        with books_of.nothing_changed(), pytest.raises(tax_rules.StartsInThePast):
            register("CA", valid_from=TODAY - timedelta(days=1))
        with books_of.nothing_changed(), pytest.raises(tax_rules.RegistrationUnchanged):
            register("NG")

    def test_a_registration_without_a_number_is_none(self) -> None:
        with books_of.nothing_changed(), pytest.raises(IntegrityError), atomic():
            register("NG", number="")


def test_the_factory_registers_by_the_table() -> None:
    assert factories.register("CA-QC").is_registered
