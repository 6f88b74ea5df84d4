"""The base of every endpoint."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from legato_payments.lib.api import throttles
from legato_payments.lib.api.auth import bearer_of
from legato_payments.lib.api.errors import LengthRequired
from legato_payments.lib.api.openapi import ApiSchema
from legato_payments.lib.api.parsers import MAX_BODY_BYTES
from legato_payments.lib.api.permissions import AccessRules
from legato_payments.lib.api.serializers import NoInput, StrictSerializer, parse_query
from legato_payments.lib.throttling.policies import RateClass


class ApiViewSet(GenericViewSet[Any]):
    """A resource: named actions, each with declared access and declared query parameters.

    After ``initial()``, ``self.filters`` holds the parsed query parameters of the action.
    """

    access: ClassVar[AccessRules] = {}
    """Action -> rules of ``lib.api.permissions``; an action without rules fails the checks."""

    query: ClassVar[Mapping[str, type[StrictSerializer]]] = {}
    """Action -> its query parameters; an action that is not listed takes none."""

    rate_classes: ClassVar[Mapping[str, RateClass]] = {}
    """Action -> what it counts as; one that is not listed counts by its method.

    Every POST that needs an idempotency key is ``MONEY``; a test compares them.
    """

    max_body_bytes: int = MAX_BODY_BYTES
    """Also a keyword of ``@action``, for one action alone."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    filters: dict[str, Any]
    schema = ApiSchema()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse, before the action runs, whatever its declaration does not name.

        Raises:
            MethodNotAllowed: 405; before 401, since no token would help.
            LengthRequired: 411; a chunked body would be read as an empty one.
            Invalid: 400; an unknown, repeated or invalid query parameter.
        """
        if self.action not in self.action_map.values():
            raise MethodNotAllowed(request.method or "")
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired
        self.filters = parse_query(self.query.get(self.action, NoInput), request)

    def perform_authentication(self, request: Request) -> None:
        """Find out who is asking, and count it: also one whose token is not valid.

        Raises:
            AuthenticationFailed: 401.
            RateLimited: 429, whether or not there is a token.
        """
        principal = None
        try:
            super().perform_authentication(request)
            principal = bearer_of(request)
        finally:
            declared = throttles.declared_class(self)
            verdict = throttles.admit(request, principal, declared=declared)
            # DRF puts these into the answer, whatever it will be.
            self.headers.update(throttles.headers(verdict))
            throttles.refuse(verdict)
