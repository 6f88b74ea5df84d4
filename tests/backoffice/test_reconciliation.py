"""The pages of the reconciliation: both sides of a difference, and what may be done about it"""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import (
    ApprovalRequest,
    AuditEntry,
    Difference,
    ReconciliationDay,
    SandboxLine,
)
from payments.services import differences, reconciliation
from tests import factories
from tests.backoffice.conftest import logged_in
from tests.backoffice.test_transaction_page import tables_of
from tests.second_person import agree

pytestmark = pytest.mark.django_db

BUTTONS = ("assign", "note", "fetch", "match", "explain", "correct")


def plant(minor: int, *, days_ago: int = 0) -> Difference:
    """A line of the gateway's book that nothing of ours explains."""
    at = clock.now() - timedelta(days=days_ago)
    line = SandboxLine.objects.create(
        kind="OTHER", source_id="x", gross_minor=minor, currency="USD", occurred_at=at
    )
    now = clock.now() + timedelta(seconds=1)
    window = reconciliation.window_of(now=now, first=at.date(), last=at.date())
    reconciliation.reconcile(provider="SANDBOX", window=window, now=now)
    return Difference.objects.get(key=f"sbl_{line.pk}")


@pytest.fixture
def row() -> Difference:
    """9.90 USD that only the gateway knows."""
    return plant(-990)


def press(client: Client, row: Difference, name: str, **typed: str) -> str:
    """The page after a button's form was sent."""
    address = reverse(f"admin:payments_difference_{name}", args=[row.pk])
    return client.post(address, typed, follow=True).content.decode()


def page(client: Client, row: Difference) -> str:
    """Its page."""
    return client.get(cells.page_of(row)).content.decode()


def listed(client: Client, query: str = "") -> int:
    """How many rows a list shows."""
    answer = client.get(cells.listing(Difference, query))
    return len(answer.context["cl"].result_list)


def test_shows_both_sides_and_what_may_match(boss: Client, row: Difference) -> None:
    other = plant(990)

    shown = page(boss, row)

    for words in ("Ledger line: missing here", "-9.90 USD", "There is nothing in our books."):
        assert words in shown
    assert "the same amount, the other way round" in shown
    assert str(other.pk) in shown


def test_buttons_go_with_the_state(boss: Client, row: Difference) -> None:
    addresses = {
        name: reverse(f"admin:payments_difference_{name}", args=[row.pk]) for name in BUTTONS
    }
    shown = page(boss, row)
    assert [name for name in BUTTONS if addresses[name] in shown] == list(BUTTONS)

    explain(row)

    shown = page(boss, row)
    assert [name for name in BUTTONS if addresses[name] in shown] == ["note"]


def test_somebody_takes_notes_and_explains(boss: Client, superuser: User, row: Difference) -> None:
    press(boss, row, "assign", login="root")
    press(boss, row, "note", text="asked their support")
    assert "Nobody of the staff" in press(boss, row, "assign", login="nobody-i-know")
    press(boss, row, "explain", code="GATEWAY_ERROR", reason="they pay it back")

    row.refresh_from_db()
    assert (row.owner, row.closing) == (f"staff:{superuser.pk}", "EXPLAINED")
    shown = page(boss, row)
    assert "asked their support" in shown
    assert "they pay it back" in shown


def test_two_are_matched(boss: Client, row: Difference) -> None:
    other, uneven = plant(990), plant(500)

    refused = press(boss, row, "match", other=str(uneven.pk), reason="a guess")
    assert 'id="id_other_error"' in refused
    assert Difference.objects.open().count() == 3
    press(boss, row, "match", other=str(other.pk), reason="booked and taken back")

    assert list(Difference.objects.open()) == [uneven]


def test_a_correction_waits_for_another_person(boss: Client, row: Difference) -> None:
    form = boss.get(reverse("admin:payments_difference_correct", args=[row.pk]))
    assert form.context["form"].initial == {"amount": "-9.90", "currency": "USD"}

    shown = press(boss, row, "correct", amount="-9.90", currency="USD", reason="their fee")

    assert "Waiting for another person" in shown
    request = ApprovalRequest.objects.get()
    assert request.summary == "Correct Sandbox by -9.90 USD: Ledger line " + row.gateway_id
    assert request.summary in page(boss, row)
    decided_on = boss.get(cells.page_of(request)).content.decode()
    assert f'href="{cells.page_of(row)}"' in decided_on
    assert tables_of(decided_on)["Both sides"][2] == ["Gross", "–", "-9.90 USD", ""]
    agree(request.pk)
    row.refresh_from_db()
    assert row.closing == "ADJUSTED"
    assert "Adjusted" in page(boss, row)


def test_fetching_again_says_what_came_of_it(boss: Client, row: Difference) -> None:
    assert "look in a moment" in press(boss, row, "fetch")


