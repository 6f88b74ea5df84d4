"""Serializer fields that take one JSON form each and convert nothing silently.

DRF's own fields are generous (``"7.0"``, ``true`` and full-width digits are integers to it), which
in a money API hides the caller's bugs.
"""

import re
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import TextChoices
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import empty

from legato_payments.lib import ids
from legato_payments.lib.api.text import holds_card_number, refused_character
from legato_payments.lib.money import MINOR_DIGITS, Money, micros_per_minor

BIGINT_MAX = 2**63 - 1

AMOUNT = r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?"
"""A decimal string: ASCII, at most 12 digits and 6 of a fraction, so that micros fit a bigint."""

_AMOUNT = re.compile(AMOUNT)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERIOD = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer that fits a bigint: no ``true``, ``1.0``, ``"1"`` or ``1e3``."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", -BIGINT_MAX)
        kwargs.setdefault("max_value", BIGINT_MAX)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:  # bool is a subclass
            self.fail("invalid")
        return data


class QueryIntegerField(StrictIntegerField):
    """An integer of a query string: ASCII digits, no sign but minus, no leading zeros."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", data):
            self.fail("invalid")
        return int(data)


class StrictBooleanField(serializers.BooleanField):
    """JSON ``true`` or ``false``; not 1, ``"yes"`` or ``"on"``."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


class QueryBooleanField(serializers.BooleanField):
    """``true`` or ``false`` of a query string."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, str) or data not in {"true", "false"}:
            self.fail("invalid", input=data)
        return bool(data == "true")


class StrictCharField(serializers.CharField):
    """Text for people, kept as it was sent: nothing is trimmed.

    Refused: other types than a string, only blanks, control characters (newline and tab are fine
    when ``multiline``), characters that reorder text, and anything that holds a card number.
    ``max_length`` counts characters; 255 unless said otherwise.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {
        "control_character": "The character {character} is not allowed here.",
        "card_number": "This looks like a payment card number. Never send one here.",
    }

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        self.multiline = multiline
        kwargs.setdefault("max_length", 255)
        super().__init__(**kwargs, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if not self.allow_blank and not data.strip():
            self.fail("blank")
        if (character := refused_character(data, multiline=self.multiline)) is not None:
            self.fail("control_character", character=f"U+{ord(character):04X}")
        # The length is checked after this: do not scan what is refused anyway.
        if len(data) <= (self.max_length or 0) and holds_card_number(data):
            self.fail("card_number")
        return data


@extend_schema_field({"type": "string", "pattern": f"^{ids.EXTERNAL_ID}$"})
class ExternalIdField(serializers.Field[str, Any, str, Any]):
    """A user, writer or content id of another service: ``[A-Za-z0-9._:-]{1,64}``."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Must be 1 to 64 characters of A-Z a-z 0-9 . _ : -"
    }

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not ids.is_external_id(data):
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field({"type": "string", "format": "uuid"})
class UuidField(serializers.Field[UUID, Any, str, Any]):
    """A UUID in its canonical form: lower case, with hyphens."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be a lower-case UUID."}

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str) or not _UUID.fullmatch(data):
            self.fail("invalid")
        return UUID(data)

    def to_representation(self, value: UUID) -> str:
        return str(value)


class CurrencyField(serializers.ChoiceField):
    """A currency we deal in, as ISO 4217 writes it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=sorted(MINOR_DIGITS), **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in MINOR_DIGITS:
            self.fail("invalid_choice", input=data)
        return data


class EnumField(serializers.ChoiceField):
    """A ``TextChoices`` member: lower-case in the API (``coin_purchase``), upper-case in tables."""

    def __init__(self, enum: type[TextChoices], **kwargs: Any) -> None:
        self._members = {str(member.value).lower(): member for member in enum}
        super().__init__(choices=list(self._members), **kwargs)

    def to_internal_value(self, data: Any) -> TextChoices:
        if not isinstance(data, str) or data not in self._members:
            self.fail("invalid_choice", input=data)
        return self._members[data]

    def to_representation(self, value: Any) -> str:
        return str(value).lower()


class AmountField(serializers.Field[int, Any, str, Any]):
    """A decimal string of money whose currency stands elsewhere; the value is micros.

    Zero is refused unless ``allow_zero``; a negative amount always.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": 'Must be a decimal string such as "9.99", with at most 6 fraction digits.',
        "not_positive": "Must be more than zero.",
    }

    def __init__(self, *, allow_zero: bool = False, **kwargs: Any) -> None:
        self.allow_zero = allow_zero
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not _AMOUNT.fullmatch(data):
            self.fail("invalid")
        micros = Money.parse(data, "USD").micros  # every currency has the same micros
        if micros == 0 and not self.allow_zero:
            self.fail("not_positive")
        return micros

    def to_representation(self, value: int) -> str:
        return Money(value, "USD").amount()


