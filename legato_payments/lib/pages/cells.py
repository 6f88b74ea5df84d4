"""One value, as people read it: amounts with their unit, times with their zone, states as words."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.contrib.admin.utils import quote
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html

from legato_payments.lib.money import MICROS, MINOR_DIGITS, Money

COIN = "COIN"
EMPTY = "\N{EN DASH}"
MICRO_DIGITS = 6


class Tone(StrEnum):
    """What a state means for the person who looks: the colour beside the word."""

    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    PLAIN = "plain"


def amount(number: int, unit: str) -> str:
    """``39.99 USD``, ``-0.06059 USD`` or ``6,600 coins``.

    Args:
        number: Micros of a currency, or coins.
        unit: ISO 4217, or ``COIN``.
    """
    return coins(number) if unit == COIN else str(Money(number, unit))


def coins(number: int) -> str:
    """``1 coin`` or ``6,600 coins``."""
    return f"{number:,} coin{'' if abs(number) == 1 else 's'}"


def figure(number: int, unit: str, *, digits: int = MICRO_DIGITS) -> str:
    """An amount without its unit, for a column whose heading names it.

    Args:
        digits: After the decimal point; coins have none.
    """
    if unit == COIN:
        return f"{number:,}"
    sign = "-" if number < 0 else ""
    whole, fraction = divmod(abs(number), MICROS)
    return f"{sign}{whole:,}.{f'{fraction:06d}'[:digits]}"


def digits_for(numbers: list[int], unit: str) -> int:
    """Digits that show every amount of a column exactly: those of the minor unit, else six."""
    minor = MINOR_DIGITS.get(unit, 0)
    step = MICROS // 10**minor
    return minor if all(number % step == 0 for number in numbers) else MICRO_DIGITS


def percent(bps: int) -> str:
    """Basis points as a percentage: ``65 %``, ``62.5 %``."""
    return f"{Decimal(bps).scaleb(-2).normalize():f} %"


def ppm(millionths: int | None) -> str:
    """A rate in millionths as a percentage: ``5 %``, ``9.975 %``."""
    if millionths is None:
        return EMPTY
    return f"{Decimal(millionths).scaleb(-4).normalize():f} %"


def decimal(number: Decimal | None) -> str:
    """A decimal without the zeros that its column pads it with."""
    return EMPTY if number is None else f"{number.normalize():,f}"


def moment(when: datetime | None) -> str:
    """A time with its zone: ``2026-11-02 12:00:00 UTC``, in lists to the minute."""
    if when is None:
        return EMPTY
    utc = when.astimezone(UTC)
    return format_html(
        '<time class="bo-time" datetime="{}">{}<span class="bo-seconds">{}</span> UTC</time>',
        utc.isoformat(timespec="seconds"),
        f"{utc:%Y-%m-%d %H:%M}",
        f"{utc::%S}",
    )


def month(first: date) -> str:
    """A calendar month, by its first day: ``2026-11``, never broken into two lines."""
    return format_html('<time class="bo-time" datetime="{0}">{0}</time>', f"{first:%Y-%m}")


def mark(text: str, tone: Tone = Tone.PLAIN) -> str:
    """A state: the word that counts, and a colour that helps."""
    return format_html('<span class="bo-mark bo-{}">{}</span>', tone, text)


def in_force(*, counts: bool, valid_from: datetime, now: datetime) -> str:
    """Whether a dated row counts: now, later, or no more."""
    if counts:
        return mark("In force", Tone.GOOD)
    return mark("Scheduled", Tone.BUSY) if valid_from > now else mark("Superseded")


def code(text: object) -> str:
    """An id or reference, which people copy: never wrapped, every character told apart.

    Lists cut a long one; it is shown whole when pointed at, and copied whole.
    """
    return format_html('<code class="bo-code" title="{0}">{0}</code>', text) if text else EMPTY


def copyable(text: object) -> str:
    """An id with a button that copies it."""
    if not text:
        return EMPTY
    return format_html(
        '<code class="bo-code">{0}</code> <button type="button" class="bo-copy" data-copy="{0}"'
        ' aria-label="Copy {0}">Copy</button>',
        text,
    )


def find[M: Model](models: Mapping[str, type[M]], kind: str, key: str) -> M | None:
    """The row that a kind and a key name, if they name one: a key may be no id at all."""
    model = models.get(kind)
    try:
        return model._default_manager.filter(pk=key).first() if model else None  # noqa: SLF001
    except ValidationError:
        return None


def link(row: Model | None, text: object = "") -> str:
    """A row, as a link to its page."""
    if row is None:
        return EMPTY
    return format_html('<a class="bo-link" href="{}">{}</a>', page_of(row), text or row)


def page_of(row: Model) -> str:
    """The address of a row's page."""
    return page(type(row), row.pk)


def page(model: type[Model], pk: object) -> str:
    """The address of the page of the row with this key."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"  # noqa: SLF001
    return reverse(name, args=[quote(str(pk))])


def listing(model: type[Model], query: str = "") -> str:
    """The address of a model's list, with its filters."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"  # noqa: SLF001
    return reverse(name) + (f"?{query}" if query else "")


def plain(value: Any) -> str:
    """A value of a JSON document in one line: text as it is, the rest as JSON."""
    if value is None or value == "":
        return EMPTY
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
