"""Chapters given back, and coins given to other readers."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED

from access.services import gifts, refunds
from legato_payments.lib import clock
from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.fields import (
    ExternalIdField,
    MoneyField,
    StrictCharField,
    StrictIntegerField,
    UuidField,
)
from legato_payments.lib.api.permissions import AnyUser, Own, Service, owns
from legato_payments.lib.api.serializers import StrictSerializer, parse
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.errors import FieldError, Invalid, Refused
from legato_payments.lib.money import Money
from legato_payments.lib.throttling.policies import RateClass
from payments.api import idempotency
from payments.api.serializers import LotUsedOutput, WalletOutput
from payments.enums import BOOK_CURRENCY
from payments.ledger import Slice
from payments.ledger.reversals import TransactionUnknown
from payments.models import CoinLot
from payments.queries import transactions

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


class RefundViewSet(ApiViewSet):
    """/payments/transactions/{transaction_id}/refund."""

    access = {"refund": [AnyUser(user_scope="coins:spend"), Service(WRITE)]}
    rate_classes = {"refund": RateClass.MONEY}
    serializer_class = RefundOutput

    @extend_schema(
        summary="Give a chapter back",
        parameters=idempotency.parameters(),
        request=RefundInput,
        responses={201: RefundOutput},
    )
    def refund(self, request: Request, transaction_id: str) -> HttpResponse:
        """The coins of a bought chapter come back; the chapter can be bought again."""
        body = parse(RefundInput, request.data)
        principal = principal_of(request)
        owner = transactions.owner_of(transaction_id=UUID(transaction_id))
        # Another reader's transaction looks exactly like one that does not exist.
        if owner is None or not owns(principal, owner, or_scope=WRITE):
            raise TransactionUnknown
        if "read_percent" in body and not principal.is_service:
            detail = "Only the content service tells how much was read."
            raise Invalid(errors=[FieldError("/read_percent", "not_yours", detail)])

        def give_back() -> Response:
            refunded = refunds.refund(
                transaction_id=UUID(transaction_id),
                reason=body["reason"],
                read_percent=body.get("read_percent"),
                actor=principal.actor,
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
