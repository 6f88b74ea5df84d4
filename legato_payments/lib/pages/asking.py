"""Pages on which a person asks a service for something: a form, and the one call it is about."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from legato_payments.lib import clock
from legato_payments.lib.errors import DomainError
from legato_payments.lib.pages import cells
from legato_payments.lib.pages.proposals import Confirmation, ProposalForm
from legato_payments.lib.pages.tables import Section

type FormOf = Callable[..., ProposalForm]
"""A class of forms, or a partial of one; called with ``data``, ``files`` and ``initial``."""


def actor_of(request: HttpRequest) -> str:
    """The staff member behind a request, as services and the audit log name people."""
    return f"staff:{request.user.pk}"


class Asking:
    """What an admin class needs for buttons that lead to a service."""

    admin_site: AdminSite
    model: type[Model]
    opts: Any
    get_object: Callable[..., Any]

    def find(self, request: HttpRequest, object_id: str) -> Any:
        """The row that an action's address names.

        Raises:
            Http404: There is none.
        """
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def proposal_page(
        self,
        request: HttpRequest,
        form: FormOf,
        *,
        title: str,
        submit: str,
        call: Callable[..., Any],
        told: Callable[[Any], str],
        row: Model | None = None,
        initial: Mapping[str, Any] | None = None,
        intro: str = "",
        sections: Iterable[Section] = (),
        confirm: Callable[..., Confirmation] | None = None,
        is_danger: bool = False,
    ) -> HttpResponse:
        """A whole page: what is typed becomes the arguments of a service, with who and when.

        Args:
            form: Its ``arguments()`` go to the service. A refusal is shown at the field that it
                is about, or above the form, with everything that was typed.
            call: The service, as it is or with some arguments given: also gets ``actor`` and
                ``now``.
            told: What to tell of what the service returned.
            row: What it is about; the page goes back to it, else to the list.
            confirm: Gets what the service gets, and says what it would do. That is shown with the
                form, and the service is called when the same comes back once more.
            is_danger: What it does cannot be undone; the button says so.
        """
        shown: Confirmation | None = None
        mark = ""
        if request.method == "POST":
            asked = form(data=request.POST, files=request.FILES)
        else:
            asked = form(initial=initial)

        def arguments() -> dict[str, Any]:
            return {**asked.arguments(), "actor": actor_of(request), "now": clock.now()}

        back = cells.listing(self.model) if row is None else cells.page_of(row)
        if request.method == "POST" and asked.is_valid():
            try:
                if confirm is not None:
                    shown = confirm(**arguments())
                    mark = shown.mark(asked.cleaned_data)
                if request.POST.get("confirmed", "") == mark:
                    messages.success(request, told(call(**arguments())))
                    return redirect(back)
            except DomainError as refusal:
                shown = None
                asked.refuse(refusal)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "form": asked,
            "intro": intro,
            "submit": shown.submit if shown else submit,
            "back": back,
            "sections": [*(shown.sections if shown else ()), *sections],
            "confirmation": shown,
            "mark": mark,
            # Nothing dangerous happens before it was confirmed.
            "is_danger": is_danger and (shown is not None or confirm is None),
        }
        return TemplateResponse(request, "admin/ask.html", context)
