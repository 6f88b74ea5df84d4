"""How our fields look in the OpenAPI description: no wider than what they take."""

from typing import Any, ClassVar

from django.core.validators import EmailValidator, RegexValidator
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction

from legato_payments.lib.api import fields, text
from legato_payments.lib.money import MINOR_DIGITS

type Form = dict[str, Any]


class TextForm(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Text for people, without what we refuse. A card number has no pattern."""

    target_class = fields.StrictCharField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Form:
        # The extension point that drf-spectacular documents; it has no public name.
        form: Form = auto_schema._map_serializer_field(  # type: ignore[no-untyped-call]  # noqa: SLF001
            self.target, direction, bypass_extensions=True
        )
        if direction == "request" and not self._has_form_of_its_own():
            form["pattern"] = text.MULTILINE_PATTERN if self.target.multiline else text.PATTERN
        return form

    def _has_form_of_its_own(self) -> bool:
        # drf-spectacular describes these validators, and one form is enough.
        kinds = (RegexValidator, EmailValidator)
        return any(isinstance(validator, kinds) for validator in self.target.validators)


class AmountForm(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """A decimal string of money; what callers send is more than zero, unless it may be zero."""

    target_class = fields.AmountField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Form:
        if direction == "response":
            return _amount(f"^{fields.AMOUNT}$")
        return _sent_amount(is_zero_fine=self.target.allow_zero)


class MoneyForm(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """An amount with its currency; only what we answer can be negative."""

    target_class = fields.MoneyField
    _currency: ClassVar[Form] = {"type": "string", "enum": sorted(MINOR_DIGITS)}

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Form:
        amount = _amount(f"^-?{fields.AMOUNT}$")
        if direction == "request":
            amount = _sent_amount(is_zero_fine=self.target.allow_zero)
        return {
            "type": "object",
            "required": ["amount", "currency"],
            "additionalProperties": False,
            "properties": {"amount": amount, "currency": {**self._currency}},
        }


def _sent_amount(*, is_zero_fine: bool) -> Form:
    return _amount(f"^{fields.AMOUNT}$" if is_zero_fine else f"^(?=.*[1-9]){fields.AMOUNT}$")


def _amount(pattern: str) -> Form:
    return {"type": "string", "pattern": pattern, "example": "9.99"}
