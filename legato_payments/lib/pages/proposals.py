"""Forms of the back office: what a person asks a service to do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from legato_payments.lib.errors import DomainError


class ProposalForm(forms.Form):
    """Fields, and where a refusal of the service is told.

    The form checks the form only; the service keeps the rules, and nothing typed is lost when it
    refuses.
    """

    told_at: ClassVar[Mapping[type[DomainError], str]] = {}
    """The field that a refusal is about; any other refusal stands above the form."""

    error_css_class = "bo-wrong"

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


class StartField(forms.DateTimeField):
    """From when on something counts, UTC; left empty, from the moment it is sent."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", "Valid from (UTC)")
        kwargs.setdefault("help_text", "Left empty: from now on. It cannot lie in the past.")
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(required=False, widget=widget, **kwargs)

    @staticmethod
    def or_now(value: datetime | None, now: datetime) -> datetime:
        """What was chosen, else ``now``."""
        return value or now
