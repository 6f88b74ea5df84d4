"""PUT /access/content: what the content service tells us, one chapter or a thousand."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import serializers
from access.services import catalogue
from legato_payments.lib import clock
from legato_payments.lib.api.errors import field_errors
from legato_payments.lib.api.permissions import Service
from legato_payments.lib.api.serializers import parse
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.errors import FieldError, Invalid
from legato_payments.lib.ids import EXTERNAL_ID
from revenue.services import authorships

EXAMPLE = {
    "title": "The Harbour",
    "writers": [{"writer_id": "writer-1", "share_bps": 10000}],
    "price_coins": 10,
    "published": True,
}


class ContentViewSet(ApiViewSet):
    """The catalogue, written by services with ``catalog:write``."""

    lookup_url_kwarg = "content_id"
    lookup_value_regex = EXTERNAL_ID
    access = {
        "update": [Service("catalog:write")],
        "bulk_update": [Service("catalog:write")],
    }
    max_body_bytes = 2 * 1024 * 1024
    serializer_class = serializers.ContentOutput

    @extend_schema(
        summary="Describe a chapter",
        request=serializers.ContentInput,
        responses=serializers.ContentOutput,
        examples=[OpenApiExample("A chapter of 10 coins", EXAMPLE, request_only=True)],
    )
    def update(self, request: Request, content_id: str) -> Response:
        """Take over one chapter, whole. Sales already made keep their price and authors."""
        body = parse(serializers.ContentInput, request.data)
        stored = catalogue.put(descriptions=[_description(content_id, body)], now=clock.now())
        return Response(serializers.ContentOutput(stored[0]).data)

    @extend_schema(
        operation_id="access_content_bulk_update",
        summary="Describe many chapters",
        request=serializers.ContentBulkInput,
        responses=serializers.ContentBulkOutput,
    )
    def bulk_update(self, request: Request) -> Response:
        """Take over up to 1,000 chapters; an invalid one is named and keeps no other back."""
        items = parse(serializers.ContentBulkInput, request.data)["items"]
        now = clock.now()
        rule = catalogue.price_rule(on=now)
        good: dict[int, catalogue.Description] = {}
        results: list[dict[str, Any]] = []
        seen: set[str] = set()
        for index, item in enumerate(items):
            try:
                description = _read(item, rule, seen)
            except Invalid as error:
                results.append(_invalid(index, item, error))
            else:
                seen.add(description.content_id)
                good[index] = description
        stored = catalogue.put(descriptions=list(good.values()), now=now) if good else []
        results += [
            {
                "index": index,
                "content_id": content.content_id,
                "status": "stored",
                "price_coins": content.price_coins,
                "errors": [],
            }
            for index, content in zip(good, stored, strict=True)
        ]
        results.sort(key=lambda result: result["index"])
        return Response({"results": results})


def _read(item: Any, rule: catalogue.PriceRule, seen: set[str]) -> catalogue.Description:
    """One item of a bulk delivery, with every rule that ``catalogue.put`` would check."""
    serializer = serializers.ContentItemInput(data=item)
    if not serializer.is_valid():
        raise Invalid(errors=list(field_errors(serializer.errors)))
    body = serializer.validated_data
    content_id = body.pop("content_id")
    if content_id in seen:
        raise Invalid(errors=[FieldError("/content_id", "duplicate", "This id came before.")])
    description = _description(content_id, body)
    rule.coins(description)
    authorships.check(description.shares)
    return description


def _description(content_id: str, body: Mapping[str, Any]) -> catalogue.Description:
    return catalogue.Description(
        content_id=content_id,
        title=body["title"],
        shares={author["writer_id"]: author["share_bps"] for author in body["writers"]},
        price_coins=body.get("price_coins"),
        word_count=body.get("word_count"),
        is_published=body["published"],
        is_free=body.get("free"),
        required_tier=body.get("required_tier") or "",
        series_id=body.get("series_id") or "",
        position=body.get("position"),
    )


def _invalid(index: int, item: Any, error: Invalid) -> dict[str, Any]:
    content_id = item.get("content_id") if isinstance(item, dict) else None
    return {
        "index": index,
        "content_id": content_id if isinstance(content_id, str) else None,
        "status": "invalid",
        "price_coins": None,
        "errors": [
            {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail}
            for fault in error.errors
        ],
    }
