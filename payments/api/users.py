"""/payments/users/{user_id}/…: a reader's coins, purchases of coins, history and profile."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED

from legato_payments.lib import clock
from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.errors import PreconditionFailed
from legato_payments.lib.api.etags import ETAG, check_preconditions, make_etag, preconditions
from legato_payments.lib.api.openapi import PROBLEMS
from legato_payments.lib.api.pagination import page
from legato_payments.lib.api.permissions import AnyUser, Own, Service, owns
from legato_payments.lib.api.serializers import parse
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.errors import Missing
from legato_payments.lib.ids import EXTERNAL_ID
from legato_payments.lib.money import Money
from legato_payments.lib.throttling.policies import RateClass
from payments.api import idempotency, locations, serializers
from payments.api.packages import UUID_PATH
from payments.models import CoinBalance, Customer, Purchase
from payments.queries import transactions, wallets
from payments.queries.transactions import STATUSES
from payments.services import customers, purchases, taxes


class ProfileUnknown(Missing):
    title = "This reader has no profile yet."


class TransactionUnknown(Missing):
    title = "There is no such transaction."


class UserCoinsViewSet(ApiViewSet):
    """Coins of one reader."""

    lookup_url_kwarg = "user_id"
    lookup_value_regex = EXTERNAL_ID
    access = {
        "balance": [Own(user_scope="coins:read", or_scope="balances:read")],
        "transactions": [Own(user_scope="coins:read", or_scope="transactions:read")],
        "purchase_coins": [Own(user_scope="coins:spend")],
        "confirm_purchase": [Own(user_scope="coins:spend", or_scope="purchases:confirm")],
        "profile": [Own(user_scope="coins:read")],
        "put_profile": [Own(user_scope="coins:spend")],
    }
    query = {"transactions": serializers.TransactionsQuery}
    rate_classes = {"purchase_coins": RateClass.MONEY}
    serializer_class = serializers.BalanceOutput

    @extend_schema(summary="Get the balance")
    @action(detail=True)
    def balance(self, request: Request, user_id: str) -> Response:
        """Coins that can be spent, those that are held or expire, and lifetime totals."""
        found = wallets.balance(user_id=user_id, now=clock.now())
        return Response(serializers.BalanceOutput(found).data)

    @extend_schema(
        summary="List the transactions", responses=serializers.TransactionOutput(many=True)
    )
    @action(detail=True, pagination_class=ApiViewSet.pagination_class)
    def transactions(self, request: Request, user_id: str) -> Response:
        """Everything that moved or may move coins, newest first."""
        only = transactions.Filter(
            type=self.filters.get("type"),
            since=self.filters.get("from_"),
            until=self.filters.get("to"),
        )

        def fetch(after: Any, before: Any, limit: int) -> list[transactions.Row]:
            return transactions.history(
                user_id=user_id,
                only=only,
                limit=limit,
                after=after[0] if after else None,
                before=before[0] if before else None,
            )

        rows = page(request, fetch, key=lambda row: (row.id,))
        shown = serializers.TransactionOutput(rows.rows, many=True).data
        return Response(rows.to_json(list(shown)))

    @extend_schema(
        summary="Start a purchase of coins",
        parameters=idempotency.parameters(),
        request=serializers.PurchaseCoinsInput,
        responses={201: serializers.PurchaseOutput},
        extensions={PROBLEMS: [402]},
        examples=[
            OpenApiExample(
                "A package",
                {"package_id": "01930000-0000-7000-8000-000000000005", "currency": "USD"},
                request_only=True,
            ),
            OpenApiExample("Exact coins", {"coins": 250, "currency": "CAD"}, request_only=True),
            OpenApiExample(
                "With a card kept before",
                {
                    "coins": 250,
                    "currency": "USD",
                    "payment_method_id": "019a0000-0000-7000-8000-000000000001",
                },
                request_only=True,
            ),
        ],
    )
    @action(detail=True, methods=["post"], url_path="purchase-coins")
    def purchase_coins(self, request: Request, user_id: str) -> HttpResponse:
        """Open a payment; ``action`` says what the reader does to pay it.

        With ``payment_method_id`` a kept method is charged at once: ``action`` is null, unless the
        bank asks the reader. ``save_payment_method`` is the reader's consent to keep the method.
        """
        body = parse(serializers.PurchaseCoinsInput, request.data)
        profile = customers.find(user_id=user_id) or Customer(user_id=user_id)
        evidence = locations.evidence(request, body, profile)
        place = taxes.locate(evidence)
        order = purchases.Order(
            user_id=user_id,
            currency=body["currency"],
            package_id=body.get("package_id"),
            coins=body.get("coins"),
            country=place.country,
            region=place.region,
            evidence=evidence,
            email=principal_of(request).email or profile.email,
            return_url=body.get("return_url", ""),
            consent=body.get("consent"),
            preferred_gateway=profile.preferred_gateway,
            payment_method_id=body.get("payment_method_id"),
            save_method=body.get("save_payment_method", False),
        )

        def start(purchase_id: UUID) -> Response:
            purchase = purchases.start(purchase_id=purchase_id, order=order, now=clock.now())
            body = serializers.PurchaseOutput(_show_purchase(purchase)).data
            return Response(body, status=HTTP_201_CREATED)

        return idempotency.remote(request, start)

    @extend_schema(
        summary="Confirm a purchase",
        request=serializers.ConfirmInput,
        responses=serializers.ConfirmOutput,
    )
    @action(detail=True, methods=["post"], url_path="confirm-purchase")
    def confirm_purchase(self, request: Request, user_id: str) -> Response:
        """Ask the gateway how a purchase stands, and credit the coins when it is paid."""
        body = parse(serializers.ConfirmInput, request.data)
        purchase = purchases.confirm(
            purchase_id=body["transaction_id"], user_id=user_id, now=clock.now()
        )
        wallet = CoinBalance.objects.filter(user_id=user_id).first() or CoinBalance()
        shown = {
            "transaction_id": purchase.pk,
            "status": _outcome(purchase),
            "balance": wallet,
        }
        return Response(serializers.ConfirmOutput(shown).data)

    @extend_schema(
        summary="Get the payment profile",
        parameters=[ETAG],
        responses=serializers.ProfileOutput,
    )
    @action(detail=True)
    def profile(self, request: Request, user_id: str) -> Response:
        """Country, currency and the like. Its ETag is what a PUT sends as If-Match."""
        customer = customers.find(user_id=user_id)
        if customer is None:
            raise ProfileUnknown
        return _show_profile(customer)

    @extend_schema(
        summary="Write the payment profile",
        parameters=[ETAG, *preconditions(can_create=True)],
        request=serializers.ProfileInput,
        responses=serializers.ProfileOutput,
    )
    @profile.mapping.put
    def put_profile(self, request: Request, user_id: str) -> Response:
        """Write the profile whole; the first time with ``If-None-Match: *``."""
        body = parse(serializers.ProfileInput, request.data)
        before = customers.find(user_id=user_id)
        check_preconditions(request, current=_profile_etag(before) if before else None)
        try:
            customer = customers.put(
                user_id=user_id,
                profile=customers.Profile(
                    country=body.get("country") or "",
                    region=body.get("region") or "",
                    currency=body["currency"],
                    birth_year=body.get("birth_year"),
                    preferred_gateway=body.get("preferred_gateway") or "",
                    email=body.get("email"),
                ),
                expected_version=before.version if before else None,
                actor=principal_of(request).actor,
                now=clock.now(),
            )
        except customers.ProfileStale as error:
            raise PreconditionFailed from error
        return _show_profile(customer)


class TransactionViewSet(ApiViewSet):
    """One transaction, by its id."""

    lookup_url_kwarg = "transaction_id"
    lookup_value_regex = UUID_PATH
    access = {
        "retrieve": [AnyUser(user_scope="coins:read"), Service("transactions:read")],
    }
    serializer_class = serializers.TransactionOutput

    @extend_schema(summary="Get one transaction")
    def retrieve(self, request: Request, transaction_id: str) -> Response:
        """One line of the own history; services see everybody's."""
        principal = principal_of(request)
        found = transactions.find(
            transaction_id=UUID(transaction_id),
            user_id=None if principal.is_service else principal.subject,
        )
        # Another reader's transaction looks exactly like one that does not exist.
        if found is None or not owns(principal, found[0], or_scope="transactions:read"):
            raise TransactionUnknown
        return Response(serializers.TransactionOutput(found[1]).data)


def _outcome(purchase: Purchase) -> str:
    status = STATUSES[purchase.status]
    return "failed" if status == "expired" else status


def _show_purchase(purchase: Purchase) -> dict[str, Any]:
    return {
        "transaction_id": purchase.pk,
        "status": _outcome(purchase),
        "gateway": purchase.provider.lower(),
        "total": Money(purchase.total_micros, purchase.currency),
        "tax": Money(purchase.tax_micros, purchase.currency),
        "coins": purchase.total_coins,
        "action": purchase.action,
    }


def _profile_etag(customer: Customer) -> str:
    return make_etag("profile", customer.pk, customer.version)


def _show_profile(customer: Customer) -> Response:
    shown = {
        "user_id": customer.pk,
        "country": customer.country or None,
        "region": customer.region or None,
        "currency": customer.currency,
        "birth_year": customer.birth_year,
        "preferred_gateway": customer.preferred_gateway.lower() or None,
        "email": customer.email,
    }
    body = serializers.ProfileOutput(shown).data
    return Response(body, headers={"ETag": _profile_etag(customer)})
