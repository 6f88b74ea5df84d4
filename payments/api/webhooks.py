"""POST /payments/webhooks/{provider}: what gateways tell us."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from legato_payments.lib import clock
from legato_payments.lib.api.errors import PayloadTooLarge
from legato_payments.lib.api.openapi import PROBLEMS
from legato_payments.lib.api.permissions import Public
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.throttling.addresses import client_address
from legato_payments.lib.throttling.policies import RateClass
from payments.enums import Provider
from payments.webhooks import inbox

MAX_BODY_BYTES = 256 * 1024


class WebhookViewSet(ApiViewSet):
    """Deliveries of the gateways, told from forgeries by their signature."""

    lookup_url_kwarg = "provider"
    lookup_value_regex = "[a-z]{1,16}"
    access = {"receive": [Public()]}
    rate_classes = {"receive": RateClass.WEBHOOK}
    authentication_classes = ()
    parser_classes: list[type[BaseParser]] = []

    @extend_schema(
        summary="Receive a gateway's webhook",
        parameters=[
            OpenApiParameter(
                "provider",
                location=OpenApiParameter.PATH,
                enum=[name.lower() for name in Provider.values],
            )
        ],
        request={"application/json": OpenApiTypes.OBJECT},
        responses={200: None},
        extensions={PROBLEMS: [413]},
    )
    def receive(self, request: Request, provider: str) -> Response:
        """Verify, store once, answer; a job does the rest."""
        # The signature is over the bytes as they came: nothing may parse them first.
        body: bytes = request.body
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        name = provider.upper()
        if name not in Provider.values:
            raise inbox.ProviderUnknown
        inbox.receive(
            provider=name,
            body=body,
            headers=request.headers,
            now=clock.now(),
            remote=client_address(request._request),  # noqa: SLF001 - the plain request
        )
        return Response(status=200)
