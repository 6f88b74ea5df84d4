"""Exchange rates in the back office: set by hand, refreshed, never edited"""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.gateways.rates.fixed import FIXED, FixedRates
from payments.models import AuditEntry, CurrencyRate
from payments.services import currency_rates
from tests import second_person

pytestmark = pytest.mark.django_db

REFRESH = "admin:payments_currencyrate_refresh"


@pytest.fixture(autouse=True)
def _rates_of_today(db: None) -> None:
    currency_rates.refresh(provider=FixedRates(), now=clock.now())


def today() -> date:
    return clock.now().date()


def send(client: Client, **changes: Any) -> str:
    """Propose 1.40 Canadian dollars for a US dollar, unless changed, and have it agreed to.

    Returns the page that answers the proposal.
    """
    typed = {
        "quote": "CAD",
        "rate": "1.40",
        "as_of": today().isoformat(),
        "reason": "the source is down",
        **changes,
    }
    address = reverse("admin:payments_currencyrate_set_by_hand")
    html = client.post(address, typed, follow=True).content.decode()
    second_person.agree_if_asked()
    return html


def test_a_rate_by_hand_is_in_force_with_its_author_and_reason(
    boss: Client, superuser: User
) -> None:
    html = send(boss)

    newest = currency_rates.newest(quote="CAD")
    assert newest is not None
    assert (newest.rate, newest.source) == (Decimal("1.40"), "manual")
    assert (newest.created_by, newest.reason) == (f"staff:{superuser.pk}", "the source is down")
    assert "Waiting for another person" in html
    entry = AuditEntry.objects.filter(action="payments.currency_rate.recorded").latest("id")
    assert entry.actor == f"staff:{superuser.pk}"


def test_a_rate_outside_the_guard_is_refused_and_stays_in_the_form(boss: Client) -> None:
    html = send(boss, rate="2.75", reason="panic")

    assert 'id="id_rate_error"' in html
    assert "the guard is at 20.0 %" in html
    assert 'value="2.75"' in html
    assert 'value="panic"' in html
    newest = currency_rates.newest(quote="CAD")
    assert newest is not None
    assert newest.rate == FIXED[("USD", "CAD")]
    assert CurrencyRate.objects.count() == 2


def test_a_jump_that_a_person_confirms_is_taken(boss: Client) -> None:
    send(boss, rate="2.75", allow_jump="on")

    newest = currency_rates.newest(quote="CAD")
    assert newest is not None
    assert newest.rate == Decimal("2.75")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": ""}, "This field is required."),
        ({"rate": "0"}, "A rate must be above zero."),
        ({"as_of": "2199-01-01"}, "lies in the future"),
        ({"as_of": "2001-01-01"}, "is before the newest rate"),
        ({"as_of": "01/02/2026"}, "Enter a valid date."),
        ({"quote": "USD"}, "Select a valid choice."),
    ],
)
def test_what_makes_no_sense_is_refused(boss: Client, change: dict[str, str], words: str) -> None:
    html = send(boss, **change)

    assert words in html
    assert CurrencyRate.objects.count() == 2


def test_the_newest_rate_again_is_no_row(boss: Client) -> None:
    send(boss)

    html = send(boss)

    assert "This is the newest rate already" in html
    assert CurrencyRate.objects.count() == 3


def test_refresh_asks_first_and_fetches_by_post(boss: Client) -> None:
    send(boss)

    asked = boss.get(reverse(REFRESH)).content.decode()
    assert "the source “fixed”" in asked
    assert CurrencyRate.objects.count() == 3
    html = boss.post(reverse(REFRESH), follow=True).content.decode()

    newest = currency_rates.newest(quote="CAD")
    assert newest is not None
    assert (newest.rate, newest.source) == (FIXED[("USD", "CAD")], "fixed")
    assert "1 USD = 1.3706 CAD" in html


def test_a_source_that_gives_nothing_is_told_in_words(
    boss: Client, settings: Any, tmp_path: Any
) -> None:
    settings.RATE_PROVIDER, settings.RATE_FILE = "file", str(tmp_path / "absent.csv")

    html = boss.post(reverse(REFRESH)).content.decode()

    assert "absent.csv" in html
    assert CurrencyRate.objects.count() == 2


def test_the_list_says_which_rate_is_in_force(boss: Client) -> None:
    send(boss)

    html = boss.get(cells.listing(CurrencyRate)).content.decode()

    assert html.count("In force") == 2
    assert html.count("Superseded") == 1
