"""What readers spent, and how chapters sell."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.queries import analytics, spending
from access.queries.spending import Group, Spending
from legato_payments.lib import clock
from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.fields import MoneyField, PeriodField, UtcDateTimeField
from legato_payments.lib.api.permissions import AnyUser, Own, Service
from legato_payments.lib.api.serializers import StrictSerializer
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.errors import Missing
from legato_payments.lib.money import Money
from payments.enums import BOOK_CURRENCY
from revenue.queries import authors


class ContentUnknown(Missing):
    title = "There is no such content."


class SpendingQuery(StrictSerializer):
    """The month; the current one when not given."""

    period = PeriodField(required=False)


class StreamSpendingOutput(serializers.Serializer[Any]):
    """What one stream took."""

    key = serializers.ChoiceField(choices=["content", "tip"])
    coins = serializers.IntegerField()
    promo_coins = serializers.IntegerField()
    value = MoneyField()
    money_equivalent = MoneyField(allow_null=True)


class SeriesSpendingOutput(serializers.Serializer[Any]):
    """What one series took; ``series_id`` is null for chapters outside any."""

    series_id = serializers.CharField(allow_null=True)
    coins = serializers.IntegerField()
    value = MoneyField()
    money_equivalent = MoneyField(allow_null=True)
    cost_per_1000_words = MoneyField(allow_null=True)


class WriterSpendingOutput(serializers.Serializer[Any]):
    """What one writer's works and tips took, of works by several the writer's share."""

    writer_id = serializers.CharField()
    coins = serializers.IntegerField()
    value = MoneyField()
    money_equivalent = MoneyField(allow_null=True)


class DaySpendingOutput(serializers.Serializer[Any]):
    """What one day took."""

    date = serializers.CharField()
    coins = serializers.IntegerField()
    value = MoneyField()
    money_equivalent = MoneyField(allow_null=True)


class ForecastOutput(serializers.Serializer[Any]):
    """What the whole month may come to, and one sigma below and above."""

    coins = serializers.IntegerField()
    low_coins = serializers.IntegerField()
    high_coins = serializers.IntegerField()
    money_equivalent = MoneyField(allow_null=True)


class SpendingOutput(serializers.Serializer[Any]):
    """A month of one reader.

    ``value`` is what the coins released, US dollars; ``money_equivalent`` what as many coins cost
    now without a discount, in the reader's ``currency``.
    """

    user_id = serializers.CharField()
    period = PeriodField()
    currency = serializers.CharField()
    coins = serializers.IntegerField()
    promo_coins = serializers.IntegerField()
    value = MoneyField()
    money_equivalent = MoneyField(allow_null=True)
    average_coin_price = MoneyField(allow_null=True)
    cost_per_1000_words = MoneyField(allow_null=True)
    streams = StreamSpendingOutput(many=True)
    series = SeriesSpendingOutput(many=True)
    writers = WriterSpendingOutput(many=True)
    days = DaySpendingOutput(many=True)
    forecast = ForecastOutput(allow_null=True)


class AnalyticsQuery(StrictSerializer):
    """The span (``from`` included, ``to`` not) and what to group by."""

    from_ = UtcDateTimeField(required=False)
    to = UtcDateTimeField(required=False)
    group_by = serializers.ChoiceField(
        choices=[group.value for group in analytics.GroupBy],
        default=analytics.GroupBy.TOTAL.value,
    )


class AnalyticsRowOutput(serializers.Serializer[Any]):
    """A span with sales or refunds; amounts are net of what was taken back in it."""

    key = serializers.CharField()
    buyers = serializers.IntegerField()
    coins = serializers.IntegerField()
    promo_coins = serializers.IntegerField()
    value = MoneyField()
    writer_amount = MoneyField()
    refunds = serializers.IntegerField()
    subscription_units = serializers.IntegerField()


class AnalyticsOutput(serializers.Serializer[Any]):
    """How a chapter sells. ``writer_amount`` is a writer's own part, to a service everybody's."""

    content_id = serializers.CharField()
    rows = AnalyticsRowOutput(many=True)


class SpendingViewSet(ApiViewSet):
    """What one reader spent."""

    access = {"month": [Own(user_scope="coins:read", or_scope="transactions:read")]}
    query = {"month": SpendingQuery}
    serializer_class = SpendingOutput

    @extend_schema(
        operation_id="payments_users_spending_analytics",
        summary="Look back on a month of spending",
    )
    def month(self, request: Request, user_id: str) -> Response:
        """By stream, series, writer and day, what a coin and a thousand words cost, a forecast."""
        now = clock.now()
        period = self.filters.get("period") or now.date().replace(day=1)
        found = spending.of_month(user_id=user_id, month=period, now=now)
        return Response(SpendingOutput(_show(found)).data)


class AnalyticsViewSet(ApiViewSet):
    """How one piece of content sells."""

    access = {
        "analytics": [
            AnyUser(user_scope="earnings:read", role="writer"),
            Service("analytics:read"),
        ]
    }
    query = {"analytics": AnalyticsQuery}
    serializer_class = AnalyticsOutput

    @extend_schema(operation_id="access_content_analytics", summary="See how a chapter sells")
    def analytics(self, request: Request, content_id: str) -> Response:
        """Buyers, coins, refunds and the writer's part, for its present authors and services."""
        principal = principal_of(request)
        writer_id = None if principal.is_service else principal.subject
        # Somebody else's content looks exactly like content that does not exist.
        if writer_id and not authors.is_author(user_id=writer_id, content_id=content_id):
            raise ContentUnknown
        if not analytics.is_known(content_id=content_id):
            raise ContentUnknown
        rows = analytics.of_content(
            content_id=content_id,
            group_by=analytics.GroupBy(self.filters["group_by"]),
            since=self.filters.get("from_"),
            until=self.filters.get("to"),
            writer_id=writer_id,
        )
        shown = {"content_id": content_id, "rows": [_row(row) for row in rows]}
        return Response(AnalyticsOutput(shown).data)


