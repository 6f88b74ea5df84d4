"""Bases of the admin classes, and the only module that knows the admin theme.

Every page is read-only, superusers included. What may change is changed by an action of a page: a
form whose one call goes to a service (``proposal_page``).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator
from unfold.sites import UnfoldAdminSite
from unfold.views import ChangeList

from legato_payments.lib.pages import cells, people
from legato_payments.lib.pages.asking import Asking, actor_of
from legato_payments.lib.pages.columns import Column
from legato_payments.lib.pages.tables import Section
from legato_payments.lib.pages.views import SavedViews

__all__ = [
    "VIEWS",
    "AdminPasswordChangeForm",
    "AdminSite",
    "ChangeList",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "RecordAdmin",
    "ShortListAdmin",
    "StackedInline",
    "UserChangeForm",
    "UserCreationForm",
    "ViewList",
    "actor_of",
    "button",
    "section_of",
]

VIEWS = "admin/views.html"
"""The ``list_before_template`` of a list with saved views among its filters."""

PEOPLE = {"actor", "maker"}
"""Search fields with somebody in them."""

type Builder = Callable[[Any], Section | None]
type Fact = str | Column

_sections: dict[type[Model], list[tuple[str, Builder]]] = {}


class AdminSite(UnfoldAdminSite):
    """The theme's admin site; the back office names and fills it."""


class ReadOnlyAdmin(ModelAdmin):
    """Rows can be seen, never added, changed or deleted here: services write them."""

    actions = None

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody, superusers included."""
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody: otherwise the theme still shows Save on a page without a writable field."""
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody: a mistake is corrected by a reversal."""
        return False


class RecordAdmin(Asking, ReadOnlyAdmin):
    """A list of rows, and a page per row: its facts, then tables below.

    Made for tables that grow for ever: no total count, no sorting by columns without an index, and
    a search that asks for whole values or their beginning only.
    """

    facts: Sequence[Fact | tuple[Fact, ...]] = ()
    nothing_yet = "Nothing here yet."
    """What the empty list says, and what will fill it."""

    change_form_template = "admin/record.html"
    paginator = InfinitePaginator
    list_per_page = 50
    sortable_by: Sequence[str] | None = ()
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    empty_value_display = cells.EMPTY

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Every fact is a read-only field, and there is no other."""
        super().__init_subclass__(**kwargs)
        cls.fields = tuple(cls.facts)
        cls.readonly_fields = tuple(
            fact for row in cls.facts for fact in (row if isinstance(row, tuple) else (row,))
        )

    def get_changelist(self, *_: Any, **__: Any) -> type[ChangeList]:
        """With links to its saved views, where it has some."""
        return ViewList if self.list_before_template == VIEWS else ChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows that have the whole term in one of ``search_fields``; staff are found by login.

        Django's own search folds cases, which no index of ours serves.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(pk__in=[])
        for name in self.get_search_fields(request):
            if self._can_hold(name, term):
                found |= Q(**{name: term})
            if name in PEOPLE and (actor := people.actor_called(term)):
                found |= Q(**{name: actor})
        return queryset.filter(found), False

    def _can_hold(self, name: str, term: str) -> bool:
        try:
            self.opts.get_field(self.opts.pk.name if name == "pk" else name).to_python(term)
        except FieldDoesNotExist:
            return True  # a lookup such as name__startswith
        except ValidationError:
            return False  # no uuid, no number
        return True

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, called by what it lists, not by what one is to do with it."""
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        response: HttpResponse = super().changelist_view(
            request, {**title, **(extra_context or {})}
        )
        return response

    def sections(self, obj: Any) -> Iterable[Section]:  # noqa: ARG002
        """What stands below the facts; nothing unless a page has more to say."""
        return ()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page, with its sections and those that the apps above add to it."""
        if (obj := kwargs.get("obj")) is not None:
            added = (
                build(obj)
                for permission, build in _sections.get(self.model, ())
                if request.user.has_perm(permission)
            )
            context["sections"] = [*self.sections(obj), *(part for part in added if part)]
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def has_propose_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever has Django's right to add rows may ask a service for a new one."""
        return self._has_right(request, "add")

    def has_propose_change_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever has Django's right to change rows may ask a service for the next version."""
        return self._has_right(request, "change")

    def has_propose_view_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever sees a row may have a file of it."""
        return self._has_right(request, "view")

    def _has_right(self, request: HttpRequest, right: str) -> bool:
        codename = get_permission_codename(right, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def usable(self, request: HttpRequest, row: Any) -> Collection[str] | None:  # noqa: ARG002
        """The addresses of the buttons that a row's state allows; ``None``: all of them."""
        return None

    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> list[Any]:
        """The buttons that this person may press, and that the row's state allows."""
        buttons: list[Any] = super().get_actions_detail(request, object_id)
        row = self.get_object(request, unquote(str(object_id))) if buttons else None
        names = self.usable(request, row) if row is not None else None
        if names is None:
            return buttons
        return [one for one in buttons if one.path.rpartition("/")[2] in names]


class ViewList(ChangeList):
    """A list with links to its saved views above it, and how many rows each has."""

    def get_results(self, request: HttpRequest) -> None:
        """The rows of the page; the counts of all views take one query."""
        super().get_results(request)
        (views,) = (spec for spec in self.filter_specs if isinstance(spec, SavedViews))
        self.saved_views = views.links(self)
        chosen = (link.title for link in self.saved_views[:-1] if link.is_current)
        self.current_view = next(chosen, "")


class ShortListAdmin(RecordAdmin):
    """The same for tables that stay small, such as settings: rows are counted."""

    paginator = Paginator
    show_full_result_count = True


def button(
    words: str,
    *,
    path: str,
    right: str,
    is_danger: bool = False,
) -> Callable[[Any], Any]:
    """A method of an admin class as a button, for ``actions_list`` or ``actions_detail``.

    The theme runs it by GET as well, whatever the state of the row: the method shows a form with
    ``proposal_page``, and the service behind it checks the state.

    Args:
        path: The last part of its address.
        right: Which of Django's rights on the model shows the button and lets it work: ``add`` or
            ``change``; a class that defines ``has_propose_…_permission`` can name more.
        is_danger: What it leads to cannot be undone.
    """
    return action(  # type: ignore[no-any-return]
        description=words,
        url_path=path,
        # Not "payments.add_currencyrate": the theme would look for it in the database whenever
        # the system checks run, and there may be none yet.
        permissions=[f"propose_{right}"],
        variant=ActionVariant.DANGER if is_danger else ActionVariant.PRIMARY,
    )


def section_of[B: Builder](model: type[Model], *, permission: str) -> Callable[[B], B]:
    """Add the decorated function's section to the pages of ``model``; ``None`` adds nothing.

    So an app shows its rows on a page of an app below, which must not know it.

    Args:
        permission: Who sees it, for example ``revenue.view_earning``.
    """

    def register(build: B) -> B:
        _sections.setdefault(model, []).append((permission, build))
        return build

    return register
