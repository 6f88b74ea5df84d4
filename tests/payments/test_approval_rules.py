"""payments.services.approval_rules: how many people an action needs, itself a matter of several"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.transaction import atomic

from legato_payments.lib import clock
from legato_payments.lib.money import Money
from payments import approvals
from payments.models import ApprovalRequest, ApprovalRule
from payments.models.approvals import FOUR_EYES
from payments.services import adjustments, approval_rules, policies, proposals
from tests import second_person
from tests.factories import NOW
from tests.ledger import books
from tests.payments import books_of

pytestmark = pytest.mark.django_db

ADJUST, RULES = adjustments.ADJUST_WALLET, approval_rules.CHANGE_APPROVAL_RULE
LIMITS = proposals.CHANGE_POLICY
MANY = 500_000_000
Status = ApprovalRequest.Status


@pytest.fixture(autouse=True)
def people(db: None) -> list[User]:
    """Four who may decide on everything."""
    return [second_person.person(f"person-{number}") for number in range(4)]


def propose(
    action: str = ADJUST, needed: int = 2, *, above: int = 0, **more: Any
) -> ApprovalRequest:
    given = {
        "valid_from": None,
        "actor": "staff:0",
        "reason": "we grow",
        "now": clock.now(),
        **more,
    }
    return approval_rules.propose(action=action, from_micros=above, needed=needed, **given)


def needed(action: str = ADJUST, dollars: int = 0, *, on: datetime | None = None) -> int:
    amount = Money(dollars * 1_000_000, "USD")
    return approvals.needed_for(action=action, amount=amount, on=on or clock.now())


def approve(request: ApprovalRequest, *deciders: User) -> ApprovalRequest:
    """Each agrees; the job runs, as a worker would, whether that is enough or not."""
    for person in deciders:
        approvals.approve(
            request_id=request.pk,
            approver=person,
            payload_hash=request.payload_hash,
            now=clock.now(),
        )
    return second_person.run(request)


@contextmanager
def nothing_moved() -> Iterator[None]:
    """Not a row of any of our tables is another one afterwards."""
    before = books.fingerprint()
    yield
    assert books.fingerprint() == before


def test_another_number_counts_once_another_person_agrees(people: list[User]) -> None:
    request = propose(ADJUST, 2)
    assert (request.status, request.needed, needed()) == (Status.PENDING, 1, 1)
    assert request.summary == (
        "People for payments.adjust_wallet from 0.00 USD: 1 → 2, from its approval"
    )

    done = approve(request, people[0])

    assert (done.status, needed(), needed(dollars=499)) == (Status.EXECUTED, 2, 2)
    [entry] = books_of.audit("payments.approval_rule.changed")
    assert (entry.actor, entry.object_id, entry.reason) == ("staff:0", ADJUST, "we grow")
    assert entry.before == {"needed": 1, "from_micros": 0}
    assert entry.after is not None
    assert (entry.after["needed"], entry.after["from_micros"]) == (2, 0)
    rows = ApprovalRule.objects.filter(action=ADJUST, from_micros=0)
    assert sorted(rows.values_list("needed", flat=True)) == [1, 2]


def test_from_an_amount_on_it_leaves_smaller_ones_alone(people: list[User]) -> None:
    approve(propose(LIMITS, 3, above=100_000_000), people[0])

    assert [needed(LIMITS, dollars) for dollars in (0, 99, 100, 5_000)] == [1, 1, 3, 3]


def test_it_may_begin_later(people: list[User]) -> None:
    start = clock.now() + timedelta(days=2)

    approve(propose(LIMITS, 2, valid_from=start), people[0])

    assert (needed(LIMITS), needed(LIMITS, on=start)) == (1, 2)


def test_fewer_people_are_a_matter_of_as_many_as_it_needs_now(people: list[User]) -> None:
    request = propose(ADJUST, 1, above=MANY)
    assert request.needed == 2

    half = approve(request, people[0])
    assert (half.status, needed(dollars=500)) == (Status.PENDING, 2)
    whole = approve(request, people[1])

    assert (whole.status, needed(dollars=500)) == (Status.EXECUTED, 1)


def test_an_amount_between_two_rules_asks_as_the_one_below(people: list[User]) -> None:
    assert propose(ADJUST, 1, above=MANY + 1).needed == 2
    assert propose(ADJUST, 2, above=MANY - 1).needed == 1


def test_the_rule_of_the_rules_asks_for_itself_as_well(people: list[User]) -> None:
    approve(propose(RULES, 2), people[0])

    assert propose(LIMITS, 2).needed == 2
    assert propose(RULES, 1).needed == 2


def test_an_action_that_nobody_else_decides_on_still_needs_one_to_change(
    people: list[User],
) -> None:
    approve(propose(LIMITS, 0), people[0])
    assert needed(LIMITS) == 0

    assert propose(LIMITS, 1).needed == 1


@pytest.mark.parametrize("action", FOUR_EYES)
def test_four_eyes_are_never_given_up(action: str) -> None:
    with nothing_moved(), pytest.raises(approval_rules.AlwaysFourEyes):
        propose(action, 0)
    with nothing_moved(), pytest.raises(approval_rules.AlwaysFourEyes):
        propose(action, 0, above=MANY)

    with pytest.raises(IntegrityError, match="four_eyes"), atomic():
        ApprovalRule.objects.create(action=action, needed=0, valid_from=NOW, created_by="staff:0")


def test_refuses_more_people_than_there_are(people: list[User]) -> None:
    assert propose(ADJUST, 3).needed == 1  # four may decide: one proposes, three agree
    people[0].is_active = False
    people[0].save()

    with nothing_moved(), pytest.raises(approval_rules.ApproversMissing) as refusal:
        propose(LIMITS, 3)

    assert str(refusal.value) == "3 people may decide on this; 4 have to be able."


def test_who_left_meanwhile_does_not_count(people: list[User]) -> None:
    request = propose(ADJUST, 3)
    people[3].is_staff = False
    people[3].save()

    failed = approve(request, people[0])

    assert (failed.status, needed()) == (Status.FAILED, 1)
    assert failed.error == "3 people may decide on this; 4 have to be able."


def test_another_rule_meanwhile_makes_it_fail(people: list[User]) -> None:
    request = propose(ADJUST, 3)
    ApprovalRule.objects.create(
        action=ADJUST, needed=2, valid_from=clock.now(), created_by="staff:9"
    )

    failed = approve(request, people[0])

    assert (failed.status, failed.error) == (Status.FAILED, proposals.BaseChanged.title)
    assert needed() == 2


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"action": "payments.burn_it_all"}, approval_rules.ActionUnknown),
        ({"valid_from": NOW - timedelta(days=900)}, policies.StartsInThePast),
    ],
)
def test_refuses_what_makes_no_sense(changes: dict[str, Any], refusal: type[Exception]) -> None:
    with nothing_moved(), pytest.raises(refusal):
        propose(**changes)
