"""Forms of the back office: what a person asks a service to do."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django import forms

from legato_payments.lib.errors import DomainError
from legato_payments.lib.money import MICROS, MINOR_DIGITS, Money
from legato_payments.lib.pages.cells import MICRO_DIGITS
from legato_payments.lib.pages.tables import Section

TO_THE_MINUTE = "%Y-%m-%d %H:%M"
DAY = "%Y-%m-%d"

FROM_APPROVAL = "Left empty: from its approval on. It cannot lie in the past."
"""Help of a start that another person has to agree to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What a sound form would do, shown before it does it.

    Args:
        words: The effect, amounts included.
        submit: The words of the button that does it.
        sections: Shown below the form.
    """

    words: str
    submit: str
    sections: Sequence[Section] = ()

    def mark(self, typed: Mapping[str, Any]) -> str:
        """Names what was shown: whoever confirms sends it back.

        Another one means that something was typed differently since, or that the effect changed.
        """
        shown = json.dumps([self.words, self.submit, dict(typed)], sort_keys=True, default=str)
        return hashlib.sha256(shown.encode()).hexdigest()


class ProposalForm(forms.Form):
    """Fields, and where a refusal of the service is told.

    The form checks the form only; the service keeps the rules, and nothing typed is lost when it
    refuses.
    """

    told_at: ClassVar[Mapping[type[DomainError], str]] = {}
    """The field that a refusal is about; any other refusal stands above the form."""

    error_css_class = "bo-wrong"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""

    def arguments(self) -> dict[str, Any]:
        """What was typed, as the service takes it; of a form that is valid."""
        return dict(self.cleaned_data)

    def folded(
        self, into: str, kind: Callable[..., Any], *, but: Collection[str]
    ) -> dict[str, Any]:
        """The same, all fields but some as those of one object.

        Args:
            into: The argument that the object is.
            kind: Makes it of the fields.
        """
        inside = {name: value for name, value in self.cleaned_data.items() if name not in but}
        outside = {name: self.cleaned_data[name] for name in but}
        return {into: kind(**inside), **outside}

    def refuse(self, refusal: DomainError) -> None:
        """Show why the service did not do it."""
        field = next((name for kind, name in self.told_at.items() if isinstance(refusal, kind)), "")
        self.add_error(field or None, str(refusal))


class ReasonField(forms.CharField):
    """Why somebody does it: kept with the change and in the audit log."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 200)
        kwargs.setdefault("help_text", "Kept with the change and in the audit log.")
        super().__init__(**kwargs)


class MicrosField(forms.DecimalField):
    """An amount of a currency that its label names; micros when it is read."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"max_digits": 16, "decimal_places": MICRO_DIGITS, **kwargs}
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        """Micros, or nothing."""
        amount = super().clean(value)
        return None if amount is None else int(amount * MICROS)


class MoneyField(forms.DecimalField):
    """An amount above zero of one currency; ``Money`` when it is read, or nothing.

    Args:
        digits: How exact it may be; as the currency's minor unit unless it is said.
    """

    def __init__(self, currency: str, *, digits: int | None = None, **kwargs: Any) -> None:
        places = MINOR_DIGITS[currency] if digits is None else digits
        kwargs = {
            "label": f"Amount in {currency}",
            "min_value": Decimal(1).scaleb(-places),
            "max_digits": 16,
            "decimal_places": places,
            **kwargs,
        }
        super().__init__(**kwargs)
        self.currency = currency

    def clean(self, value: Any) -> Any:
        """Money, or nothing."""
        amount = super().clean(value)
        return None if amount is None else Money.parse(str(amount), self.currency)


class StartField(forms.DateTimeField):
    """From when on something counts, UTC; left empty, from the moment it is sent.

    A text field, not the browser's own: that one follows the reader's locale and shows no zone.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", "Valid from (UTC)")
        kwargs.setdefault("help_text", "Left empty: from now on. It cannot lie in the past.")
        widget = forms.DateTimeInput(
            attrs={"placeholder": "YYYY-MM-DD HH:MM", "autocomplete": "off"}, format=TO_THE_MINUTE
        )
        super().__init__(required=False, widget=widget, input_formats=[TO_THE_MINUTE], **kwargs)


class DayField(forms.DateField):
    """A day, UTC, in the one order of its parts that nobody mistakes."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput(
            attrs={"placeholder": "YYYY-MM-DD", "autocomplete": "off"}, format=DAY
        )
        super().__init__(widget=widget, input_formats=[DAY], **kwargs)
