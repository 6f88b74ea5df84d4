"""legato.E010: a route under /api/v1 without declared access stops the start."""

from types import ModuleType
from typing import Any, ClassVar

import pytest
from django.core.checks import registry
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views import View
from pytest_django.fixtures import Settings
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from legato_payments.lib.api.checks import check_declared_access
from legato_payments.lib.api.permissions import AccessRules, AnyUser, Own, Public


class HalfDeclared(GenericViewSet[Any]):
    access: ClassVar[AccessRules] = {"list": [Public()], "empty": []}

    def list(self, request: Request) -> Response:
        return Response([])

    def create(self, request: Request) -> Response:
        return Response({})

    @action(detail=False, methods=["post"])
    def empty(self, request: Request) -> Response:
        return Response({})


class Declared(APIView):
    access: ClassVar[AccessRules] = {"get": [AnyUser()]}

    def get(self, request: Request) -> Response:
        return Response({})


class DeclaredForAnOwner(Declared):
    access: ClassVar[AccessRules] = {"get": [Own(kwarg="user_id")]}


class Undeclared(Declared):
    access: ClassVar[AccessRules] = {}


class PlainView(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def declared_plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


declared_plain.access = {"post": [Public()]}  # type: ignore[attr-defined]


def faults(settings: Settings, *patterns: Any) -> list[str]:
    urls = ModuleType("urls_of_this_test")
    vars(urls)["urlpatterns"] = patterns
    settings.ROOT_URLCONF = urls
    found = check_declared_access()
    assert {fault.id for fault in found} <= {"legato.E010"}
    return [fault.msg for fault in found]


def router_urls() -> Any:
    router = SimpleRouter(trailing_slash=False)
    router.register("things", HalfDeclared, basename="things")
    return include(router.urls)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (path("api/v1/a", Declared.as_view()), None),
        (path("api/v1/users/<str:user_id>/a", DeclaredForAnOwner.as_view()), None),
        (re_path(r"^api/v1/users/(?P<user_id>\w+)/a$", DeclaredForAnOwner.as_view()), None),
        (path("api/v1/a", declared_plain), None),
        (path("api/v2/a", plain), None),
        (path("livez", plain), None),
        (path("api/v1/a", Undeclared.as_view()), "api/v1/a: Undeclared.get declares no access."),
        (path("api/v1/a", plain), "api/v1/a: plain declares no access."),
        (path("api/v1/a", PlainView.as_view()), "api/v1/a: view declares no access."),
        (
            path("api/v1/users/<str:other_id>/a", DeclaredForAnOwner.as_view()),
            "api/v1/users/<str:other_id>/a: DeclaredForAnOwner.get is for the owner, "
            "but has no user_id.",
        ),
    ],
)
def test_a_route_declares_who_may_use_it(
    settings: Settings, pattern: Any, expected: str | None
) -> None:
    assert faults(settings, pattern) == ([] if expected is None else [expected])


def test_each_action_of_a_viewset_declares_its_access(settings: Settings) -> None:
    found = faults(settings, path("api/", include([path("v1/", router_urls())])))

    assert found == [
        "api/v1/things$: HalfDeclared.create declares no access.",
        "api/v1/things/empty$: HalfDeclared.empty declares no access.",
    ]


def test_the_check_is_registered() -> None:
    registered: set[Any] = set(registry.registry.registered_checks)

    assert check_declared_access in registered
