"""Limits in the back office: dated rows, from now on or later"""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import AuditEntry, Policy
from payments.queries import policies
from tests import second_person

pytestmark = pytest.mark.django_db

ADDRESS = "admin:payments_policy_change_limit"
NAME = Policy.Name.TIP_MIN_COINS


def test_a_new_value_counts_at_once_and_the_old_one_stays_readable(
    boss: Client, superuser: User
) -> None:
    boss.post(reverse(ADDRESS), {"name": NAME, "value": "20", "reason": "too many small tips"})
    assert policies.value(NAME, on=clock.now()) == 10
    second_person.agree()

    assert policies.value(NAME, on=clock.now()) == 20
    assert sorted(Policy.objects.filter(name=NAME).values_list("value", flat=True)) == [10, 20]
    entry = AuditEntry.objects.get(action="payments.policy.changed")
    assert (entry.actor, entry.before) == (f"staff:{superuser.pk}", {"value": 10})


def test_a_value_may_start_later(boss: Client) -> None:
    start = clock.now() + timedelta(days=2)
    typed = {"name": NAME, "value": "20", "reason": "x", "valid_from": f"{start:%Y-%m-%d %H:%M}"}

    boss.post(reverse(ADDRESS), typed)
    second_person.agree()

    assert policies.value(NAME, on=clock.now()) == 10
    assert policies.value(NAME, on=start) == 20
    assert "Scheduled" in boss.get(cells.listing(Policy)).content.decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"valid_from": "2001-01-01 00:00"}, "valid_from"),
        ({"value": "-1"}, "value"),
        ({"reason": ""}, "reason"),
    ],
)
def test_what_makes_no_sense_is_told_beside_its_field(
    boss: Client, change: dict[str, str], field: str
) -> None:
    typed = {"name": NAME, "value": "20", "reason": "x", **change}

    html = boss.post(reverse(ADDRESS), typed).content.decode()

    assert f'id="id_{field}_error"' in html
    assert policies.value(NAME, on=clock.now()) == 10
    assert not AuditEntry.objects.exists()
