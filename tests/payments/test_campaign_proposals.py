"""New campaigns: what costs us money, or is large, waits for another person"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from legato_payments.lib import clock
from payments import approvals
from payments.models import ApprovalRequest, ApprovalRule, AuditEntry, Campaign, Policy, PromoGrant
from payments.services import campaign_proposals, campaigns, policies
from tests import second_person
from tests.backoffice.conftest import logged_in
from tests.factories import NOW
from tests.ledger import books

pytestmark = pytest.mark.django_db

MAKER = "staff:900001"
"""Nobody's number: the second person may be the first login that a database ever had."""

F = 9_900
"""Micros of a coin at the price of the Starter Pack."""

SOON = NOW + timedelta(hours=1)
TERMS = campaigns.Terms(
    budget_coins=1_000,
    per_user_coins=200,
    starts_at=None,
    ends_at=NOW + timedelta(days=30),
    value_per_coin_micros=F,
)
UNFUNDED = replace(TERMS, value_per_coin_micros=0)
Status = ApprovalRequest.Status


def propose(
    terms: campaigns.Terms = TERMS, *, name: str = "Winter", now: datetime = NOW
) -> Campaign | ApprovalRequest:
    return campaign_proposals.create(
        name=name, terms=terms, actor=MAKER, reason="new readers", now=now
    )


def waiting(terms: campaigns.Terms = TERMS, **more: Any) -> ApprovalRequest:
    made = propose(terms, **more)
    assert isinstance(made, ApprovalRequest)
    return made


def run(request: ApprovalRequest, *, now: datetime = SOON) -> ApprovalRequest:
    """Another person agrees, and the job runs."""
    approvals.approve(
        request_id=request.pk,
        approver=second_person.person(),
        payload_hash=request.payload_hash,
        now=now,
    )
    approvals.run(approval_id=request.pk, effect=campaign_proposals.carry_out, now=now)
    request.refresh_from_db()
    return request


def test_a_funded_one_waits_for_another_person() -> None:
    request = waiting()
    assert not Campaign.objects.exists()
    assert request.summary == "New campaign Winter: 1,000 coins, for 9.90 USD"
    assert (request.amount_micros, request.currency, request.needed) == (1_000 * F, "USD", 1)

    done = run(request)

    winter = Campaign.objects.get()
    assert done.status == Status.EXECUTED
    assert (winter.name, winter.budget_coins, winter.per_user_coins) == ("Winter", 1_000, 200)
    assert (winter.value_per_coin_micros, winter.expires_after_days) == (F, 90)
    assert (winter.starts_at, winter.ends_at) == (SOON, NOW + timedelta(days=30))
    assert winter.created_by == MAKER
    entry = AuditEntry.objects.get(action="payments.campaign.created")
    assert (entry.actor, entry.reason, entry.object_id) == (
        MAKER,
        "new readers",
        str(winter.pk),
    )


def test_a_small_unfunded_one_is_set_up_at_once() -> None:
    made = propose(replace(UNFUNDED, budget_coins=10_000))

    assert isinstance(made, Campaign)
    assert made.starts_at == NOW
    assert not ApprovalRequest.objects.exists()


def test_a_large_unfunded_one_waits() -> None:
    request = waiting(replace(UNFUNDED, budget_coins=10_001))

    assert request.summary == "New campaign Winter: 10,001 coins, unfunded"
    assert request.amount_micros == 0
    assert run(request).status == Status.EXECUTED
    assert Campaign.objects.get().budget_coins == 10_001


def test_what_is_large_is_a_dated_limit() -> None:
    policies.change(
        name=Policy.Name.CAMPAIGN_FREE_COINS,
        value=500,
        valid_from=SOON,
        actor=MAKER,
        reason="x",
        now=NOW,
    )

    assert isinstance(propose(UNFUNDED), Campaign)
    assert isinstance(propose(UNFUNDED, name="Spring", now=SOON), ApprovalRequest)


def test_what_it_can_cost_decides_how_many_people_it_needs() -> None:
    ApprovalRule.objects.create(
        action=campaign_proposals.CREATE_CAMPAIGN,
        from_micros=50_000 * F,
        needed=2,
        valid_from=NOW,
        created_by="staff:1",
    )

    just_below = waiting(replace(TERMS, budget_coins=49_999))
    reached = waiting(replace(TERMS, budget_coins=50_000), name="Spring")

    assert (just_below.needed, reached.needed) == (1, 2)


