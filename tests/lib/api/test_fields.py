"""Fields take one form each: nothing is converted, trimmed or ignored."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db.models import TextChoices
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError
from rest_framework.fields import Field

from legato_payments.lib.api import fields
from legato_payments.lib.api import text as texts
from legato_payments.lib.api.serializers import NoInput, StrictSerializer, parse
from legato_payments.lib.money import Money

pytestmark = pytest.mark.urls("tests.lib.api.endpoints")


class Status(TextChoices):
    PENDING = "PENDING", "Pending"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED", "Partially refunded"


def refusal(field: Field[Any, Any, Any, Any], value: Any) -> str:
    """The code that ``value`` is refused with."""
    with pytest.raises(ValidationError) as caught:
        field.run_validation(value)
    codes: Any = caught.value.get_codes()
    return str(codes[0])


NOT_INTEGERS = [
    True,
    False,
    None,
    1.0,
    Decimal("7.5"),
    float("nan"),
    "1",
    " 7 ",
    "1_000",
    "１２",
    "٣",
    "7e2",
    "",
    [1],
    {"a": 1},
    [],
]


@pytest.mark.parametrize("value", NOT_INTEGERS, ids=repr)
def test_an_integer_is_a_json_integer(value: Any) -> None:
    assert refusal(fields.StrictIntegerField(), value) in {"invalid", "null"}


@pytest.mark.parametrize("value", [2**63, -(2**63), 10**39])
def test_an_integer_fits_a_bigint(value: int) -> None:
    assert refusal(fields.StrictIntegerField(), value) in {"max_value", "min_value"}


def test_the_largest_bigint_is_an_integer() -> None:
    assert fields.StrictIntegerField().run_validation(2**63 - 1) == 2**63 - 1


@pytest.mark.parametrize(
    "value", [1, "1", "+1", "01", "1_0", "１", " 1", "1.0", "", "9" * 20, True]
)
def test_an_integer_of_a_query_is_plain_digits(value: Any) -> None:
    if value == "1":
        assert fields.QueryIntegerField().run_validation(value) == 1
    else:
        assert refusal(fields.QueryIntegerField(), value) == "invalid"


@pytest.mark.parametrize("value", [1, 0, "true", "on", "yes", "1", 1.0, [], {}])
def test_a_boolean_is_true_or_false(value: Any) -> None:
    assert refusal(fields.StrictBooleanField(), value) == "invalid"
    assert fields.StrictBooleanField().run_validation(False) is False


@pytest.mark.parametrize("value", [True, "True", "1", "yes", "", []])
def test_a_boolean_of_a_query_is_spelt_out(value: Any) -> None:
    assert refusal(fields.QueryBooleanField(), value) == "invalid"
    assert fields.QueryBooleanField().run_validation("true") is True
    assert fields.QueryBooleanField().run_validation("false") is False


@pytest.mark.parametrize("value", [1, 1.5, True, ["a"], {"a": 1}])
def test_text_is_a_string(value: Any) -> None:
    assert refusal(fields.StrictCharField(), value) == "invalid"


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\ud800", "\n", "\r"],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_text_holds_no_character_that_hides_or_reorders(character: str) -> None:
    assert refusal(fields.StrictCharField(), f"a{character}b") == "control_character"


def test_text_of_several_lines_may_hold_newlines_and_tabs() -> None:
    text = "first\n\tsecond"

    assert fields.StrictCharField(multiline=True).run_validation(text) == text
    assert refusal(fields.StrictCharField(multiline=True), "a\rb") == "control_character"


@pytest.mark.parametrize("text", ["", " ", "\u3000 \u00a0"])
def test_blank_text_is_refused(text: str) -> None:
    assert refusal(fields.StrictCharField(), text) == "blank"


@pytest.mark.parametrize("is_multiline", [False, True])
def test_the_pattern_that_is_told_is_the_rule(is_multiline: bool) -> None:
    pattern = re.compile(texts.MULTILINE_PATTERN if is_multiline else texts.PATTERN)
    field = fields.StrictCharField(multiline=is_multiline)

    def is_taken(value: str) -> bool:
        try:
            field.run_validation(value)
        except ValidationError:
            return False
        return True

    # Half a surrogate pair is not JSON; no character above the first 65,536 is refused.
    characters = [chr(number) for number in range(0x10000) if not 0xD800 <= number < 0xE000]
    differing = [
        value
        for character in characters
        for value in (character, f"a{character}", f" {character} ")
        if is_taken(value) != bool(pattern.fullmatch(value))
    ]
    assert differing == []
    above = [chr(number) for number in range(0x10000, 0x110000)]
    assert [c for c in above if texts.refused_character(c, multiline=is_multiline)] == []


def test_text_is_kept_as_it_was_sent() -> None:
    for text in [" leading and trailing ", "Ọlá e\u0301", "👩\u200d👩\u200d👧", "<b>&amp;"]:
        assert fields.StrictCharField().run_validation(text) == text


def test_text_has_a_limit_even_when_none_was_given() -> None:
    assert refusal(fields.StrictCharField(), "x" * 256) == "max_length"


CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "5555.5555.5555.4444",
    "378282246310005",
    "3782 822463 10005",
    "6011111111111117",
    "30569309025904",
    "my card is 4242424242424242, thanks",
    "x4242424242424242x",
    "４２４２４２４２４２４２４２４２",
    "1234 4242 4242 4242 4242",
]


@pytest.mark.parametrize("text", CARDS)
def test_text_with_a_card_number_is_refused(text: str) -> None:
    assert refusal(fields.StrictCharField(), text) == "card_number"


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # the Luhn sum is wrong
        "1111111111111117",  # no issuer begins with 1
        "4242",
        "chapter 12, page 345",
        "41111111111111111111111111",  # too long for a card
        "2026-10-01 12:00:00",
    ],
)
def test_other_digits_are_fine(text: str) -> None:
    assert fields.StrictCharField().run_validation(text) == text


def test_ids_are_not_searched_for_card_numbers() -> None:
    assert fields.ExternalIdField().run_validation("4111111111111111") == "4111111111111111"


@pytest.mark.parametrize(
    "value", ["", "a/b", "a b", "x" * 65, "ü", "a\n", "１", 7, None, ["a"], "a\x00"]
)
def test_an_external_id_keeps_to_its_alphabet(value: Any) -> None:
    assert refusal(fields.ExternalIdField(), value) in {"invalid", "null"}
    assert fields.ExternalIdField().run_validation("Az0._:-") == "Az0._:-"


@pytest.mark.parametrize(
    "value",
    [
        1,
        True,
        {"hex": 1},
        "0190A1B2-0000-7000-8000-000000000000",
        "0190a1b2000070008000000000000000",
        "{0190a1b2-0000-7000-8000-000000000000}",
        "urn:uuid:0190a1b2-0000-7000-8000-000000000000",
        "0190a1b2-0000-7000-8000-00000000000",
    ],
)
def test_a_uuid_is_canonical(value: Any) -> None:
    assert refusal(fields.UuidField(), value) == "invalid"


def test_a_uuid_is_read_and_written() -> None:
    text = "0190a1b2-0000-7000-8000-000000000000"

    assert fields.UuidField().run_validation(text) == UUID(text)
    assert fields.UuidField().to_representation(UUID(text)) == text


@pytest.mark.parametrize("value", ["usd", "EUR", "", " USD", ["USD"], {"a": 1}, 0, "\ud800"])
def test_a_currency_is_one_of_ours(value: Any) -> None:
    assert refusal(fields.CurrencyField(), value) == "invalid_choice"


@pytest.mark.parametrize("value", ["PENDING", "Pending", "paid", "", ["pending"], 1, True])
def test_an_enum_is_lower_case_in_the_api(value: Any) -> None:
    assert refusal(fields.EnumField(Status), value) == "invalid_choice"


def test_an_enum_is_a_member_inside() -> None:
    field = fields.EnumField(Status)

    assert field.run_validation("partially_refunded") is Status.PARTIALLY_REFUNDED
    assert field.to_representation(Status.PARTIALLY_REFUNDED) == "partially_refunded"
    assert field.to_representation("PENDING") == "pending"


NOT_AMOUNTS = [
    9.99,
    1,
    True,
    None,
    "",
    "1e5",
    "1E-3",
    "NaN",
    "Infinity",
    "sNaN",
    "1_000",
    "1,000",
    "１.５",
    "٣",
    " 1",
    "1 ",
    "1\n",
    "+1",
    "-1",
    "-0.00",
    ".5",
    "5.",
    "01",
    "1.0000000",
    "1" * 13,
    "1" * 500,
    "0x10",
    "1/3",
]


@pytest.mark.parametrize("amount", NOT_AMOUNTS, ids=repr)
def test_an_amount_is_a_plain_decimal_string(amount: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        fields.MoneyField().run_validation({"amount": amount, "currency": "USD"})

    assert set(caught.value.detail) == {"amount"}


@pytest.mark.parametrize(
    "value", [None, "9.99", 9.99, ["9.99", "USD"], {}, {"amount": "1"}, {"currency": "USD"}]
)
def test_money_is_an_amount_and_a_currency(value: Any) -> None:
    with pytest.raises(ValidationError):
        fields.MoneyField().run_validation(value)


def test_money_holds_nothing_else() -> None:
    with pytest.raises(ValidationError) as caught:
        fields.MoneyField().run_validation({"amount": "1", "currency": "USD", "vat": "0"})

    assert caught.value.get_codes() == {"vat": ["unknown_field"]}


def test_money_is_exact() -> None:
    field = fields.MoneyField()

    money = field.run_validation({"amount": "9.990001", "currency": "NGN"})

    assert money == Money(9_990_001, "NGN")
    assert field.to_representation(money) == {"amount": "9.990001", "currency": "NGN"}


def test_zero_money_and_parts_of_a_cent_are_allowed_only_where_said() -> None:
    zero = {"amount": "0.00", "currency": "USD"}

    assert fields.MoneyField(allow_zero=True).run_validation(zero) == Money(0, "USD")
    with pytest.raises(ValidationError):
        fields.MoneyField().run_validation(zero)
    with pytest.raises(ValidationError):
        fields.MoneyField(whole_minor=True).run_validation({"amount": "0.005", "currency": "USD"})


@given(st.integers(1, 10**18 - 1))
def test_every_amount_is_read_as_it_is_written(micros: int) -> None:
    field = fields.AmountField()

    assert field.run_validation(field.to_representation(micros)) == micros


@pytest.mark.parametrize(
    "value",
    [
        "2026-10-01",
        "2026-10-01T00:00:00",
        "2026-10-01 00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-10-01T24:00:01Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "0000-01-01T00:00:00Z",
        "２026-10-01T00:00:00Z",
        "1e9",
        1_700_000_000,
        "",
        True,
    ],
)
def test_a_moment_has_a_zone(value: Any) -> None:
    assert refusal(fields.UtcDateTimeField(), value) == "invalid"


def test_a_moment_is_utc_inside_and_outside() -> None:
    field = fields.UtcDateTimeField()

    moment = field.run_validation("2026-10-01T02:30:00+02:00")

    assert moment == datetime(2026, 10, 1, 0, 30, tzinfo=UTC)
    assert moment.tzinfo is UTC
    assert field.to_representation(moment) == "2026-10-01T00:30:00Z"


@pytest.mark.parametrize("value", ["2026-02-30", "2026-1-1", "20260101", "2026-W01-1", 1, None])
def test_a_day_is_year_month_day(value: Any) -> None:
    assert refusal(fields.StrictDateField(), value) in {"invalid", "null"}
    assert fields.StrictDateField().run_validation("2028-02-29") == date(2028, 2, 29)


@pytest.mark.parametrize("value", ["2026-13", "2026-00", "2026-1", "1999-01", "2026-10-01", 202610])
def test_a_period_is_year_month(value: Any) -> None:
    assert refusal(fields.PeriodField(), value) == "invalid"


def test_a_period_is_its_first_day() -> None:
    field = fields.PeriodField()

    assert field.run_validation("2026-10") == date(2026, 10, 1)
    assert field.to_representation(date(2026, 10, 31)) == "2026-10"


def test_unknown_fields_are_refused_at_every_level(post_raw: Callable[..., Any]) -> None:
    body = {
        "colour": 1,
        "coins": "7",
        "items": [
            {"writer_id": "w", "share_bps": 1},
            {"writer_id": "w", "share_bps": 1, "extra/field": 2},
        ],
        "price": {"amount": "1", "currency": "USD", "vat": "0"},
        "tags": ["fine", "not fine"],
    }

    response = post_raw(json.dumps(body).encode())

    assert response.status_code == 400
    assert {(e["pointer"], e["code"]) for e in response.json()["errors"]} == {
        ("/colour", "unknown_field"),
        ("/coins", "invalid"),
        ("/items/1/extra~1field", "unknown_field"),
        ("/price/vat", "unknown_field"),
        ("/tags/1", "invalid"),
    }


@pytest.mark.parametrize("value", [None, 1, "x", [], {}])
def test_a_list_of_objects_is_one(post_raw: Callable[..., Any], value: Any) -> None:
    response = post_raw(json.dumps({"items": value}).encode())

    assert response.status_code == (200 if value == [] else 400)


def test_an_operation_without_input_takes_no_fields() -> None:
    assert parse(NoInput, {}) == {}
    with pytest.raises(ValidationError):
        parse(NoInput, {"anything": None})


def test_a_read_only_field_is_unknown_on_input() -> None:
    class Output(StrictSerializer):
        id = fields.UuidField(read_only=True)

    with pytest.raises(ValidationError) as caught:
        parse(Output, {"id": "0190a1b2-0000-7000-8000-000000000000"})

    assert caught.value.get_codes() == {"id": ["unknown_field"]}
