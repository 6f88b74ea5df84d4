"""Wallets."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class CoinBalance(models.Model):
    """A reader's wallet: the guarded balance of its ledger account, with lifetime totals.

    Locked by everything that moves the reader's coins. ``coins`` can be spent; ``held`` are frozen
    by a dispute; together they are the balance of ``account``. Written by ``payments.ledger``.
    """

    user_id = models.CharField(max_length=64, unique=True)
    account = models.OneToOneField("payments.Account", models.PROTECT, related_name="wallet")
    coins = models.BigIntegerField(default=0)
    purchased = models.BigIntegerField(default=0, help_text="Bought, or from gift cards.")
    promo = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0, help_text="Frozen, in addition to coins.")
    debt_micros = models.BigIntegerField(
        default=0, db_default=0, help_text="What the reader owes, all debts together, USD micros."
    )
    blocked_by = models.CharField(
        max_length=64,
        default="",
        db_default="",
        blank=True,
        help_text="Why nothing can be spent; empty: it can.",
    )
    lifetime_purchased = models.BigIntegerField(default=0, help_text="Without bonus coins.")
    lifetime_bonus = models.BigIntegerField(default=0)
    lifetime_spent = models.BigIntegerField(default=0)
    lifetime_tipped = models.BigIntegerField(default=0)
    lifetime_received = models.BigIntegerField(default=0, help_text="Given by readers; no tips.")
    lifetime_refunded = models.BigIntegerField(default=0)
    lifetime_expired = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_coinbalance_not_negative",
                condition=Q(purchased__gte=0, promo__gte=0, held__gte=0, debt_micros__gte=0),
            ),
            models.CheckConstraint(
                name="payments_coinbalance_adds_up",
                condition=Q(coins=F("purchased") + F("promo")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.coins} coins"
