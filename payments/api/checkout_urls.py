"""Routes below /sandbox: the pages of the sandbox gateway."""

from django.urls import path

from payments.api.checkout import checkout

checkout_urls = [path("checkout/<slug:charge_id>", checkout, name="sandbox-checkout")]
