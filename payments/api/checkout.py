"""/sandbox/checkout/{charge_id}: where a reader pays at the sandbox gateway, without real money.

Plain HTML without a script: what a hosted payment page is to us, another company's site.
"""

from urllib.parse import urlencode, urlsplit, urlunsplit

from csp.decorators import csp_update
from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseRedirect,
)
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from legato_payments.lib import clock
from legato_payments.lib.money import Money
from payments.gateways.sandbox import books
from payments.gateways.sandbox.books import Decision
from payments.models import SandboxCharge

Status = SandboxCharge.Status

TEMPLATES = {
    Status.OPEN: "sandbox/checkout.html",
    Status.AUTHENTICATING: "sandbox/authenticate.html",
}
"""A payment at any other point is closed: its page says how it ended."""

ABANDONED = "abandoned"
"""Told to the front end in place of the payment's status, which is still open."""


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
# Chromium holds a form to form-action also where its answer redirects to.
@csp_update({"form-action": settings.RETURN_URL_ORIGINS})  # type: ignore[arg-type] # no path kwargs
def checkout(request: HttpRequest, charge_id: str) -> HttpResponse:
    """Show a payment, and take the reader's decision about it.

    A payment that is closed by now keeps its state whatever is sent.
    """
    charge = _find(charge_id)
    if request.method != "POST":
        return _show(request, charge)
    try:
        decision = Decision(request.POST.get("decision", ""))
    except ValueError:
        return HttpResponseBadRequest("There is no such button.", content_type="text/plain")
    charge = books.decide(charge_id=charge.pk, decision=decision, now=clock.now())
    if charge.status == Status.AUTHENTICATING and decision is Decision.AUTHENTICATE:
        return HttpResponseRedirect(request.path)
    return HttpResponseRedirect(_way_back(charge, fallback=request.path))


def _find(charge_id: str) -> SandboxCharge:
    charge = SandboxCharge.objects.filter(pk=charge_id).first()
    if charge is None or not settings.GATEWAY_SANDBOX:
        raise Http404
    return charge


def _show(request: HttpRequest, charge: SandboxCharge) -> HttpResponse:
    is_open = charge.status in books.UNPAID
    shown = {
        "charge": charge,
        "amount": Money.from_minor(charge.amount_minor, charge.currency),
        "was_abandoned": is_open and request.GET.get("status") == ABANDONED,
        "way_back": _way_back(charge, fallback="") if charge.return_url else "",
    }
    template = TEMPLATES.get(Status(charge.status), "sandbox/closed.html")
    return render(request, template, shown)


def _way_back(charge: SandboxCharge, *, fallback: str) -> str:
    """The address the reader leaves for: the front end's, else this page, with the result."""
    is_open = charge.status in books.UNPAID
    status = ABANDONED if is_open else charge.status.lower()
    parts = urlsplit(charge.return_url or fallback)
    # The front end's own query stays as it is, to the byte.
    result = urlencode({"reference": charge.reference, "status": status})
    query = f"{parts.query}&{result}" if parts.query else result
    return urlunsplit(parts._replace(query=query))
