"""GET /payments/transactions/{id}/receipt: what a reader paid for, to keep."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.fields import MoneyField, UtcDateTimeField, UuidField
from legato_payments.lib.api.permissions import AnyUser, Service, owns
from legato_payments.lib.api.serializers import StrictSerializer
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.errors import Missing
from legato_payments.lib.money import Money
from payments.api import receipt_pages
from payments.models import Purchase, Refund
from payments.queries import receipts
from payments.queries.receipts import Receipt

FORMATS = ["json", "html", "pdf"]
REFUND_GROUNDS = [kind.lower() for kind in Refund.Kind.values]
TAX_GROUNDS = [ground.lower() for ground in Purchase.TaxGround.values]


class ReceiptUnknown(Missing):
    title = "There is no receipt with this id: only purchases that were paid have one."


class ReceiptQuery(StrictSerializer):
    """In which form."""

    format = serializers.ChoiceField(choices=FORMATS, default="json")


class TaxLineOutput(serializers.Serializer[Any]):
    """One tax of a purchase."""

    name = serializers.CharField()
    jurisdiction = serializers.CharField()
    rate_percent = serializers.CharField()
    amount = MoneyField()
    included = serializers.BooleanField()
    tax_number = serializers.CharField(allow_null=True)


class ConsentOutput(serializers.Serializer[Any]):
    """What the reader agreed to about the right of withdrawal."""

    given_at = UtcDateTimeField(allow_null=True)
    withdrawal_until = UtcDateTimeField(allow_null=True)
    statement = serializers.CharField()


class RefundedOutput(serializers.Serializer[Any]):
    """Money that went back."""

    amount = MoneyField()
    at = UtcDateTimeField()


class RefundRequestOutput(serializers.Serializer[Any]):
    """A refund as it was asked for: ``declared_at`` is when the reader withdrew, or asked.

    ``ended_at`` is when it was paid, or failed and gave the coins back.
    """

    refund_id = UuidField()
    declared_at = UtcDateTimeField()
    ended_at = UtcDateTimeField(allow_null=True)
    amount = MoneyField()
    coins = serializers.IntegerField()
    ground = serializers.ChoiceField(choices=REFUND_GROUNDS)
    status = serializers.ChoiceField(choices=["pending", "succeeded", "failed"])


class ReceiptOutput(serializers.Serializer[Any]):
    """A purchase that was paid. ``price`` is before tax, ``total`` what the reader paid."""

    number = serializers.CharField()
    transaction_id = UuidField()
    issued_at = UtcDateTimeField()
    seller = serializers.CharField()
    user_id = serializers.CharField()
    package = serializers.CharField(allow_null=True)
    coins = serializers.IntegerField()
    bonus_coins = serializers.IntegerField()
    price = MoneyField()
    taxes = TaxLineOutput(many=True)
    tax_ground = serializers.ChoiceField(choices=TAX_GROUNDS)
    tax = MoneyField()
    total = MoneyField()
    gateway = serializers.CharField()
    gateway_reference = serializers.CharField()
    reference = serializers.CharField()
    consent = ConsentOutput()
    refunds = RefundedOutput(many=True)
    refunded = MoneyField()
    refund_requests = RefundRequestOutput(many=True)


class ReceiptViewSet(ApiViewSet):
    """The receipt of one purchase."""

    access = {"show": [AnyUser(user_scope="coins:read"), Service("transactions:read")]}
    query = {"show": ReceiptQuery}
    serializer_class = ReceiptOutput

    def perform_content_negotiation(
        self, request: Request, force: bool = False
    ) -> tuple[BaseRenderer, str]:
        """Whatever ``Accept`` says: ``?format=`` alone chooses, and problems are JSON."""
        return JSONRenderer(), "application/json"

    @extend_schema(
        operation_id="payments_transactions_receipt",
        summary="Get the receipt",
        responses={
            (200, "application/json"): ReceiptOutput,
            (200, "text/html"): OpenApiTypes.STR,
            (200, "application/pdf"): OpenApiTypes.BINARY,
        },
    )
    def show(self, request: Request, transaction_id: str) -> HttpResponse:
        """A purchase that was paid, as JSON, as a page, or as a PDF to keep."""
        principal = principal_of(request)
        receipt = receipts.of_purchase(transaction_id=UUID(transaction_id))
        # Another reader's receipt looks exactly like one that does not exist.
        if receipt is None or not owns(
            principal, receipt.purchase.user_id, or_scope="transactions:read"
        ):
            raise ReceiptUnknown
        match self.filters["format"]:
            case "html":
                return HttpResponse(receipt_pages.as_html(receipt))
            case "pdf":
                name = f"receipt-{receipt.number}.pdf"
                return HttpResponse(
                    receipt_pages.as_pdf(receipt),
                    content_type="application/pdf",
                    headers={"Content-Disposition": f'attachment; filename="{name}"'},
                )
            case _:
                return Response(ReceiptOutput(_shown(receipt)).data)


def _shown(receipt: Receipt) -> dict[str, Any]:
    purchase = receipt.purchase
    has_consented = receipt.consented_at is not None
    return {
        "number": receipt.number,
        "transaction_id": purchase.pk,
        "issued_at": receipt.issued_at,
        "seller": receipt_pages.words_of(receipt).seller,
        "user_id": purchase.user_id,
        "package": receipt.package or None,
        "coins": purchase.total_coins,
        "bonus_coins": purchase.bonus_coins,
        "price": receipt.price,
        "taxes": [
            {
                "name": line.name,
                "jurisdiction": line.jurisdiction,
                "rate_percent": receipt_pages.percent(line.rate_ppm),
                "amount": Money(line.amount_micros, line.currency),
                "included": line.is_inclusive,
                "tax_number": line.number or None,
            }
            for line in receipt.lines
        ],
        "tax_ground": purchase.tax_ground.lower(),
        "tax": receipt.tax,
        "total": receipt.total,
        "gateway": purchase.provider.lower(),
        "gateway_reference": purchase.gateway_id,
        "reference": purchase.reference,
        "consent": {
            "given_at": receipt.consented_at,
            "withdrawal_until": None if has_consented else receipt.withdrawal_until,
            "statement": receipt_pages.consent(receipt),
        },
        "refunds": [{"amount": refund.amount, "at": refund.at} for refund in receipt.refunds],
        "refunded": receipt.refunded,
        "refund_requests": receipt.asked,
    }
