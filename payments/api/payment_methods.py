"""/payments/users/{user_id}/payment-methods: what a reader lets us keep to pay with."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_204_NO_CONTENT

from legato_payments.lib import clock
from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.fields import UtcDateTimeField, UuidField
from legato_payments.lib.api.openapi import PROBLEMS
from legato_payments.lib.api.permissions import Own
from legato_payments.lib.api.serializers import NoInput, PageQuery, parse
from legato_payments.lib.api.views import ApiViewSet
from payments.models import PaymentMethod
from payments.services import payment_methods


class PaymentMethodOutput(serializers.Serializer[Any]):
    """A card or the like that a gateway keeps for the reader."""

    id = UuidField()
    gateway = serializers.CharField()
    kind = serializers.CharField()
    brand = serializers.CharField(allow_null=True)
    last4 = serializers.CharField(allow_null=True)
    expires = serializers.CharField(allow_null=True, help_text="`YYYY-MM`")
    created_at = UtcDateTimeField()


class PaymentMethodViewSet(ApiViewSet):
    """The methods that one reader lets us keep."""

    access = {
        "list": [Own(user_scope="coins:read")],
        "remove": [Own(user_scope="coins:spend")],
    }
    query = {"list": PageQuery}
    ordering = ("-id",)
    serializer_class = PaymentMethodOutput

    @extend_schema(
        operation_id="payments_users_payment_methods_list",
        summary="List the kept payment methods",
        responses=PaymentMethodOutput(many=True),
    )
    def list(self, request: Request, user_id: str) -> Response:
        """What ``purchase-coins`` can be paid with at once, newest first."""
        kept = PaymentMethod.objects.kept().filter(user_id=user_id)
        rows = self.paginate_queryset(kept)
        shown = PaymentMethodOutput([_show(method) for method in rows or ()], many=True)
        return self.get_paginated_response(shown.data)

    @extend_schema(
        operation_id="payments_users_payment_methods_remove",
        summary="Remove a kept payment method",
        request=None,
        responses={204: None},
        # A body is refused, however it is wrong.
        extensions={PROBLEMS: [413, 415]},
    )
    def remove(self, request: Request, user_id: str, method_id: str) -> Response:
        """Never charge it again, and let the gateway forget it. Safe to send again."""
        parse(NoInput, request.data)
        payment_methods.remove(
            method_id=UUID(method_id),
            user_id=user_id,
            actor=principal_of(request).actor,
            now=clock.now(),
        )
        return Response(status=HTTP_204_NO_CONTENT)


def _show(method: PaymentMethod) -> dict[str, Any]:
    return {
        "id": method.pk,
        "gateway": method.provider.lower(),
        "kind": method.kind,
        "brand": method.brand or None,
        "last4": method.last4 or None,
        "expires": method.expires or None,
        "created_at": method.created_at,
    }
