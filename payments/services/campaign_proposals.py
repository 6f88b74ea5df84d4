"""New campaigns that another person has to agree to: those that cost us money, and large ones."""

from datetime import datetime

from legato_payments.lib.money import Money
from payments import approvals
from payments.approvals import Order, Target, wording
from payments.enums import BOOK_CURRENCY
from payments.models import ApprovalRequest, Campaign, Policy
from payments.queries import policies
from payments.services import campaigns

CREATE_CAMPAIGN = "payments.create_campaign"


def create(
    *, name: str, terms: campaigns.Terms, actor: str, reason: str, now: datetime
) -> Campaign | ApprovalRequest:
    """Set up a campaign: at once while it costs nothing and is small, else with others' consent.

    Raises:
        campaigns.CampaignNameTaken, campaigns.EndsBeforeItStarts, campaigns.CampaignTooLarge: As
            ``campaigns.create``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    if terms.cost_micros > campaigns.MOST_MICROS:
        raise campaigns.CampaignTooLarge
    if not terms.value_per_coin_micros:
        free = policies.value(Policy.Name.CAMPAIGN_FREE_COINS, on=now)
        if terms.budget_coins <= free:
            return campaigns.create(name=name, terms=terms, actor=actor, reason=reason, now=now)
    cost = Money(terms.cost_micros, BOOK_CURRENCY)
    paid = f"for {cost}" if terms.value_per_coin_micros else "unfunded"
    return approvals.propose(
        action=CREATE_CAMPAIGN,
        target=Target("campaign", name),
        payload={"before": {}, "after": campaigns.describe(name, terms)},
        summary=f"New campaign {name}: {terms.budget_coins:,} coins, {paid}",
        maker=actor,
        reason=reason,
        effect=carry_out,
        now=now,
        amount=cost,
    )


def carry_out(order: Order) -> Campaign:
    """Set up the campaign of a proposal.

    Raises:
        campaigns.CampaignNameTaken: Another one is called so by now.
        campaigns.EndsBeforeItStarts: It was approved after it should have ended.
    """
    after = order.payload["after"]
    starts_at, ends_at = wording.moment(after["starts_at"]), wording.moment(after["ends_at"])
    assert ends_at is not None, after
    return campaigns.create(
        name=after["name"],
        terms=campaigns.Terms(
            budget_coins=after["budget_coins"],
            per_user_coins=after["per_user_coins"],
            starts_at=starts_at,
            ends_at=ends_at,
            value_per_coin_micros=Money.parse(after["value_per_coin"], BOOK_CURRENCY).micros,
            expires_after_days=after["expires_after_days"],
        ),
        actor=order.maker,
        reason=order.reason[:300],
        now=order.now,
    )
