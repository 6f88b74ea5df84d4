"""Chapters and coins given back, and coins given to other readers."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED, HTTP_202_ACCEPTED

from access.services import gifts, refunds
from legato_payments.lib import clock
from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.fields import (
    ExternalIdField,
    MoneyField,
    StrictCharField,
    StrictIntegerField,
    UtcDateTimeField,
    UuidField,
)
from legato_payments.lib.api.permissions import AnyUser, Own, Service, owns
from legato_payments.lib.api.serializers import StrictSerializer, parse
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.errors import DomainError, FieldError, Invalid, Refused
from legato_payments.lib.money import Money
from legato_payments.lib.throttling.policies import RateClass
from payments.api import idempotency
from payments.api.serializers import LotUsedOutput, WalletOutput
from payments.enums import BOOK_CURRENCY
from payments.ledger import Slice
from payments.ledger.reversals import TransactionUnknown
from payments.models import CoinLot, Purchase, Refund
from payments.queries import receipts, transactions
from payments.services import refund_previews, refund_rights
from payments.services import refunds as money_refunds

WRITE = "refunds:write"


class RefundIsWhole(Refused):
    code = "refund_is_whole"
    title = "A chapter is given back whole: leave the amount out."


class RefundInput(StrictSerializer):
    """Why, and how much of it was read; only the content service says that."""

    reason = StrictCharField(max_length=200)
    amount = MoneyField(required=False)
    read_percent = StrictIntegerField(min_value=0, max_value=100, required=False)


class RefundOutput(serializers.Serializer[Any]):
    """The transaction that took it back, and the lots that the coins came back in."""

    transaction_id = UuidField()
    coins = serializers.IntegerField()
    lots = LotUsedOutput(many=True)


class CoinGiftInput(StrictSerializer):
    """Coins for another reader, with a few words perhaps."""

    recipient_id = ExternalIdField()
    coins = StrictIntegerField(min_value=1, max_value=1_000_000)
    message = StrictCharField(required=False, max_length=500, multiline=True)


class CoinGiftOutput(serializers.Serializer[Any]):
    """A gift that was made; ``balance`` is the giver's."""

    transaction_id = UuidField()
    recipient_id = serializers.CharField()
    coins = serializers.IntegerField()
    lots = LotUsedOutput(many=True)
    balance = WalletOutput()


class MoneyRefundOutput(serializers.Serializer[Any]):
    """A refund that is on its way; ``coins_taken`` are gone from the wallet already."""

    refund_id = UuidField()
    status = serializers.ChoiceField(choices=["pending", "succeeded", "failed"])
    money = MoneyField()
    coins_taken = serializers.IntegerField()


class RefundPreviewOutput(serializers.Serializer[Any]):
    """What asking now would do. ``reason`` is the code of the refusal that would answer.

    Of a chapter, ``ground`` is ``content``, and coins come back; of a purchase, ``coins`` are taken
    and ``money`` goes back.
    """

    transaction_id = UuidField()
    refundable = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
    money = MoneyField(allow_null=True)
    tax = MoneyField(allow_null=True)
    coins = serializers.IntegerField()
    ground = serializers.ChoiceField(choices=["withdrawal", "unused", "content"], allow_null=True)
    withdrawal_until = UtcDateTimeField(allow_null=True)


class RefundViewSet(ApiViewSet):
    """/payments/transactions/{transaction_id}/refund."""

    access = {
        "refund": [AnyUser(user_scope="coins:spend"), Service(WRITE)],
        "preview": [AnyUser(user_scope="coins:read"), Service(WRITE)],
    }
    rate_classes = {"refund": RateClass.MONEY}
    serializer_class = RefundOutput

    @extend_schema(
        operation_id="payments_transactions_refund_preview",
        summary="See what giving it back would do",
        responses=RefundPreviewOutput,
    )
    def preview(self, request: Request, transaction_id: str) -> HttpResponse:
        """The first of two steps: what would come back, on what ground, or why nothing would."""
        _require_owner(request, UUID(transaction_id))
        purchase = Purchase.objects.filter(pk=transaction_id).first()
        shown = _show_preview(purchase) if purchase else _show_chapter(UUID(transaction_id))
        return Response(RefundPreviewOutput({"transaction_id": transaction_id, **shown}).data)

    @extend_schema(
        summary="Give a chapter or coins back",
        parameters=idempotency.parameters(),
        request=RefundInput,
        responses={201: RefundOutput, 202: MoneyRefundOutput},
    )
    def refund(self, request: Request, transaction_id: str) -> HttpResponse:
        """A bought chapter comes back as coins (201); unused coins of a purchase as money (202)."""
        body = parse(RefundInput, request.data)
        _require_owner(request, UUID(transaction_id))
        if "read_percent" in body and not principal_of(request).is_service:
            detail = "Only the content service tells how much was read."
            raise Invalid(errors=[FieldError("/read_percent", "not_yours", detail)])
        purchase = Purchase.objects.filter(pk=transaction_id).first()
        if purchase:
            return _pay_back(request, purchase, body)
        return _give_back(request, UUID(transaction_id), body)


