"""/payments/coin-packages and /payments/currency-rates: what is on sale, what money is worth."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED, HTTP_202_ACCEPTED

from legato_payments.lib import clock
from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.errors import PreconditionFailed
from legato_payments.lib.api.etags import ETAG, check_preconditions, make_etag, preconditions
from legato_payments.lib.api.openapi import PROBLEMS
from legato_payments.lib.api.pagination import Page
from legato_payments.lib.api.permissions import Public, Service
from legato_payments.lib.api.serializers import parse
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.money import Money
from payments.api import idempotency, serializers
from payments.enums import BOOK_CURRENCY, Currency
from payments.models import ApprovalRequest, CoinPackage
from payments.queries import packages as package_queries
from payments.services import currency_rates, packages, proposals

_WHOLE: Page[None] = Page([], next=None, previous=None)
"""These lists are short: one page holds them."""

# An action called ``list`` is described as an array unless told otherwise.
ON_SALE = forced_singular_serializer(  # type: ignore[no-untyped-call]
    serializers.PackageListOutput
)
NEWEST = forced_singular_serializer(  # type: ignore[no-untyped-call]
    serializers.RateListOutput
)

UUID_PATH = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class CoinPackageViewSet(ApiViewSet):
    """Coin packages: public to read, changed by services with ``packages:write``."""

    lookup_url_kwarg = "package_id"
    lookup_value_regex = UUID_PATH
    access = {
        "list": [Public()],
        "retrieve": [Public()],
        "create": [Service("packages:write")],
        "partial_update": [Service("packages:write")],
    }
    query = {"list": serializers.CurrencyQuery, "retrieve": serializers.CurrencyQuery}
    serializer_class = serializers.PackageOutput
    pagination_class = None

    @extend_schema(summary="List the packages on sale", responses=ON_SALE)
    def list(self, request: Request) -> Response:
        """Packages on sale, smallest first. ``price`` is in ``?currency=``."""
        now, currency = clock.now(), self.filters["currency"]
        shown = [_show(package, currency, now=now) for package in package_queries.on_sale()]
        return Response(_WHOLE.to_json(list(serializers.PackageOutput(shown, many=True).data)))

    @extend_schema(summary="Get one package", parameters=[ETAG])
    def retrieve(self, request: Request, package_id: str) -> Response:
        """One package, on sale or not. Its ETag is what a PATCH sends as If-Match."""
        return _answer(_get(package_id), self.filters["currency"])

    @extend_schema(
        summary="Create a package",
        parameters=[ETAG, *idempotency.parameters(required=False)],
        request=serializers.PackageInput,
        responses={201: serializers.PackageOutput, 202: serializers.WaitingOutput},
    )
    def create(self, request: Request) -> HttpResponse:
        """Put a new package on the shelf; one that is on sale at once waits for a person (202)."""
        body = parse(serializers.PackageInput, request.data)

        def create() -> Response:
            made = proposals.create_package(
                name=body["name"],
                terms=packages.Terms(body["coins"], body["bonus_percent"], body["prices"]),
                is_active=body["active"],
                actor=principal_of(request).actor,
                now=clock.now(),
            )
            if isinstance(made, ApprovalRequest):
                return _waiting(made)
            return _answer(_get(str(made.pk)), BOOK_CURRENCY, status=HTTP_201_CREATED)

        return idempotency.local(request, create, required=False)

    @extend_schema(
        summary="Change a package",
        parameters=[ETAG, *preconditions()],
        extensions={PROBLEMS: [409, 422]},
        request=serializers.PackagePatch,
        responses={200: serializers.PackageOutput, 202: serializers.WaitingOutput},
    )
    def partial_update(self, request: Request, package_id: str) -> Response:
        """Change a package: new terms are a new version, and earlier purchases keep theirs.

        What readers would pay or get of a package on sale waits for a person (202).
        """
        body = parse(serializers.PackagePatch, request.data)
        package = _get(package_id)
        check_preconditions(request, current=_etag(package))
        assert package.current is not None
        try:
            changed = proposals.change_package(
                package_id=package.pk,
                expected_version=package.current.number,
                name=body.get("name"),
                terms=_changed_terms(package, body),
                is_active=body.get("active"),
                reason=body.get("reason", ""),
                actor=principal_of(request).actor,
                now=clock.now(),
            )
        except packages.VersionStale as error:
            raise PreconditionFailed from error
        if isinstance(changed, ApprovalRequest):
            return _waiting(changed)
        return _answer(_get(package_id), BOOK_CURRENCY)


class CurrencyRateViewSet(ApiViewSet):
    """Exchange rates from US dollars, the newest of each currency."""

    access = {"list": [Public()]}
    serializer_class = serializers.RateOutput
    pagination_class = None

    @extend_schema(summary="List the newest exchange rates", responses=NEWEST)
    def list(self, request: Request) -> Response:
        """The newest rate of each currency, with its day and source."""
        newest = (currency_rates.newest(quote=currency) for currency in Currency)
        rates = [rate for rate in newest if rate]
        return Response(_WHOLE.to_json(list(serializers.RateOutput(rates, many=True).data)))


def _get(package_id: str) -> CoinPackage:
    package = package_queries.with_prices().filter(pk=UUID(package_id)).first()
    if package is None:
        raise packages.PackageUnknown
    return package


def _etag(package: CoinPackage) -> str:
    assert package.current is not None
    return make_etag(package.pk, package.current.number)


def _answer(package: CoinPackage, currency: str, *, status: int = 200) -> Response:
    body = serializers.PackageOutput(_show(package, currency, now=clock.now())).data
    return Response(body, status=status, headers={"ETag": _etag(package)})


def _waiting(request: ApprovalRequest) -> Response:
    body = serializers.WaitingOutput({"approval_id": request.pk}).data
    return Response(body, status=HTTP_202_ACCEPTED)


def _changed_terms(package: CoinPackage, body: Mapping[str, Any]) -> packages.Terms | None:
    if not body.keys() & {"coins", "bonus_percent", "prices"}:
        return None
    assert package.current is not None
    before = packages.terms_of(package.current)
    return packages.Terms(
        body.get("coins", before.coins),
        body.get("bonus_percent", before.bonus_percent),
        body.get("prices", before.prices),
    )


def _show(package: CoinPackage, currency: str, *, now: datetime) -> dict[str, Any]:
    version = package.current
    assert version is not None
    prices: dict[str, Money | None] = {}
    for code in Currency:
        try:
            prices[code] = packages.price(version=version, currency=code, now=now)
        except currency_rates.RateUnavailable:
            if code == currency:
                raise
            prices[code] = None
    price = prices[currency]
    assert price is not None
    per_coin = Money(price.micros // version.total_coins, currency)
    return {
        "id": package.pk,
        "name": package.name,
        "coins": version.coins,
        "bonus_percent": version.bonus_percent,
        "bonus_coins": version.bonus_coins,
        "total_coins": version.total_coins,
        "price": price,
        "prices": {code: money.micros if money else None for code, money in prices.items()},
        "money_per_coin": per_coin,
        "active": package.is_active,
        "version": version.number,
    }
