"""Callers of the API: each holds one bearer token and speaks JSON.

api(user="reader-1").get("/api/v1/payments/users/reader-1/balance")
api(user="reader-1").keyed("/api/v1/payments/users/reader-1/purchase-coins", {...})
api(service="content-service", scopes=["catalog:write"]).put("/api/v1/access/content", {...})
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from rest_framework.test import APIClient

from legato_payments.lib.api import tokens
from legato_payments.lib.api.auth import SERVICE_PREFIX

PAYMENTS = "/api/v1/payments"


class ApiClient(APIClient):
    """A caller whose bodies are JSON unless ``format`` or ``content_type`` says otherwise."""

    default_format = "json"

    def keyed(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """POST with an ``Idempotency-Key``: a fresh one, or ``key`` to repeat a request."""
        return self.post(path, body, headers={**(headers or {}), **idempotency_key(key)})


def api(
    *,
    user: str | None = None,
    service: str | None = None,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    email: str | None = None,
    act: str | None = None,
    **client: Any,
) -> ApiClient:
    """A caller with a token of ``user`` or of ``service``; an anonymous one when neither is given.

    Args:
        scopes: None lets a user do everything on own resources, and a service nothing.
        act: The user a service acts for.
        client: For the test client, for example ``raise_request_exception=False``.
    """
    caller = ApiClient(**client)
    subject = f"{SERVICE_PREFIX}{service}" if service else user
    if subject:
        token = tokens.issue(subject, roles=roles, scopes=scopes, email=email, act=act)
        caller.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return caller


def idempotency_key(key: str | None = None) -> dict[str, str]:
    """The header of ``key``, or of a fresh one."""
    return {"Idempotency-Key": key or str(uuid4())}
