"""System check: every route under /api/v1 says who may use it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import register as register_check
from django.urls import URLPattern, URLResolver, get_resolver

from legato_payments.lib.api.permissions import Access, Own

API_PREFIX = "api/v1/"


def register() -> None:
    """Have ``manage.py check``, and every start-up, run the checks of this module."""
    register_check(check_declared_access, Tags.security)


def check_declared_access(
    app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """legato.E010: a view without declared access, or one whose rule names no path parameter."""
    return [
        Error(fault, hint="Declare `access` on the view (lib.api.permissions).", id="legato.E010")
        for route, pattern in routes(get_resolver())
        if route.startswith(API_PREFIX)
        for fault in _faults(route, pattern)
    ]


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every route of a configuration, with its whole pattern, regular expressions unanchored."""
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        else:
            yield route, entry


def actions_of(pattern: URLPattern) -> list[str]:
    """The actions a route leads to; the methods of a plain view; empty when it cannot be told."""
    callback: Any = pattern.callback
    if hasattr(callback, "actions"):  # a viewset
        return sorted(set(callback.actions.values()))
    view: Any = getattr(callback, "cls", None)
    if view is None:
        return []
    methods = (method for method in view.http_method_names if method != "options")
    return sorted(method for method in methods if hasattr(view, method))


def _faults(route: str, pattern: URLPattern) -> Iterator[str]:
    callback: Any = pattern.callback
    view: Any = getattr(callback, "cls", callback)
    declared = getattr(view, "access", None)
    actions = actions_of(pattern)
    if not isinstance(declared, Mapping) or not actions:
        # A plain function has no actions of its own: what it declares is all there is to check.
        if not isinstance(declared, Mapping) or not declared:
            yield f"{route}: {_name(view)} declares no access."
            return
        actions = sorted(declared)
    for action in actions:
        rules = declared.get(action, ())
        if not rules or not all(isinstance(rule, Access) for rule in rules):
            yield f"{route}: {_name(view)}.{action} declares no access."
            continue
        for rule in rules:
            if isinstance(rule, Own) and not _has_parameter(route, rule.kwarg):
                yield f"{route}: {_name(view)}.{action} is for the owner, but has no {rule.kwarg}."


def _has_parameter(route: str, name: str) -> bool:
    return re.search(rf"\(\?P<{name}>|<(?:\w+:)?{name}>", route) is not None


def _name(view: Any) -> str:
    return getattr(view, "__name__", type(view).__name__)
