"""Lots: where coins came from, what they are worth, and which were used for what."""

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import F, Func, Q, Value

from legato_payments.lib.append_only import AppendOnly
from payments.enums import LotOrigin

MAX_COINS = 2**32
"""Positions of a lot share one bigint range with its id, see ``LotUse``."""


class CoinLot(models.Model):
    """Coins that arrived together, used by position, first to last.

    The coins ``a`` to ``b`` of a lot of N coins worth V micros release ``V*b//N - V*a//N``: any
    split sums to V exactly, and every part can be computed again by itself. Only ``next_coin`` and
    ``frozen_by`` ever change, through ``payments.ledger``.
    """

    wallet = models.ForeignKey("payments.CoinBalance", models.PROTECT, related_name="lots")
    origin = models.CharField(max_length=10, choices=LotOrigin.choices)
    is_purchased = models.BooleanField(
        help_text="Paid for with money, itself or the lot it descends from; tips use only these."
    )
    coins = models.BigIntegerField()
    next_coin = models.BigIntegerField(default=0, help_text="Coins before this one are used.")
    # What the partial indexes look at: it changes once in a lot's life, so that all other spends
    # can rewrite the row in place (a HOT update) and touch no index.
    is_used_up = models.GeneratedField(
        expression=Q(next_coin__gte=F("coins")),  # type: ignore[arg-type] # the stubs lack Q
        output_field=models.BooleanField(),
        db_persist=True,
    )
    value_micros = models.BigIntegerField(help_text="USD micros of all coins together.")
    fee_micros = models.BigIntegerField(
        null=True, blank=True, help_text="Gateway fee, micros of the paid currency."
    )
    paid_micros = models.BigIntegerField(default=0, help_text="What the payer gave, tax included.")
    paid_unit = models.CharField(max_length=3, default="", blank=True)
    purchase = models.ForeignKey(
        "payments.Purchase", models.PROTECT, null=True, blank=True, related_name="lots"
    )
    transaction = models.ForeignKey(
        "payments.Transaction", models.PROTECT, related_name="lots", help_text="What issued it."
    )
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    priority = models.PositiveSmallIntegerField(help_text="Lower is spent first.")
    expires_at = models.DateTimeField(null=True, blank=True)
    frozen_by = models.CharField(max_length=64, default="", blank=True)
    created_at = models.DateTimeField()

    PROMO_PRIORITY = 10
    PAID_PRIORITY = 50

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_coinlot_coins", condition=Q(coins__gt=0, coins__lt=MAX_COINS)
            ),
            models.CheckConstraint(
                name="payments_coinlot_position",
                condition=Q(next_coin__gte=0, next_coin__lte=F("coins")),
            ),
            models.CheckConstraint(name="payments_coinlot_value", condition=Q(value_micros__gte=0)),
            models.CheckConstraint(
                name="payments_coinlot_paid_never_expires",
                condition=Q(is_purchased=False) | Q(expires_at__isnull=True),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                F("wallet"),
                F("priority"),
                F("expires_at").asc(nulls_last=True),
                F("id"),
                name="payments_coinlot_open",
                condition=Q(is_used_up=False, frozen_by=""),
            ),
            # For the nightly sweep; purchased coins never expire, so their lots are not in it.
            models.Index(
                fields=["expires_at"],
                name="payments_coinlot_expiring",
                condition=Q(is_used_up=False, frozen_by="", expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"lot {self.pk}: {self.coins - self.next_coin} of {self.coins} coins left"


class LotUse(AppendOnly):
    """The coins ``from_coin`` (included) to ``to_coin`` (excluded) of a lot, used once.

    The exclusion constraint holds whatever the code does: no coin is used twice. It packs the lot
    and the position into one range, so it needs no extension.
    """

    class Kind(models.TextChoices):
        SPEND = "SPEND", "Spent on content"
        TIP = "TIP", "Tipped"
        REVERSAL = "REVERSAL", "Taken back"
        EXPIRED = "EXPIRED", "Expired"
        TRANSFER = "TRANSFER", "Given to a reader"
        ADJUSTMENT = "ADJUSTMENT", "Taken by finance"
        REFUND = "REFUND", "Paid back"
        DISPUTE = "DISPUTE", "Taken by a dispute"

    lot = models.ForeignKey(CoinLot, models.PROTECT, related_name="uses", db_index=False)
    transaction = models.ForeignKey("payments.Transaction", models.PROTECT, related_name="lot_uses")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    from_coin = models.BigIntegerField()
    to_coin = models.BigIntegerField()
    value_micros = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_lotuse_forward",
                condition=Q(from_coin__gte=0, to_coin__gt=F("from_coin"), to_coin__lt=MAX_COINS),
            ),
            models.CheckConstraint(name="payments_lotuse_value", condition=Q(value_micros__gte=0)),
            ExclusionConstraint(
                name="payments_lotuse_once",
                expressions=[
                    (
                        Func(
                            F("lot") * Value(MAX_COINS) + F("from_coin"),
                            F("lot") * Value(MAX_COINS) + F("to_coin"),
                            function="int8range",
                        ),
                        "&&",
                    )
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"lot {self.lot_id} [{self.from_coin}, {self.to_coin})"
