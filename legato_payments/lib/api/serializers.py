"""Reading bodies and query strings: unknown names are refused, never ignored."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from legato_payments.lib.api.errors import field_errors
from legato_payments.lib.api.fields import QueryIntegerField, StrictCharField
from legato_payments.lib.errors import FieldError, Invalid

MAX_QUERY_PARAMETERS = 50


class StrictSerializer(serializers.Serializer[Any]):
    """A body, a part of one, or a query string, of which every name is declared.

    A field called ``from_`` is ``from`` to the caller and ``from_`` in the parsed values: Python's
    keywords cannot be attributes.
    """

    form_rules: ClassVar[Mapping[str, Any]] = {}
    """What fields must be together, in JSON Schema, for the description; ``validate`` checks it."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = {}
        for name, field in super().get_fields().items():
            if name.endswith("_"):
                field.source = field.source or name
            fields[name.removesuffix("_")] = field
        return fields

    def to_internal_value(self, data: Any) -> Any:
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = [ErrorDetail("This field is not known.", code="unknown_field")]
            errors = {str(name): unknown for name in data if name not in known}
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            found: Any = error.detail  # always a dict here: name -> faults
            raise ValidationError({**errors, **found}) from None
        if errors:
            raise ValidationError(errors)
        return values


class StrictSerializerForm(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """In the OpenAPI description, an input takes no other properties than the declared ones."""

    target_class = StrictSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        # The extension point that drf-spectacular documents; it has no public name.
        form: dict[str, Any] = auto_schema._map_serializer(  # type: ignore[no-untyped-call]  # noqa: SLF001
            self.target, direction, bypass_extensions=True
        )
        if direction == "response":
            return form
        return {**form, "additionalProperties": False, **self.target.form_rules}


class NoInput(StrictSerializer):
    """An empty body, or a query string without parameters."""


class PageQuery(StrictSerializer):
    """The query parameters of every list; a list with filters inherits from this.

    ``KeysetPagination`` reads them; the view need not.
    """

    cursor = StrictCharField(required=False, max_length=1000)
    page_size = QueryIntegerField(required=False, min_value=1, max_value=100)


def parse(kind: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Read a parsed body (``request.data``) as ``kind``.

    Raises:
        ValidationError: 400, with a pointer and a code for each fault.
    """
    serializer = kind(data=data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def parse_query(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Read the query string as ``kind``; every value comes as a string.

    Raises:
        Invalid: A parameter is unknown, repeated, not UTF-8 or not valid; the pointer of parameter
            ``page_size`` is ``?page_size``.
    """
    pairs = _query_pairs(request)
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        detail = "This parameter comes more than once."
        raise Invalid(errors=[FieldError(f"?{name}", "repeated", detail) for name in repeated])

    serializer = kind(data=dict(pairs))
    if not serializer.is_valid():
        faults = field_errors(serializer.errors)
        raise Invalid(errors=[FieldError("?" + f.pointer[1:], f.code, f.detail) for f in faults])
    values: dict[str, Any] = serializer.validated_data
    return values


def _query_pairs(request: Request) -> list[tuple[str, str]]:
    # Not request.query_params: Django replaces what is not UTF-8 instead of refusing it.
    try:
        return parse_qsl(
            request.META.get("QUERY_STRING", "").encode("ascii").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_PARAMETERS,
        )
    except ValueError:  # UnicodeError is one
        detail = f"Must be percent-encoded UTF-8 of at most {MAX_QUERY_PARAMETERS} parameters."
        raise Invalid(errors=[FieldError("?", "invalid", detail)]) from None
