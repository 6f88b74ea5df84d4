"""Which function answers which path."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

IDENTIFIER = "[^/]+"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of a gateway.

    Args:
        template: The path as the gateway's description writes it, ``/v1/charges/{charge}``.
        name: What faults and logs call it.
    """

    method: str
    template: str
    name: str
    function: Callable[..., Any]
    pattern: re.Pattern[str]


class Routes:
    """The operations of one gateway, in the order they were added."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def add[F: Callable[..., Any]](self, method: str, template: str, name: str) -> Callable[[F], F]:
        """Make a function answer a path."""
        pattern = re.sub(r"\{(\w+)\}", rf"(?P<\1>{IDENTIFIER})", template)

        def remember(function: F) -> F:
            self._routes.append(Route(method, template, name, function, re.compile(f"^{pattern}$")))
            return function

        return remember

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The operation and what stands in the path; a fixed path goes before a pattern."""
        fitting = [
            (route, found.groupdict())
            for route in self._routes
            if route.method == method and (found := route.pattern.match(path))
        ]
        return min(fitting, key=lambda pair: len(pair[1]), default=None)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def names(self) -> set[str]:
        """What the operations are called."""
        return {route.name for route in self._routes}
