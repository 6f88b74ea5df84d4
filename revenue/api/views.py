"""/revenue: what writers earn."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from legato_payments.lib import clock
from legato_payments.lib.api.permissions import Own, Service
from legato_payments.lib.api.serializers import NoInput, parse
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.errors import Missing
from legato_payments.lib.ids import EXTERNAL_ID
from legato_payments.lib.money import Money
from legato_payments.lib.throttling.policies import RateClass
from payments.api import idempotency
from payments.api.packages import UUID_PATH
from payments.enums import BOOK_CURRENCY
from revenue.api import serializers
from revenue.queries import earnings


class SaleUnknown(Missing):
    title = "There is no such sale of content."


class WriterViewSet(ApiViewSet):
    """Earnings of one writer."""

    lookup_url_kwarg = "writer_id"
    lookup_value_regex = EXTERNAL_ID
    access = {
        "earnings": [
            Own(
                kwarg="writer_id",
                user_scope="earnings:read",
                role="writer",
                or_scope="earnings:read",
            )
        ],
    }
    query = {"earnings": serializers.EarningsQuery}
    serializer_class = serializers.EarningsOutput

    @extend_schema(summary="Get the earnings")
    @action(detail=True)
    def earnings(self, request: Request, writer_id: str) -> Response:
        """Totals by what can be done with them, and groups by stream, content or month."""
        found = earnings.of_writer(
            writer_id=writer_id,
            group_by=earnings.GroupBy(self.filters["group_by"]),
            since=self.filters.get("from_"),
            until=self.filters.get("to"),
            now=clock.now(),
        )
        return Response(serializers.EarningsOutput(_show(found)).data)


class ContentPurchaseViewSet(ApiViewSet):
    """The split of one sale of content."""

    lookup_url_kwarg = "transaction_id"
    lookup_value_regex = UUID_PATH
    access = {"distribute": [Service("revenue:write")]}
    rate_classes = {"distribute": RateClass.MONEY}
    serializer_class = serializers.DistributionOutput

    @extend_schema(
        summary="Distribute a sale",
        parameters=idempotency.parameters(),
        request=NoInput,
        responses=serializers.DistributionOutput,
    )
    @action(detail=True, methods=["post"])
    def distribute(self, request: Request, transaction_id: str) -> HttpResponse:
        """Who got what of a sale. It is split with the sale itself, so this only ever reads."""
        parse(NoInput, request.data)

        def read() -> Response:
            found = earnings.distribution(transaction_id=UUID(transaction_id))
            if found is None:
                raise SaleUnknown
            return Response(serializers.DistributionOutput(_show_distribution(found)).data)

        return idempotency.local(request, read)


def _usd(micros: int) -> Money:
    return Money(micros, BOOK_CURRENCY)


def _show(found: earnings.Earnings) -> dict[str, Any]:
    return {
        "writer_id": found.writer_id,
        "currency": str(BOOK_CURRENCY),
        "totals": {
            "pending": _usd(found.pending_micros),
            "available": _usd(found.available_micros),
            "reserved": _usd(found.reserved_micros),
            "paid": _usd(found.paid_micros),
        },
        "groups": [
            {
                "key": group.key,
                "amount": _usd(group.amount_micros),
                "coins": group.coins,
                "promo_coins": group.promo_coins,
                "transactions": group.transactions,
            }
            for group in found.groups
        ],
        "estimated": found.is_estimated,
    }


def _show_distribution(found: earnings.Distribution) -> dict[str, Any]:
    return {
        "transaction_id": found.transaction_id,
        "stream": found.stream.lower(),
        "value": _usd(found.value_micros),
        "shares": [
            {
                "writer_id": earning.writer_id,
                "share_bps": earning.share_bps,
                "amount": _usd(earning.amount_micros),
            }
            for earning in found.earnings
        ],
        "platform": _usd(found.platform_micros),
        "rule_id": found.earnings[0].rule_id,
        "status": "already_distributed",
    }
