"""Tax rules and registrations in the back office: read by all who may, changed by two people"""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import (
    ApprovalRequest,
    AuditEntry,
    Purchase,
    TaxRegistration,
    TaxRule,
)
from payments.services import tax_rules
from payments.services.taxes import Evidence
from tests import factories, second_person
from tests.backoffice.conftest import ClientOf
from tests.backoffice.test_transaction_page import tables_of

pytestmark = pytest.mark.django_db

REGISTER = "admin:payments_taxregistration_register"
ADD = "admin:payments_taxrule_add_sales_tax"
CHANGE = "admin:payments_taxrule_change_rule"

SALES_TAX = {
    "code": "GB-R-VAT",
    "jurisdiction": "GB",
    "owed_to": "GB",
    "tax_name": "VAT",
    "rate_ppm": "20",
    "certainty": "H",
    "source": "gov.uk/vat-rates",
    "reason": "we sell there from January on",
}
NIGERIA = {
    "jurisdiction": "NG",
    "is_registered": "on",
    "number": "01234567-0001",
    "reason": "letter of the NRS",
}


@pytest.fixture(autouse=True)
def _rules(db: None) -> None:
    tax_rules.load(now=clock.now())


def rule_of(code: str) -> TaxRule:
    found = tax_rules.in_force(code, on=clock.now().date())
    assert found is not None
    return found


def change(client: Client, code: str, **changes: str) -> str:
    """Propose what the rule says already, some of it changed; the page that answers."""
    rule = rule_of(code)
    typed = {
        "rate_ppm": "9.975",
        "is_active": "on",
        "certainty": rule.certainty,
        "source": rule.source,
        "note": rule.note,
        "reason": "budget of 2027",
        **changes,
    }
    sent = {name: value for name, value in typed.items() if value}
    return client.post(reverse(CHANGE, args=[rule.pk]), sent, follow=True).content.decode()


class TestRules:
    def test_a_page_shows_where_a_rule_comes_from_and_how_sure_it_is(self, boss: Client) -> None:
        html = boss.get(cells.page_of(rule_of("CA-R-HST-NS2"))).content.decode()

        assert "Calculator of canada.ca" in html
        assert "Many tables still show 15 %." in html
        assert "14 %" in html
        assert "High" in html

    def test_the_list_can_be_filtered(self, boss: Client) -> None:
        address = cells.listing(TaxRule, "jurisdiction__exact=CA-QC&kind__exact=COLLECT")

        html = boss.get(address).content.decode()

        assert "CA-R-QST" in html
        assert "9.975 %" in html
        assert "NG-R-02" not in html

    def test_a_change_counts_when_another_person_has_agreed(
        self, boss: Client, superuser: User
    ) -> None:
        html = change(boss, "CA-R-QST", rate_ppm="10")
        assert "Waiting for another person" in html
        assert "9.975 % → 10 %" in html
        assert rule_of("CA-R-QST").rate_ppm == 99_750

        second_person.agree()

        row = rule_of("CA-R-QST")
        assert (row.rate_ppm, row.owed_to, row.tax_name) == (100_000, "CA-QC", "QST")
        assert (row.created_by, row.reason) == (f"staff:{superuser.pk}", "budget of 2027")
        assert AuditEntry.objects.filter(action="payments.tax_rule.changed").count() == 1

    def test_a_change_may_start_later(self, boss: Client) -> None:
        start = clock.now().date() + timedelta(days=30)

        change(boss, "CA-R-QST", rate_ppm="10", effective_from=start.isoformat())
        second_person.agree()

        assert rule_of("CA-R-QST").rate_ppm == 99_750
        assert TaxRule.objects.in_force(start).get(code="CA-R-QST").rate_ppm == 100_000
        assert "Scheduled" in boss.get(cells.listing(TaxRule, "q=CA-R-QST")).content.decode()

    def test_a_rule_that_is_off_is_switched_on(self, boss: Client) -> None:
        change(boss, "CA-R-PST-BC", rate_ppm="7")
        second_person.agree()

        assert rule_of("CA-R-PST-BC").is_active

    def test_a_limit_of_reporting_is_changed(self, boss: Client) -> None:
        change(boss, "US-W-03-SERVICE_FEE", rate_ppm="", threshold_micros="2100")
        second_person.agree()

        row = rule_of("US-W-03-SERVICE_FEE")
        assert (row.rate_ppm, row.threshold_micros) == (None, 2_100_000_000)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"effective_from": "2001-01-01", "rate_ppm": "10"}, "effective_from"),
            ({"rate_ppm": "101"}, "rate_ppm"),
            ({"rate_ppm": "9.97555"}, "rate_ppm"),
            ({}, "rate_ppm"),  # what it says already
            ({"source": ""}, "source"),
            ({"reason": ""}, "reason"),
        ],
    )
    def test_what_makes_no_sense_is_told_beside_its_field(
        self, boss: Client, changes: dict[str, str], field: str
    ) -> None:
        counted = TaxRule.objects.count()

        html = change(boss, "CA-R-QST", **changes)

        assert f'id="id_{field}_error"' in html
        assert TaxRule.objects.count() == counted
        assert not ApprovalRequest.objects.exists()

    def test_a_change_made_against_another_rate_fails(self, boss: Client) -> None:
        change(boss, "CA-R-QST", rate_ppm="10")
        change(boss, "CA-R-QST", rate_ppm="11")
        first, second = ApprovalRequest.objects.order_by("id")
        second_person.agree(first.pk)

        failed = second_person.agree(second.pk)

        assert failed.status == ApprovalRequest.Status.FAILED
        assert rule_of("CA-R-QST").rate_ppm == 100_000

    def test_a_place_without_a_rule_gets_one(self, boss: Client) -> None:
        boss.post(reverse(ADD), SALES_TAX)
        second_person.agree()

        row = rule_of("GB-R-VAT")
        assert (row.rate_ppm, row.kind, row.is_active) == (200_000, "COLLECT", True)
        html = boss.post(reverse(ADD), SALES_TAX).content.decode()
        assert 'id="id_code_error"' in html

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"code": "gb vat"}, "code"),
            ({"jurisdiction": "Britain"}, "jurisdiction"),
            ({"owed_to": "gb"}, "owed_to"),
            ({"rate_ppm": ""}, "rate_ppm"),
            ({"effective_from": "2001-01-01"}, "effective_from"),
        ],
    )
    def test_a_rule_that_makes_no_sense_is_not_proposed(
        self, boss: Client, changes: dict[str, str], field: str
    ) -> None:
        html = boss.post(reverse(ADD), {**SALES_TAX, **changes}).content.decode()

        assert f'id="id_{field}_error"' in html
        assert not ApprovalRequest.objects.exists()


