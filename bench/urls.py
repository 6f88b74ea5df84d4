"""The service's own addresses, and two views to compare it with."""

from typing import Any

from django.urls import re_path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from legato_payments.lib.api.permissions import Own
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.ids import EXTERNAL_ID
from legato_payments.urls import urlpatterns as own_urls
from payments.models import CoinBalance, Transaction


class TransactionSerializer(serializers.ModelSerializer[Transaction]):
    """The history as it is usually written: a model serializer, what is derived by methods."""

    type = serializers.CharField(source="kind")
    status = serializers.SerializerMethodField()
    coins = serializers.SerializerMethodField()
    content_id = serializers.SerializerMethodField()
    counterparty_id = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="occurred_at")
    settled_at = serializers.DateTimeField(source="recorded_at")
    related_id = serializers.UUIDField(source="relates_to", allow_null=True)

    class Meta:
        model = Transaction
        fields = [
            "id", "type", "status", "coins", "content_id", "counterparty_id", "created_at",
            "settled_at", "related_id",
        ]  # fmt: skip

    def get_status(self, row: Transaction) -> str:
        """Whether it was taken back."""
        return "refunded" if hasattr(row, "reversed_by") else "succeeded"

    def get_coins(self, row: Transaction) -> int:
        """Of the wallet's line."""
        return -sum(e.amount for e in row.entries.all() if e.account.code == "wallet")

    def get_content_id(self, row: Transaction) -> Any:
        """What was bought."""
        return row.metadata.get("content_id")

    def get_counterparty_id(self, row: Transaction) -> Any:
        """Who was tipped."""
        return row.metadata.get("counterparty_id")


class CompareViewSet(ApiViewSet):
    """What the benchmark compares the service's own views with."""

    access = {"one_query": [Own()], "history": [Own()]}

    def one_query(self, _request: Request, user_id: str) -> Response:
        """The least an authenticated view of ours does: one query, one small answer."""
        found = CoinBalance.objects.filter(user_id=user_id).values("user_id", "coins").first()
        return Response(found)

    def history(self, _request: Request, user_id: str) -> Response:
        """Fifty transactions by the model serializer."""
        rows = (
            Transaction.objects.filter(
                entries__account__code="wallet", entries__account__owner_id=user_id
            )
            .select_related("reversed_by")
            .prefetch_related("entries__account")
            .order_by("-id")[:50]
        )
        return Response({"results": TransactionSerializer(rows, many=True).data})


urlpatterns = [
    *own_urls,
    re_path(
        rf"^bench/users/(?P<user_id>{EXTERNAL_ID})/one-query\Z",
        CompareViewSet.as_view({"get": "one_query"}),
    ),
    re_path(
        rf"^bench/users/(?P<user_id>{EXTERNAL_ID})/history\Z",
        CompareViewSet.as_view({"get": "history"}),
    ),
]
