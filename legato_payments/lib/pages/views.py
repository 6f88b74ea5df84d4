"""Saved views of a list: the questions that people ask it every day, each a link with a count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest

from legato_payments.lib import clock


@dataclass(frozen=True, slots=True)
class View:
    """A view by its name in the address.

    Args:
        where: Its rows, as things are at a time.
        is_counted: Whether the link says how many there are: not of what grows for ever.
    """

    name: str
    title: str
    where: Callable[[datetime], Q]
    is_counted: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """A view above the list."""

    title: str
    href: str
    is_current: bool
    number: int | None


class SavedViews(admin.SimpleListFilter):
    """The filter behind the links; a list that has one is a ``ViewList``."""

    title = "view"
    parameter_name = "view"
    views: Sequence[View] = ()

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], owner: Any
    ) -> None:
        self.views = [*self.views, *self.views_of(request)]
        super().__init__(request, params, model, owner)

    def views_of(self, request: HttpRequest) -> Sequence[View]:  # noqa: ARG002
        """Further views that depend on who looks."""
        return ()

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Every view; all rows is the choice that Django adds."""
        return [(view.name, view.title) for view in self.views]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the view that was chosen; all, when none was."""
        for view in self.views:
            if view.name == self.value():
                return queryset.filter(view.where(clock.now()))
        return queryset

    def links(self, changelist: Any) -> list[Link]:
        """Each view, and all rows, with the counts of one query."""
        now = clock.now()
        counted = {view.name: view.where(now) for view in self.views if view.is_counted}
        # Only rows of some view are read, so that an index of what is open serves it.
        rows = changelist.model._default_manager.filter(reduce(or_, counted.values()))  # noqa: SLF001
        numbers = rows.aggregate(
            **{name: Count("pk", filter=where) for name, where in counted.items()}
        )
        current = self.value()
        return [
            *(
                Link(
                    view.title,
                    changelist.get_query_string({self.parameter_name: view.name}, ["p"]),
                    current == view.name,
                    numbers.get(view.name),
                )
                for view in self.views
            ),
            Link(
                "All",
                changelist.get_query_string({}, [self.parameter_name, "p"]),
                current is None,
                None,
            ),
        ]