def _show(found: Spending) -> dict[str, Any]:
    def equivalent(coins: int) -> Money | None:
        return found.coin_price.of(coins) if found.coin_price else None

    def show(group: Group, name: str) -> dict[str, Any]:
        return {
            name: group.key,
            "coins": group.coins,
            "promo_coins": group.promo_coins,
            "value": _usd(group.value_micros),
            "money_equivalent": equivalent(group.coins),
            "cost_per_1000_words": group.per_thousand_words,
        }

    ahead = found.forecast
    return {
        "user_id": found.user_id,
        "period": found.month,
        "currency": found.currency,
        "coins": found.coins,
        "promo_coins": found.promo_coins,
        "value": _usd(found.value_micros),
        "money_equivalent": equivalent(found.coins),
        "average_coin_price": found.average_coin_price,
        "cost_per_1000_words": found.per_thousand_words,
        "streams": [show(group, "key") for group in found.streams],
        "series": [show(group, "series_id") for group in found.series],
        "writers": [show(group, "writer_id") for group in found.writers],
        "days": [show(group, "date") for group in found.days],
        "forecast": ahead
        and {
            "coins": ahead.coins,
            "low_coins": ahead.low_coins,
            "high_coins": ahead.high_coins,
            "money_equivalent": equivalent(ahead.coins),
        },
    }


def _row(row: analytics.Row) -> dict[str, Any]:
    return {
        "key": row.key,
        "buyers": row.buyers,
        "coins": row.coins,
        "promo_coins": row.promo_coins,
        "value": _usd(row.value_micros),
        "writer_amount": _usd(row.writer_micros),
        "refunds": row.refunds,
        "subscription_units": row.subscription_units,
    }


def _usd(micros: int) -> Money:
    return Money(micros, BOOK_CURRENCY)
