"""Endpoints that exist for these tests alone, and the URL configuration they run under."""

from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from legato_payments.lib import ids
from legato_payments.lib.api import errors, etags, fields
from legato_payments.lib.api.auth import principal_of
from legato_payments.lib.api.permissions import AccessRules, AnyUser, Own, Public, Service
from legato_payments.lib.api.serializers import (
    NoInput,
    PageQuery,
    StrictSerializer,
    parse,
)
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.errors import (
    Conflict,
    Declined,
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    Missing,
    Refused,
    Unauthenticated,
    Unavailable,
)
from legato_payments.lib.money import Money


class TooFewCoins(Conflict):
    """The wallet holds fewer coins than the price."""

    code = "test_too_few_coins"
    title = "There are too few coins."


class ItemInput(StrictSerializer):
    writer_id = fields.ExternalIdField()
    share_bps = fields.StrictIntegerField(min_value=0, max_value=10_000)


class EchoInput(StrictSerializer):
    coins = fields.StrictIntegerField(required=False)
    note = fields.StrictCharField(required=False)
    items = ItemInput(many=True, required=False)
    price = fields.MoneyField(required=False)
    tags = serializers.ListField(child=fields.ExternalIdField(), required=False)


class EchoQuery(PageQuery):
    from_ = fields.StrictDateField(required=False)
    size = fields.QueryIntegerField(required=False, min_value=1)


def _raise(name: str) -> None:
    known: dict[str, Exception] = {
        "invalid": Invalid(errors=[FieldError("/coins", "too_odd", "An even number is needed.")]),
        "unauthenticated": Unauthenticated(),
        "declined": Declined("The bank said no."),
        "forbidden": Forbidden(),
        "missing": Missing(),
        "conflict": TooFewCoins(
            "100 are needed, 40 are there.", required_coins=100, available_coins=40
        ),
        "refused": Refused("Below the minimum.", minimum=Money(500_000, "USD"), status=999),
        "unavailable": Unavailable(),
        "unavailable_soon": Unavailable(retry_after=17),
        "uncategorised": DomainError("a bug"),
        "http404": Http404("No Secret matches the given query."),
        "denied": PermissionDenied("secret reason"),
        "not_found": exceptions.NotFound("No Secret matches the given query."),
        "throttled": exceptions.Throttled(wait=2.4),
        "parse": exceptions.ParseError("Broken."),
        "not_acceptable": exceptions.NotAcceptable(),
        "teapot": exceptions.APIException("secret"),
        "suspicious": SuspiciousOperation("secret"),
        "operational": OperationalError("secret host is away"),
        "interface": InterfaceError("connection already closed"),
        "bug": ZeroDivisionError("secret"),
    }
    raise known[name]


class EchoViewSet(ApiViewSet):
    """/api/v1/echo: says back what it read."""

    access: ClassVar[AccessRules] = {
        "list": [Public()],
        "create": [Public()],
        "large": [Public()],
        "fail": [Public()],
        "whoami": [AnyUser(), Service("metrics:read")],
    }
    query = {"list": EchoQuery}
    serializer_class = EchoInput

    def list(self, request: Request) -> Response:
        return Response({name: str(value) for name, value in self.filters.items()})

    def create(self, request: Request) -> Response:
        return Response(
            {name: str(value) for name, value in parse(EchoInput, request.data).items()}
        )

    @action(detail=False, methods=["post"], max_body_bytes=256 * 1024)
    def large(self, request: Request) -> Response:
        return Response({"keys": len(request.data)})

    @action(detail=False, methods=["post"], url_path=r"fail/(?P<name>\w+)")
    def fail(self, request: Request, name: str) -> Response:
        _raise(name)
        raise AssertionError

    @action(detail=False, methods=["get"])
    def whoami(self, request: Request) -> Response:
        principal = principal_of(request)
        return Response(
            {
                "actor": principal.actor,
                "client_id": principal.client_id,
                "roles": sorted(principal.roles),
                "scopes": sorted(principal.scopes),
                "email": principal.email,
                "act": principal.act,
            }
        )


class UsersViewSet(ApiViewSet):
    """/api/v1/users/{user_id}/…: one action per form of access."""

    lookup_url_kwarg = "user_id"
    lookup_value_regex = ids.EXTERNAL_ID
    serializer_class = NoInput
    access: ClassVar[AccessRules] = {
        "balance": [Own(user_scope="coins:read", or_scope="balances:read")],
        "spend": [Own(user_scope="coins:spend", delegated="coins:spend:delegated")],
        "earnings": [Own(user_scope="earnings:read", role="writer", or_scope="earnings:read")],
        "profile": [Own()],
        "undeclared": [],
    }

    @action(detail=True, methods=["get"])
    def balance(self, request: Request, user_id: str) -> Response:
        return Response({"user_id": user_id})

    @action(detail=True, methods=["post"])
    def spend(self, request: Request, user_id: str) -> Response:
        return Response({"user_id": user_id})

    @action(detail=True, methods=["get"])
    def earnings(self, request: Request, user_id: str) -> Response:
        return Response({"user_id": user_id})

    @extend_schema(parameters=etags.preconditions(can_create=True), methods=["PUT"])
    @action(detail=True, methods=["get", "put"])
    def profile(self, request: Request, user_id: str) -> Response:
        if request.method == "PUT":
            current = etags.make_etag(user_id, 1) if user_id == "reader-1" else None
            etags.check_preconditions(request, current=current)
        return Response({"user_id": user_id}, headers={"ETag": etags.make_etag(user_id, 1)})

    @action(detail=True, methods=["get"])
    def undeclared(self, request: Request, user_id: str) -> Response:
        return Response({})


def plain_failure(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("secret")


def plain_refusal(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise PermissionDenied("secret")


router = SimpleRouter(trailing_slash=False)
router.register("echo", EchoViewSet, basename="echo")
router.register("users", UsersViewSet, basename="users")

urlpatterns = [
    path("", include("legato_payments.lib.api.problems")),
    path("api/plain-failure", plain_failure),
    path("api/plain-refusal", plain_refusal),
    path("pages/plain-failure", plain_failure),
    path("api/v1/", include(router.urls)),
    re_path(r"^api(?:/.*)?$", errors.unknown_endpoint),
]
handler400 = errors.handler400
handler403 = errors.handler403
handler404 = errors.handler404
handler500 = errors.handler500
