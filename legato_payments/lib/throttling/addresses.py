"""Whose address a request comes from, when proxies stand in front."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN = "unknown"
"""Callers without an address: they share one."""

UNIX_SOCKET = "unix"
"""In ``TRUSTED_PROXIES``: whoever connects through our unix socket."""


def client_address(request: HttpRequest) -> str:
    """The address to count a request for: a whole /64 of IPv6, since one caller has all of it.

    ``X-Forwarded-For`` is read from its end, and only as far as ``TRUSTED_PROXIES`` wrote it: what
    stands before that, anybody can have sent.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    address = _parse(peer)
    trusted = UNIX_SOCKET in settings.TRUSTED_PROXIES if not peer else _is_proxy(address)
    for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        if not trusted or (claimed := _parse(hop.strip())) is None:
            break
        address, trusted = claimed, _is_proxy(claimed)
    return UNKNOWN if address is None else _counted(address)


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _is_proxy(address: Address | None) -> bool:
    networks = (name for name in settings.TRUSTED_PROXIES if name != UNIX_SOCKET)
    return address is not None and any(
        address in ipaddress.ip_network(name, strict=False) for name in networks
    )


def _counted(address: Address) -> str:
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