def test_a_start_that_was_chosen_is_kept() -> None:
    start = NOW + timedelta(days=2)

    run(waiting(replace(TERMS, starts_at=start)))

    assert Campaign.objects.get().starts_at == start


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        (replace(TERMS, ends_at=NOW), campaigns.EndsBeforeItStarts),
        (replace(TERMS, starts_at=NOW + timedelta(days=31)), campaigns.EndsBeforeItStarts),
        (replace(TERMS, budget_coins=2**62, value_per_coin_micros=2), campaigns.CampaignTooLarge),
    ],
)
def test_nonsense_is_told_to_who_proposes_it(
    terms: campaigns.Terms, refusal: type[Exception]
) -> None:
    before = books.fingerprint()

    with pytest.raises(refusal):
        propose(terms)

    assert books.fingerprint() == before


def test_a_name_that_is_taken_is_refused_before_and_after() -> None:
    request = waiting()
    campaigns.create(name="Winter", terms=UNFUNDED, actor="system:demo", reason="", now=NOW)
    with pytest.raises(campaigns.CampaignNameTaken):
        propose(replace(TERMS, budget_coins=1_001))

    failed = run(request)

    assert (failed.status, failed.error) == (Status.FAILED, campaigns.CampaignNameTaken.title)
    assert Campaign.objects.get().created_by == "system:demo"


def test_approved_after_its_end_it_is_not_set_up() -> None:
    request = waiting(replace(TERMS, ends_at=NOW + timedelta(minutes=30)))

    assert run(request).status == Status.FAILED
    assert not Campaign.objects.exists()


def test_the_platform_itself_asks_nobody() -> None:
    made = campaigns.create(name="Winter", terms=TERMS, actor="system:demo", reason="", now=NOW)

    assert made.value_per_coin_micros == F
    assert not ApprovalRequest.objects.exists()


class TestBackOffice:
    @pytest.fixture
    def boss(self) -> User:
        """Who proposes."""
        return second_person.person("boss")

    def typed(self, **changes: str) -> dict[str, str]:
        ends = clock.now() + timedelta(days=3)
        return {
            "name": "Spring",
            "budget_coins": "500",
            "per_user_coins": "50",
            "value_per_coin_micros": "0.0099",
            "expires_after_days": "30",
            "starts_at": "",
            "ends_at": f"{ends:%Y-%m-%d %H:%M}",
            "reason": "spring",
            **changes,
        }

    def set_up(self, boss: User, **changes: str) -> str:
        address = reverse("admin:payments_campaign_create")
        answer = logged_in(boss).post(address, self.typed(**changes), follow=True)
        return str(answer.content.decode())

    def test_finance_proposes_another_person_agrees_and_readers_get_coins(self, boss: User) -> None:
        told = self.set_up(boss)
        assert "Waiting for another person" in told
        assert "New campaign Spring: 500 coins, for 4.95 USD" in told
        assert not Campaign.objects.exists()

        second_person.agree()
        spring = Campaign.objects.get()
        client: Client = logged_in(boss)
        batch = {"readers": "ann\nbob ann", "coins": "50", "key": "list-1"}
        grant = reverse("admin:payments_campaign_grant", args=[spring.pk])
        given = client.post(grant, batch)
        wrong = client.post(grant, {**batch, "readers": "a b<"})

        assert (given.status_code, wrong.status_code) == (302, 200)
        assert spring.value_per_coin_micros == F
        assert spring.created_by == f"staff:{boss.pk}"
        assert sorted(PromoGrant.objects.values_list("user_id", "coins")) == [
            ("ann", 50),
            ("bob", 50),
        ]

    def test_a_small_unfunded_one_is_there_at_once(self, boss: User) -> None:
        assert "Spring is set up." in self.set_up(boss, value_per_coin_micros="0")

        assert Campaign.objects.get().name == "Spring"

    def test_says_beforehand_what_waits(self, boss: User) -> None:
        html = logged_in(boss).get(reverse("admin:payments_campaign_create")).content.decode()

        assert "gives more than 10,000 coins, waits for another person first" in html

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"ends_at": "2001-01-01 00:00"}, "ends_at"),
            (
                {"value_per_coin_micros": "9999999999", "budget_coins": "1000000000"},
                "value_per_coin_micros",
            ),
        ],
    )
    def test_what_is_refused_is_told_beside_its_field(
        self, boss: User, changes: dict[str, str], field: str
    ) -> None:
        assert f'id="id_{field}_error"' in self.set_up(boss, **changes)

        assert not Campaign.objects.exists()
        assert not ApprovalRequest.objects.exists()
