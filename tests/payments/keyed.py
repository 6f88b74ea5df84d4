"""Keyed endpoints that exist for the tests of idempotency alone, and a client of theirs."""

import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.test import Client
from django.urls import include, path
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from legato_payments.lib.api import tokens
from legato_payments.lib.api.permissions import AccessRules, AnyUser, Service
from legato_payments.lib.api.views import ApiViewSet
from payments.api import idempotency

LOCAL = "/api/v1/keyed/local"
REMOTE = "/api/v1/keyed/remote"


class World:
    """What the handlers below do, set by each test; every run leaves one user behind."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew, before each test."""
        self.runs: list[uuid.UUID | None] = []
        self.do: Callable[[int], Any] = lambda run: None

    def act(self, object_id: uuid.UUID | None = None) -> Response:
        self.runs.append(object_id)
        number = len(self.runs)
        User.objects.create(username=f"effect-{number}-{uuid.uuid4()}")
        self.do(number)
        headers = {"Location": f"/somewhere/{number}"}
        return Response({"run": number, "id": object_id}, status=201, headers=headers)


world = World()


class KeyedViewSet(ApiViewSet):
    access: ClassVar[AccessRules] = {
        name: [AnyUser(), Service("coins:spend:delegated")]
        for name in ("local", "other", "optional", "remote")
    }

    @action(detail=False, methods=["post", "put"])
    def local(self, request: Request) -> Any:
        return idempotency.local(request, world.act)

    @action(detail=False, methods=["post"])
    def other(self, request: Request) -> Any:
        return idempotency.local(request, world.act)

    @action(detail=False, methods=["post"])
    def optional(self, request: Request) -> Any:
        return idempotency.local(request, world.act, required=False)

    @action(detail=False, methods=["post"])
    def remote(self, request: Request) -> Any:
        return idempotency.remote(request, world.act)


router = SimpleRouter(trailing_slash=False)
router.register("keyed", KeyedViewSet, basename="keyed")
urlpatterns = [path("api/v1/", include(router.urls))]


def send(
    address: str = LOCAL,
    key: str | None = "key-1",
    body: Any = None,
    *,
    subject: str = "reader-1",
    method: str = "post",
    **claims: Any,
) -> Any:
    """One keyed request of a reader."""
    headers = {"authorization": f"Bearer {tokens.issue(subject, **claims)}"}
    if key is not None:
        headers["idempotency-key"] = key
    client = Client(raise_request_exception=False)
    return getattr(client, method)(
        address,
        {"coins": 5} if body is None else body,
        content_type="application/json",
        headers=headers,
    )


def effects() -> int:
    return User.objects.filter(username__startswith="effect-").count()


def assert_replay(first: Any, second: Any) -> None:
    """``second`` is ``first`` to the byte, and says that it is a repeat."""
    assert second.status_code == first.status_code
    assert second.content == first.content
    for name in ("Content-Type", "Cache-Control", "Location"):
        assert second.headers.get(name) == first.headers.get(name)
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