class TestRegistrations:
    def test_one_counts_when_another_person_has_agreed(self, boss: Client) -> None:
        boss.post(reverse(REGISTER), NIGERIA)
        assert not TaxRegistration.objects.exists()

        second_person.agree()

        row = TaxRegistration.objects.get()
        assert (row.jurisdiction, row.number, row.is_inclusive) == ("NG", "01234567-0001", False)
        assert "Registered" in boss.get(cells.listing(TaxRegistration)).content.decode()
        purchase = factories.start_purchase(country="NG", now=clock.now())
        assert purchase.tax_micros == 3_000_000  # 7.5 % of 39.99, to the cent

    def test_one_may_end(self, boss: Client) -> None:
        boss.post(reverse(REGISTER), NIGERIA)
        second_person.agree()

        boss.post(reverse(REGISTER), {"jurisdiction": "NG", "reason": "too small by the new act"})
        second_person.agree()

        assert not TaxRegistration.objects.in_force(clock.now().date()).exists()
        purchase = factories.start_purchase(country="NG", now=clock.now())
        assert purchase.tax_ground == Purchase.TaxGround.NOT_REGISTERED

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"number": ""}, "number"),
            ({"jurisdiction": "Nigeria"}, "jurisdiction"),
            ({"jurisdiction": "CA-BC"}, "jurisdiction"),  # its rule is off
            ({"valid_from": "2001-01-01"}, "valid_from"),
        ],
    )
    def test_what_makes_no_sense_is_told_beside_its_field(
        self, boss: Client, changes: dict[str, str], field: str
    ) -> None:
        html = boss.post(reverse(REGISTER), {**NIGERIA, **changes}).content.decode()

        assert f'id="id_{field}_error"' in html
        assert not ApprovalRequest.objects.exists()

    def test_the_empty_list_says_that_no_tax_is_collected(self, boss: Client) -> None:
        html = boss.get(cells.listing(TaxRegistration)).content.decode()

        assert "We are registered nowhere" in html


def test_a_purchase_shows_its_taxes_its_rules_and_its_evidence(boss: Client) -> None:
    now = clock.now()
    factories.register("CA", now=now)
    factories.register("CA-QC", now=now)
    pieces = [Evidence("request", "CA-QC"), Evidence("ip", "US")]
    purchase = factories.buy_coins(country="CA", region="QC", evidence=pieces, now=now)

    html = boss.get(cells.page_of(purchase)).content.decode()

    assert "GST" in html
    assert "CA-R-QST from 2013-01-01" in html
    assert "request: CA-QC" in html
    assert "Contradictory" in html


def test_who_may_only_look_cannot_propose(staff: ClientOf) -> None:
    clerk = staff("payments.view_taxrule", "payments.view_taxregistration")
    addresses: list[tuple[str, dict[str, Any]]] = [
        (reverse(ADD), SALES_TAX),
        (reverse(REGISTER), NIGERIA),
        (reverse(CHANGE, args=[rule_of("CA-R-QST").pk]), {}),
    ]

    assert {clerk.post(address, typed).status_code for address, typed in addresses} == {403}
    assert clerk.get(cells.listing(TaxRule)).status_code == 200
    assert not ApprovalRequest.objects.exists()


def test_a_change_is_decided_on_in_words_not_in_raw_units(boss: Client) -> None:
    change(boss, "US-W-03-SERVICE_FEE", rate_ppm="", threshold_micros="2100")

    html = boss.get(cells.page_of(ApprovalRequest.objects.latest("id"))).content.decode()

    shown = {row[0]: row[1:3] for row in tables_of(html)["Before and after"]}
    assert shown["Threshold"] == ["2,000.00", "2,100.00"]
    assert shown["Active"] == ["Yes", "Yes"]
    assert not any("_" in name for name in shown)
