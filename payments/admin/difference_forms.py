"""What people do about a difference: take it, note, match, explain or correct it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.models import User

from legato_payments.lib.money import Money
from legato_payments.lib.pages.proposals import MicrosField, ProposalForm, ReasonField
from payments.enums import Currency
from payments.models import Difference
from payments.services import differences, gateway_corrections


class WordsForm(ProposalForm):
    """A decision about a difference, and why."""

    reason = ReasonField()

    def arguments(self) -> dict[str, Any]:
        """The reason as differences call it."""
        data = super().arguments()
        return {"words": data.pop("reason"), **data}


class AssignForm(ProposalForm):
    """Who looks into it."""

    login = forms.CharField(
        max_length=150, required=False, help_text="Of a member of staff; empty: nobody."
    )

    def clean_login(self) -> str:
        """The person as actors are written."""
        login = self.cleaned_data["login"]
        if not login:
            return ""
        person = User.objects.filter(username=login, is_staff=True, is_active=True).first()
        if person is None:
            raise forms.ValidationError("Nobody of the staff has this login.")
        return f"staff:{person.pk}"

    def arguments(self) -> dict[str, Any]:
        """The person as the owner."""
        return {"owner": self.cleaned_data["login"]}


class NoteForm(ProposalForm):
    """Some words."""

    text = forms.CharField(max_length=500, label="Note", widget=forms.Textarea(attrs={"rows": 4}))


class MatchForm(WordsForm):
    """The other side of a difference."""

    told_at = {
        differences.MatchRefused: "other",
        differences.DifferenceUnknown: "other",
    }

    other = forms.RegexField(
        regex=r"^((purchase|refund|dispute|transaction):)?[0-9A-Fa-f-]{32,36}\Z",
        label="With",
        error_messages={"invalid": "Neither the id of a difference, nor a kind of ours and an id."},
        help_text="The id of another difference, or purchase:, refund:, dispute: or transaction:"
        " and its id.",
    )
    field_order = ["other", "reason"]

    def clean_other(self) -> tuple[str, Any]:
        """The kind of ours, none for another difference; and its id."""
        target, _, object_id = self.cleaned_data["other"].rpartition(":")
        if target:
            return target, object_id
        try:
            return "", UUID(object_id)
        except ValueError as error:
            raise forms.ValidationError(differences.DifferenceUnknown.title) from error


class ExplainForm(WordsForm):
    """Why a difference is none."""

    code = forms.TypedChoiceField(
        choices=Difference.Reason.choices, coerce=Difference.Reason, label="Why"
    )
    reason = ReasonField(label="Note")
    field_order = ["code", "reason"]


class CorrectionForm(ProposalForm):
    """What our books are to say."""

    told_at = {gateway_corrections.CorrectionEmpty: "amount"}

    amount = MicrosField(help_text="What the gateway holds beyond our books; minus: less.")
    currency = forms.ChoiceField(choices=Currency.choices)
    reason = ReasonField()

    def arguments(self) -> dict[str, Any]:
        """The amount in its currency."""
        data = super().arguments()
        amount = Money(data.pop("amount"), data.pop("currency"))
        return {"amount": amount, **data}
