"""Campaigns: a budget of promotional coins, and giving them to readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Sum
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, DomainError, Invalid, Missing, Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import audit, ledger, outbox
from payments.enums import BOOK_CURRENCY, LotOrigin
from payments.ledger import balances, templates
from payments.models import Campaign, CoinBalance, CoinLot, PromoGrant
from payments.services import wallets

MOST_MICROS = 2**63 - 1
"""The largest amount that a row of the books holds."""


class CampaignUnknown(Missing):
    """No campaign has this id."""

    title = "There is no such campaign."


class CampaignNameTaken(Conflict):
    code = "campaign_name_taken"
    title = "Another campaign has this name."


class EndsBeforeItStarts(Invalid):
    code = "ends_before_it_starts"
    title = "A campaign ends after it starts."


class CampaignTooLarge(Invalid):
    code = "campaign_too_large"
    title = "The budget would cost more than the books can count."


class CampaignNotRunning(Refused):
    code = "campaign_not_running"
    title = "The campaign has not started, or it is over."


class BudgetExhausted(Conflict):
    code = "campaign_budget_exhausted"
    title = "The campaign has fewer coins left than that."


class ReaderCapReached(Refused):
    code = "campaign_cap_reached"
    title = "This is more than one reader gets from the campaign."


class GrantKeyReused(Conflict):
    code = "grant_key_reused"
    title = "The key names another grant of this campaign."


@dataclass(frozen=True, slots=True)
class Terms:
    """What a campaign may give, and when.

    Args:
        per_user_coins: The most that one reader gets from it.
        starts_at: None: when it is set up.
        value_per_coin_micros: USD micros we pay for each coin; 0 when it is unfunded.
        expires_after_days: How long a reader has to use the coins.
    """

    budget_coins: int
    per_user_coins: int
    starts_at: datetime | None
    ends_at: datetime
    value_per_coin_micros: int = 0
    expires_after_days: int = 90

    @property
    def cost_micros(self) -> int:
        """USD micros that we pay when the whole budget is given."""
        return self.budget_coins * self.value_per_coin_micros


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reader of a list who got nothing, and why."""

    user_id: str
    error: DomainError


def describe(name: str, terms: Terms) -> dict[str, Any]:
    """A campaign as people are shown it, JSON-ready."""
    return {
        "name": name,
        "budget_coins": terms.budget_coins,
        "per_user_coins": terms.per_user_coins,
        "value_per_coin": Money(terms.value_per_coin_micros, BOOK_CURRENCY).amount(),
        "expires_after_days": terms.expires_after_days,
        "starts_at": terms.starts_at.isoformat() if terms.starts_at else None,
        "ends_at": terms.ends_at.isoformat(),
    }


@atomic
def create(*, name: str, terms: Terms, actor: str, reason: str, now: datetime) -> Campaign:
    """Set up a campaign without asking anybody. Its terms are never changed afterwards.

    Raises:
        CampaignNameTaken: Another one is called so.
        EndsBeforeItStarts: Its days are in the wrong order, or it would be over already.
        CampaignTooLarge: Its cost is beyond any amount of the books.
    """
    starts_at = terms.starts_at or now
    if terms.ends_at <= max(starts_at, now):
        raise EndsBeforeItStarts
    if terms.cost_micros > MOST_MICROS:
        raise CampaignTooLarge
    draft = Campaign(
        name=name,
        budget_coins=terms.budget_coins,
        value_per_coin_micros=terms.value_per_coin_micros,
        expires_after_days=terms.expires_after_days,
        per_user_coins=terms.per_user_coins,
        starts_at=starts_at,
        ends_at=terms.ends_at,
        created_at=now,
        created_by=actor,
    )
    Campaign.objects.bulk_create([draft], ignore_conflicts=True)
    campaign = Campaign.objects.get(name=name)
    if campaign.pk != draft.pk:
        raise CampaignNameTaken
    audit.record(
        actor=actor,
        action="payments.campaign.created",
        object_type="campaign",
        object_id=campaign.pk,
        now=now,
        after=describe(name, terms) | {"starts_at": starts_at.isoformat()},
        reason=reason,
    )
    return campaign


