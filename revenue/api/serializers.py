"""Bodies and answers of ``/revenue``: form only, rules are in the services."""

from typing import Any

from rest_framework import serializers

from legato_payments.lib.api.fields import MoneyField, UtcDateTimeField, UuidField
from legato_payments.lib.api.serializers import StrictSerializer
from payments.enums import Stream
from revenue.queries.earnings import GroupBy


class EarningsQuery(StrictSerializer):
    """The span of the groups (``from`` included, ``to`` not) and what to group by."""

    from_ = UtcDateTimeField(required=False)
    to = UtcDateTimeField(required=False)
    group_by = serializers.ChoiceField(
        choices=[group.value for group in GroupBy], default=GroupBy.STREAM.value
    )


class TotalsOutput(serializers.Serializer[Any]):
    """All earnings there are, by what can be done with them."""

    pending = MoneyField()
    available = MoneyField()
    reserved = MoneyField()
    paid = MoneyField()


class GroupOutput(serializers.Serializer[Any]):
    """The earnings under one key."""

    key = serializers.CharField()
    amount = MoneyField()
    coins = serializers.IntegerField()
    promo_coins = serializers.IntegerField()
    transactions = serializers.IntegerField()


class EarningsOutput(serializers.Serializer[Any]):
    """A writer's earnings. Totals are of all time, groups of the span asked for."""

    writer_id = serializers.CharField()
    currency = serializers.CharField()
    totals = TotalsOutput()
    groups = GroupOutput(many=True)
    estimated = serializers.BooleanField()


class ShareOutput(serializers.Serializer[Any]):
    """A writer's part of one sale."""

    writer_id = serializers.CharField()
    share_bps = serializers.IntegerField()
    amount = MoneyField()


class DistributionOutput(serializers.Serializer[Any]):
    """Who got what of one sale."""

    transaction_id = UuidField()
    stream = serializers.ChoiceField(choices=[stream.value.lower() for stream in Stream])
    value = MoneyField()
    shares = ShareOutput(many=True)
    platform = MoneyField()
    rule_id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=["distributed", "already_distributed"])