def _require_owner(request: Request, transaction_id: UUID) -> None:
    owner = transactions.owner_of(transaction_id=transaction_id)
    # Another reader's transaction looks exactly like one that does not exist.
    if owner is None or not owns(principal_of(request), owner, or_scope=WRITE):
        raise TransactionUnknown


def _show_preview(purchase: Purchase) -> dict[str, Any]:
    found = refund_previews.of_purchase(purchase, now=clock.now())
    return {
        "refundable": found.refusal is None,
        "reason": found.refusal.code if found.refusal else None,
        "money": found.money,
        "tax": found.tax,
        "coins": found.coins,
        "ground": found.ground.lower() if found.ground else None,
        "withdrawal_until": found.withdrawal_until,
    }


def _show_chapter(transaction_id: UUID) -> dict[str, Any]:
    nothing = {"money": None, "tax": None, "withdrawal_until": None}
    try:
        coins = refunds.preview(transaction_id=transaction_id, now=clock.now())
    except DomainError as refusal:
        why = {"refundable": False, "reason": refusal.code, "coins": 0, "ground": None}
        return {**nothing, **why}
    return {**nothing, "refundable": True, "reason": None, "coins": coins, "ground": "content"}


def _give_back(request: Request, transaction_id: UUID, body: dict[str, Any]) -> HttpResponse:
    def give_back() -> Response:
        refunded = refunds.refund(
            transaction_id=transaction_id,
            reason=body["reason"],
            read_percent=body.get("read_percent"),
            actor=principal_of(request).actor,
            now=clock.now(),
        )
        if "amount" in body:
            raise RefundIsWhole
        shown = {
            "transaction_id": refunded.refund.transaction_id,
            "coins": refunded.coins,
            "lots": [_show_lot(lot.pk, lot) for lot in refunded.lots],
        }
        return Response(RefundOutput(shown).data, status=HTTP_201_CREATED)

    return idempotency.local(request, give_back)


def _pay_back(request: Request, purchase: Purchase, body: dict[str, Any]) -> HttpResponse:
    def pay_back(refund_id: UUID) -> Response:
        now = clock.now()
        if not Refund.objects.filter(pk=refund_id).exists():
            refund_rights.window_of(purchase, now=now)
        wanted = money_refunds.Request(
            purchase_id=purchase.pk,
            reason=body["reason"],
            actor=principal_of(request).actor,
            amount=body.get("amount"),
        )
        refund = money_refunds.start(refund_id=refund_id, request=wanted, now=now)
        shown = {
            "refund_id": refund.pk,
            "status": receipts.STATUSES[Refund.Status(refund.status)],
            "money": Money(refund.amount_micros, refund.currency),
            "coins_taken": refund.coins,
        }
        return Response(MoneyRefundOutput(shown).data, status=HTTP_202_ACCEPTED)

    return idempotency.remote(request, pay_back)


class CoinGiftViewSet(ApiViewSet):
    """/access/users/{user_id}/coin-gifts."""

    access = {"send": [Own(user_scope="coins:spend")]}
    rate_classes = {"send": RateClass.MONEY}
    serializer_class = CoinGiftOutput

    @extend_schema(
        summary="Give coins to a reader",
        parameters=idempotency.parameters(),
        request=CoinGiftInput,
        responses={201: CoinGiftOutput},
    )
    def send(self, request: Request, user_id: str) -> HttpResponse:
        """Give purchased coins away; they stay worth what they are."""
        body = parse(CoinGiftInput, request.data)

        def give() -> Response:
            given = gifts.send_coins(
                sender_id=user_id, now=clock.now(), actor=principal_of(request).actor, **body
            )
            shown = {
                "transaction_id": given.gift.transaction_id,
                "recipient_id": given.gift.recipient_id,
                "coins": given.gift.coins,
                "lots": [_show_lot(part.lot_id, part) for part in given.burned.slices],
                "balance": given.wallet,
            }
            return Response(CoinGiftOutput(shown).data, status=HTTP_201_CREATED)

        return idempotency.local(request, give)


def _show_lot(lot_id: int, part: CoinLot | Slice) -> dict[str, Any]:
    return {
        "lot_id": lot_id,
        "origin": part.origin,
        "coins": part.coins,
        "value": Money(part.value_micros, BOOK_CURRENCY),
    }