@atomic
def grant(
    *, user_id: str, campaign_id: UUID, coins: int, key: str, actor: str, now: datetime
) -> PromoGrant:
    """Give a reader coins of a campaign, once.

    Args:
        key: Names the occasion within the campaign, at most 100 characters.

    Returns:
        The grant, or the one that was made under ``key`` before.

    Raises:
        CampaignUnknown: There is none with this id.
        GrantKeyReused: ``key`` gave something else, or to somebody else.
        CampaignNotRunning: ``now`` is outside its days.
        BudgetExhausted: Less than ``coins`` is left of its budget.
        ReaderCapReached: The reader would get more than one reader may.
    """
    wallet = balances.lock(user_id=user_id)
    campaign = Campaign.objects.select_for_update(no_key=True).filter(pk=campaign_id).first()
    if campaign is None:
        raise CampaignUnknown
    business_key = f"promo:{campaign.pk}:{key}"
    if posted := ledger.find(business_key):
        given = PromoGrant.objects.get(transaction=posted)
        if (given.user_id, given.coins) != (user_id, coins):
            raise GrantKeyReused
        return given
    _check(campaign, user_id, coins, now=now)

    row = PromoGrant(
        campaign=campaign, user_id=user_id, coins=coins, granted_at=now, granted_by=actor
    )
    row.transaction_id = _issue(wallet, campaign, row, key=business_key, now=now)
    failpoint("grant.issued")
    row.save(force_insert=True)
    campaign.coins_granted += coins
    campaign.save(update_fields=["coins_granted"])
    failpoint("grant.counted")
    outbox.emit_all(
        [wallets.changed_event(wallet=wallet, transaction_id=row.transaction_id, occurred_at=now)]
    )
    return row


def grant_all(
    *,
    user_ids: Sequence[str],
    campaign_id: UUID,
    coins: int,
    key: str,
    actor: str,
    now: datetime,
) -> tuple[list[PromoGrant], list[Refusal]]:
    """Give every reader of a list the same, each in a transaction of its own.

    Args:
        key: Names the list; sent again under it, nobody gets anything twice.
    """
    granted, refused = [], []
    for user_id in dict.fromkeys(user_ids):
        try:
            row = grant(
                user_id=user_id,
                campaign_id=campaign_id,
                coins=coins,
                key=f"{key}:{user_id}",
                actor=actor,
                now=now,
            )
        except DomainError as error:
            refused.append(Refusal(user_id, error))
        else:
            granted.append(row)
    return granted, refused


def _check(campaign: Campaign, user_id: str, coins: int, *, now: datetime) -> None:
    if not campaign.starts_at <= now < campaign.ends_at:
        raise CampaignNotRunning
    left = campaign.budget_coins - campaign.coins_granted
    if coins > left:
        raise BudgetExhausted(f"{left} coins are left.", left_coins=left)
    # A sum is safe here: the reader's wallet is locked, and no grant of theirs goes past it.
    given = campaign.grants.filter(user_id=user_id).aggregate(coins=Sum("coins", default=0))
    if given["coins"] + coins > campaign.per_user_coins:
        raise ReaderCapReached(
            f"{campaign.per_user_coins} coins a reader, {given['coins']} are given.",
            limit_coins=campaign.per_user_coins,
            granted_coins=given["coins"],
        )


def _issue(
    wallet: CoinBalance, campaign: Campaign, row: PromoGrant, *, key: str, now: datetime
) -> UUID:
    value = campaign.value_per_coin_micros * row.coins
    transaction_id = ledger.post(
        templates.promo_grant(user_id=row.user_id, coins=row.coins, value=value),
        ledger.Header(
            id=uuid7(),
            key=key,
            occurred_at=now,
            source_type="promo_grant",
            source_id=str(row.pk),
            actor=row.granted_by,
            memo=campaign.name,
            metadata={"campaign_id": str(campaign.pk)},
        ),
    )
    lot = CoinLot(
        origin=LotOrigin.PROMO,
        is_purchased=False,
        coins=row.coins,
        value_micros=value,
        transaction_id=transaction_id,
        priority=CoinLot.PROMO_PRIORITY,
        expires_at=now + timedelta(days=campaign.expires_after_days),
        created_at=now,
    )
    balances.issue(wallet=wallet, lot=lot)
    return transaction_id
