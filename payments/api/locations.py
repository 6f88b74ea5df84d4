"""What a request tells of where its reader is."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from rest_framework.request import Request

from payments.models import Customer
from payments.services.taxes import Evidence

_COUNTRY = re.compile(r"[A-Z]{2}")
NO_COUNTRY = frozenset({"XX", "T1"})
"""How proxies write that they do not know, and that an address is one of Tor."""


def evidence(request: Request, body: Mapping[str, Any], profile: Customer) -> list[Evidence]:
    """All pieces of evidence, what the reader says first.

    Args:
        body: Of a purchase; may name a country and a region, or one of the profile's country.
    """
    region = body.get("region", "")
    return [
        *_piece("request", body.get("country") or (profile.country if region else ""), region),
        *_piece("profile", profile.country, profile.region),
        *_piece("ip", _country_of_address(request), ""),
    ]


def _piece(source: str, country: str, region: str) -> Iterator[Evidence]:
    if country:
        yield Evidence(source, f"{country}-{region}" if region else country)


def _country_of_address(request: Request) -> str:
    if not settings.COUNTRY_HEADER:
        return ""
    country = request.headers.get(settings.COUNTRY_HEADER, "").upper()
    return country if _COUNTRY.fullmatch(country) and country not in NO_COUNTRY else ""
