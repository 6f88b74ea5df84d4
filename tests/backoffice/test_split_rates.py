"""Split rates in the back office: dated rows, inside the agreed band unless a person says why"""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import AuditEntry
from revenue.models import SplitRule
from tests import factories, second_person
from tests.factories import WRITER

pytestmark = pytest.mark.django_db

SEEDED = 5
"""One default rule for each stream."""


def send(client: Client, **changes: Any) -> str:
    """Propose 66.5 % of content for everybody, unless changed, and have it agreed to.

    Returns the page that answers the proposal.
    """
    typed = {"stream": "CONTENT", "rate": "66.50", "reason": "agreed in May", **changes}
    address = reverse("admin:revenue_splitrule_change_rate")
    html = client.post(address, typed, follow=True).content.decode()
    second_person.agree_if_asked()
    return html


def test_a_rate_inside_the_band_is_in_force_from_now_on(boss: Client, superuser: User) -> None:
    before = clock.now()

    html = send(boss)

    rule = SplitRule.objects.latest("id")
    assert (rule.stream, rule.rate_bps, rule.is_override) == ("CONTENT", 6_650, False)
    assert before <= rule.valid_from <= clock.now()
    assert (rule.created_by, rule.reason) == (f"staff:{superuser.pk}", "agreed in May")
    assert AuditEntry.objects.filter(action="revenue.split_rule.changed").count() == 1
    assert "65 % → 66.5 %" in html


def test_a_rate_outside_the_band_is_refused_and_stays_in_the_form(boss: Client) -> None:
    html = send(boss, rate="75")

    assert 'id="id_rate_error"' in html
    assert 'value="75"' in html
    assert SplitRule.objects.count() == SEEDED
    assert not AuditEntry.objects.exists()


def test_an_override_needs_a_reason(boss: Client) -> None:
    html = send(boss, rate="75", allow_override="on", reason="")

    assert 'id="id_reason_error"' in html
    assert SplitRule.objects.count() == SEEDED


def test_an_override_with_a_reason_is_kept_as_one(boss: Client) -> None:
    send(boss, rate="75", allow_override="on", reason="signed before launch")

    rule = SplitRule.objects.latest("id")
    assert (rule.rate_bps, rule.is_override) == (7_500, True)


def test_a_rate_may_be_for_one_writer(boss: Client) -> None:
    factories.put_content()

    send(boss, writer_id=WRITER)

    assert SplitRule.objects.latest("id").writer_id == WRITER


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"writer_id": "nobody"}, "writer_id"),
        ({"writer_id": WRITER, "level": "PARTNER"}, "writer_id"),
        ({"valid_from": "2001-01-01 00:00"}, "valid_from"),
        ({"valid_from": "01/02/2030"}, "valid_from"),
        ({"rate": "100.01"}, "rate"),
        ({"rate": "66.555"}, "rate"),
    ],
)
def test_what_makes_no_sense_is_told_beside_its_field(
    boss: Client, change: dict[str, str], field: str
) -> None:
    factories.put_content()

    html = send(boss, **change)

    assert f'id="id_{field}_error"' in html
    assert SplitRule.objects.count() == SEEDED


def test_the_list_says_which_rule_is_in_force(boss: Client) -> None:
    later = clock.now() + timedelta(days=3)
    send(boss)
    send(boss, rate="67", valid_from=f"{later:%Y-%m-%d %H:%M}")

    html = boss.get(cells.listing(SplitRule) + "?stream__exact=CONTENT").content.decode()

    assert [html.count(f">{word}<") for word in ("In force", "Scheduled", "Superseded")] == [
        1,
        1,
        1,
    ]
