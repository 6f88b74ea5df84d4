"""/access/users/{user_id}/…, and the two routes of ``/payments`` that spend coins."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_200_OK, HTTP_201_CREATED

from access.api import serializers
from access.models import Entitlement
from access.queries import decisions
from access.queries.decisions import Decision, Ground
from access.services import content, tips
from legato_payments.lib import clock
from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.permissions import Own
from legato_payments.lib.api.serializers import PageQuery, parse
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.ids import EXTERNAL_ID
from legato_payments.lib.money import Money
from legato_payments.lib.throttling.policies import RateClass
from payments.api import idempotency
from payments.enums import BOOK_CURRENCY
from payments.ledger import Burned

CONTENT_PATH = rf"content/(?P<content_id>{EXTERNAL_ID})"

SPEND = Own(user_scope="coins:spend", delegated="coins:spend:delegated")
READ = Own(user_scope="coins:read", or_scope="access:read")


class UserAccessViewSet(ApiViewSet):
    """What one reader may open, and how coins open more."""

    lookup_url_kwarg = "user_id"
    lookup_value_regex = EXTERNAL_ID
    access = {
        "decision": [READ],
        "access_checks": [READ],
        "purchases": [READ],
        "purchase": [SPEND],
        "spend_coins": [SPEND],
        "tip": [Own(user_scope="coins:spend")],
    }
    query = {"purchases": PageQuery}
    rate_classes = {
        "purchase": RateClass.MONEY,
        "spend_coins": RateClass.MONEY,
        "tip": RateClass.MONEY,
    }
    max_body_bytes = 256 * 1024
    ordering = ("-id",)
    serializer_class = serializers.DecisionOutput

    @extend_schema(summary="May the reader open it?")
    @action(detail=True, url_path=f"{CONTENT_PATH}/access")
    def decision(self, request: Request, user_id: str, content_id: str) -> Response:
        """The decision, its ground, and what would open it."""
        found = decisions.decide(user_id=user_id, content_id=content_id, now=clock.now())
        return Response(serializers.DecisionOutput(found).data)

    @extend_schema(
        summary="May the reader open these?",
        request=serializers.AccessChecksInput,
        responses=serializers.AccessChecksOutput,
    )
    @action(detail=True, methods=["post"], url_path="access-checks")
    def access_checks(self, request: Request, user_id: str) -> Response:
        """Up to 1,000 decisions, in the order asked; the same answers as one by one."""
        body = parse(serializers.AccessChecksInput, request.data)
        found = decisions.decide_all(
            user_id=user_id, content_ids=body["content_ids"], now=clock.now()
        )
        return Response({"results": serializers.DecisionOutput(found, many=True).data})

    @extend_schema(
        summary="Buy a chapter",
        parameters=idempotency.parameters(),
        request=serializers.ExpectedPriceInput,
        responses={200: serializers.BoughtOutput, 201: serializers.BoughtOutput},
    )
    @action(detail=True, methods=["post"], url_path=f"{CONTENT_PATH}/purchase")
    def purchase(self, request: Request, user_id: str, content_id: str) -> HttpResponse:
        """Open one chapter for its price; 200 when it is owned already."""
        body = parse(serializers.ExpectedPriceInput, request.data)
        return self._buy(request, user_id, content_id, body.get("expected_price"))

    @extend_schema(
        summary="Spend coins on a chapter",
        parameters=idempotency.parameters(),
        request=serializers.SpendCoinsInput,
        responses={200: serializers.BoughtOutput, 201: serializers.BoughtOutput},
        examples=[
            OpenApiExample(
                "A chapter of 10 coins",
                {"content_id": "chapter-4", "expected_price": 10},
                request_only=True,
            )
        ],
    )
    def spend_coins(self, request: Request, user_id: str) -> HttpResponse:
        """Open one chapter for its price; 200 when it is owned already."""
        body = parse(serializers.SpendCoinsInput, request.data)
        return self._buy(request, user_id, body["content_id"], body.get("expected_price"))

    @extend_schema(
        summary="Tip a writer",
        parameters=idempotency.parameters(),
        request=serializers.TipInput,
        responses={201: serializers.TipOutput},
    )
    @action(detail=True, methods=["post"])
    def tip(self, request: Request, user_id: str) -> HttpResponse:
        """Give coins to a writer. Promotional coins do not count."""
        body = parse(serializers.TipInput, request.data)

        def send() -> Response:
            sent = tips.send(
                sender_id=user_id, now=clock.now(), actor=principal_of(request).actor, **body
            )
            shown = {
                "transaction_id": sent.tip.transaction_id,
                "recipient_id": sent.tip.recipient_id,
                "coins": sent.tip.coins,
                "balance": sent.wallet,
            }
            return Response(serializers.TipOutput(shown).data, status=HTTP_201_CREATED)

        return idempotency.local(request, send)

    @extend_schema(
        summary="List what the reader bought", responses=serializers.EntitlementOutput(many=True)
    )
    @action(detail=True)
    def purchases(self, request: Request, user_id: str) -> Response:
        """Rights to read, newest first, those taken back included."""
        rows = self.paginate_queryset(Entitlement.objects.filter(user_id=user_id))
        return self.get_paginated_response(serializers.EntitlementOutput(rows, many=True).data)

    def _buy(
        self, request: Request, user_id: str, content_id: str, expected_price: int | None
    ) -> HttpResponse:
        def buy() -> Response:
            bought = content.buy(
                user_id=user_id,
                content_id=content_id,
                expected_price=expected_price,
                actor=principal_of(request).actor,
                now=clock.now(),
            )
            status = HTTP_201_CREATED if bought.charged else HTTP_200_OK
            return Response(serializers.BoughtOutput(_show(bought)).data, status=status)

        return idempotency.local(request, buy, refuses_first=True)


def _show(bought: content.Bought) -> dict[str, Any]:
    right = bought.entitlement
    return {
        "transaction_id": right.transaction_id,
        "content_id": right.content_id,
        "coins": bought.burned.coins if bought.burned else 0,
        "lots": _lots(bought.burned) if bought.burned else [],
        "balance": bought.wallet,
        "access": Decision(right.content_id, Ground(right.ground.lower()), right.expires_at),
    }


def _lots(burned: Burned) -> list[dict[str, Any]]:
    return [
        {
            "lot_id": part.lot_id,
            "origin": part.origin,
            "coins": part.coins,
            "value": Money(part.value_micros, BOOK_CURRENCY),
        }
        for part in burned.slices
    ]