def test_lists_are_filtered_as_people_work(
    boss: Client, superuser: User, row: Difference, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = plant(-500, days_ago=5)
    Difference.objects.filter(pk=other.pk).update(owner=f"staff:{superuser.pk}")
    explain(plant(-100))

    assert listed(boss) == 3
    assert listed(boss, "queue=open") == listed(boss, "status__exact=OPEN") == 2
    assert listed(boss, "queue=mine") == listed(boss, "queue=nobody") == 1
    assert listed(boss, "queue=old") == 0
    assert listed(boss, "kind__exact=MISSING_HERE") == 3
    assert listed(boss, "kind__exact=AMOUNT") == 0
    in_three_days = clock.now() + timedelta(days=3)
    monkeypatch.setattr(clock, "now", lambda: in_three_days)
    assert listed(boss, "queue=old") == 2


def test_the_sidebar_and_the_overview_count_what_is_open(boss: Client, row: Difference) -> None:
    answer = boss.get(reverse("admin:index"))

    items = [item for group in answer.context["sidebar_navigation"] for item in group["items"]]
    [link] = [item for item in items if item["title"] == "Reconciliation"]
    assert (link["badge"], link["link"]) == (1, cells.listing(Difference, "queue=open"))
    shown = answer.content.decode()
    assert "9.90 USD in doubt; 0 open for over 48 hours" in shown


def test_a_day_shows_both_books_and_leads_to_what_differs(boss: Client, row: Difference) -> None:
    day = ReconciliationDay.objects.get()

    overview = boss.get(cells.listing(ReconciliationDay)).content.decode()
    shown = boss.get(cells.page_of(day)).content.decode()

    assert overview.count("-9.90 USD") == 2  # the gateway's change, and what differs
    assert cells.page_of(row) in shown
    assert "Missing here" in shown
    assert "Newest runs" in shown


def test_days_are_compared_on_demand(boss: Client) -> None:
    today = f"{clock.now():%Y-%m-%d}"
    address = reverse("admin:payments_reconciliationday_compare")

    done = boss.post(
        address, {"provider": "SANDBOX", "first": today, "last": today}, follow=True
    ).content.decode()
    wrong = boss.post(
        address, {"provider": "SANDBOX", "first": today, "last": "2020-01-01"}
    ).content.decode()

    assert "They are being compared" in done
    assert 'id="id_last_error"' in wrong
    [entry] = AuditEntry.objects.filter(action="payments.reconciliation.asked")
    assert entry.after == {"from": today, "to": today}


def test_a_role_that_only_looks_has_no_button(row: Difference) -> None:
    roles.sync(now=clock.now())
    auditor = User.objects.create_user("auditor", password="unused", is_staff=True)
    auditor.groups.add(*Group.objects.filter(name="Auditor"))
    client = logged_in(auditor)

    assert client.get(cells.page_of(row)).status_code == 200
    for name in BUTTONS:
        address = reverse(f"admin:payments_difference_{name}", args=[row.pk])
        assert client.post(address, {}).status_code == 403
    row.refresh_from_db()
    assert row.status == "OPEN"


def explain(row: Difference) -> Difference:
    """Somebody knows what it is."""
    return differences.explain(
        difference_id=row.pk,
        code=Difference.Reason.OTHER,
        words="known",
        actor="staff:7",
        now=clock.now(),
    )


def test_both_sides_tell_amounts_with_their_currency_and_states_in_words(
    boss: Client, row: Difference
) -> None:
    purchase = factories.buy_coins("reader-6", now=clock.now())
    ours = {"gross": "59017.50", "fee": "985.27", "currency": "NGN", "purchase": str(purchase.pk)}
    theirs = {"gross": "58967.50", "fee": "985.27", "currency": "NGN", "kind": "NOT_KNOWN"}
    Difference.objects.filter(pk=row.pk).update(ours=ours, theirs=theirs)

    shown = page(boss, row)

    assert tables_of(shown)["Both sides"][1:] == [
        ["Kind", "–", "Not known", ""],
        ["Gross", "59,017.50 NGN", "58,967.50 NGN", "differs"],
        ["Fee", "985.27 NGN", "985.27 NGN", ""],
        ["Purchase", str(purchase), "–", ""],
    ]
    assert cells.page_of(purchase) in shown


def test_a_day_counts_what_is_open_in_its_own_currency(boss: Client, row: Difference) -> None:
    day = ReconciliationDay.objects.get()
    day.pk, day.currency = None, "CAD"
    day.save()
    other, day = day, ReconciliationDay.objects.get(currency="USD")

    def open_of(found: ReconciliationDay) -> str:
        listing = boss.get(cells.listing(ReconciliationDay))
        [shown] = [one for one in listing.context["cl"].result_list if one.pk == found.pk]
        return str(shown.open_differences)

    assert (open_of(day), open_of(other)) == ("1", "0")
    assert "None in CAD." in boss.get(cells.page_of(other)).content.decode()
    Difference.objects.filter(pk=row.pk).update(currency="", gap_micros=None)
    assert (open_of(day), open_of(other)) == ("1", "1")


def test_how_it_was_closed_is_told_once_it_is(boss: Client, row: Difference) -> None:
    assert "Closed by" not in page(boss, row)

    explain(row)

    assert "Closed by" in page(boss, row)


def test_the_views_above_the_list_count_what_is_open(
    boss: Client, superuser: User, row: Difference
) -> None:
    differences.take(
        difference_id=row.pk, owner=f"staff:{superuser.pk}", actor="staff:7", now=clock.now()
    )

    views = boss.get(cells.listing(Difference, "queue=open")).context["cl"].saved_views

    numbers = {view.title: view.number for view in views}
    assert numbers == {"Open": 1, "Over 48 h": 0, "Nobody's": 0, "Mine": 1, "All": None}
    assert [view.title for view in views if view.is_current] == ["Open"]
    empty = boss.get(cells.listing(Difference, "queue=nobody")).content.decode()
    assert "No difference is in “Nobody&#x27;s”." in empty