class MoneyField(serializers.Field[Money, Any, dict[str, str], Any]):
    """``{"amount": "9.99", "currency": "USD"}`` as ``Money``.

    On input zero is refused unless ``allow_zero``, a negative amount always, and a fraction of a
    cent when ``whole_minor``.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": 'Must be an object such as {{"amount": "9.99", "currency": "USD"}}.',
        "not_whole_minor": "Must be a whole number of cents or kobo.",
    }

    def __init__(
        self, *, allow_zero: bool = False, whole_minor: bool = False, **kwargs: Any
    ) -> None:
        self.allow_zero = allow_zero
        self.whole_minor = whole_minor
        self._amount = AmountField(allow_zero=allow_zero)
        self._currency = CurrencyField()
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Money:
        if not isinstance(data, dict):
            self.fail("invalid")
        errors: dict[str, Any] = {
            name: [ErrorDetail("This field is not known.", code="unknown_field")]
            for name in data.keys() - {"amount", "currency"}
        }
        values: dict[str, Any] = {}
        for name, field in (("amount", self._amount), ("currency", self._currency)):
            try:
                values[name] = field.run_validation(data.get(name, empty))
            except ValidationError as error:
                errors[name] = error.detail
        if errors:
            raise ValidationError(errors)
        money = Money(values["amount"], values["currency"])
        if self.whole_minor and money.micros % micros_per_minor(money.currency):
            self.fail("not_whole_minor")
        return money

    def to_representation(self, value: Money) -> dict[str, str]:
        return value.to_json()


@extend_schema_field({"type": "string", "format": "date-time", "example": "2026-10-01T00:00:00Z"})
class UtcDateTimeField(serializers.Field[datetime, Any, str, Any]):
    """A moment, ISO 8601 with ``Z`` or an offset; the value and the output are UTC."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Must be a moment with its offset, such as 2026-10-01T00:00:00Z."
    }

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str) or not _DATE_TIME.fullmatch(data):
            self.fail("invalid")
        try:
            return datetime.fromisoformat(data).astimezone(UTC)
        except (ValueError, OverflowError):  # 30 February; year 10000 once it is UTC
            self.fail("invalid")

    def to_representation(self, value: datetime) -> str:
        assert value.tzinfo is not None, value
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


@extend_schema_field({"type": "string", "format": "date"})
class StrictDateField(serializers.Field[date, Any, str, Any]):
    """A calendar day, ``YYYY-MM-DD``."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be a day: YYYY-MM-DD."}

    def to_internal_value(self, data: Any) -> date:
        if not isinstance(data, str) or not _DATE.fullmatch(data):
            self.fail("invalid")
        try:
            return date.fromisoformat(data)
        except ValueError:
            self.fail("invalid")

    def to_representation(self, value: date) -> str:
        return value.isoformat()


@extend_schema_field({"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"})
class PeriodField(serializers.Field[date, Any, str, Any]):
    """A calendar month, ``YYYY-MM``; the value is its first day."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be a month: YYYY-MM."}

    def to_internal_value(self, data: Any) -> date:
        match = _PERIOD.fullmatch(data) if isinstance(data, str) else None
        if match is None:
            self.fail("invalid")
        return date(int(match[1]), int(match[2]), 1)

    def to_representation(self, value: date) -> str:
        return f"{value:%Y-%m}"
