"""GET /payments/transactions/{id}/trace: where a payment went, or who paid for a sale."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from access.api.trace_shapes import (
    PurchaseTraceOutput,
    SpendTraceOutput,
    Viewer,
    show_purchase,
    show_spend,
)
from access.queries import sources, trace
from access.queries.sources import SpendTrace
from access.queries.trace import PurchaseTrace
from legato_payments.lib.api.auth import Principal, principal_of
from legato_payments.lib.api.permissions import AnyUser, Service
from legato_payments.lib.api.views import ApiViewSet
from payments.api.users import TransactionUnknown

AS_READER = AnyUser(user_scope="coins:read")
AS_WRITER = AnyUser(user_scope="earnings:read", role="writer")


class TraceViewSet(ApiViewSet):
    """What became of one transaction, or what it came from."""

    access = {"follow": [AS_READER, AS_WRITER, Service("transactions:read")]}
    serializer_class = PurchaseTraceOutput

    @extend_schema(
        operation_id="payments_transactions_trace",
        summary="Follow the money",
        responses=PolymorphicProxySerializer(
            component_name="Trace",
            serializers=[PurchaseTraceOutput, SpendTraceOutput],
            resource_type_field_name=None,
        ),
    )
    def follow(self, request: Request, transaction_id: str) -> Response:
        """Of a purchase: what its coins did. Of a sale or a tip: the payments behind it.

        Readers trace what is their own, writers what they earned from, services everything.
        """
        principal = principal_of(request)
        found = _find(UUID(transaction_id))
        viewer = _viewer(principal, found) if found else None
        # What is not for this caller looks exactly like what does not exist.
        if found is None or viewer is None:
            raise TransactionUnknown
        return Response(_show(found, viewer, subject=principal.subject))


def _find(transaction_id: UUID) -> PurchaseTrace | SpendTrace | None:
    purchase = trace.of_purchase(transaction_id=transaction_id)
    return purchase or sources.of_spend(transaction_id=transaction_id)


def _viewer(principal: Principal, found: PurchaseTrace | SpendTrace) -> Viewer | None:
    """As whom the caller may look, if at all."""
    if principal.is_service:
        return Viewer.SERVICE
    if AS_READER.allows(principal, {}) and found.user_id == principal.subject:
        return Viewer.READER
    earned = isinstance(found, SpendTrace) and any(
        share.writer_id == principal.subject for share in found.shares
    )
    return Viewer.WRITER if earned and AS_WRITER.allows(principal, {}) else None


def _show(found: PurchaseTrace | SpendTrace, viewer: Viewer, *, subject: str) -> dict[str, Any]:
    if isinstance(found, PurchaseTrace):
        return PurchaseTraceOutput(show_purchase(found, viewer)).data
    return SpendTraceOutput(show_spend(found, viewer, subject=subject)).data
