"""Every page of the admin, found by walking its registry."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse

from legato_payments.lib.pages import cells

type Admin = admin.ModelAdmin[Any]

MONEY = {"payments", "revenue", "access"}


def of_money() -> list[tuple[type[Model], Admin]]:
    """Every registered model of ours: no login, no role."""
    registry = admin.site._registry.items()
    return [(model, owner) for model, owner in registry if model._meta.app_label in MONEY]


def lists() -> Iterator[str]:
    """The address of every list."""
    for model in admin.site._registry:
        yield cells.listing(model)


def rows() -> Iterator[str]:
    """The address of the page of one row of every model that has one."""
    for model in admin.site._registry:
        # The newest: of dated rows, the one that somebody changed.
        if (row := model._default_manager.order_by("-pk").first()) is not None:
            yield cells.page_of(row)


def buttons() -> Iterator[str]:
    """The address of every button, of lists and of rows."""
    for model, owner in of_money():
        for action in owner._get_base_actions_list():  # type: ignore[attr-defined]
            yield reverse(f"admin:{action.action_name}")
        for action in owner._get_base_actions_detail():  # type: ignore[attr-defined]
            row = model._default_manager.order_by("pk").first()
            assert row is not None, f"no {model.__name__} to press {action.action_name} on"
            yield reverse(f"admin:{action.action_name}", args=[row.pk])
